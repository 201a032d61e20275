"""The Zendesk account as a whole: credentials, rate headers, lists and single records, all endpoints."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from itertools import count
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from sandbox.limits import Limit, Limits, Window
from sandbox.store import Record, Store, Tables, utc_now
from sandbox.web import Endpoint, Refusal
from sandbox.zendesk import events, paging, shapes
from sandbox.zendesk.behaviour import Behaviour
from sandbox.zendesk.exports import Export, base_of, by_cursor, by_time, creation_time, modification_time
from sandbox.zendesk.fields import TicketFields, UserFields
from sandbox.zendesk.ids import AGENT_ID
from sandbox.zendesk.jobs import Jobs
from sandbox.zendesk.users import UserUpdates

SHOWN = ("users", "organizations", "tickets")  # tables of which several can be asked for by id
SUBDOMAIN = "sandbox"
EMAIL = "support@crm.example"
TOKEN = "sandbox-api-token"  # noqa: S105  (opens the sandbox, nothing else)
OAUTH_TOKEN = "sandbox-oauth-token"  # noqa: S105
LIMITS = {"minute": Limit(700, 60)}
STRICT = {"export_delay": 60, "exports_per_minute": 10}  # how every account behaves
MOST_IDS = 100
SUFFIXES = ("", ".json")
EXPORTS_PATH = "/api/v2/incremental/"
LATEST = 2**62  # seconds: no export ends there
FURTHER_TABLES = (events.TABLE, "survey_responses")


class Zendesk:
    """One Zendesk account."""

    name = "zendesk"

    def __init__(self, tables: Tables, clock: Callable[[], datetime] = utc_now, *, strict: bool = False) -> None:
        further: Tables = {name: [] for name in FURTHER_TABLES}
        self.store = events.AuditedStore({**further, **tables}, whole_seconds=True, clock=clock)
        self.behaviour = Behaviour(**STRICT) if strict else Behaviour()
        self._clock = clock
        self.limits = Limits(LIMITS, enforced=strict, clock=self._seconds)
        self._exports_minute = Window(Limit(0, 60), self._seconds)
        self._ids = count(99_000_000_000_001)
        self._user_fields = UserFields()
        self._jobs = Jobs(self.behaviour, self._seconds)
        self._show: dict[str, Callable[[Record, str], shapes.Json]] = {
            "users": self._user,
            "organizations": shapes.organization,
            "tickets": shapes.ticket,
            "satisfaction_ratings": shapes.satisfaction_rating,
        }
        self.endpoints = [
            *self.behaviour.endpoints(),
            *self._exports(),
            Endpoint("GET", "/api/v2/guide/survey_responses", self._survey_responses),
            *_both("/api/v2/users/me", self._me, open_to_all=True),
            *(one for table in SHOWN for one in _both(f"/api/v2/{table}/show_many", self._show_many(table))),
            *UserUpdates(self.store, self._user_fields, self._jobs).endpoints,
            *self._jobs.endpoints(),
            *self._user_fields.endpoints(),
            *TicketFields().endpoints(),
            *(one for table in self._show for one in self._records(table)),
        ]

    def authorize(self, request: Request, endpoint: Endpoint) -> None:  # noqa: ARG002
        """E-mail and API token, or an OAuth token."""
        if not _is_known(request):
            raise shapes.unauthenticated()

    def admit(self, endpoint: Endpoint) -> None:
        """The minute of the account, and that of exports."""
        if self.limits.exceeded("minute"):
            raise shapes.limit_reached({"Retry-After": str(self.limits["minute"].resets_in)})
        if endpoint.path.startswith(EXPORTS_PATH):
            self._spend_export()

    def headers(self, endpoint: Endpoint) -> Mapping[str, str]:
        """What is left of the minute, of exports too."""
        minute = self.limits["minute"]
        limit, remaining = str(minute.limit.most), str(minute.remaining)
        return {
            "x-rate-limit": limit,
            "x-rate-limit-remaining": remaining,
            "ratelimit-limit": limit,
            "ratelimit-remaining": remaining,
            "ratelimit-reset": str(minute.resets_in),
            **self._export_headers(endpoint),
        }

    def _export_headers(self, endpoint: Endpoint) -> dict[str, str]:
        """The limit that exports have for themselves; every answer of one tells it, a refusal too."""
        if not (self.behaviour.exports_per_minute and endpoint.path.startswith(EXPORTS_PATH)):
            return {}
        window = self._exports_minute
        told = f"total={window.limit.most}; remaining={window.remaining}; resets={window.resets_in}"
        return {"zendesk-ratelimit-incremental-exports": told}

    def _seconds(self) -> float:
        return self._clock().timestamp()

    def _spend_export(self) -> None:
        window, most = self._exports_minute, self.behaviour.exports_per_minute
        window.limit = Limit(most, window.limit.seconds)
        if most and not window.spend():
            raise shapes.limit_reached({"Retry-After": str(window.resets_in)})

    def unknown(self, request: Request, status: int) -> Refusal:  # noqa: ARG002
        """No such path, or not with this method."""
        return shapes.refusal(status, "InvalidEndpoint", "Not found")

    def reset(self) -> None:
        """Records, fields, behaviour and limits as at the start, no jobs."""
        self.behaviour.reset()
        self.limits.reset()
        self._exports_minute.reset()
        self._jobs.reset()
        self._user_fields.reset()
        self.store.reset()

    def new_id(self, table: str) -> str:  # noqa: ARG002
        """An id above all others."""
        return str(next(self._ids))

    def _exports(self) -> list[Endpoint]:
        tickets = Export("tickets", shapes.generated_timestamp, shapes.exported_ticket)
        users = Export("users", modification_time, self._user)
        organizations = Export("organizations", modification_time, shapes.exported_organization)
        of_tickets = Export(events.TABLE, creation_time, events.ticket_event)
        return [
            *_both("/api/v2/incremental/ticket_events", self._exporting(by_time, of_tickets)),
            *_both("/api/v2/incremental/tickets/cursor", self._exporting(by_cursor, tickets)),
            *_both("/api/v2/incremental/users/cursor", self._exporting(by_cursor, users)),
            *_both("/api/v2/incremental/organizations", self._exporting(by_time, organizations)),
        ]

    def _exporting(
        self, serve: Callable[[Store, Export, Request, int], Response], export: Export
    ) -> Callable[[Request], Awaitable[Response]]:
        async def handler(request: Request) -> Response:
            if export.table == events.TABLE and self.behaviour.events_forbidden:
                raise shapes.refusal(403, "Forbidden", "You do not have access to this page.")
            delay = self.behaviour.export_delay
            until = shapes.unix(self._clock()) - delay if delay else LATEST
            return serve(self.store, export, request, until)

        return handler

    def _user(self, record: Record, base: str) -> shapes.Json:
        return shapes.user(record, base, self._user_fields.keys())

    async def _me(self, request: Request) -> Response:
        if not _is_known(request):
            return JSONResponse({"user": shapes.anonymous(base_of(request))})
        record = self.store.find_live("users", str(AGENT_ID))
        if record is None:
            raise shapes.not_found()
        return JSONResponse({"user": self._user(record, base_of(request))})

    def _show_many(self, table: str) -> Callable[[Request], Awaitable[Response]]:
        async def show_many(request: Request) -> Response:
            by_external_id = "external_ids" in request.query_params
            given = request.query_params.get("external_ids" if by_external_id else "ids")
            if not given:
                raise shapes.refusal(400, "ParameterMissing", "Parameter ids is required")
            wanted = set(given.split(","))
            if len(wanted) > MOST_IDS:
                raise shapes.refusal(400, "TooManyValues", f"Maximum {MOST_IDS} ids may be given per call")
            shown = [
                self._show[table](record, base_of(request))
                for record in self.store.live(table)
                if (record.fields.get("external_id") if by_external_id else record.record_id) in wanted
            ]
            return JSONResponse({table: shown, "next_page": None, "previous_page": None, "count": len(shown)})

        return show_many

    async def _survey_responses(self, request: Request) -> Response:
        start = _seconds(request.query_params.get("filter[created_at_start]"), 0)  # in milliseconds
        made = [one for one in self.store.live("survey_responses") if one.created.timestamp() * 1_000 >= start]
        page, further = paging.by_cursor(made, _number_of, request)
        return JSONResponse({"survey_responses": [shapes.survey_response(one) for one in page]} | further)

    def _records(self, table: str) -> list[Endpoint]:
        async def read(request: Request) -> Response:
            record = self.store.find_live(table, str(request.path_params["record_id"]))
            if record is None:
                raise shapes.not_found()
            return JSONResponse({table.removesuffix("s"): self._show[table](record, base_of(request))})

        async def listed(request: Request) -> Response:
            records = [record for record in self.store.live(table) if _passes(record, request)]
            records.sort(key=_number_of)
            return JSONResponse(self._listed(table, records, request))

        path = f"/api/v2/{table}"
        return [*_both(path, listed), *_both(path + "/{record_id:int}", read)]

    def _listed(self, table: str, records: list[Record], request: Request) -> dict[str, Any]:
        """A page of a list: by cursor where page[size] is given, else by page number."""
        if "page[size]" in request.query_params:
            page, further = paging.by_cursor(records, _number_of, request)
        else:
            page, further = paging.by_number(records, request)
        return {table: [self._show[table](record, base_of(request)) for record in page]} | further


def _number_of(record: Record) -> int:
    return int(record.record_id)


def _both(path: str, handler: Callable[[Request], Awaitable[Response]], *, open_to_all: bool = False) -> list[Endpoint]:
    """The endpoint with and without .json, as Zendesk answers to both."""
    return [Endpoint("GET", path + suffix, handler, open_to_all=open_to_all) for suffix in SUFFIXES]


def _is_known(request: Request) -> bool:
    scheme, _, credentials = request.headers.get("authorization", "").partition(" ")
    if scheme == "Bearer":
        return credentials == OAUTH_TOKEN
    try:
        return scheme == "Basic" and base64.b64decode(credentials, validate=True).decode() == f"{EMAIL}/token:{TOKEN}"
    except (binascii.Error, UnicodeDecodeError):
        return False


def _passes(record: Record, request: Request) -> bool:
    """The filters of satisfaction ratings; other lists have none of these parameters."""
    query, at = request.query_params, shapes.unix(record.modified)
    start, end = _seconds(query.get("start_time"), at), _seconds(query.get("end_time"), at)
    return query.get("score") in (None, record.fields.get("score")) and start <= at <= end


def _seconds(text: str | None, default: int) -> int:
    if text is not None and not text.isdigit():
        raise shapes.refusal(400, "InvalidValue", "Times must be Unix times in whole seconds")
    return default if text is None else int(text)
