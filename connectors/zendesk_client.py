"""Zendesk over HTTP: one request after the other, its limits kept, its errors told. What is asked is not said here."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from time import monotonic, sleep
from typing import Any, Final

from connectors import http
from connectors.base import Budget
from connectors.errors import ConnectorError, FatalError, RetryableError

TITLE: Final = "Zendesk"
ADDRESS: Final = "ZENDESK_BASE_URL"
OK, CONFLICT = 200, 409
BAD_REQUEST: Final = (400, 422)
MOST_PAGES: Final = 100  # of a list of definitions: nobody has 10,000 fields
_TOO_RECENT: Final = re.compile("too recent", re.IGNORECASE)
_ACCOUNT: Final = (("x-rate-limit", "x-rate-limit-remaining"), ("ratelimit-limit", "ratelimit-remaining"))
_ENDPOINT: Final = "zendesk-ratelimit-"
_LIMIT: Final = re.compile(r"\s*total=(\d+);\s*remaining=(\d+);\s*resets=(\d+)\s*")


class BadRequestError(FatalError):
    """Zendesk refused what a request asked for.

    ``is_too_recent``: an export was asked to start so late that it does not serve anything from there yet.
    """

    def __init__(self, message: str, *, is_too_recent: bool) -> None:
        super().__init__(message)
        self.is_too_recent = is_too_recent


class Client:
    """Sends requests through a session that zenpy has authenticated; ``meter`` counts them.

    Some endpoints have a limit of their own, such as ten requests a minute for all incremental exports, and say on
    every answer what is left of it. Where nothing is, the next request waits until the limit starts anew.
    """

    def __init__(self, session: Any, url: str) -> None:
        self._session, self._url = session, url
        self._free_at: dict[str, float] = {}
        self.meter = http.Meter(_budget)
        self.meter.watch(session)

    def read(self, path: str, doing: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """The JSON object at a path below /api/v2/, asked for again where it may come later."""
        return http.retried(lambda: object_of(self.ask("GET", path, doing, parameters), doing))

    def rows(self, path: str, table: str, parameters: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        """The rows of a list, which comes whole, page by page with a cursor, or page by page by number."""
        asked = dict(parameters)
        for page in range(1, MOST_PAGES + 1):
            body = self.read(path, f"reading {table}", asked)
            rows, meta = rows_of(body, table), body.get("meta")
            yield from rows
            if isinstance(meta, dict) and meta.get("has_more") is True:
                asked = {**parameters, "page[after]": meta.get("after_cursor")}
            elif rows and body.get("next_page"):
                asked = {"page": page + 1}
            else:
                return

    def now(self) -> datetime:
        """The present by the server's clock, by ours where it has not told."""
        return self.meter.server_time or datetime.now(UTC)

    def ask(
        self, method: str, path: str, doing: str, parameters: Mapping[str, Any] | None = None, body: object = None
    ) -> Any:
        """One request, once: the answer, whatever its status. Raises ``RetryableError`` where none came."""
        group, limits = path.partition("/")[0], (http.CONNECT_SECONDS, http.READ_SECONDS)
        if (wait := self._free_at.pop(group, 0.0) - monotonic()) > 0:
            sleep(wait)
        given = {"params": parameters, "json": body, "timeout": limits, "allow_redirects": False}
        try:
            answer = self._session.request(method, f"{self._url}/api/v2/{path}", **given)
        except OSError as error:  # every error of requests is one
            raise http.unreachable(TITLE, error, doing, ADDRESS) from error
        if used_up := _used_up(answer.headers):
            self._free_at[group] = monotonic() + min(max(used_up), http.LONGEST_ASKED)
        return answer

    def close(self) -> None:
        """Let go of the connection."""
        self._session.close()


def object_of(answer: Any, doing: str) -> dict[str, Any]:
    """The JSON object of a successful answer; raises what any other answer means."""
    if answer.status_code != OK:
        raise failure(answer, doing)
    return http.json_object(TITLE, answer.content, doing)


def failure(answer: Any, doing: str) -> ConnectorError:
    """The error that an answer without success means."""
    headers = {name.lower(): value for name, value in answer.headers.items()}
    if answer.status_code == http.TOO_MANY and http.retry_after(headers) is None:
        headers["retry-after"] = _resets_in(headers)
    if answer.status_code == CONFLICT:  # two changes of one record at the same time; nothing was done
        return RetryableError(f"{TITLE} answered {CONFLICT} when {doing}, also after waiting; run again later.")
    error = http.failure(TITLE, answer.status_code, headers, doing)
    if answer.status_code in BAD_REQUEST:
        return BadRequestError(str(error), is_too_recent=_TOO_RECENT.search(answer.text) is not None)
    return error


def rows_of(body: Mapping[str, Any], table: str) -> list[dict[str, Any]]:
    """The list of a table in an answer; an answer without it must not pass for an empty table."""
    rows = body.get(table)
    if not http.objects(rows):
        raise FatalError(f"{TITLE} answered reading {table} without a list of them; nothing was taken from it.")
    return rows


def _budget(headers: Mapping[str, str]) -> Budget | None:
    """What is left of the tightest limit: the account's, or one of the endpoint alone."""
    account = [(headers.get(limit, ""), headers.get(left, "")) for limit, left in _ACCOUNT]
    known = [(int(limit), int(left)) for limit, left in account if limit.isdecimal() and left.isdecimal()]
    known += [(total, left) for total, left, _ in _endpoint_limits(headers)]
    if not known:
        return None
    total, left = min(known, key=lambda one: one[1])
    return Budget(total, left, "minute")


def _used_up(headers: Mapping[str, str]) -> list[int]:
    """Seconds until they start anew, of the limits of an endpoint of which nothing is left."""
    return [resets for _, remaining, resets in _endpoint_limits(headers) if remaining == 0]


def _resets_in(headers: Mapping[str, str]) -> str:
    """Seconds until the limit that was reached starts anew; empty where nothing tells."""
    used_up = _used_up(headers)
    return str(max(used_up)) if used_up else headers.get("ratelimit-reset", "")


def _endpoint_limits(headers: Mapping[str, str]) -> Iterator[tuple[int, int, int]]:
    """Requests in all, requests left and seconds until it starts anew, of each limit that an endpoint alone has."""
    for name, value in headers.items():
        told = _LIMIT.fullmatch(value) if name.lower().startswith(_ENDPOINT) else None
        if told:
            yield int(told[1]), int(told[2]), int(told[3])
