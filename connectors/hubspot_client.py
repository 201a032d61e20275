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

TITLE: Final = "HubSpot"
TOKEN, ADDRESS = "HUBSPOT_ACCESS_TOKEN", "HUBSPOT_BASE_URL"
# An account that moves to another data centre answers so for up to a day, and says how long in Retry-After.
MIGRATING: Final = 477
# Seconds after which a limit is over, where a 429 does not say; nobody waits for that of a day.
_WINDOWS: Final = {"SECONDLY": 1.0, "TEN_SECONDLY_ROLLING": 10.0, "DAILY": 86_400.0}
# Headers of a limit, of what remains of it, and its window; search answers have none of them.
_BUDGETS: Final = (
    ("x-hubspot-ratelimit-daily", "x-hubspot-ratelimit-daily-remaining", "day"),
    ("x-hubspot-ratelimit-max", "x-hubspot-ratelimit-remaining", "10 s"),
)
_SCOPES: Final = re.compile(r'"requiredGranularScopes"\s*:\s*\[([^\]]*)\]')


class Client:
    """HubSpot's API after login; ``objects`` is the client's API for records, all calls share its connection."""

    def __init__(self, objects: Any) -> None:
        from hubspot.crm.associations.v4 import BatchApi as AssociationsApi  # noqa: PLC0415 - see hubspot.connect
        from hubspot.crm.objects import BatchApi, SearchApi  # noqa: PLC0415 - the same
        from hubspot.crm.properties import CoreApi  # noqa: PLC0415 - the same

        self._api = objects.api_client
        self.list = objects.get_page
        self.search = SearchApi(self._api).do_search
        self.batch = BatchApi(self._api)
        self._properties = CoreApi(self._api).get_all
        self._associations = AssociationsApi(self._api).get_page
        self.meter = http.Meter(_budget)

    def details(self, doing: str) -> dict[str, Any]:
        """The account's details, which need a token but no scope."""
        asked = (self._api.call_api, "/account-info/v3/details", "GET")
        return http.retried(lambda: self.read(doing, *asked, auth_settings=["oauth2"]))

    def records(self, doing: str, call: Callable[..., Any], *arguments: Any, **options: Any) -> dict[str, Any]:
        """An answer that has all its records: null or absent ones never mean "no records"."""
        return self._whole(doing, _has_records, call, *arguments, **options)

    def property_names(self, doing: str, stream: str) -> set[str]:
        """The names of the properties that a type of record has."""
        document = self._whole(doing, lambda one: http.objects(one.get("results")), self._properties, stream)
        return {str(one.get("name")) for one in document["results"]}

    def associations(self, stream: str, other: str, ids: Sequence[str]) -> dict[str, list[str]]:
        """The records of another type that each record is associated with, by one request for up to 1,000 records.

        A record without any has an error instead of a result. One with very many has its next page asked for.
        """
        doing, found = f"reading which {other} {stream} are associated with", {one: list[str]() for one in ids}
        pending, asked = [{"id": one} for one in ids], list[dict[str, str]]()
        while pending:
            if any(one in asked for one in pending):
                raise FatalError(f"{TITLE} served the same page again when {doing}; this page was not kept.")
            asked += pending
            body = {"inputs": pending}
            rows = self._whole(
                doing, _links_of({one["id"] for one in pending}), self._associations, stream, other, body
            )
            pending = []
            for row in rows["results"]:
                record_id = str(row["from"]["id"])
                found[record_id] += [str(one["toObjectId"]) for one in row["to"]]
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
            if not (is_whole(document) and http.objects(errors)) or any(
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


def _links_of(ids: set[str]) -> Callable[[Mapping[str, Any]], bool]:
    """Whether an answer names what records are associated with, and only of these records."""

    def judge(document: Mapping[str, Any]) -> bool:
        rows = document.get("results")
        if not http.objects(rows):
            return False
        try:
            return all(
                str(row["from"]["id"]) in ids
                and all(str(one["toObjectId"]).isdigit() for one in row["to"])
                and (not row.get("paging") or bool(row["paging"]["next"]["after"]))
                for row in rows
            )
        except (KeyError, TypeError):
            return False

    return judge


def failure(answer: http.Answer, doing: str) -> ConnectorError:
    """The error that an answer other than success means."""
    what = f"{TITLE} answered {answer.status} when {doing}"
    asked = http.retry_after(answer.headers)
    if answer.status == http.TOO_MANY:
        policy = str(answer.said().get("policyName") or "unnamed")
        wait = _WINDOWS.get(policy) if asked is None or policy == "DAILY" else asked
        return RetryableError(f"{what}: a limit of requests is reached ({policy}); run again when it is over.", wait)
    if answer.status == MIGRATING:
        return RetryableError(f"{what}: the account is being moved to another data centre; run again later.", asked)
    scopes = _SCOPES.search(answer.body.decode(errors="replace"))
    if answer.status == http.FORBIDDEN and scopes:
        named = scopes[1].replace('"', "").replace(",", ", ")
        return ConfigError(f"{what}: the access token lacks a scope ({named}); grant it to the app in {TITLE}.")
    return http.failure(TITLE, answer.status, answer.headers, doing)


def _budget(headers: Mapping[str, str]) -> Budget | None:
    for limit, remaining, per in _BUDGETS:
        if headers.get(limit, "").isdigit() and headers.get(remaining, "").isdigit():
            return Budget(int(headers[limit]), int(headers[remaining]), per)
    return None
