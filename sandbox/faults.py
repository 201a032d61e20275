"""What goes wrong between a client and a CRM: declared as data, struck before or after the CRM sees the request.

How a CRM itself words a refusal is not said here but in ``sandbox.refusals``.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from random import Random
from typing import Any, get_type_hints

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from sandbox.web import FAULT, Refusal, RequestLog

HANG_UP = "hang_up"
PAGE_OF_A_GATEWAY = b"<!DOCTYPE html><html><head><title>Just a moment</title></head><body>Please wait.</body></html>"
OK = 200
STATUSES = (500, 502, 503, 504)
LATER = ("too_many_seconds", "too_many_date")

# Every kind of fault, and what it does.
KINDS: Mapping[str, str] = {
    "too_many": "429 without Retry-After",
    "too_many_seconds": "429 with Retry-After in seconds",
    "too_many_date": "429 with Retry-After as a date",
    "daily_limit": "the refusal that says that the day's requests are used up",
    "expired_session": "the refusal of a session that is over",
    "status": "the given status with the page of a gateway",
    "html": "200 with a page instead of an answer",
    "empty": "200 with nothing",
    "cut": "the connection ends before any byte, and the CRM has not seen the request",
    "slow": "the answer comes the given seconds later",
    "cut_in_body": "the connection ends in the middle of the body, and the CRM has done what was asked",
    "truncated": "half of the body in a well-formed answer, and the CRM has done what was asked",
    "dropped": "the connection ends before any byte, and the CRM has done what was asked",
    "duplicate_page": "the answer to the previous request of the same method and path pattern, once more",
}
# What a client gets through by asking again; a fault of these strikes at random.
PASSING = tuple(kind for kind in KINDS if kind not in ("daily_limit", "expired_session", "duplicate_page"))


class FaultError(ValueError):
    """A declaration that cannot be one; the text says why."""


@dataclass(frozen=True, slots=True)
class Fault:
    """What goes wrong, and when.

    ``kind`` is one of ``KINDS``. ``method`` ('' for any) and ``path`` (a regular expression, searched in path and
    query) choose requests; of those, the ``nth`` (from 1) is struck and as many more as make ``times`` (None: without
    end), each with the ``probability`` that ``seed`` decides. ``seconds`` are those of Retry-After or of a slow answer,
    ``status`` is that of the kind ``status``.
    """

    kind: str
    method: str = ""
    path: str = ""
    nth: int = 1
    times: int | None = 1
    probability: float = 1.0
    seed: int = 0
    seconds: float = 1.0
    status: int = 503


def declared(given: object) -> list[Fault]:
    """The faults of a JSON document, ``{"faults": [{"kind": ...}, ...]}``.

    Raises:
        FaultError: It is no such document, or names what there is not.
    """
    rows = given.get("faults") if isinstance(given, dict) else None
    if not isinstance(rows, list):
        raise FaultError("The body must be an object with a list of faults.")
    return [_declared(row) for row in rows]


def _declared(row: object) -> Fault:
    types = get_type_hints(Fault)
    if not isinstance(row, dict) or row.get("kind") not in KINDS:
        raise FaultError(f"A fault is an object whose kind is one of {', '.join(KINDS)}.")
    for name, value in row.items():
        if name not in types:
            raise FaultError(f"A fault has no {name}; it has {', '.join(types)}.")
        wanted = (int, float) if types[name] is float else types[name]
        if not isinstance(value, wanted) or isinstance(value, bool):
            raise FaultError(f"The {name} of a fault cannot be {value!r}.")
    try:
        re.compile(row.get("path", ""))
    except re.error as error:
        raise FaultError(f"The path of a fault is no regular expression: {error}.") from None
    return Fault(**row)


def at_random(seed: int, rate: float = 0.1) -> list[Fault]:
    """Faults of every passing kind, which strike about ``rate`` of all requests; the seed decides which."""
    chosen = [Fault(kind) for kind in PASSING if kind != "status"]
    chosen += [Fault("status", status=status) for status in STATUSES]
    return [
        replace(fault, times=None, probability=rate / len(chosen), seed=seed * len(chosen) + number)
        for number, fault in enumerate(chosen)
    ]


@dataclass(slots=True)
class _Armed:
    fault: Fault
    random: Random
    seen: int = 0
    struck: int = 0
    previous: _Answer | None = None

    def fits(self, method: str, place: str) -> bool:
        return self.fault.method in ("", method) and re.search(self.fault.path, place) is not None

    def strikes(self) -> bool:
        """Count a request that fits; whether it is struck."""
        fault = self.fault
        self.seen += 1
        by_chance = fault.probability >= 1 or self.random.random() < fault.probability
        due = self.seen >= fault.nth and (fault.times is None or self.struck < fault.times)
        lacks_page = fault.kind == "duplicate_page" and self.previous is None
        return due and by_chance and not lacks_page


@dataclass
class Faults:
    """The faults of one server, and how often each struck so far."""

    _armed: list[_Armed] = field(default_factory=list)

    def declare(self, faults: Sequence[Fault]) -> None:
        """Replace all faults by these; counting starts anew."""
        self._armed = [_Armed(one, Random(one.seed)) for one in faults]

    def shown(self) -> list[dict[str, Any]]:
        """Each fault as it was declared, and its requests ``seen`` and ``struck``."""
        return [{**asdict(armed.fault), "seen": armed.seen, "struck": armed.struck} for armed in self._armed]

    def fitting(self, method: str, place: str) -> list[_Armed]:
        """The faults that are meant for a request."""
        return [armed for armed in self._armed if armed.fits(method, place)]


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    headers: Sequence[tuple[bytes, bytes]]
    body: bytes

    def with_body(self, body: bytes) -> _Answer:
        kept = [(name, value) for name, value in self.headers if name != b"content-length"]
        return _Answer(self.status, [*kept, (b"content-length", str(len(body)).encode())], body)


class FaultLayer:
    """An ASGI application in front of a CRM's: lets requests through unless a fault strikes.

    ``refusals`` are the CRM's own words for some kinds; ``exempt`` is the path below which nothing goes wrong. Ending a
    connection takes a server that puts ``hang_up`` into the scope, as ``sandbox.servers`` does.
    """

    def __init__(
        self, application: ASGIApp, faults: Faults, log: RequestLog, refusals: Mapping[str, Refusal], exempt: str
    ) -> None:
        self._application, self._faults, self._log = application, faults, log
        self._refusals, self._exempt = refusals, exempt

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http" or scope["path"].startswith(self._exempt):
            await self._application(scope, receive, send)
            return
        query = scope["query_string"].decode()
        fitting = self._faults.fitting(scope["method"], f"{scope['path']}?{query}" if query else scope["path"])
        due = [armed for armed in fitting if armed.strikes()]
        if not due:
            await self._passed(scope, receive, send, fitting)
            return
        due[0].struck += 1
        await self._struck(due[0], {**scope, FAULT: due[0].fault.kind}, receive, send)

    async def _passed(self, scope: Scope, receive: Receive, send: Send, fitting: Sequence[_Armed]) -> None:
        waiting = [armed for armed in fitting if armed.fault.kind == "duplicate_page"]
        if not waiting:
            await self._application(scope, receive, send)
            return
        answer = await self._asked(scope, receive)
        if answer.status == OK:
            for armed in waiting:
                armed.previous = answer
        await _give(answer, send)

    async def _struck(self, armed: _Armed, scope: Scope, receive: Receive, send: Send) -> None:
        fault = armed.fault
        match fault.kind:
            case "slow":
                await asyncio.sleep(fault.seconds)
                await self._application(scope, receive, send)
            case "dropped":
                await self._asked(scope, receive)
                await _hang_up(scope, receive)
            case "truncated":
                answer = await self._asked(scope, receive)
                await _give(answer.with_body(answer.body[: len(answer.body) // 2]), send)
            case "cut_in_body":
                answer = await self._asked(scope, receive)
                await _give(answer, send, only=len(answer.body) // 2)
                await _hang_up(scope, receive)
            case "cut":
                self._log.note(scope, None)
                await _hang_up(scope, receive)
            case "duplicate_page" if armed.previous is not None:
                await self._instead(armed.previous, scope, receive, send)
            case _:
                await self._instead(self._refused(fault), scope, receive, send)

    def _refused(self, fault: Fault) -> _Answer:
        """The answer of the kinds that the CRM is not asked for."""
        if fault.kind in ("html", "empty"):
            return _page(OK, PAGE_OF_A_GATEWAY if fault.kind == "html" else b"", {})
        if fault.kind == "status":
            return _page(fault.status, PAGE_OF_A_GATEWAY, {})
        limit = "too_many" if fault.kind in LATER else fault.kind
        refusal = self._refusals[limit]
        headers = refusal.headers | _retry_after(fault)
        if isinstance(refusal.body, bytes):
            return _page(refusal.status, refusal.body, headers)
        return _answer(refusal.status, json.dumps(refusal.body).encode(), "application/json", headers)

    async def _instead(self, answer: _Answer, scope: Scope, receive: Receive, send: Send) -> None:
        """Give an answer that the CRM knows nothing of, when the request has arrived."""
        while (await receive()).get("more_body"):
            pass
        self._log.note(scope, answer.status)
        await _give(answer, send)

    async def _asked(self, scope: Scope, receive: Receive) -> _Answer:
        """The CRM's whole answer, not yet sent."""
        messages: list[Message] = []

        async def keep(message: Message) -> None:
            messages.append(message)

        await self._application(scope, receive, keep)
        start, *bodies = messages
        return _Answer(start["status"], start["headers"], b"".join(one.get("body", b"") for one in bodies))


def _retry_after(fault: Fault) -> dict[str, str]:
    if fault.kind == "too_many_seconds":
        return {"Retry-After": f"{fault.seconds:g}"}
    if fault.kind == "too_many_date":
        return {"Retry-After": format_datetime(datetime.now(UTC) + timedelta(seconds=fault.seconds), usegmt=True)}
    return {}


def _page(status: int, body: bytes, headers: Mapping[str, str]) -> _Answer:
    return _answer(status, body, "text/html; charset=utf-8", headers)


def _answer(status: int, body: bytes, kind: str, headers: Mapping[str, str]) -> _Answer:
    given = {"content-type": kind, "content-length": str(len(body)), **headers}
    return _Answer(status, [(name.encode(), value.encode()) for name, value in given.items()], body)


async def _give(answer: _Answer, send: Send, only: int | None = None) -> None:
    """Send an answer, or of its body ``only`` so many bytes; the rest then is due still."""
    await send({"type": "http.response.start", "status": answer.status, "headers": list(answer.headers)})
    await send({"type": "http.response.body", "body": answer.body[:only], "more_body": only is not None})


async def _hang_up(scope: Scope, receive: Receive) -> None:
    """End the connection and wait until it has ended: what is sent later goes nowhere."""
    scope[HANG_UP]()
    while (await receive())["type"] != "http.disconnect":
        pass
