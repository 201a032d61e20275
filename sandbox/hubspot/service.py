"""The HubSpot account as a whole: tokens and scopes, rate headers, the account's details, all endpoints."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import count

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from sandbox.hubspot.answers import missing_definition_scopes, missing_scopes, rate_limited, refusal, unauthenticated
from sandbox.hubspot.associations import Associations
from sandbox.hubspot.definitions import OBJECT_TYPES, PORTAL_ID
from sandbox.hubspot.hooks import Conditions, Hooks
from sandbox.hubspot.objects import Objects
from sandbox.hubspot.properties import Properties
from sandbox.limits import Window
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
INTERVAL_MILLISECONDS, PER_INTERVAL, PER_DAY = 10_000, 190, 650_000


class HubSpot:
    """One HubSpot account."""

    name = "hubspot"

    def __init__(self, tables: Tables) -> None:
        self.store = Store({name: tables.get(name, ()) for name in OBJECT_TYPES}, whole_seconds=False)
        self._interval = Window(PER_INTERVAL, INTERVAL_MILLISECONDS / 1000)
        self._day = Window(PER_DAY, 86_400)
        self._searches = Window(0, 1)
        self._ids = count(99_000_000_001)
        self._properties = Properties()
        self._conditions = Conditions()
        self.endpoints = [
            Endpoint("GET", "/account-info/v3/details", self._account),
            *Objects(self.store, self._properties.definitions, self._conditions).endpoints,
            *Associations(self.store).endpoints,
            *self._properties.endpoints,
            *Hooks(self.store, self._conditions, self.new_id).endpoints(),
        ]

    def authorize(self, request: Request, endpoint: Endpoint) -> None:
        """A known bearer token with one of the scopes that the endpoint needs, within the limits that are enforced."""
        self._spend(endpoint)
        scopes = SCOPES.get(request.headers.get("authorization", "").removeprefix("Bearer "))
        if scopes is None:
            raise unauthenticated()
        if endpoint.needs and not scopes.intersection(endpoint.needs):
            of_definitions = endpoint.path.startswith("/crm/v3/properties")
            raise (missing_definition_scopes if of_definitions else missing_scopes)(endpoint.needs)

    def _spend(self, endpoint: Endpoint) -> None:
        enforced = self._conditions.behaviour
        self._interval.most = enforced["requests_per_interval"] or PER_INTERVAL
        self._day.most = enforced["requests_per_day"] or PER_DAY
        self._searches.most = enforced["searches_per_second"]
        self._interval.spend()
        self._day.spend()
        limits = [("DAILY", self._day, enforced["requests_per_day"])]
        limits += [("TEN_SECONDLY_ROLLING", self._interval, enforced["requests_per_interval"])]
        if endpoint.path.endswith("/search"):
            self._searches.spend()
            limits += [("SECONDLY", self._searches, enforced["searches_per_second"])]
        for policy, window, is_enforced in limits:
            if is_enforced and window.used > window.most:
                raise rate_limited(policy)

    def headers(self, endpoint: Endpoint) -> Mapping[str, str]:
        """Rate headers; search answers have none. A limit that is not enforced never says that nothing is left."""
        if endpoint.path.endswith("/search") or endpoint.open_to_all:
            return {}
        enforced = self._conditions.behaviour
        return {
            "X-HubSpot-RateLimit-Daily": str(self._day.most),
            "X-HubSpot-RateLimit-Daily-Remaining": str(self._day.remaining or int(not enforced["requests_per_day"])),
            "X-HubSpot-RateLimit-Interval-Milliseconds": str(INTERVAL_MILLISECONDS),
            "X-HubSpot-RateLimit-Max": str(self._interval.most),
            "X-HubSpot-RateLimit-Remaining": str(
                self._interval.remaining or int(not enforced["requests_per_interval"])
            ),
        }

    def unknown(self, request: Request, status: int) -> Refusal:
        """No such path, or not with this method: feedback submissions cannot be written, for one."""
        if status == 405:  # noqa: PLR2004
            return refusal(405, f"{request.method} is not allowed on this resource.", "METHOD_NOT_ALLOWED")
        return refusal(404, "resource not found", "OBJECT_NOT_FOUND")

    def reset(self) -> None:
        """Records, definitions, conditions and limits as at the start."""
        self._interval.reset()
        self._day.reset()
        self._searches.reset()
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
