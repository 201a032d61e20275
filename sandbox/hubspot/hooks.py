"""What a test can do to the HubSpot account that its API cannot: merge, restore, let the search index be behind.

The endpoints lie under /_sandbox/hubspot/; no real account has them.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from sandbox.control import Control
from sandbox.hubspot.associations import FIELD, linked
from sandbox.hubspot.definitions import OBJECT_TYPES
from sandbox.store import Record, Store
from sandbox.web import Endpoint, Refusal, json_object

PREFIX, PATH = "/_sandbox", "/hubspot"
MALFORMED = Refusal(400, {"error": "The body must be a JSON object."})
SEARCH_LAG = 10.0  # seconds; HubSpot speaks of a few moments
MERGED = "hs_merged_object_ids"


@dataclass
class Conditions:
    """What is so at present: ``merged`` (id -> id of the record it became) and ``unindexed`` ids, unknown to search.

    A record that changed less than ``search_lag`` seconds ago is unknown to search, too. It is at first what it is in
    ``usual_lag``.
    """

    usual_lag: float = 0.0
    merged: dict[str, str] = field(default_factory=dict)
    unindexed: frozenset[str] = frozenset()
    search_lag: float = 0.0

    def __post_init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """As at the start."""
        self.merged.clear()
        self.unindexed = frozenset()
        self.search_lag = self.usual_lag

    def indexed(self, records: Iterable[Record], now: datetime) -> list[Record]:
        """Those of the records that search knows."""
        settled = now - timedelta(seconds=self.search_lag)
        return [
            one
            for one in records
            if one.record_id not in self.unindexed and (one.modified <= settled or not self.search_lag)
        ]


@dataclass(frozen=True)
class Hooks:
    """The endpoints, and what they act on."""

    store: Store
    conditions: Conditions
    new_id: Callable[[str], str]

    def endpoints(self) -> list[Endpoint]:
        """The endpoints below the path of the control interface."""
        actions: Mapping[str, Callable[[Request], Awaitable[dict[str, Any]]]] = {
            "/merge/{table}/{record_id}/{other}": self._merge,
            "/restore/{table}/{record_id}": self._restore,
            "/unindexed": self._unindexed,
            "/search-lag": self._search_lag,
        }
        return [
            Endpoint("POST", PREFIX + PATH + path, _answering(action), open_to_all=True)
            for path, action in actions.items()
        ]

    async def _merge(self, request: Request) -> dict[str, Any]:
        """Two records become a new one; what was associated with them is associated with it, and has not changed."""
        table = request.path_params["table"]
        one, other = (self._record(table, request.path_params[name]) for name in ("record_id", "other"))
        filled = {name: value for name, value in one.fields.items() if value not in (None, "")}
        gone = [name for two in (one, other) for name in (two.record_id, two.fields.get(MERGED)) if name]
        kept = self.store.add(table, self.new_id(table), {**other.fields, **filled, MERGED: ";".join(gone)})
        for two in (one, other):
            self.store.delete(two)
            self.conditions.merged[two.record_id] = kept.record_id
        self._associate_anew(table)
        return {"id": kept.record_id}

    def _associate_anew(self, table: str) -> None:
        for kind in OBJECT_TYPES.values():
            for association in (one for one in kind.associations if one.other == table):
                for record in self.store.live(kind.name):
                    ids = linked(record, association)
                    if not self.conditions.merged.keys().isdisjoint(ids):
                        now = list(dict.fromkeys(self.conditions.merged.get(one, one) for one in ids))
                        record.fields[FIELD] = {**(record.fields.get(FIELD) or {}), table: now}

    async def _restore(self, request: Request) -> dict[str, Any]:
        self._record(request.path_params["table"], request.path_params["record_id"]).deleted = None
        return {}

    async def _unindexed(self, request: Request) -> dict[str, Any]:
        self.conditions.unindexed = frozenset((await json_object(request, MALFORMED))["ids"])
        return {}

    async def _search_lag(self, request: Request) -> dict[str, Any]:
        self.conditions.search_lag = float((await json_object(request, MALFORMED))["seconds"])
        return {}

    def _record(self, table: str, record_id: str) -> Record:
        record = self.store.find(table, record_id)
        if record is None:
            raise Refusal(404, {"error": "There is no such record."})
        return record


def _answering(action: Callable[[Request], Awaitable[dict[str, Any]]]) -> Callable[[Request], Awaitable[Response]]:
    async def answer(request: Request) -> Response:
        return JSONResponse(await action(request))

    return answer


class HubSpotControl(Control):
    """The control interface of the HubSpot account, with what only it can do."""

    @classmethod
    def of(cls, control: Control) -> HubSpotControl:
        """The same server's interface."""
        return cls(control.url, control.authority)

    def merge(self, table: str, record_id: str, other: str) -> str:
        """Merge two records, whose values count in this order; returns the id of the record that they become."""
        return str(self._call("POST", f"{PATH}/merge/{table}/{record_id}/{other}", {})["id"])

    def restore(self, table: str, record_id: str) -> None:
        """Bring back an archived record, with the time of its last change as it is."""
        self._call("POST", f"{PATH}/restore/{table}/{record_id}", {})

    def unindexed(self, *record_ids: str) -> None:
        """Keep records out of what search finds, and only these: its index is behind."""
        self._call("POST", f"{PATH}/unindexed", {"ids": record_ids})

    def search_lag(self, seconds: float) -> None:
        """Let records be unknown to search for so long after each change."""
        self._call("POST", f"{PATH}/search-lag", {"seconds": seconds})
