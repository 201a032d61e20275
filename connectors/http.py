"""What every CRM client needs over HTTP: counting, timeouts, retry with jitter, honest JSON. No vendor's rules."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from random import random
from time import sleep
from typing import Any, Final, TypeGuard, TypeVar

from connectors.base import Budget
from connectors.errors import ConfigError, ConnectorError, FatalError, InDoubtError, RetryableError

Result = TypeVar("Result")

_HALF_A_PAIR: Final = re.compile("[\ud800-\udfff]")

CONNECT_SECONDS: Final = 10.0
READ_SECONDS: Final = 120.0
ATTEMPTS: Final = 5
FIRST_WAIT, LONGEST_WAIT, LONGEST_ASKED = 0.5, 30.0, 120.0

UNAUTHORIZED, FORBIDDEN, NOT_FOUND, REQUEST_TIMEOUT, LOCKED, TOO_MANY = 401, 403, 404, 408, 423, 429
SERVER_ERROR, REDIRECT = 500, 300


@dataclass
class Meter:
    """What the requests of a session cost, and what the server said about its clock and its limits.

    ``read_budget`` knows the vendor's headers.
    """

    read_budget: Callable[[Mapping[str, str]], Budget | None] = lambda _: None
    requests: int = 0
    bytes: int = 0
    budget: Budget | None = None
    server_time: datetime | None = None
    _told: tuple[int, int] = (0, 0)

    def count(self, headers: Mapping[str, str], size: int) -> None:
        """Note one answer: its headers (in any case) and the bytes of its body."""
        lower = {name.lower(): value for name, value in headers.items()}
        self.requests += 1
        self.bytes += size
        self.budget = self.read_budget(lower) or self.budget
        self.server_time = _server_time(lower) or self.server_time

    def watch(self, session: Any) -> None:
        """Count every answer of a ``requests`` session, redirects included."""
        session.hooks["response"].append(lambda answer, **_: self.count(answer.headers, len(answer.content)))

    def since_last(self) -> tuple[int, int]:
        """Requests and bytes since this was asked last."""
        before, self._told = self._told, (self.requests, self.bytes)
        return self.requests - before[0], self.bytes - before[1]


def _server_time(headers: Mapping[str, str]) -> datetime | None:
    try:
        return parsedate_to_datetime(headers["date"]).astimezone(UTC)
    except (KeyError, ValueError):
        return None


def retried(call: Callable[[], Result], *, attempts: int = ATTEMPTS) -> Result:
    """Call until it succeeds, waiting longer each time with full jitter, or as long as the source asks.

    Raises:
        RetryableError: Also the last attempt failed, or the source asks to wait longer than two minutes.
    """
    for attempt in range(1, attempts + 1):
        try:
            return call()
        except RetryableError as error:
            if attempt == attempts or (error.retry_after or 0) > LONGEST_ASKED:
                raise
            backoff = min(LONGEST_WAIT, FIRST_WAIT * 2**attempt) * random()  # noqa: S311  (spreads retries, no secret)
            sleep(max(backoff, error.retry_after or 0))
    raise AssertionError(attempts)


@dataclass(frozen=True)
class Answer:
    """What a server answered, whatever the status."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def said(self) -> dict[str, Any]:
        """Its JSON object; empty where it is none, as a proxy's error page is."""
        try:
            document = json.loads(self.body)
        except ValueError:
            return {}
        return document if isinstance(document, dict) else {}


def unreachable(title: str, error: Exception, doing: str, address: str) -> RetryableError:
    """No connection, or none that lasted; ``address`` is the variable that points at another server."""
    return RetryableError(
        f"{title} could not be reached when {doing} ({type(error).__name__}); check the network and {address}, then "
        "run again."
    )


def in_doubt(title: str, what: str, doing: str) -> InDoubtError:
    """A batch was sent and what became of it is not known; ``what`` says what came instead of an answer."""
    return InDoubtError(f"{title} {what} when {doing}: the batch may have been written; read it back.")


def failure(title: str, status: int, headers: Mapping[str, str], doing: str) -> ConnectorError:
    """The error that an HTTP status means, for the statuses that mean the same everywhere.

    Args:
        title: The vendor's name for people.
        status: The HTTP status, not a success.
        headers: Of the answer.
        doing: What was asked, such as "reading contacts".
    """
    what = f"{title} answered {status} when {doing}"
    if status == UNAUTHORIZED:
        return ConfigError(f"{title} refused the credentials (status 401) when {doing}; check them in the environment.")
    if status == FORBIDDEN:
        return ConfigError(f"{what}: the credentials lack a permission; grant it in {title}.")
    if status in (REQUEST_TIMEOUT, LOCKED, TOO_MANY) or status >= SERVER_ERROR:
        return RetryableError(f"{what}, also after waiting; run again later.", retry_after(headers))
    return FatalError(f"{what}. Nothing was taken from this answer; report it with the log of the run.")


def may_be_written(status: int) -> bool:
    """Whether a batch that was answered with this status, not a success, may have been applied all the same."""
    return status == REQUEST_TIMEOUT or status >= SERVER_ERROR


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds that the header Retry-After asks to wait (a number or a date); None where it says nothing usable."""
    lower = {name.lower(): value for name, value in headers.items()}
    value = lower.get("retry-after", "").strip()
    try:
        return max(0.0, float(value))
    except ValueError:
        pass
    try:
        asked, now = parsedate_to_datetime(value), _server_time(lower) or datetime.now(UTC)
        return max(0.0, (asked.astimezone(UTC) - now).total_seconds())
    except (ValueError, TypeError):
        return None


def json_object(title: str, body: bytes, doing: str) -> dict[str, Any]:
    """The JSON object of a successful answer.

    Raises:
        RetryableError: It is none: an error page, cut off or empty. It must never pass for "no data".
    """
    try:
        document = json.loads(body)
    except ValueError:
        document = None
    if not isinstance(document, dict):
        raise RetryableError(f"{title} answered with something else than JSON when {doing}; run again later.")
    return document


def objects(value: object) -> TypeGuard[list[dict[str, Any]]]:
    """Whether a part of an answer is a list of objects."""
    return isinstance(value, list) and all(isinstance(one, dict) for one in value)


def compact(payload: Any) -> str:
    """A record as JSON text, as the source sent it; only blanks between its parts are left out.

    Half of a surrogate pair, which is left of a text that was cut inside an emoji, is no character and could not be
    stored: U+FFFD takes its place.
    """
    return _HALF_A_PAIR.sub("\ufffd", json.dumps(payload, ensure_ascii=False, separators=(",", ":")))
