"""Zendesk over HTTP: one request after the other, its limits kept, its errors told. What is asked is not said here."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from time import monotonic, sleep
from typing import Any, Final

from connectors import http
from connectors.base import Budget
from connectors.errors import ConnectorError, FatalError, RetryableError

TITLE: Final = "Zendesk"
ADDRESS: Final = "ZENDESK_BASE_URL"
OK, CONFLICT = 200, 409
BAD_START: Final = (400, 422)
TOO_RECENT: Final = "Too recent start_time"
_ENDPOINT: Final = "zendesk-ratelimit-"
_LIMIT: Final = re.compile(r"\s*total=(\d+);\s*remaining=(\d+);\s*resets=(\d+)\s*")


class TooRecentError(FatalError):
    """An export was asked to start so late that Zendesk does not serve anything from there yet."""


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
        used_up = [resets for _, remaining, resets in _endpoint_limits(answer.headers) if remaining == 0]
        if used_up:
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
    if answer.status_code == http.TOO_MANY and "ratelimit-reset" in headers:
        headers.setdefault("retry-after", headers["ratelimit-reset"])
    if answer.status_code == CONFLICT:  # two changes of one record at the same time; nothing was done
        return RetryableError(f"{TITLE} answered {CONFLICT} when {doing}, also after waiting; run again later.")
    if answer.status_code in BAD_START and TOO_RECENT in answer.text:
        return TooRecentError(f"{TITLE} does not serve anything from that time on yet when {doing}; run again later.")
    return http.failure(TITLE, answer.status_code, headers, doing)


def rows_of(body: Mapping[str, Any], table: str) -> list[dict[str, Any]]:
    """The list of a table in an answer; an answer without it must not pass for an empty table."""
    rows = body.get(table)
    if not http.objects(rows):
        raise FatalError(f"{TITLE} answered reading {table} without a list of them; nothing was taken from it.")
    return rows


def _budget(headers: Mapping[str, str]) -> Budget | None:
    """What is left of the tightest limit: the account's, or one of the endpoint alone."""
    limit, remaining = headers.get("x-rate-limit", ""), headers.get("x-rate-limit-remaining", "")
    account = [(int(limit), int(remaining))] if limit.isdigit() and remaining.isdigit() else []
    known = account + [(total, left) for total, left, _ in _endpoint_limits(headers)]
    if not known:
        return None
    total, left = min(known, key=lambda one: one[1])
    return Budget(total, left, "minute")


def _endpoint_limits(headers: Mapping[str, str]) -> Iterator[tuple[int, int, int]]:
    """Requests in all, requests left and seconds until it starts anew, of each limit that an endpoint alone has."""
    for name, value in headers.items():
        told = _LIMIT.fullmatch(value) if name.lower().startswith(_ENDPOINT) else None
        if told:
            yield int(told[1]), int(told[2]), int(told[3])
