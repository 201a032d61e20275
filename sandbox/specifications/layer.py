"""In front of a CRM: holds every request against the published specification and notes what it does not allow.

Nothing is refused here: the CRM answers as ever. What is noted stands in the request log, and is a warning of the
logger ``sandbox.specifications``, without values of the request.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from urllib.parse import quote

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from sandbox.specifications.operations import Request, Specification
from sandbox.web import VIOLATIONS

LOGGER = logging.getLogger("sandbox.specifications")


class SpecificationLayer:
    """An ASGI application in front of another one; ``exempt`` is the path below which no specification holds."""

    def __init__(self, application: ASGIApp, crm: str, specification: Specification, exempt: str) -> None:
        self._application, self._crm, self._specification, self._exempt = application, crm, specification, exempt

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Judge one request, and let it through."""
        if scope["type"] != "http" or scope["path"].startswith(self._exempt):
            await self._application(scope, receive, send)
            return
        messages = await _arrived(scope, receive)
        found = self._specification.violations(_request(scope, messages))
        for one in found:
            LOGGER.warning("A %s request to %s breaks its specification: %s", scope["method"], self._crm, one)
        await self._application({**scope, VIOLATIONS: found}, _replayed(messages, receive), send)


async def _arrived(scope: Scope, receive: Receive) -> list[Message]:
    """The whole body, where there is one."""
    headers, messages = Headers(scope=scope), list[Message]()
    if headers.get("content-length", "0") == "0" and "transfer-encoding" not in headers:
        return messages
    while True:
        messages.append(await receive())
        if not messages[-1].get("more_body"):
            return messages


def _request(scope: Scope, messages: list[Message]) -> Request:
    path = scope.get("raw_path") or quote(scope["path"]).encode()
    return Request(
        scope["method"],
        path.decode("ascii"),
        scope["query_string"].decode("ascii", "replace"),
        Headers(scope=scope).get("content-type", ""),
        b"".join(one.get("body", b"") for one in messages),
    )


def _replayed(messages: list[Message], receive: Receive) -> Receive:
    kept: Iterator[Message] = iter(messages)

    async def again() -> Message:
        return next(kept, None) or await receive()

    return again
