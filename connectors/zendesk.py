"""Zendesk: tickets with NPS fields, users and organizations in; scores on users out. No other vendor's business.

zenpy logs in and names the endpoints that it knows; requests go one by one through the session that it has
authenticated. Its own calls are not used: its generators end at an empty page although more follows and ask for a
crowded second for ever, it waits without end on a rate limit, and another server can only be named to it for the whole
process. How a stream is paged stands in ``zendesk_exports``, how users are written in ``zendesk_writes``.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Any, Final

from pydantic import BeforeValidator, Field

from connectors.base import Change, Cursor, Kind, Login, Page, Stream, Target, WriteResult
from connectors.config import Name, Scale, Section, SourceSettings, SurveyType, choose_login
from connectors.errors import ConfigError, FatalError
from connectors.zendesk_client import ADDRESS, TITLE, Client, rows_of
from connectors.zendesk_exports import EXPORTS, RECENT, Reader
from connectors.zendesk_writes import MOST_IDS, Writer

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
    events: bool = Field(
        False,
        description="Whether the events of tickets are read too: when the score field was filled is then known to the "
        "second, and not from when a pull first saw it. It costs a request per 1,000 events of any ticket.",
    )


class ZendeskSettings(SourceSettings):
    """What is pulled from Zendesk."""

    tickets: Tickets | None = Field(None, description="Where tickets hold NPS answers; without it none are pulled.")
    satisfaction_ratings: bool = Field(
        False,
        description="Whether satisfaction ratings (good, bad) are pulled, to be counted as another metric. Only admins "
        "may list them.",
    )
    survey_responses: bool = Field(
        False,
        description="Whether responses to Zendesk's own satisfaction surveys are pulled, to be counted as another "
        "metric. Only admins may list them, and not every plan has them.",
    )


class ZendeskSession:
    """Zendesk after login: ``zenpy`` is its client, ``client`` sends by the session that zenpy authenticated."""

    def __init__(self, zenpy: Any, client: Client, url: str, login: Login) -> None:
        self._zenpy, self._client, self._url, self._login = zenpy, client, url, login
        self._writer = Writer(client, zenpy)
        self._defined: dict[str, set[str]] = {}

    def check(self) -> None:
        """Ask who is logged in. Zendesk answers that to wrong credentials too, with a user who has no id."""
        endpoint = self._zenpy.users.endpoint.me()
        try:
            user = self._client.read(endpoint.path, "asking who is logged in", endpoint.params).get("user")
        except FatalError as error:
            raise ConfigError(f"There is no Zendesk at {self._url}; check {self._login.variables[0]}.") from error
        if not isinstance(user, dict) or user.get("id") is None:
            secrets = " and ".join(self._login.variables[1:])
            raise ConfigError(f"{TITLE} does not know these credentials; check {secrets} in the environment.")

    def pull(self, stream: Stream, cursor: Cursor, overlap: timedelta) -> Iterator[Page]:
        """Serve what the stream has since the cursor, in Unix seconds: ``time`` is the latest that was served.

        An export goes by time, so each of its pages moves the cursor, but for what changed while it was read; of a list
        only the last one does. A list was read because a second was too crowded for its export: seconds before
        ``listed`` were long over then, and need that no more. Where it has to be done, everything is pulled again
        (``ExpiredCursorError``): nothing else tells which deletes such a second hides.
        """
        paths = " ".join(stream.fields.values())
        switch, changed = EXPORTS[stream.name].switch, re.search(r"custom_ticket_fields\.([0-9]+)", paths)
        ids = {*re.findall(r"\[id=([0-9]+)\]", paths), *(changed.groups() if changed else ())}
        self._require("ticket_fields", "id", ids, "correct sources.zendesk.tickets in nps.yaml")
        before, listed = int(cursor.get("time", 0)), int(cursor.get("listed", 0))
        start = min(before - _whole_seconds(overlap + EXPORTS[stream.name].late), self._now() - RECENT)
        reader = Reader(
            self._client,
            stream.name,
            field=changed[1] if changed else "",
            listed=listed - _whole_seconds(overlap),
            resumed=bool(cursor),
        )
        try:
            yield from self._pages(reader, before, listed, start)
        except (ConfigError, FatalError) as error:
            if not switch:
                raise
            raise type(error)(
                f"{error} Or switch it off: set sources.zendesk.{switch} to false in nps.yaml."
            ) from error

    def _pages(self, reader: Reader, before: int, listed: int, start: int) -> Iterator[Page]:
        latest, come, begun = before, before, 0
        meter = self._client.meter
        for part in reader.parts(max(0, start)):
            begun = begun or self._now()
            latest = max(latest, part.latest)
            if reader.goes_by_time and part.latest < begun - RECENT:
                come = max(come, part.latest)
            reached = max(before, min(latest, begun)) if part.is_last else come
            known = {"time": reached, "listed": begun - RECENT if reader.has_listed else listed}
            following = {name: at for name, at in known.items() if at and (part.is_last or come > before)}
            yield Page(part.records, following, *meter.since_last(), meter.budget)

    def _now(self) -> int:
        return int(self._client.now().timestamp())

    def count(self, stream: Stream) -> int | None:  # noqa: ARG002
        """None: Zendesk keeps its counts of tickets, users and organizations for up to a day, and says so."""
        return None

    def gone(self, stream: Stream, record_ids: Sequence[str]) -> Collection[str]:
        """Those that are not there by their ids: an export leaves out whatever changed in the last minute.

        Events, ratings and survey responses are never deleted.
        """
        if EXPORTS[stream.name].switch:
            return ()
        live = set[str]()
        for start in range(0, len(record_ids), MOST_IDS):
            asked = {"ids": ",".join(record_ids[start : start + MOST_IDS])}
            body = self._client.read(f"{stream.name}/show_many.json", f"reading {stream.name} by id", asked)
            rows = rows_of(body, stream.name)
            live |= {str(row.get("id")) for row in rows if not EXPORTS[stream.name].is_deleted(row)}
        return set(record_ids) - live

    def push(self, target: Target, changes: Sequence[Change]) -> Sequence[WriteResult]:
        """Update users in one job and wait for its end."""
        fields = {name for change in changes for name in change.values}  # Zendesk ignores unknown ones without a word
        self._require("user_fields", "key", fields, "nothing was written; create it there, or correct nps.yaml")
        return self._writer.update(target, changes)

    def read_back(
        self, target: Target, record_ids: Sequence[str], fields: Mapping[str, Kind]
    ) -> Mapping[str, Mapping[str, str | None]]:
        """The present values of users, by id."""
        return self._writer.present(target, record_ids, fields)

    def close(self) -> None:
        """Let go of the connection."""
        self._client.close()

    def _require(self, kind: str, naming: str, wanted: set[str], remedy: str) -> None:
        """Raise ``ConfigError`` unless Zendesk defines the fields, which ``naming`` tells apart."""
        if wanted <= self._defined.setdefault(kind, set()):
            return
        endpoint = getattr(self._zenpy, kind).endpoint(cursor_pagination=True)
        rows = self._client.rows(endpoint.path, kind, endpoint.params)
        self._defined[kind] = {str(row.get(naming)) for row in rows if row.get("active") is not False}
        if absent := sorted(wanted - self._defined[kind]):
            raise ConfigError(f"{TITLE} has no {', '.join(absent)} among its {kind.replace('_', ' ')}; {remedy}.")


_USER_FIELDS: Final = {
    "email": "$.email",
    "display_name": "$.name",
    "phone": "$.phone",
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
# Words and numbers of satisfaction: the metric has them counted and excluded, whatever their scale is.
_SATISFACTION: Final = {
    "metric": "CSAT",
    "scale_min": "0",
    "scale_max": "10",
    "responded_at_basis": "source",
    "person_stream": "users",
}
_RATING_FIELDS: Final = {
    "score": "$.score",
    "comment": "$.comment",
    "responded_at": "$.updated_at",
    "person_id": "$.requester_id",
}
_SURVEY_FIELDS: Final = {  # what a person left out has no answer, or one of the type skipped, in any order
    "score": "$.answers[type=rating_scale].rating",
    "comment": "$.answers[type=open_ended].value",
    "responded_at": "$.answers[type=rating_scale].updated_at",
    "person_id": "$.responder_id",
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
        """Users, organizations and, where nps.yaml asks for them, tickets, their events, ratings, survey responses."""
        of_user = {"account_stream": "organizations", "cross_reference_to": "salesforce.Contact"}
        observed = {name: USER.path.format(field=name) for name in written.get(USER.name, ())}
        users = Stream(self.source, "users", "person", _USER_FIELDS, of_user, observed)
        of_organization = {"cross_reference_to": "salesforce.Account"}
        organizations = Stream(self.source, "organizations", "account", _ORGANIZATION_FIELDS, of_organization)
        ratings = Stream(self.source, "satisfaction_ratings", "response", _RATING_FIELDS, _SATISFACTION)
        responses = Stream(self.source, "survey_responses", "response", _SURVEY_FIELDS, _SATISFACTION)
        return [
            *(_ticket_streams(settings.tickets) if settings.tickets else []),
            users,
            organizations,
            *([ratings] if settings.satisfaction_ratings else []),
            *([responses] if settings.survey_responses else []),
        ]

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
        zenpy = Zenpy(**credentials, session=session, disable_cache=True)
        session.auth = session.auth or _as_it_is
        return ZendeskSession(zenpy, Client(session, url), url, login)


def _ticket_streams(tickets: Tickets) -> list[Stream]:
    """The tickets and, where asked for, the events that filled or changed their score."""
    ids = {"score": tickets.score, "comment": tickets.comment}
    fields = {name: f"$.custom_fields[id={number}].value" for name, number in ids.items() if number}
    scale = dict(zip(("scale_min", "scale_max"), map(str, tickets.scale), strict=True))
    about = tickets.model_dump(include={"survey", "survey_type", "channel", "touchpoint"}, exclude_none=True)
    answers = Stream("zendesk", "tickets", "response", fields | _TICKET_FIELDS, _TICKET_CONSTANTS | scale | about)
    filled = {
        "parent_id": "$.ticket_id",
        "completed_at": "$.created_at",
        "name": f"$.custom_ticket_fields.{tickets.score}",
    }
    return [
        answers,
        *([Stream("zendesk", "ticket_events", "reference", filled, append_only=True)] if tickets.events else []),
    ]


def _url(environment: Mapping[str, str]) -> str:
    given, subdomain = environment.get(ADDRESS), environment["ZENDESK_SUBDOMAIN"]
    if given and not re.fullmatch(r"https?://[^/\s]+\S*", given):
        raise ConfigError(f"{ADDRESS} must be a whole address such as https://example.zendesk.com.")
    if not re.fullmatch(r"[A-Za-z0-9-]+", subdomain):
        raise ConfigError("ZENDESK_SUBDOMAIN must be the first part alone: example of example.zendesk.com.")
    return (given or f"https://{subdomain}.zendesk.com").rstrip("/")


def _as_it_is(request: Any) -> Any:
    """Leave a request as it is: without this, requests puts a password of ~/.netrc in the place of an OAuth token."""
    return request


def _whole_seconds(time: timedelta) -> int:
    return int(time.total_seconds())


CONNECTOR = Zendesk()
