"""HubSpot's object endpoints: list, read, search, batch read, batch update."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from sandbox.hubspot.answers import batch, invalid, not_found, refusal, shown
from sandbox.hubspot.associations import listed
from sandbox.hubspot.bodies import body_of, inputs_of
from sandbox.hubspot.definitions import OBJECT_TYPES, ObjectType
from sandbox.hubspot.hooks import Conditions
from sandbox.hubspot.search import LONGEST, Definitions, search, window
from sandbox.hubspot.values import problem, stored
from sandbox.store import Record, Store
from sandbox.web import Endpoint, Refusal, bounded_integer

PAGE, DEFAULT_PAGE = 100, 10
BATCH = 100


class Objects:
    """The endpoints under /crm/v3/objects."""

    def __init__(self, store: Store, definitions: dict[str, Definitions], conditions: Conditions) -> None:
        self._store = store
        self._definitions = definitions
        self._conditions = conditions
        self.endpoints = [one for kind in OBJECT_TYPES.values() for one in self._endpoints(kind)]

    def _endpoints(self, kind: ObjectType) -> list[Endpoint]:
        path = f"/crm/v3/objects/{kind.name}"
        declared: list[tuple[str, str, Callable[[ObjectType, Request], Any]]] = [
            ("GET", "", self._list),
            ("POST", "/search", self._search),
            ("POST", "/batch/read", self._batch_read),
            ("GET", "/{record_id:int}", self._read),
        ]
        reads = [Endpoint(method, path + rest, _bound(kind, do), needs=kind.reads) for method, rest, do in declared]
        if not kind.writes:
            return reads
        update = _bound(kind, self._batch_update)
        return [*reads, Endpoint("POST", f"{path}/batch/update", update, writes=True, needs=kind.writes)]

    async def _list(self, kind: ObjectType, request: Request) -> Response:
        query = request.query_params
        limit = bounded_integer(query.get("limit"), DEFAULT_PAGE, PAGE, _bad_limit)
        after = query.get("after", "0")
        if not after.isdigit():
            raise invalid(f"Invalid after {after}.")
        archived = _archived(request)
        records = [
            record
            for record in sorted(self._store.everything(kind.name), key=lambda one: int(one.record_id))
            if (record.deleted is not None) is archived
            and int(record.record_id) > int(after)
            and record.record_id not in self._conditions.merged
        ]
        page = records[:limit]
        body: dict[str, Any] = {"results": [self._listed(kind, record, request) for record in page]}
        if len(records) > limit:
            last = page[-1].record_id
            following = [(name, value) for name, value in query.multi_items() if name != "after"] + [("after", last)]
            link = f"{request.url.scheme}://{request.url.netloc}{request.url.path}?{urlencode(following)}"
            body["paging"] = {"next": {"after": last, "link": link}}
        return JSONResponse(body)

    async def _read(self, kind: ObjectType, request: Request) -> Response:
        record_id = str(request.path_params["record_id"])
        record = self._store.find(kind.name, self._conditions.merged.get(record_id, record_id))
        archived = _archived(request)
        if record is None or (record.deleted is not None) is not archived:
            raise refusal(404, "resource not found", "OBJECT_NOT_FOUND")
        return JSONResponse(self._listed(kind, record, request))

    async def _search(self, kind: ObjectType, request: Request) -> Response:
        body = await body_of(request)
        if len(await request.body()) > LONGEST:
            raise invalid(f"The request is longer than {LONGEST} characters.")
        first, end = window(body)
        indexed = self._conditions.indexed(self._store.live(kind.name), self._store.now())
        found = search(kind, self._definitions[kind.name], indexed, body)
        asked_for = self._known(kind, body.get("properties"))
        answer: dict[str, Any] = {
            "total": len(found),
            "results": [shown(kind, record, asked_for) for record in found[first:end]],
        }
        if len(found) > end:
            answer["paging"] = {"next": {"after": str(end)}}
        return JSONResponse(answer)

    async def _batch_read(self, kind: ObjectType, request: Request) -> Response:
        body = await body_of(request)
        inputs = inputs_of(body, BATCH)
        id_property = body.get("idProperty")
        if id_property and not self._is_unique(kind, id_property):
            raise invalid(f"Property {id_property} is not a unique identifier of {kind.name}.")
        archived = _archived(request)
        known = {
            self._key(record, id_property): record
            for record in self._store.everything(kind.name)
            if (record.deleted is not None) is archived
        }
        given = {_folded(one, id_property): str(one.get("id")) for one in inputs}
        wanted = {self._conditions.merged.get(key, key): name for key, name in given.items()}
        missing = [name for key, name in wanted.items() if key not in known]
        found = [record for key, record in known.items() if key in wanted]
        asked_for = self._known(kind, body.get("properties"))
        results = [shown(kind, record, asked_for) for record in found]
        errors = [not_found(kind, missing)] if missing else []
        return JSONResponse(batch(results, errors, self._store.now()), 207 if errors else 200)

    async def _batch_update(self, kind: ObjectType, request: Request) -> Response:
        inputs = inputs_of(await body_of(request), BATCH)
        if any(one.get("idProperty") for one in inputs):
            raise invalid("idProperty is not supported here; send record ids.")
        _refuse_duplicates(inputs)
        problems = [self._problems(kind, one) for one in inputs]
        traces = [one.get("objectWriteTraceId") for one in inputs]
        traced = all(traces) and len(set(traces)) == len(traces)
        if any(problems) and not traced:
            raise _invalid_values([one for row in problems for one in row])
        errors = [
            _row_error(trace, row) for trace, row in zip(traces, problems, strict=True) if row and trace is not None
        ]
        sound = [one for one, row in zip(inputs, problems, strict=True) if not row]
        missing = [str(one["id"]) for one in sound if self._store.find_live(kind.name, str(one["id"])) is None]
        if missing:
            errors.append(not_found(kind, missing))
        results = [self._update(kind, one) for one in sound if str(one["id"]) not in missing]
        results.sort(key=lambda result: int(result["id"]))  # the answer's order is not the request's
        return JSONResponse(batch(results, errors, self._store.now()), 207 if errors else 200)

    def _update(self, kind: ObjectType, one: dict[str, Any]) -> dict[str, Any]:
        record = self._store.find_live(kind.name, str(one["id"]))
        if record is None:
            raise LookupError(kind.name)
        definitions = self._definitions[kind.name]
        given = one.get("properties") or {}
        changes = {name: stored(definitions[name], value) for name, value in given.items()}
        self._store.write_differences(record, changes)
        return shown(kind, record, changes)

    def _problems(self, kind: ObjectType, one: dict[str, Any]) -> list[dict[str, Any]]:
        definitions = self._definitions[kind.name]
        given = one.get("properties") or {}
        found = [problem(definitions.get(name), name, value) for name, value in given.items()]
        return [one for one in found if one is not None]

    def _listed(self, kind: ObjectType, record: Record, request: Request) -> dict[str, Any]:
        body = shown(kind, record, self._known(kind, _names(request, "properties")))
        asked = _names(request, "associations")
        associations = listed(kind, record, [name for name, one in OBJECT_TYPES.items() if _asked_for(one, asked)])
        return body | {"associations": associations} if associations else body

    def _known(self, kind: ObjectType, names: list[str] | None) -> list[str]:
        """The properties to serve, the usual ones where none are asked for; those that there are not are left out."""
        return [name for name in names or kind.defaults if name in self._definitions[kind.name]]

    def _is_unique(self, kind: ObjectType, name: str) -> bool:
        found = self._definitions[kind.name].get(name)
        return bool(found and found["hasUniqueValue"])

    @staticmethod
    def _key(record: Record, id_property: str | None) -> str | None:
        if id_property is None:
            return record.record_id
        value = record.fields.get(id_property)
        return str(value).casefold() if value else None


def _bound(kind: ObjectType, do: Callable[[ObjectType, Request], Any]) -> Callable[[Request], Any]:
    async def handler(request: Request) -> Response:
        answer: Response = await do(kind, request)
        return answer

    return handler


def _bad_limit(text: str) -> Refusal:
    return invalid(f"Invalid limit {text}: it must be between 1 and {PAGE}.")


def _archived(request: Request) -> bool:
    given = request.query_params.get("archived", "false").lower()  # HubSpot's own client writes True
    if given not in ("true", "false"):
        raise invalid(f"archived must be true or false, and is {given}.")
    return given == "true"


def _names(request: Request, parameter: str) -> list[str]:
    """A list out of the query: the parameter repeated, or once with commas."""
    return [name for text in request.query_params.getlist(parameter) for name in text.split(",") if name]


def _asked_for(kind: ObjectType, names: list[str]) -> bool:
    return any(name.lower() in (kind.name, kind.singular.lower(), kind.type_id) for name in names)


def _folded(one: dict[str, Any], id_property: str | None) -> str:
    given = str(one["id"])
    return given.casefold() if id_property else given


def _refuse_duplicates(inputs: list[dict[str, Any]]) -> None:
    ids = [str(one["id"]) for one in inputs]
    repeated = sorted({one for one in ids if ids.count(one) > 1})
    if repeated:
        message = f"Duplicate IDs found in batch input: [{', '.join(repeated)}]. IDs must be unique"
        raise invalid(message, context={"ids": repeated})


def _invalid_values(problems: list[dict[str, Any]]) -> Refusal:
    errors = [
        {"message": one["message"], "code": one["error"], "context": {"propertyName": [one["name"]]}}
        for one in problems
    ]
    listed = json.dumps(problems, separators=(",", ":"), ensure_ascii=False)
    return invalid(f"Property values were not valid: {listed}", errors=errors)


def _row_error(trace: str, problems: list[dict[str, Any]]) -> dict[str, Any]:
    listed = json.dumps(problems, separators=(",", ":"), ensure_ascii=False)
    return {
        "status": "error",
        "category": "VALIDATION_ERROR",
        "message": f"Property values were not valid: {listed}",
        "context": {"objectWriteTraceId": [trace], "propertyName": [one["name"] for one in problems]},
    }
