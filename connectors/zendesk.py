"""Zendesk: tickets with NPS fields, users and organizations in; scores on users out. No other vendor's business.

zenpy logs in and names the endpoints; requests go one by one through the session that it has authenticated. Its own
calls are not used: its generators end at an empty page although more follow and ask for a crowded second for ever, it
waits without end on a rate limit, and another server can only be named to it for the whole process.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from operator import attrgetter
from time import monotonic, sleep
from typing import Annotated, Any, Final

from pydantic import BeforeValidator, Field

from connectors import http
from connectors.base import Budget, Change, Cursor, Kind, Login, Page, Record, Stream, Target, Value, WriteResult
from connectors.config import Name, Scale, Section, SourceSettings, SurveyType, choose_login
from connectors.errors import ConfigError, ConnectorError, FatalError, RetryableError
from connectors.values import field_text, parse_moment

TITLE: Final = "Zendesk"
PAGE_SIZE = 1_000  # the most that an incremental export serves at once
MOST_PAGES: Final = 100  # the most of a list that is served by page number
MOST_IDS: Final = 100
OK, REFUSED = 200, 400
JOB_SECONDS, FIRST_POLL, LONGEST_POLL = 300.0, 0.1, 5.0
ENDED_JOBS: Final = ("completed", "failed", "killed")
UNEXPLAINED: Final = "UserNotUpdated"  # where Zendesk names no code
ADDRESS: Final = "ZENDESK_BASE_URL"
LOGINS: Final = (
    Login("API token", ("ZENDESK_SUBDOMAIN", "ZENDESK_EMAIL", "ZENDESK_TOKEN")),
    Login("OAuth token", ("ZENDESK_SUBDOMAIN", "ZENDESK_OAUTH_TOKEN")),
)
KINDS: Final[Mapping[str, Kind]] = {"score": "number", "category": "text", "responded_at": "date"}
USER: Final = Target("user", "users", "$.user_fields.{field}", 100, KINDS)


def _field_id(value: object) -> object:
    match = re.fullmatch(r"(?:field:)?([1-9][0-9]*)", str(value))
    if match is None:
        raise ValueError("is no ticket field; write field: and the field's id, for instance field:360001")
    return int(match[1])


_Written = Annotated[int, Field(gt=0)] | Annotated[str, Field(pattern="^(field:)?[1-9][0-9]*$")]
FieldId = Annotated[int, BeforeValidator(_field_id, json_schema_input_type=_Written)]


class Tickets(Section):
    """Which custom fields of tickets hold NPS answers, and what these answers are about."""

    score: FieldId = Field(description="The ticket field that holds the score, by its id: field:360001.")
    scale: Scale = Field(description="The lowest and the highest score; NPS is [0, 10].")
    comment: FieldId | None = Field(None, description="The ticket field that holds the comment: field:360002.")
    survey: Name | None = Field(None, description="The survey that the answers belong to.")
    survey_type: SurveyType | None = Field(None, description="relational, transactional or unclassified.")
    channel: Name | None = Field(None, description="How the survey reached people, a standard term such as email.")
    touchpoint: Name | None = Field(None, description="What people were asked about, a standard term such as support.")


class ZendeskSettings(SourceSettings):
    """What is pulled from Zendesk."""

    tickets: Tickets | None = Field(None, description="Where tickets hold NPS answers; without it none are pulled.")


@dataclass(frozen=True, slots=True)
class _Export:
    """One incremental export: its endpoint in zenpy, what of a page leads to the next one, the time that it goes by."""

    endpoint: str
    parameter: str
    place: str
    seconds: Callable[[Mapping[str, Any]], int]
    deleted: Callable[[Mapping[str, Any]], bool]


def _updated(row: Mapping[str, Any]) -> int:
    return int(parse_moment(row["updated_at"]).timestamp())


_CURSOR, _TIME = ("cursor", "after_cursor"), ("start_time", "end_time")
_EXPORTS: Final = {
    "tickets": _Export(
        "tickets.endpoint.incremental.cursor_start",
        *_CURSOR,
        seconds=lambda row: int(row["generated_timestamp"]),
        deleted=lambda row: row["status"] == "deleted",
    ),
    "users": _Export(
        "users.endpoint.incremental.cursor_start", *_CURSOR, _updated, deleted=lambda row: row["active"] is False
    ),
    "organizations": _Export(
        "organizations.endpoint.incremental", *_TIME, _updated, deleted=lambda row: row.get("deleted_at") is not None
    ),
}


class ZendeskSession:
    """Zendesk after login: ``client`` is zenpy's, ``session`` the requests session that it has authenticated."""

    def __init__(self, client: Any, session: Any, url: str, login: Login) -> None:
        self._client, self._session, self._url, self._login = client, session, url, login
        self._meter = http.Meter(_budget)
        self._meter.watch(session)
        self._defined: dict[str, set[str]] = {}

    def check(self) -> None:
        """Ask who is logged in. Zendesk answers that to wrong credentials too, with a user who has no id."""
        try:
            user = self._read(self._client.users.endpoint.me(), "asking who is logged in").get("user")
        except FatalError as error:
            raise ConfigError(f"There is no Zendesk at {self._url}; check {self._login.variables[0]}.") from error
        if not isinstance(user, dict) or user.get("id") is None:
            secrets = " and ".join(self._login.variables[1:])
            raise ConfigError(f"{TITLE} does not know these credentials; check {secrets} in the environment.")

    def pull(self, stream: Stream, cursor: Cursor, overlap: timedelta) -> Iterator[Page]:
        """Serve what the stream's incremental export has since the cursor: ``time``, the latest seen, in Unix seconds.

        Rows need not come in order, so only the end of the export moves the cursor.
        """
        ids = set(re.findall(r"\[id=([0-9]+)\]", " ".join(stream.fields.values())))
        self._require("ticket_fields", "id", ids, "correct sources.zendesk.tickets in nps.yaml")
        latest = before = int(cursor.get("time", 0))
        clock: datetime | None = None
        for rows, ended in self._exported(stream.name, max(0, before - int(overlap.total_seconds()))):
            clock = clock or self._meter.server_time or datetime.now(UTC)
            latest = max([latest, *(seconds for _, seconds in rows)])
            reached = max(before, min(latest, int(clock.timestamp())))
            following = {"time": reached} if ended and reached else {}
            yield Page([record for record, _ in rows], following, *self._meter.since_last(), self._meter.budget)

    def push(self, target: Target, changes: Sequence[Change]) -> Sequence[WriteResult]:
        """Update users in one job and wait for its end."""
        fields = {name for change in changes for name in change.values}  # Zendesk ignores unknown ones without a word
        self._require("user_fields", "key", fields, "nothing was written; create it there, or correct nps.yaml")
        job_id = self._send([_as_user(change) for change in changes])
        sent_at = self._meter.server_time  # before the job ran: a person's later edit must not seem older than it
        try:
            refused = self._refused(target, changes, self._results(job_id))
        except ConnectorError as error:
            raise http.in_doubt(TITLE, "took a job whose end could not be seen", "updating users") from error
        codes = ((change.op_id, refused.get(change.record_id)) for change in changes)
        return [WriteResult(op_id, code, None if code else sent_at) for op_id, code in codes]

    def read_back(
        self, target: Target, record_ids: Sequence[str], fields: Mapping[str, Kind]
    ) -> Mapping[str, Mapping[str, str | None]]:
        """The present values of users, by id."""
        found: dict[str, Mapping[str, str | None]] = {}
        for start in range(0, len(record_ids), MOST_IDS):
            endpoint = self._client.users.endpoint(ids=record_ids[start : start + MOST_IDS])
            for user in _rows(self._read(endpoint, "reading users by id"), target.stream):
                held = user.get("user_fields") or {}
                if user.get("active") is not False:
                    texts = {name: field_text(kind, held.get(name)) for name, kind in fields.items()}
                    found[str(user.get("id"))] = texts
        return found

    def close(self) -> None:
        """Let go of the connection."""
        self._session.close()

    def _exported(self, table: str, start: int) -> Iterator[tuple[list[tuple[Record, int]], bool]]:
        """Every page of an export: its records with their times, and whether it is the last."""
        export = _EXPORTS[table]
        endpoint = attrgetter(export.endpoint)(self._client)(start_time=start)
        asked, known = set[str | int]([start]), frozenset[tuple[Record, int]]()
        while True:
            body = self._read(endpoint, f"reading {table}", per_page=PAGE_SIZE)
            rows = [_record(export, table, row) for row in _rows(body, table)]
            ended = _is_last(body)
            yield [row for row in rows if row not in known], ended  # a time export repeats the second that it cut
            if ended:
                return
            place = body.get(export.place)
            if not isinstance(place, str | int) or place in asked:
                raise FatalError(
                    f"{TITLE}'s export of {table} does not get past one point although more follows, as when more than "
                    f"{PAGE_SIZE:,} {table} changed within one second. What was landed stays. Change some of these "
                    f"{table} in {TITLE} again, so that their times differ, and run again."
                )
            asked.add(place)
            endpoint.params, known = {export.parameter: place}, frozenset(rows)

    def _send(self, users: Sequence[Mapping[str, Any]]) -> str:
        """Queue an update; the id of its job."""
        endpoint, doing = self._client.users.endpoint(update_many=True), f"updating {len(users)} users"

        def once() -> str:
            try:
                answer = self._ask("PUT", endpoint, doing, {"users": users})
                if answer.status_code < REFUSED or http.may_be_written(answer.status_code):
                    return str(_object(answer, doing)["job_status"]["id"])
            except (RetryableError, FatalError, KeyError, TypeError) as error:
                raise http.in_doubt(TITLE, "sent no usable answer", doing) from error
            raise _failure(answer, doing)

        return http.retried(once)

    def _results(self, job_id: str) -> list[dict[str, Any]]:
        """Wait until a job has ended; what it tells about rows."""
        deadline, wait = monotonic() + JOB_SECONDS, FIRST_POLL
        while monotonic() < deadline:
            sleep(wait)
            wait = min(2 * wait, LONGEST_POLL)
            job = self._read(self._client.job_status.endpoint(id=job_id), "asking for a job").get("job_status")
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
        present, codes = self.read_back(target, list(wanted), kinds), _error_codes(results, unclear)
        return {
            record_id: codes.get(record_id, UNEXPLAINED)
            for record_id, values in wanted.items()
            if not {(name, value.text) for name, value in values.items()} <= present.get(record_id, {}).items()
        }

    def _require(self, kind: str, naming: str, wanted: set[str], remedy: str) -> None:
        """Raise ``ConfigError`` unless Zendesk defines the fields, which ``naming`` tells apart."""
        if wanted <= self._defined.setdefault(kind, set()):
            return
        for page in range(1, MOST_PAGES + 1):
            body = self._read(getattr(self._client, kind).endpoint(page=page), f"reading {kind}")
            rows = _rows(body, kind)
            self._defined[kind] |= {str(row.get(naming)) for row in rows if row.get("active") is not False}
            if not rows or not body.get("next_page"):
                break
        if absent := sorted(wanted - self._defined[kind]):
            raise ConfigError(f"{TITLE} has no {', '.join(absent)} among its {kind.replace('_', ' ')}; {remedy}.")

    def _read(self, endpoint: Any, doing: str, **parameters: Any) -> dict[str, Any]:
        endpoint.params = endpoint.params | parameters
        return http.retried(lambda: _object(self._ask("GET", endpoint, doing), doing))

    def _ask(self, method: str, endpoint: Any, doing: str, body: object = None) -> Any:
        """One request, once: the answer, whatever its status. Raises ``RetryableError`` where none came."""
        url, limits = f"{self._url}/api/v2/{endpoint.path}", (http.CONNECT_SECONDS, http.READ_SECONDS)
        given = {"params": endpoint.params, "json": body, "timeout": limits, "allow_redirects": False}
        try:
            return self._session.request(method, url, **given)
        except OSError as error:  # every error of requests is one
            raise http.unreachable(TITLE, error, doing, ADDRESS) from error


def _object(answer: Any, doing: str) -> dict[str, Any]:
    if answer.status_code != OK:
        raise _failure(answer, doing)
    return http.json_object(TITLE, answer.content, doing)


def _failure(answer: Any, doing: str) -> ConnectorError:
    headers = {name.lower(): value for name, value in answer.headers.items()}
    if answer.status_code == http.TOO_MANY and "ratelimit-reset" in headers:
        headers.setdefault("retry-after", headers["ratelimit-reset"])
    return http.failure(TITLE, answer.status_code, headers, doing)


def _budget(headers: Mapping[str, str]) -> Budget | None:
    limit, remaining = headers.get("x-rate-limit", ""), headers.get("x-rate-limit-remaining", "")
    return Budget(int(limit), int(remaining), "minute") if limit.isdigit() and remaining.isdigit() else None


def _rows(body: Mapping[str, Any], table: str) -> list[dict[str, Any]]:
    """The list of a table in an answer; an answer without it must not pass for an empty table."""
    rows = body.get(table)
    if not http.objects(rows):
        raise FatalError(f"{TITLE} answered reading {table} without a list of them; nothing was taken from it.")
    return rows


def _record(export: _Export, table: str, row: Mapping[str, Any]) -> tuple[Record, int]:
    try:
        version = parse_moment(row["updated_at"])
        return Record(str(int(row["id"])), http.compact(row), version, export.deleted(row)), export.seconds(row)
    except (KeyError, TypeError, ValueError):
        raise FatalError(f"{TITLE} served {table} without id, time or state; the page was not taken.") from None


def _is_last(body: Mapping[str, Any]) -> bool:
    """Whether an export ends with this page; one that does not say so ends with a page that is not full."""
    size = body.get("count")
    return body.get("end_of_stream", isinstance(size, int) and size < PAGE_SIZE) is True


def _as_user(change: Change) -> dict[str, Any]:
    record_id = int(change.record_id) if change.record_id.isdigit() else change.record_id
    return {"id": record_id, "user_fields": {name: _json_value(value) for name, value in change.values.items()}}


def _json_value(value: Value) -> Any:
    if value.text is None or value.kind != "number":
        return value.text
    number = float(value.text)
    return int(number) if number.is_integer() else number


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


_USER_FIELDS: Final = {
    "email": "$.email",
    "display_name": "$.name",
    "kind": "$.role",
    "account_id": "$.organization_id",
    "cross_reference": "$.external_id",
}
_ORGANIZATION_FIELDS: Final = {"name": "$.name", "domain": "$.domain_names[0]", "cross_reference": "$.external_id"}
_TICKET_FIELDS: Final = {"person_id": "$.requester_id", "account_id": "$.organization_id"}
_TICKET_CONSTANTS: Final = {
    "responded_at_basis": "first_seen",
    "without_score": "not_nps",
    "person_stream": "users",
    "account_stream": "organizations",
}


@dataclass(frozen=True)
class Zendesk:
    """Zendesk as a source of answers in tickets and as a destination of scores on users."""

    source: str = "zendesk"
    title: str = TITLE
    settings: type[ZendeskSettings] = ZendeskSettings
    logins: Sequence[Login] = LOGINS
    addresses: Sequence[str] = (ADDRESS,)
    targets: Sequence[Target] = (USER,)

    def streams(self, settings: ZendeskSettings, written: Mapping[str, Sequence[str]]) -> Sequence[Stream]:
        """Users, organizations and, where nps.yaml says which fields hold answers, tickets."""
        of_user = {"account_stream": "organizations", "cross_reference_to": "salesforce.Contact"}
        observed = {name: USER.path.format(field=name) for name in written.get(USER.name, ())}
        users = Stream(self.source, "users", "person", _USER_FIELDS, of_user, observed)
        of_organization = {"cross_reference_to": "salesforce.Account"}
        organizations = Stream(self.source, "organizations", "account", _ORGANIZATION_FIELDS, of_organization)
        return [*([_ticket_stream(settings.tickets)] if settings.tickets else []), users, organizations]

    def connect(self, settings: ZendeskSettings, environment: Mapping[str, str]) -> ZendeskSession:  # noqa: ARG002
        """Prepare a session; its first request shows whether the credentials are valid."""
        login = choose_login(self, environment)
        if login is None:
            ways = ", or ".join(" and ".join(way.variables) for way in self.logins)
            raise ConfigError(f"{TITLE}: there are no credentials; set {ways} in the environment or in .env.")
        if odd := [name for name in login.variables if not re.fullmatch(r"[!-~]+", environment[name])]:
            raise ConfigError(f"{TITLE}: {', '.join(odd)} holds characters that cannot be sent; copy it again.")
        from requests import Session  # noqa: PLC0415 - loaded when Zendesk is asked, not when its streams are declared
        from zenpy import Zenpy  # noqa: PLC0415 - the same

        url, session = _url(environment), Session()  # in a session of ours zenpy does not repeat requests by itself
        credentials = {name.removeprefix("ZENDESK_").lower(): environment[name] for name in login.variables}
        return ZendeskSession(Zenpy(**credentials, session=session, disable_cache=True), session, url, login)


def _ticket_stream(tickets: Tickets) -> Stream:
    ids = {"score": tickets.score, "comment": tickets.comment}
    fields = {name: f"$.custom_fields[id={number}].value" for name, number in ids.items() if number}
    scale = dict(zip(("scale_min", "scale_max"), map(str, tickets.scale), strict=True))
    about = tickets.model_dump(include={"survey", "survey_type", "channel", "touchpoint"}, exclude_none=True)
    return Stream("zendesk", "tickets", "response", fields | _TICKET_FIELDS, _TICKET_CONSTANTS | scale | about)


def _url(environment: Mapping[str, str]) -> str:
    given, subdomain = environment.get(ADDRESS), environment["ZENDESK_SUBDOMAIN"]
    if given and not re.fullmatch(r"https?://[^/\s]+\S*", given):
        raise ConfigError(f"{ADDRESS} must be a whole address such as https://example.zendesk.com.")
    if not re.fullmatch(r"[A-Za-z0-9-]+", subdomain):
        raise ConfigError("ZENDESK_SUBDOMAIN must be the first part alone: example of example.zendesk.com.")
    return (given or f"https://{subdomain}.zendesk.com").rstrip("/")


CONNECTOR = Zendesk()
