"""The HubSpot account as a whole: tokens and scopes, rate headers, the account's details, all endpoints."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import count

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from sandbox.hubspot.answers import (
    limit_reached,
    missing_definition_scopes,
    missing_scopes,
    refusal,
    unauthenticated,
)
from sandbox.hubspot.associations import Associations
from sandbox.hubspot.definitions import OBJECT_TYPES, PORTAL_ID
from sandbox.hubspot.hooks import SEARCH_LAG, Conditions, Hooks
from sandbox.hubspot.objects import Objects
from sandbox.hubspot.properties import Properties
from sandbox.limits import Limit, Limits
from sandbox.store import Store, Tables
from sandbox.web import Endpoint, Refusal

ACCESS_TOKEN = "pat-sandbox-all-scopes"  # noqa: S105  (opens the sandbox, nothing else)
NARROW_TOKEN = "pat-sandbox-contacts-only"  # noqa: S105
READ_SCOPES = frozenset(scope for kind in OBJECT_TYPES.values() for scope in kind.reads)
WRITE_SCOPES = frozenset(scope for kind in OBJECT_TYPES.values() for scope in kind.writes)
SCOPES: dict[str, frozenset[str]] = {
    ACCESS_TOKEN: READ_SCOPES | WRITE_SCOPES | {"crm.schemas.contacts.read", "crm.schemas.contacts.write"},
    NARROW_TOKEN: frozenset({"crm.objects.contacts.read"}),
}
LIMITS = {
    "ten_seconds": Limit(190, 10, rolling=True),
    "search_second": Limit(5, 1, rolling=True),
    "day": Limit(650_000, 86_400),
}
POLICIES = {"ten_seconds": "TEN_SECONDLY_ROLLING", "search_second": "SECONDLY", "day": "DAILY"}
# Ends of paths that the limit of ten seconds is not for, as HubSpot's OpenAPI documents say.
SEARCH, ASSOCIATIONS = "/search", "/{other}/batch/read"


class HubSpot:
    """One HubSpot account."""

    name = "hubspot"

    def __init__(self, tables: Tables, *, strict: bool = False) -> None:
        self.store = Store({name: tables.get(name, ()) for name in OBJECT_TYPES}, whole_seconds=False)
        self.limits = Limits(LIMITS, enforced=strict)
        self._ids = count(99_000_000_001)
        self._properties = Properties()
        self._conditions = Conditions(SEARCH_LAG if strict else 0)
        self.endpoints = [
            Endpoint("GET", "/account-info/v3/details", self._account),
            *Objects(self.store, self._properties.definitions, self._conditions).endpoints,
            *Associations(self.store).endpoints,
            *self._properties.endpoints,
            *Hooks(self.store, self._conditions, self.new_id).endpoints(),
        ]

    def authorize(self, request: Request, endpoint: Endpoint) -> None:
        """A known bearer token with one of the scopes that the endpoint needs."""
        scopes = SCOPES.get(request.headers.get("authorization", "").removeprefix("Bearer "))
        if scopes is None:
            raise unauthenticated()
        if endpoint.needs and not scopes.intersection(endpoint.needs):
            of_definitions = endpoint.path.startswith("/crm/v3/properties")
            raise (missing_definition_scopes if of_definitions else missing_scopes)(endpoint.needs)

    def admit(self, endpoint: Endpoint) -> None:
        """Searches have a limit of their own; the day's is for everything."""
        of_ten_seconds = () if endpoint.path.endswith((SEARCH, ASSOCIATIONS)) else ("ten_seconds",)
        of_search = ("search_second",) if endpoint.path.endswith(SEARCH) else ()
        if name := self.limits.exceeded("day", *of_ten_seconds, *of_search):
            raise limit_reached(POLICIES[name])

    def headers(self, endpoint: Endpoint) -> Mapping[str, str]:
        """Rate headers; search answers have none."""
        if endpoint.path.endswith(SEARCH):
            return {}
        day, interval = self.limits["day"], self.limits["ten_seconds"]
        return {
            "X-HubSpot-RateLimit-Daily": str(day.limit.most),
            "X-HubSpot-RateLimit-Daily-Remaining": str(self.limits.left("day")),
            "X-HubSpot-RateLimit-Interval-Milliseconds": str(round(interval.limit.seconds * 1000)),
            "X-HubSpot-RateLimit-Max": str(interval.limit.most),
            "X-HubSpot-RateLimit-Remaining": str(self.limits.left("ten_seconds")),
        }

    def unknown(self, request: Request, status: int) -> Refusal:
        """No such path, or not with this method: feedback submissions cannot be written, for one."""
        if status == 405:  # noqa: PLR2004
            return refusal(405, f"{request.method} is not allowed on this resource.", "METHOD_NOT_ALLOWED")
        return refusal(404, "resource not found", "OBJECT_NOT_FOUND")

    def reset(self) -> None:
        """Records, definitions, conditions and limits as at the start."""
        self.limits.reset()
        self.store.reset()
        self._properties.reset()
        self._conditions.reset()

    def new_id(self, table: str) -> str:  # noqa: ARG002
        """An id above all others."""
        return str(next(self._ids))

    async def _account(self, _: Request) -> Response:
        return JSONResponse(
            {
                "portalId": PORTAL_ID,
                "accountType": "STANDARD",
                "timeZone": "Europe/Berlin",
                "companyCurrency": "EUR",
                "additionalCurrencies": [],
                "utcOffset": "+01:00",
                "utcOffsetMilliseconds": 3_600_000,
                "uiDomain": "app.hubspot.com",
                "dataHostingLocation": "eu1",
            }
        )
