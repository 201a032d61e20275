"""The control interface of each server, under /_sandbox/: log, state, edits, reset. No real system has it."""

from __future__ import annotations

import ipaddress
from collections.abc import Awaitable, Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sandbox.store import Record, Store
from sandbox.web import Refusal, RequestLog, Service, json_object

PREFIX = "/_sandbox"
MALFORMED = Refusal(400, {"error": "The body must be a JSON object."})

Handler = Callable[[Request], Awaitable[Response]]


def admin_routes(service: Service, log: RequestLog) -> list[Route]:
    """The routes of one server's control interface; they answer loopback callers only."""
    store = service.store

    async def requests(_: Request) -> Response:
        return JSONResponse({"requests": list(log.entries)})

    async def forget_requests(_: Request) -> Response:
        log.entries.clear()
        return Response(status_code=204)

    async def state(_: Request) -> Response:
        return JSONResponse(store.dump())

    async def reset(_: Request) -> Response:
        service.reset()
        log.entries.clear()
        return Response(status_code=204)

    async def add(request: Request) -> Response:
        table = _table(store, request)
        fields = await json_object(request, MALFORMED)
        record = store.add(table, service.new_id(table), fields)
        return JSONResponse({"id": record.record_id}, 201)

    async def edit(request: Request) -> Response:
        record = _record(store, request)
        store.write(record, await json_object(request, MALFORMED))
        return _shown(record)

    async def delete(request: Request) -> Response:
        store.delete(_record(store, request))
        return Response(status_code=204)

    declared: list[tuple[str, str, Handler]] = [
        ("GET", "/requests", requests),
        ("DELETE", "/requests", forget_requests),
        ("GET", "/state", state),
        ("POST", "/reset", reset),
        ("POST", "/records/{table}", add),
        ("PATCH", "/records/{table}/{record_id}", edit),
        ("DELETE", "/records/{table}/{record_id}", delete),
    ]
    return [Route(PREFIX + path, _guarded(handler), methods=[method]) for method, path, handler in declared]


def _guarded(handler: Handler) -> Handler:
    async def answer(request: Request) -> Response:
        try:
            _refuse_strangers(request)
            return await handler(request)
        except Refusal as refusal:
            return JSONResponse(refusal.body, refusal.status)

    return answer


def _refuse_strangers(request: Request) -> None:
    if request.client is None or not ipaddress.ip_address(request.client.host).is_loopback:
        raise Refusal(403, {"error": "The control interface answers this machine only."})


def _table(store: Store, request: Request) -> str:
    table: str = request.path_params["table"]
    if table not in store.tables():
        raise Refusal(404, {"error": f"There is no table {table}; there are {', '.join(store.tables())}."})
    return table


def _record(store: Store, request: Request) -> Record:
    table = _table(store, request)
    record = store.find_live(table, request.path_params["record_id"])
    if record is None:
        raise Refusal(404, {"error": f"{table} has no such record, or it is deleted."})
    return record


def _shown(record: Record) -> Response:
    body: dict[str, Any] = {"id": record.record_id, "modified": record.modified.isoformat()}
    return JSONResponse(body)
