"""HubSpot: feedback submissions, contacts and companies are pulled, scores go to contacts. No other vendor's rules."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from time import monotonic
from typing import Any, Final
from urllib.parse import urlsplit

from urllib3.exceptions import ConnectTimeoutError, HTTPError, SSLError

from connectors import http
from connectors.base import Budget, Change, Cursor, Kind, Login, Page, Record, Stream, Target, Value, WriteResult
from connectors.config import choose_login, requested_fields
from connectors.errors import ConfigError, ConnectorError, FatalError, InDoubtError, RetryableError
from connectors.hubspot_streams import BATCH, CONTACT, PROPERTIES, SOURCE, STREAMS, HubSpotSettings
from connectors.values import field_text, parse_moment

TITLE: Final = "HubSpot"
_TOKEN, _ADDRESS = "HUBSPOT_ACCESS_TOKEN", "HUBSPOT_BASE_URL"
_PUBLIC_ADDRESS: Final = "https://api.hubapi.com"
_NEVER: Final = datetime(1970, 1, 1, tzinfo=UTC)
_LISTED, _SEARCHED = 100, 200  # the most records of one page of a list and of a search
_BAD_REQUEST: Final = 400
# Seconds after which a limit is over, where a 429 does not say; nobody waits for that of a day.
_WINDOWS: Final = {"SECONDLY": 1.0, "TEN_SECONDLY_ROLLING": 10.0, "DAILY": 86_400.0}
# Headers of a limit, of what remains of it, and its window; search answers have none of them.
_BUDGETS: Final = (
    ("x-hubspot-ratelimit-daily", "x-hubspot-ratelimit-daily-remaining", "day"),
    ("x-hubspot-ratelimit-max", "x-hubspot-ratelimit-remaining", "10 s"),
)
# The code of a refused value stands only inside a message, beside the value: nothing else of it may be repeated.
_VALUE_CODE: Final = re.compile(r'"error":"([A-Z_]+)"')
_SCOPES: Final = re.compile(r'"requiredGranularScopes"\s*:\s*\[([^\]]*)\]')


class HubSpotConnector:
    """HubSpot as nps.yaml knows it."""

    source = SOURCE
    title = TITLE
    settings = HubSpotSettings
    logins = (Login("access token", (_TOKEN,)),)
    addresses = (_ADDRESS,)
    targets = (CONTACT,)

    def streams(self, settings: Any, written: Mapping[str, Sequence[str]]) -> Sequence[Stream]:  # noqa: ARG002
        """The three streams; contacts also bear the fields that sync-back writes."""
        fields = {name: CONTACT.path.format(field=name) for name in written.get(CONTACT.name, ())}
        return [replace(stream, written=fields if stream.name == CONTACT.stream else {}) for stream in STREAMS]

    def connect(self, settings: Any, environment: Mapping[str, str]) -> HubSpotSession:  # noqa: ARG002
        """A session with the token, not yet used. Raises ``ConfigError`` where token or address cannot be one."""
        if choose_login(self, environment) is None:
            raise ConfigError(f"{TITLE}: {_TOKEN} is not set; set it in the environment or in .env.")
        token = environment[_TOKEN].strip()
        if not re.fullmatch(r"[!-~]+", token):
            raise ConfigError(f"{TITLE}: {_TOKEN} has blanks or other characters that no token has; copy it again.")
        address = (environment.get(_ADDRESS) or _PUBLIC_ADDRESS).strip().rstrip("/")
        if urlsplit(address).scheme not in ("http", "https"):
            raise ConfigError(f"{TITLE}: {_ADDRESS} is no address; write for instance {_PUBLIC_ADDRESS}.")
        from hubspot import HubSpot  # noqa: PLC0415 - a vendor's SDK is imported only where it is used

        # Without retries of its own: it would repeat some requests and not others; `retried` has the one policy.
        return HubSpotSession(HubSpot(access_token=token, host=address, retry=False).crm.objects.basic_api)


class HubSpotSession:
    """HubSpot after login; ``objects`` is the client's API for records of any type, all calls share its connection."""

    def __init__(self, objects: Any) -> None:
        from hubspot.crm.objects import BatchApi, SearchApi  # noqa: PLC0415 - see connect

        self._client = objects.api_client
        self._list = objects.get_page
        self._search = SearchApi(self._client).do_search
        self._batch = BatchApi(self._client)
        self._meter = http.Meter(_budget)

    def check(self) -> None:
        """Ask for the account's details, which needs a token but no scope."""
        asked = (self._client.call_api, "/account-info/v3/details", "GET")
        http.retried(lambda: self._read("checking the access token", *asked, auth_settings=["oauth2"]))

    def pull(self, stream: Stream, cursor: Cursor, overlap: timedelta) -> Iterator[Page]:
        """Everything by listing, later what changed by search; then what was archived, which only a list serves.

        A record that changes while the pull runs is served in one of its versions; its change is later than the
        cursor, which stays behind the server's clock at the start.
        """
        began, clock = monotonic(), None
        before = parse_moment(str(cursor["modified"])) if cursor else _NEVER
        since = before - min(overlap, before - _NEVER)
        newest = before
        for records in self._searched(stream, since) if cursor else self._listed(stream, archived=False):
            clock = clock or (self._meter.server_time or datetime.now(UTC)) - timedelta(seconds=monotonic() - began)
            newest = max([newest, *map(_version, records)])
            yield self._page(records)
        for records in self._listed(stream, archived=True):
            yield self._page([record for record in records if _version(record) >= since])
        reached = max(before, min(newest, clock or newest))
        yield self._page((), {"modified": reached.isoformat(timespec="milliseconds")} if reached > _NEVER else {})

    def count(self, stream: Stream) -> int | None:  # noqa: ARG002
        """None: a search counts what its index has, which lags behind the records."""
        return None

    def gone(self, stream: Stream, record_ids: Sequence[str]) -> Collection[str]:  # noqa: ARG002
        """All of them: a list goes by id, so that a change moves no record across its pages."""
        return record_ids

    def push(self, target: Target, changes: Sequence[Change]) -> Sequence[WriteResult]:
        """Update one batch. Rows bear trace ids, so that HubSpot tells which of them it refuses.

        Where it refuses the batch as a whole all the same, nothing of it was written: it is sent in halves, so that a
        bad row fails alone.
        """
        answer = http.retried(lambda: self._write(target, changes))
        if answer.status != _BAD_REQUEST:
            return _results(answer, changes, f"writing {target.stream}")
        if len(changes) == 1:
            return [WriteResult(changes[0].op_id, _code(answer.said()))]
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
            for row in self._rows(doing, self._batch.read, target.stream, body)["results"]:
                values = row["properties"]
                found[str(row.get("id"))] = {name: field_text(kind, values.get(name)) for name, kind in fields.items()}
        return found

    def close(self) -> None:
        """Let go of the connections."""
        self._client.rest_client.pool_manager.clear()
        self._client.close()

    def _listed(self, stream: Stream, *, archived: bool) -> Iterator[list[Record]]:
        doing = f"listing {'archived ' if archived else ''}{stream.name}"
        wanted = {"limit": _LISTED, "properties": _requested(stream), "archived": archived}
        after, asked = None, set[str | None]()
        while after not in asked:
            asked.add(after)
            page = self._rows(doing, self._list, stream.name, **wanted, after=after)
            yield _records(page, doing)
            after = _following(page)
            if after is None:
                return
        raise FatalError(f"{TITLE} served the same page again when {doing}; nothing of this pull was kept.")

    def _searched(self, stream: Stream, since: datetime) -> Iterator[list[Record]]:
        """Walk by id rather than by page number.

        A search serves no more than 10,000 records by page number, and records that change meanwhile would move others
        across pages unseen. An id that was passed stays passed, and every request begins a search of its own.
        """
        doing, last = f"searching {stream.name}", "0"
        changed = {"propertyName": _modified(stream), "operator": "GTE", "value": _milliseconds(since)}
        while True:
            beyond = {"propertyName": "hs_object_id", "operator": "GT", "value": last}
            body = {
                "filterGroups": [{"filters": [changed, beyond]}],
                "sorts": [{"propertyName": "hs_object_id", "direction": "ASCENDING"}],
                "properties": _requested(stream),
                "limit": _SEARCHED,
            }
            page = self._rows(doing, self._search, stream.name, body)
            records = _records(page, doing)
            ids = [last, *(record.record_id for record in records)]
            more = _following(page) is not None
            if any(int(one) >= int(other) for one, other in pairwise(ids)) or (more and not records):
                raise FatalError(f"{TITLE} broke the order of ids when {doing}; nothing of this pull was kept.")
            yield records
            if not more:
                return
            last = ids[-1]

    def _rows(self, doing: str, call: Callable[..., Any], *arguments: Any, **options: Any) -> dict[str, Any]:
        """An answer that has all its results, a list of objects: null or absent ones never mean "no records"."""

        def once() -> dict[str, Any]:
            document = self._read(doing, call, *arguments, **options)
            rows, errors = document.get("results"), document.get("errors") or []
            whole = http.objects(rows) and http.objects([row.get("properties") for row in rows])
            if not (whole and http.objects(errors)) or any(
                error.get("category") != "OBJECT_NOT_FOUND" for error in errors
            ):
                raise RetryableError(f"{TITLE} answered without all its results when {doing}; run again later.")
            return document

        return http.retried(once)

    def _read(self, doing: str, call: Callable[..., Any], *arguments: Any, **options: Any) -> dict[str, Any]:
        try:
            answer = self._send(call, *arguments, **options)
        except HTTPError as error:
            raise http.unreachable(TITLE, error, doing, _ADDRESS) from None
        if answer.status >= http.REDIRECT:
            raise _failure(answer, doing)
        return http.json_object(TITLE, answer.body, doing)

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
            answer = self._send(self._batch.update, target.stream, {"inputs": inputs})
        except ConnectTimeoutError as error:  # also a refused connection: nothing was sent
            raise http.unreachable(TITLE, error, doing, _ADDRESS) from None
        except HTTPError as error:
            raise http.in_doubt(TITLE, f"sent no whole answer ({type(error).__name__})", doing) from None
        if http.may_be_written(answer.status):
            raise http.in_doubt(TITLE, f"answered {answer.status}", doing)
        refuses_rows = answer.status == _BAD_REQUEST and "category" in answer.said()
        if answer.status >= http.REDIRECT and not refuses_rows:
            raise _failure(answer, doing)
        return answer

    def _send(self, call: Callable[..., Any], *arguments: Any, **options: Any) -> http.Answer:
        """One request, counted. Any HTTP status is an answer; raises urllib3's errors where there is none."""
        from hubspot.crm.objects.exceptions import ApiException  # noqa: PLC0415 - see connect

        timeouts = (http.CONNECT_SECONDS, http.READ_SECONDS)
        try:
            response = call(*arguments, **options, _preload_content=False, _request_timeout=timeouts)
            answer = http.Answer(response.status, response.headers, response.data)
        except (ApiException, AttributeError, UnicodeDecodeError) as error:
            # The client decodes a refusal's body, and stumbles where there is none (TLS failed) or it is no UTF-8.
            refusal = error if isinstance(error, ApiException) else error.__context__
            if not isinstance(refusal, ApiException):
                raise
            if refusal.headers is None:
                raise SSLError(refusal.reason) from None
            body = refusal.body if isinstance(refusal.body, bytes) else refusal.body.encode()
            answer = http.Answer(refusal.status, refusal.headers, body)
        self._meter.count(answer.headers, len(answer.body))
        return answer

    def _page(self, records: Sequence[Record], cursor: Cursor | None = None) -> Page:
        requests, size = self._meter.since_last()
        return Page(records, cursor or {}, requests, size, self._meter.budget)


def _budget(headers: Mapping[str, str]) -> Budget | None:
    for limit, remaining, per in _BUDGETS:
        if headers.get(limit, "").isdigit() and headers.get(remaining, "").isdigit():
            return Budget(int(headers[limit]), int(headers[remaining]), per)
    return None


def _requested(stream: Stream) -> list[str]:
    wanted = requested_fields(stream.fields, PROPERTIES) + requested_fields(stream.written, PROPERTIES)
    return sorted({*wanted, _modified(stream)})


def _modified(stream: Stream) -> str:
    """The property that search filters by; contacts alone have another name for it."""
    return "lastmodifieddate" if stream.name == "contacts" else "hs_lastmodifieddate"


def _record(row: Mapping[str, Any]) -> Record:
    changed = [parse_moment(row["updatedAt"])]
    if row.get("archived"):
        changed.append(parse_moment(row["archivedAt"]))  # archiving need not count as a change of the record
    return Record(str(int(row["id"])), http.compact(row), max(changed), bool(row.get("archived")))


def _records(page: Mapping[str, Any], doing: str) -> list[Record]:
    try:
        return [_record(row) for row in page["results"]]
    except (KeyError, TypeError, ValueError):
        raise FatalError(f"{TITLE} served a record without id or time when {doing}; nothing of it was kept.") from None


def _version(record: Record) -> datetime:
    return record.source_version or _NEVER


def _following(page: Mapping[str, Any]) -> str | None:
    try:
        following = (page.get("paging") or {}).get("next")
        return None if following is None else str(following["after"])
    except (AttributeError, KeyError, TypeError):
        raise FatalError(f"{TITLE} did not say where its pages go on; nothing of this pull was kept.") from None


def _json_value(value: Value) -> str:
    """Text for every kind, moments as milliseconds since 1970; blank clears."""
    if value.text is None:
        return ""
    return _milliseconds(parse_moment(value.text)) if value.kind == "datetime" else value.text


def _milliseconds(moment: datetime) -> str:
    return str(int(moment.timestamp() * 1000))


def _results(answer: http.Answer, changes: Sequence[Change], doing: str) -> list[WriteResult]:
    """What became of each change, by trace id or record id: results come in an order of their own."""
    numbers = {change.record_id: str(number) for number, change in enumerate(changes)}
    told: dict[str | None, tuple[str | None, datetime | None]] = {}
    try:
        document = json.loads(answer.body)
        for row in document["results"]:
            number = row.get("objectWriteTraceId") or numbers.get(row["id"])
            told[number] = (None, parse_moment(row["updatedAt"]))
        for error in document.get("errors") or []:
            traces, ids = (error["context"].get(name) or [] for name in ("objectWriteTraceId", "ids"))
            told |= dict.fromkeys([*traces, *map(numbers.get, ids)], (_code(error), None))
    except (ValueError, KeyError, TypeError, AttributeError):
        raise http.in_doubt(TITLE, "sent an answer that cannot be read", doing) from None
    silent = [number for number in numbers.values() if number not in told]
    if silent:
        raise http.in_doubt(TITLE, f"did not say what became of {len(silent)} of {len(changes)} records", doing)
    return [WriteResult(change.op_id, *told[str(number)]) for number, change in enumerate(changes)]


def _code(refusal: Mapping[str, Any]) -> str:
    found = _VALUE_CODE.search(str(refusal.get("message")))
    return found[1] if found else str(refusal.get("category"))


def _failure(answer: http.Answer, doing: str) -> ConnectorError:
    what = f"{TITLE} answered {answer.status} when {doing}"
    asked = http.retry_after(answer.headers)
    if answer.status == http.TOO_MANY:
        policy = str(answer.said().get("policyName") or "unnamed")
        wait = _WINDOWS.get(policy) if asked is None or policy == "DAILY" else asked
        return RetryableError(f"{what}: a limit of requests is reached ({policy}); run again when it is over.", wait)
    scopes = _SCOPES.search(answer.body.decode(errors="replace"))
    if answer.status == http.FORBIDDEN and scopes:
        named = scopes[1].replace('"', "").replace(",", ", ")
        return ConfigError(f"{what}: the access token lacks a scope ({named}); grant it to the app in {TITLE}.")
    return http.failure(TITLE, answer.status, answer.headers, doing)


CONNECTOR: Final = HubSpotConnector()
