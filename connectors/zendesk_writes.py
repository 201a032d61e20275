"""Scores on Zendesk's users: written as a job, read back by id. Nothing here pulls a stream."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from time import monotonic, sleep
from typing import Any, Final

from connectors import http
from connectors.base import Change, Kind, Target, Value, WriteResult
from connectors.errors import ConnectorError, FatalError, RetryableError
from connectors.values import field_text
from connectors.zendesk_client import TITLE, Client, failure, object_of, rows_of

MOST_IDS: Final = 100
REFUSED: Final = 400
JOB_SECONDS, FIRST_POLL, LONGEST_POLL = 300.0, 0.1, 5.0
ENDED_JOBS: Final = ("completed", "failed", "killed")
UNEXPLAINED: Final = "UserNotUpdated"  # where Zendesk names no code


class Writer:
    """Updates users and reads them; ``zenpy`` names the endpoints."""

    def __init__(self, client: Client, zenpy: Any) -> None:
        self._client, self._zenpy = client, zenpy

    def update(self, target: Target, changes: Sequence[Change]) -> Sequence[WriteResult]:
        """Update users in one job and wait for its end.

        Zendesk keeps at most 30 jobs in its queue and answers 429 beyond: that is waited for. What a job did is told
        for an hour or the next hundred jobs; one that is not known any more leaves the batch in doubt.
        """
        job_id = self._send([_as_user(change) for change in changes])
        sent_at = self._client.meter.server_time  # before it ran: a person's later edit must not seem older than it
        try:
            refused = self._refused(target, changes, self._results(job_id))
        except ConnectorError as error:
            raise http.in_doubt(TITLE, "took a job whose end could not be seen", "updating users") from error
        codes = ((change.op_id, refused.get(change.record_id)) for change in changes)
        return [WriteResult(op_id, code, None if code else sent_at) for op_id, code in codes]

    def present(
        self, target: Target, record_ids: Sequence[str], fields: Mapping[str, Kind]
    ) -> Mapping[str, Mapping[str, str | None]]:
        """The present values of users, by id."""
        found: dict[str, Mapping[str, str | None]] = {}
        for start in range(0, len(record_ids), MOST_IDS):
            endpoint = self._zenpy.users.endpoint(ids=record_ids[start : start + MOST_IDS])
            body = self._client.read(endpoint.path, "reading users by id", endpoint.params)
            for user in rows_of(body, target.stream):
                held = user.get("user_fields") or {}
                if user.get("active") is not False:
                    texts = {name: field_text(kind, held.get(name)) for name, kind in fields.items()}
                    found[str(user.get("id"))] = texts
        return found

    def _send(self, users: Sequence[Mapping[str, Any]]) -> str:
        """Queue an update; the id of its job."""
        endpoint, doing = self._zenpy.users.endpoint(update_many=True), f"updating {len(users)} users"

        def once() -> str:
            try:
                answer = self._client.ask("PUT", endpoint.path, doing, endpoint.params, {"users": users})
                if answer.status_code < REFUSED or http.may_be_written(answer.status_code):
                    return str(object_of(answer, doing)["job_status"]["id"])
            except (RetryableError, FatalError, KeyError, TypeError) as error:
                raise http.in_doubt(TITLE, "sent no usable answer", doing) from error
            raise failure(answer, doing)

        return http.retried(once)

    def _results(self, job_id: str) -> list[dict[str, Any]]:
        """Wait until a job has ended; what it tells about rows."""
        deadline, wait = monotonic() + JOB_SECONDS, FIRST_POLL
        endpoint = self._zenpy.job_status.endpoint(id=job_id)
        while monotonic() < deadline:
            sleep(wait)
            wait = min(2 * wait, LONGEST_POLL)
            job = self._client.read(endpoint.path, "asking for a job", endpoint.params).get("job_status")
            if isinstance(job, dict) and job.get("status") in ENDED_JOBS:
                return [row for row in job.get("results") or [] if isinstance(row, dict)]
        raise RetryableError(f"A job of {TITLE} did not end within {JOB_SECONDS:.0f} s.")

    def _refused(self, target: Target, changes: Sequence[Change], results: Sequence[dict[str, Any]]) -> dict[str, str]:
        """Record id -> error code of the changes that were not written.

        A completed job has failed rows too, which do not reliably say whose they are: whatever is not positively
        successful is read back, and is written if it reads as it should.
        """
        written = {str(row.get("id")) for row in results if row.get("success") is True and not row.get("error")}
        unclear = {place: change for place, change in enumerate(changes) if change.record_id not in written}
        wanted = {change.record_id: change.values for change in unclear.values()}
        kinds = {name: value.kind for values in wanted.values() for name, value in values.items()}
        present, codes = self.present(target, list(wanted), kinds), _error_codes(results, unclear)
        return {
            record_id: codes.get(record_id, UNEXPLAINED)
            for record_id, values in wanted.items()
            if not {(name, value.text) for name, value in values.items()} <= present.get(record_id, {}).items()
        }


def _as_user(change: Change) -> dict[str, Any]:
    record_id = int(change.record_id) if change.record_id.isdigit() else change.record_id
    return {"id": record_id, "user_fields": {name: _json_value(value) for name, value in change.values.items()}}


def _json_value(value: Value) -> Any:
    if value.text is None or value.kind != "number":
        return value.text
    number = Decimal(value.text)  # as a float a large one would lose its last digits
    return int(number) if number == number.to_integral_value() else float(number)


def _error_codes(results: Sequence[dict[str, Any]], unclear: Mapping[int, Change]) -> dict[str, str]:
    """Record id -> Zendesk's code, where a failed row leaves no doubt whose it is.

    A failed row has its place in the batch as ``index``, or as ``id``, where other failed rows have the user's id.
    """
    codes: dict[str, str] = {}
    for row in results:
        place, user, code = row.get("index", row.get("id")), str(row.get("id")), row.get("error")
        users = {change.record_id for change in unclear.values() if "index" not in row and change.record_id == user}
        meant = users | {change.record_id for number, change in unclear.items() if number == place}
        if len(meant) == 1 and isinstance(code, str) and re.fullmatch(r"\w+", code):
            codes |= dict.fromkeys(meant, code)
    return codes
