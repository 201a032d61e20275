"""Scores are written to HubSpot in batches and read back by id. What is pulled is said elsewhere."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from urllib3.exceptions import ConnectTimeoutError, HTTPError

from connectors import http
from connectors.base import Change, Kind, Target, Value, WriteResult
from connectors.errors import ConnectorError, InDoubtError
from connectors.hubspot_client import ADDRESS, TITLE, Client, failure, milliseconds
from connectors.values import field_text, parse_moment

BATCH: Final = 100  # the most records of one batch
# The code of a refused value stands only inside a message, beside the value: nothing else of it may be repeated.
_VALUE_CODE: Final = re.compile(r'"error"\s*:\s*"([A-Z_]+)"')
# Codes that hold for every row that writes the same properties, whatever its values are.
_OF_THE_FIELD: Final = ("PROPERTY_DOESNT_EXIST", "READ_ONLY_VALUE")
_UNEXPLAINED: Final = "NOT_UPDATED"  # where HubSpot names no code


class Writer:
    """Writes to one account."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def push(self, target: Target, changes: Sequence[Change]) -> Sequence[WriteResult]:
        """Update one batch. Rows bear trace ids, so that HubSpot tells which of them it refuses.

        Where it refuses the batch as a whole all the same, nothing of it was written: it is sent in halves, so that a
        bad row fails alone; unless no row could be any better.
        """
        answer = http.retried(lambda: self._write(target, changes))
        if answer.status != http.BAD_REQUEST:
            return _results(answer, changes, f"writing {target.stream}")
        code = _code(answer.said())
        if len(changes) == 1 or (code in _OF_THE_FIELD and len({frozenset(one.values) for one in changes}) == 1):
            return [WriteResult(change.op_id, code) for change in changes]
        middle = len(changes) // 2
        written = self.push(target, changes[:middle])
        try:
            return [*written, *self.push(target, changes[middle:])]
        except ConnectorError as error:
            raise InDoubtError(f"{error} A part of the batch may have been written before.") from None

    def read_back(
        self, target: Target, record_ids: Sequence[str], fields: Mapping[str, Kind]
    ) -> Mapping[str, Mapping[str, str | None]]:
        """The present values by id, a hundred records a request."""
        doing, ids = f"reading back {target.stream}", list(dict.fromkeys(record_ids))
        found = {}
        for first in range(0, len(ids), BATCH):
            inputs = [{"id": record_id} for record_id in ids[first : first + BATCH]]
            body = {"inputs": inputs, "properties": sorted(fields), "propertiesWithHistory": []}
            for row in self._client.records(doing, self._client.batch.read, target.stream, body)["results"]:
                values = row["properties"]
                found[str(row.get("id"))] = {name: field_text(kind, values.get(name)) for name, kind in fields.items()}
        return found

    def _write(self, target: Target, changes: Sequence[Change]) -> http.Answer:
        """Send one batch: success or a refusal of the whole batch (400); anything else raises."""
        doing = f"writing {target.stream}"
        inputs = [
            {
                "id": change.record_id,
                "objectWriteTraceId": str(number),
                "properties": {name: _json_value(value) for name, value in change.values.items()},
            }
            for number, change in enumerate(changes)
        ]
        try:
            answer = self._client.send(self._client.batch.update, target.stream, {"inputs": inputs})
        except ConnectTimeoutError as error:  # also a refused connection: nothing was sent
            raise http.unreachable(TITLE, error, doing, ADDRESS) from None
        except HTTPError as error:
            raise http.in_doubt(TITLE, f"sent no whole answer ({type(error).__name__})", doing) from None
        if http.may_be_written(answer.status):
            raise http.in_doubt(TITLE, f"answered {answer.status}", doing)
        refuses_rows = answer.status == http.BAD_REQUEST and "category" in answer.said()
        if answer.status >= http.REDIRECT and not refuses_rows:
            raise failure(answer, doing)
        return answer


def _json_value(value: Value) -> str:
    """Text for every kind, moments as milliseconds since 1970; blank clears."""
    if value.text is None:
        return ""
    return milliseconds(parse_moment(value.text)) if value.kind == "datetime" else value.text


def _results(answer: http.Answer, changes: Sequence[Change], doing: str) -> list[WriteResult]:
    """What became of each change, by trace id or record id: results come in an order of their own."""
    numbers = {change.record_id: str(number) for number, change in enumerate(changes)}
    told: dict[str | None, tuple[str | None, datetime | None]] = {}
    try:
        document = json.loads(answer.body)
        for row in document["results"]:
            number = row.get("objectWriteTraceId") or numbers.get(str(row["id"]))
            told[str(number)] = (None, parse_moment(row["updatedAt"]))
        for error in document.get("errors") or []:
            context = error.get("context") or {}
            traces, ids = (map(str, context.get(name) or []) for name in ("objectWriteTraceId", "ids"))
            told |= dict.fromkeys([*traces, *map(numbers.get, ids)], (_code(error), None))
    except (ValueError, KeyError, TypeError, AttributeError):
        raise http.in_doubt(TITLE, "sent an answer that cannot be read", doing) from None
    silent = [number for number in numbers.values() if number not in told]
    if silent:
        raise http.in_doubt(TITLE, f"did not say what became of {len(silent)} of {len(changes)} records", doing)
    return [WriteResult(change.op_id, *told[str(number)]) for number, change in enumerate(changes)]


def _code(refusal: Mapping[str, Any]) -> str:
    found = _VALUE_CODE.search(str(refusal.get("message")))
    return found[1] if found else str(refusal.get("category") or _UNEXPLAINED)
