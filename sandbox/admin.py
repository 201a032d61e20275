"""The control interface of each server, under /_sandbox/: log, state, edits, limits, faults, reset.

No real system has it.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sandbox.faults import FaultError, Faults, declared
from sandbox.limits import Limits
from sandbox.store import Record, Store
from sandbox.web import CONTROL, Refusal, RequestLog, Service, json_object

PREFIX = CONTROL
MALFORMED = Refusal(400, {"error": "The body must be a JSON object."})

Handler = Callable[[Request], Awaitable[Response]]
Declared = tuple[str, str, Handler]


def admin_routes(service: Service, log: RequestLog, faults: Faults) -> list[Route]:
    """The routes of one server's control interface; they answer loopback callers only."""
    store = service.store

    async def requests(_: Request) -> Response:
        return JSONResponse({"requests": list(log.entries)})

    async def forget_requests(_: Request) -> Response:
        log.entries.clear()
        return Response(status_code=204)

    async def state(request: Request) -> Response:
        return JSONResponse(store.dump([_table(store, request)]))

    async def reset(_: Request) -> Response:
        service.reset()
        log.entries.clear()
        faults.declare([])
        return Response(status_code=204)

    routes: list[Declared] = [
        ("GET", "/requests", requests),
        ("DELETE", "/requests", forget_requests),
        ("GET", "/state/{table}", state),
        *_fault_routes(faults),
        *_limit_routes(service.limits),
        ("POST", "/reset", reset),
        *_record_routes(service),
    ]
    return [Route(PREFIX + path, _guarded(handler), methods=[method]) for method, path, handler in routes]


def _record_routes(service: Service) -> list[Declared]:
    store = service.store

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

    async def set_modified(request: Request) -> Response:
        table, body = _table(store, request), await json_object(request, MALFORMED)
        moment, ids = _moment(body.get("at")), body.get("ids")
        for record in store.everything(table):
            if ids is None or record.record_id in ids:
                record.modified = moment
        return Response(status_code=204)

    return [
        ("POST", "/records/{table}", add),
        ("PATCH", "/records/{table}/{record_id}", edit),
        ("DELETE", "/records/{table}/{record_id}", delete),
        ("POST", "/modified/{table}", set_modified),
    ]


def _limit_routes(limits: Limits) -> list[Declared]:
    async def show(_: Request) -> Response:
        return JSONResponse({"limits": limits.shown()})

    async def enforce(request: Request) -> Response:
        body = await json_object(request, MALFORMED)
        name, most, seconds = body.get("name"), body.get("most"), body.get("seconds")
        if name not in limits.shown():
            raise Refusal(404, {"error": f"There is no such limit; there are {', '.join(limits.shown())}."})
        if type(most) is not int or not isinstance(seconds, int | float) or seconds <= 0:
            raise Refusal(400, {"error": "A limit needs a whole number of requests and a positive number of seconds."})
        limits.enforce(name, most, seconds)
        return Response(status_code=204)

    return [("GET", "/limits", show), ("PUT", "/limits", enforce)]


def _fault_routes(faults: Faults) -> list[Declared]:
    async def show(_: Request) -> Response:
        return JSONResponse({"faults": faults.shown()})

    async def declare(request: Request) -> Response:
        try:
            faults.declare(declared(await json_object(request, MALFORMED)))
        except FaultError as error:
            raise Refusal(400, {"error": str(error)}) from None
        return Response(status_code=204)

    async def clear(_: Request) -> Response:
        faults.declare([])
        return Response(status_code=204)

    return [("GET", "/faults", show), ("PUT", "/faults", declare), ("DELETE", "/faults", clear)]


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


def _moment(text: object) -> datetime:
    try:
        moment = datetime.fromisoformat(str(text))
    except ValueError:
        raise MALFORMED from None
    if moment.tzinfo is None:
        raise MALFORMED
    return moment


def _shown(record: Record) -> Response:
    body: dict[str, Any] = {"id": record.record_id, "modified": record.modified.isoformat()}
    return JSONResponse(body)
