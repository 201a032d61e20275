"""What every CRM client needs over HTTP: limits, timeouts, retries, whole answers, counting. No vendor's rules."""

from __future__ import annotations

import io
import json
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from random import random
from time import monotonic, sleep
from typing import Any, Final, TypeGuard, TypeVar

from connectors.base import Budget
from connectors.errors import ConfigError, ConnectorError, FatalError, InDoubtError, RetryableError
from connectors.values import storable

Result = TypeVar("Result")

CONNECT_SECONDS: Final = 10.0
READ_SECONDS: Final = 120.0  # of silence
ANSWER_SECONDS: Final = 600.0  # until the last byte of an answer
LARGEST_ANSWER: Final = 256 * 2**20  # bytes
ATTEMPTS: Final = 5
FIRST_WAIT, LONGEST_WAIT, LONGEST_ASKED = 0.5, 30.0, 120.0
PATIENCE: Final = 900.0  # seconds after which no further attempt begins
_PIECE: Final = 65_536

BAD_REQUEST, UNAUTHORIZED, FORBIDDEN, NOT_FOUND, REQUEST_TIMEOUT, LOCKED, TOO_MANY = 400, 401, 403, 404, 408, 423, 429
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
        """Read by ``whole_body``, and count, every answer of a ``requests`` session, redirects included."""
        session.hooks["response"].append(self._read)

    def _read(self, answer: Any, **_: Any) -> None:
        from requests.exceptions import ConnectionError as NoAnswer  # noqa: PLC0415 - not every vendor's client has it
        from urllib3.exceptions import HTTPError  # noqa: PLC0415

        try:
            answer._content = whole_body(answer.raw)  # noqa: SLF001  (where requests itself keeps what it has read)
        except HTTPError as error:
            raise NoAnswer(error) from None
        answer._content_consumed = True  # noqa: SLF001
        self.count(answer.headers, len(answer._content))  # noqa: SLF001

    def since_last(self) -> tuple[int, int]:
        """Requests and bytes since this was asked last."""
        before, self._told = self._told, (self.requests, self.bytes)
        return self.requests - before[0], self.bytes - before[1]


def _server_time(headers: Mapping[str, str]) -> datetime | None:
    return _moment(headers.get("date", ""))


def _moment(text: str) -> datetime | None:
    """A date of HTTP, which is one of UTC also where it has no zone; None for anything else."""
    try:
        given = parsedate_to_datetime(text)
        return given.replace(tzinfo=UTC) if given.tzinfo is None else given.astimezone(UTC)
    except (ValueError, TypeError, OverflowError):
        return None


@dataclass
class Limiter:
    """Holds requests back before a limit refuses them: no more than ``most`` (0: any number) begin in ``seconds``."""

    most: int = 0
    seconds: float = 0.0
    _begun: deque[float] = field(default_factory=deque)
    _free_at: float = 0.0

    def wait(self) -> None:
        """Wait until a request may be sent; it counts as sent."""
        due = self._begun.popleft() + self.seconds if self.most and len(self._begun) >= self.most else 0.0
        if (rest := max(due, self._free_at) - monotonic()) > 0:
            sleep(rest)
        if self.most:
            self._begun.append(monotonic())

    def pause(self, seconds: float) -> None:
        """Send nothing for so long, two minutes at most: the server says that nothing of a limit is left."""
        self._free_at = monotonic() + min(seconds, LONGEST_ASKED)


def retried(call: Callable[[], Result], *, attempts: int = ATTEMPTS) -> Result:
    """Call until it succeeds, waiting longer each time with full jitter, or as long as the source asks.

    Raises:
        RetryableError: Also the last attempt failed, or the source asks to wait longer than two minutes, or the next
            attempt would begin later than fifteen minutes after the first.
    """
    end = monotonic() + PATIENCE
    for attempt in range(1, attempts + 1):
        try:
            return call()
        except RetryableError as error:
            asked = error.retry_after or 0.0
            backoff = min(LONGEST_WAIT, FIRST_WAIT * 2**attempt) * random()  # noqa: S311  (spreads retries, no secret)
            wait = max(backoff, asked)
            if attempt == attempts or asked > LONGEST_ASKED or monotonic() + wait > end:
                raise
            sleep(wait)
    raise AssertionError(attempts)


def whole_body(answer: Any) -> bytes:
    """The decoded body of an answer of urllib3, read as it comes: neither a trickle nor a flood has no end.

    Raises:
        urllib3.exceptions.HTTPError: It was cut off or cannot be decoded, or is longer, in time or in bytes, than any
            answer of use.
    """
    from urllib3.exceptions import ProtocolError  # noqa: PLC0415

    body, end = bytearray(), monotonic() + ANSWER_SECONDS
    while piece := answer.read1(_PIECE, decode_content=True):
        body += piece
        if len(body) > LARGEST_ANSWER or monotonic() > end:
            answer.close()
            raise ProtocolError("an answer without end")
    return bytes(body)


def read_whole(pool: Any) -> None:
    """Have a pool manager of urllib3 read every answer by ``whole_body`` before anybody sees it."""
    send = pool.urlopen

    def urlopen(method: str, url: str, **given: Any) -> Any:
        from urllib3 import HTTPResponse  # noqa: PLC0415

        answer = send(method, url, **given)
        body = io.BytesIO(whole_body(answer))  # decoded: of what length it was and in what code, is over
        return HTTPResponse(body, answer.headers, answer.status, decode_content=False, enforce_content_length=False)

    pool.urlopen = urlopen


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
        except (ValueError, RecursionError):
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
        asked, now = _moment(value), _server_time(lower) or datetime.now(UTC)
    return None if asked is None else max(0.0, (asked - now).total_seconds())


def json_object(title: str, body: bytes, doing: str) -> dict[str, Any]:
    """The JSON object of a successful answer.

    Raises:
        RetryableError: It is none: an error page, cut off or empty. It must never pass for "no data".
    """
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict):
        raise RetryableError(f"{title} answered with something else than JSON when {doing}; run again later.")
    return document


def objects(value: object) -> TypeGuard[list[dict[str, Any]]]:
    """Whether a part of an answer is a list of objects."""
    return isinstance(value, list) and all(isinstance(one, dict) for one in value)


def compact(payload: Any) -> str:
    """A record as JSON text, as the source sent it; only blanks between its parts are left out."""
    return storable(json.dumps(payload, ensure_ascii=False, separators=(",", ":")))
