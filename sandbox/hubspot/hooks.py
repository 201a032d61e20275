"""What a test can do to the HubSpot account that its API cannot: merge, restore, let search lag, enforce limits.

The endpoints lie under /_sandbox/hubspot/; no real account has them.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
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
MERGED = "hs_merged_object_ids"
BEHAVIOUR = ("index_milliseconds", "searches_per_second", "requests_per_interval", "requests_per_day")


@dataclass
class Conditions:
    """What is so at present.

    ``merged`` (id -> id of the record it became); ``unindexed`` ids, unknown to search. ``behaviour``: whole numbers by
    name, 0 for any number: ``index_milliseconds`` until search knows of a change, ``searches_per_second`` (really 5),
    ``requests_per_interval`` of ten seconds (really 100 to 190), ``requests_per_day``; more requests are refused.
    """

    merged: dict[str, str] = field(default_factory=dict)
    unindexed: frozenset[str] = frozenset()
    behaviour: dict[str, int] = field(default_factory=lambda: dict.fromkeys(BEHAVIOUR, 0))

    def reset(self) -> None:
        """As at the start."""
        self.merged.clear()
        self.unindexed = frozenset()
        self.behaviour.update(dict.fromkeys(BEHAVIOUR, 0))

    def indexed(self, record: Record, now: datetime) -> bool:
        """Whether search knows a record as it is."""
        delay = timedelta(milliseconds=self.behaviour["index_milliseconds"])
        return record.record_id not in self.unindexed and record.modified <= now - delay


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
            "/behaviour": self._behave,
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

    async def _behave(self, request: Request) -> dict[str, Any]:
        given = await json_object(request, MALFORMED)
        if not given.keys() <= {*BEHAVIOUR} or not all(type(one) is int for one in given.values()):
            raise Refusal(400, {"error": f"Give whole numbers for some of {', '.join(BEHAVIOUR)}."})
        self.conditions.behaviour.update(given)
        return dict(self.conditions.behaviour)

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

    def behave(self, **names: int) -> None:
        """Let search lag or limits be enforced: see ``Conditions``."""
        self._call("POST", f"{PATH}/behaviour", names)
