"""One request to HubSpot: sent by its client, counted, its answer judged. What is asked for is said elsewhere.

The client does not repeat requests, and takes an error page with status 200 for an answer without results: both are
done here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from urllib3.exceptions import HTTPError, SSLError

from connectors import http
from connectors.base import Budget
from connectors.errors import ConfigError, ConnectorError, FatalError, RetryableError
from connectors.hubspot_links import Links, is_primary_by_number, links_of, only_links_of

TITLE: Final = "HubSpot"
TOKEN, ADDRESS = "HUBSPOT_ACCESS_TOKEN", "HUBSPOT_BASE_URL"
# Statuses that HubSpot alone has, or means something by: what is said of them, and how many seconds to wait at least.
_LATER: Final[Mapping[int, tuple[str, float]]] = {
    http.LOCKED: ("the account is busy; run again later", 2.0),
    477: ("the account is being moved to another data centre, which takes up to a day; run again later", 0.0),
    530: (f"it is away, or {TOKEN} is no token; run again later, and check it where that does not help", 0.0),
}
# Searches that an account allows in a second are four or five, as one reads; their answers have no headers of limits.
SEARCHES, SEARCH_SECONDS = 4, 1.0
# Seconds after which a limit is over, where a 429 does not say; nobody waits for that of a day.
_DAILY, _SECONDLY = "DAILY", "SECONDLY"
_WINDOWS: Final = {_SECONDLY: 1.0, "TEN_SECONDLY_ROLLING": 10.0, _DAILY: 86_400.0}
_POLICY: Final = re.compile(r"\b(\w+) limit\b")
_INTERVAL, _LEFT = "x-hubspot-ratelimit-interval-milliseconds", "x-hubspot-ratelimit-remaining"
_LEFT_TODAY: Final = "x-hubspot-ratelimit-daily-remaining"
# Headers of a limit, of what remains of it, and its window; search answers have none of them.
_BUDGETS: Final = (
    ("x-hubspot-ratelimit-daily", _LEFT_TODAY, "day"),
    ("x-hubspot-ratelimit-max", _LEFT, "10 s"),
)
_SCOPES: Final = re.compile(r'"required(?:Granular)?Scopes"\s*:\s*\[([^\]]*)\]')
# Where a refusal names properties; what else it says may show values.
_REFUSED: Final = re.compile(r'"propertyName"\s*:\s*\[?\s*"(\w+)"|[Pp]roperty \\?"?(\w+)\\?"? does not exist')


class Client:
    """HubSpot's API after login; ``objects`` is the client's API for records, all calls share its connection."""

    def __init__(self, objects: Any) -> None:
        from hubspot.crm.associations.v4 import BatchApi as AssociationsApi  # noqa: PLC0415 - see hubspot.connect
        from hubspot.crm.objects import BatchApi, SearchApi  # noqa: PLC0415 - the same
        from hubspot.crm.properties import CoreApi  # noqa: PLC0415 - the same

        self._api = objects.api_client
        http.read_whole(self._api.rest_client.pool_manager)
        self._requests, self._searches = http.Limiter(), http.Limiter(SEARCHES, SEARCH_SECONDS)
        self.list = objects.get_page
        self._one = objects.get_by_id
        self._search = SearchApi(self._api).do_search
        self.batch = BatchApi(self._api)
        self._properties = CoreApi(self._api).get_all
        self._associations = AssociationsApi(self._api).get_page
        self.meter = http.Meter(_budget)

    def details(self, doing: str) -> dict[str, Any]:
        """The account's details, which need a token but no scope."""
        asked = (self._api.call_api, "/account-info/v3/details", "GET")
        return http.retried(lambda: self.read(doing, *asked, auth_settings=["oauth2"]))

    def search(self, *arguments: Any, **options: Any) -> Any:
        """The client's search, no oftener than an account may."""
        self._searches.wait()
        return self._search(*arguments, **options)

    def records(self, doing: str, call: Callable[..., Any], *arguments: Any, **options: Any) -> dict[str, Any]:
        """An answer that has all its records: null or absent ones never mean "no records"."""
        return self._whole(doing, _has_records, call, *arguments, **options)

    def record(self, doing: str, stream: str, record_id: str, **options: Any) -> dict[str, Any]:
        """One record by its id; that of another one where it was merged away."""
        return self._whole(
            doing, lambda one: isinstance(one.get("properties"), dict), self._one, stream, record_id, **options
        )

    def property_names(self, doing: str, stream: str) -> set[str]:
        """The names of the properties that a type of record has."""
        document = self._whole(doing, lambda one: http.objects(one.get("results")), self._properties, stream)
        return {str(one.get("name")) for one in document["results"]}

    def associations(self, stream: str, other: str, ids: Sequence[str]) -> dict[str, Links]:
        """The records of another type that each record is associated with, by one request for up to 1,000 records.

        A record without any has an error instead of a result. One with very many has its next page asked for.
        """
        doing, found = f"reading which {other} {stream} are associated with", {one: Links() for one in ids}
        pending, asked = [{"id": one} for one in ids], list[dict[str, str]]()
        while pending:
            if any(one in asked for one in pending):
                raise FatalError(f"{TITLE} served the same page again when {doing}; this page was not kept.")
            asked += pending
            body = {"inputs": pending}
            rows = self._whole(
                doing, only_links_of({one["id"] for one in pending}), self._associations, stream, other, body
            )
            pending = []
            for row in rows["results"]:
                record_id = str(row["from"]["id"])
                said = ((one["toObjectId"], is_primary_by_number(stream, one)) for one in row["to"])
                found[record_id] = links_of([*found[record_id].items(), *said])
                if row.get("paging"):
                    pending.append({"id": record_id, "after": str(row["paging"]["next"]["after"])})
        return found

    def read(self, doing: str, call: Callable[..., Any], *arguments: Any, **options: Any) -> dict[str, Any]:
        """The JSON object of a success; any other answer is an error."""
        try:
            answer = self.send(call, *arguments, **options)
        except HTTPError as error:
            raise http.unreachable(TITLE, error, doing, ADDRESS) from None
        if answer.status >= http.REDIRECT:
            raise failure(answer, doing)
        return http.json_object(TITLE, answer.body, doing)

    def send(self, call: Callable[..., Any], *arguments: Any, **options: Any) -> http.Answer:
        """One request, counted. Any HTTP status is an answer; raises urllib3's errors where there is none."""
        from hubspot.crm.objects.exceptions import ApiException  # noqa: PLC0415 - see hubspot.connect

        timeouts = (http.CONNECT_SECONDS, http.READ_SECONDS)
        self._requests.wait()
        try:
            response = call(*arguments, **options, _preload_content=False, _request_timeout=timeouts)
            answer = http.Answer(response.status, response.headers, response.data)
        except (ApiException, AttributeError, UnicodeDecodeError) as error:
            # The client decodes a refusal's body, and stumbles where there is none (TLS failed) or it is no UTF-8.
            refusal = error if isinstance(error, ApiException) else error.__context__
            if not isinstance(refusal, ApiException):
                raise
            if refusal.headers is None:
                raise SSLError(refusal.reason) from None
            body = refusal.body if isinstance(refusal.body, bytes) else refusal.body.encode()
            answer = http.Answer(refusal.status, refusal.headers, body)
        self.meter.count(answer.headers, len(answer.body))
        headers = _lower(answer.headers)
        if headers.get(_LEFT) == "0" and answer.status != http.TOO_MANY:
            self._requests.pause(_interval(headers) or 0.0)
        return answer

    def close(self) -> None:
        """Let go of the connections."""
        self._api.rest_client.pool_manager.clear()
        self._api.close()

    def _whole(
        self,
        doing: str,
        is_whole: Callable[[dict[str, Any]], bool],
        call: Callable[..., Any],
        *rest: Any,
        **options: Any,
    ) -> dict[str, Any]:
        def once() -> dict[str, Any]:
            document = self.read(doing, call, *rest, **options)
            errors = document.get("errors") or []
            done = document.get("status") in (None, "COMPLETE")
            if not (done and is_whole(document) and http.objects(errors)) or any(
                error.get("category") != "OBJECT_NOT_FOUND" for error in errors
            ):
                raise RetryableError(f"{TITLE} answered without all its results when {doing}; run again later.")
            return document

        return http.retried(once)


def milliseconds(moment: datetime) -> str:
    """A moment as filters and values take it: milliseconds since 1970."""
    return str(int(moment.timestamp() * 1000))


def _has_records(document: Mapping[str, Any]) -> bool:
    rows = document.get("results")
    return http.objects(rows) and http.objects([row.get("properties") for row in rows])


def failure(answer: http.Answer, doing: str) -> ConnectorError:
    """The error that an answer other than success means."""
    what = f"{TITLE} answered {answer.status} when {doing}"
    asked, text = http.retry_after(answer.headers), answer.body.decode(errors="replace")
    if answer.status == http.TOO_MANY:
        policy, wait = _limit(answer, asked)
        return RetryableError(f"{what}: a limit of requests is reached ({policy}); run again when it is over.", wait)
    if answer.status in _LATER:
        said, least = _LATER[answer.status]
        return RetryableError(f"{what}: {said}.", max(asked or 0.0, least))
    scopes = _SCOPES.search(text)
    if answer.status == http.FORBIDDEN and scopes:
        named = ", ".join(re.findall(r"[\w.-]+", scopes[1]))
        return ConfigError(f"{what}: the access token lacks a scope ({named}); grant it to the app in {TITLE}.")
    refused = {one or other for one, other in _REFUSED.findall(text)}
    if answer.status == http.BAD_REQUEST and refused:
        named = ", ".join(sorted(refused))
        return ConfigError(f"{what}: it refuses the property {named}; correct it in nps.yaml or in {TITLE}.")
    return http.failure(TITLE, answer.status, answer.headers, doing)


def _limit(answer: http.Answer, asked: float | None) -> tuple[str, float | None]:
    """Which limit a 429 is about, and in how many seconds it is over: as it says, else as its headers say."""
    headers, said = _lower(answer.headers), answer.said()
    worded = _POLICY.search(str(said.get("message")))
    policy = str(said.get("policyName") or (worded and worded[1]) or "").upper()
    policy = _DAILY if headers.get(_LEFT_TODAY) == "0" else policy if policy in _WINDOWS else "unnamed"
    if policy == _DAILY:
        return policy, _WINDOWS[policy]
    interval = None if policy == _SECONDLY else _interval(headers)
    return policy, next((one for one in (asked, interval, _WINDOWS.get(policy)) if one is not None), None)


def _interval(headers: Mapping[str, str]) -> float | None:
    """The seconds of the window in which requests are counted."""
    told = headers.get(_INTERVAL, "")
    return int(told) / 1000 if told.isdigit() else None


def _lower(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}


def _budget(headers: Mapping[str, str]) -> Budget | None:
    for limit, remaining, per in _BUDGETS:
        if headers.get(limit, "").isdigit() and headers.get(remaining, "").isdigit():
            return Budget(int(headers[limit]), int(headers[remaining]), per)
    return None
