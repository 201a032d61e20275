"""What the three servers share over HTTP: declared endpoints, refusals, the request log. No vendor's shapes."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sandbox.limits import Limits
from sandbox.store import Store

LOGGED_REQUESTS = 100_000
CONTROL = "/_sandbox"  # below it lies what no real system has
# In the scope of a request: the kind of the fault that strikes it, what of it the published specification forbids.
FAULT, VIOLATIONS = "fault", "violations"


class Refusal(Exception):  # noqa: N818  (an answer of the API, not a fault of ours)
    """An answer other than success, raised where it is found: status, JSON body, further headers."""

    def __init__(self, status: int, body: object, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(status)
        self.status = status
        self.body = body
        self.headers = dict(headers or {})


@dataclass(frozen=True)
class Endpoint:
    """One operation of an API. ``writes``: it changes records or definitions; ``needs``: one of these is required."""

    method: str
    path: str
    handler: Callable[[Request], Awaitable[Response]]
    writes: bool = False
    open_to_all: bool = False
    needs: tuple[str, ...] = ()


@dataclass
class RequestLog:
    """The latest requests, for tests that count them.

    Of each: method, path, query, status (the CRM's; None: it was not asked and nobody answered), whether it was to
    change records and the CRM saw it, the kind of the fault that struck it (None: none), and the sentences that say
    what of it breaks the published specification.
    """

    entries: deque[dict[str, Any]] = field(default_factory=lambda: deque(maxlen=LOGGED_REQUESTS))

    def add(self, request: Request, status: int, *, writes: bool) -> None:
        """Note one request that was answered."""
        self._append(request.scope, status, writes=writes)

    def note(self, scope: Mapping[str, Any], status: int | None) -> None:
        """Note one request that the CRM did not see; None: nobody answered it."""
        self._append(scope, status, writes=False)

    def _append(self, scope: Mapping[str, Any], status: int | None, *, writes: bool) -> None:
        self.entries.append(
            {
                "method": scope["method"],
                "path": scope["path"],
                "query": scope["query_string"].decode(),
                "status": status,
                "changes_records": writes,
                "fault": scope.get(FAULT),
                "violations": scope.get(VIOLATIONS, []),
            }
        )


class Service(Protocol):
    """One CRM as the web layer sees it."""

    @property
    def name(self) -> str:
        """The CRM."""

    @property
    def store(self) -> Store:
        """Its records."""

    @property
    def limits(self) -> Limits:
        """How many requests it answers in a time."""

    @property
    def endpoints(self) -> Sequence[Endpoint]:
        """Its operations; the first that fits a request answers it."""

    def authorize(self, request: Request, endpoint: Endpoint) -> None:
        """Raise Refusal unless the request may use the endpoint."""

    def admit(self, endpoint: Endpoint) -> None:
        """Count a request; raise Refusal where a limit forbids it."""

    def headers(self, endpoint: Endpoint) -> Mapping[str, str]:
        """What every answer of the endpoint carries, such as rate limits."""

    def unknown(self, request: Request, status: int) -> Refusal:
        """The answer to a path (404) or method (405) that the API does not have."""

    def reset(self) -> None:
        """Go back to the state of the start: records, definitions, jobs. Sessions stay open."""

    def new_id(self, table: str) -> str:
        """An id for a record that is added from outside the API."""


def application(service: Service, log: RequestLog, further_routes: Sequence[Route]) -> Starlette:
    """The ASGI application of one CRM: its endpoints, and routes that are no part of the real API."""

    async def not_found(request: Request, error: Exception) -> Response:
        status = error.status_code if isinstance(error, HTTPException) else 404
        log.add(request, status, writes=False)
        return _answer(service.unknown(request, status))

    routes = [*further_routes, *(_route(service, log, endpoint) for endpoint in service.endpoints)]
    return Starlette(routes=routes, exception_handlers={404: not_found, 405: not_found})


def _route(service: Service, log: RequestLog, endpoint: Endpoint) -> Route:
    async def answer(request: Request) -> Response:
        try:
            if not endpoint.open_to_all:
                service.authorize(request, endpoint)
            if not endpoint.path.startswith(CONTROL):
                service.admit(endpoint)
            response = await endpoint.handler(request)
        except Refusal as refusal:
            response = _answer(refusal)
        response.headers.update(service.headers(endpoint))
        log.add(request, response.status_code, writes=endpoint.writes)
        return response

    return Route(endpoint.path, answer, methods=[endpoint.method])


def _answer(refusal: Refusal) -> Response:
    return JSONResponse(refusal.body, refusal.status, refusal.headers)


async def json_object(request: Request, malformed: Refusal) -> dict[str, Any]:
    """The request's body as a JSON object.

    Args:
        request: The request.
        malformed: What to raise where the body is none.

    Returns:
        The object.
    """
    try:
        body = json.loads(await request.body())
    except ValueError:
        raise malformed from None
    if not isinstance(body, dict):
        raise malformed
    return body


def bounded_integer(text: str | None, default: int, most: int, refusal: Callable[[str], Refusal]) -> int:
    """A whole number from 1 to ``most`` out of a query string; ``refusal`` makes the answer to anything else."""
    if text is None:
        return default
    if not text.isdigit() or not 1 <= int(text) <= most:
        raise refusal(text)
    return int(text)
