"""The limits of a HubSpot account: kept where they are known, waited for where they are reached; and other refusals."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from connectors.base import Session
from connectors.errors import ConfigError, ConnectorError, FatalError, RetryableError
from sandbox.hubspot.hooks import HubSpotControl
from sandbox.serve import Sandbox
from tests.connectors.hubspot_pulls import EVERYTHING, Login, pulled, records_of
from tests.connectors.scripted import Reply, Scripted

SINCE = {"modified": "2000-01-01T00:00:00.000+00:00"}
Fault = Callable[..., Session]


@pytest.fixture
def fault(hubspot_login: Login, answering: Callable[..., Scripted]) -> Fault:
    """Logs in to a server that gives these replies."""
    return lambda *replies: hubspot_login(answering(*replies).url)


@pytest.fixture
def control(fresh_sandbox: Sandbox) -> Iterator[HubSpotControl]:
    control = HubSpotControl.of(fresh_sandbox.control["hubspot"])
    yield control
    control.reset()


def statuses(control: HubSpotControl) -> list[int]:
    return [one["status"] for one in control.requests() if one["path"].startswith("/crm/")]


# --- kept ---


def test_an_account_that_allows_few_searches_refuses_none(
    fresh_sandbox: Sandbox, hubspot_login: Login, control: HubSpotControl, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("connectors.hubspot._SEARCHED", 4)
    control.limit("search_second", 5, 1.0)
    rows = len(control.state("companies"))
    assert len(records_of(pulled(hubspot_login(fresh_sandbox.urls["hubspot"]), "companies", SINCE))) == rows > 30
    assert set(statuses(control)) == {200}


def test_no_request_is_sent_when_the_last_answer_said_that_none_is_left(fault: Fault, waits: list[float]) -> None:
    told = {"X-HubSpot-RateLimit-Remaining": "0", "X-HubSpot-RateLimit-Interval-Milliseconds": "10000"}
    pulled(fault(Reply({"results": []}, headers=told), Reply({"results": []})), "contacts")
    assert waits == pytest.approx([10.0], abs=0.5)


def test_an_interval_that_is_used_up_is_waited_for(
    fresh_sandbox: Sandbox, hubspot_login: Login, control: HubSpotControl, waits: list[float]
) -> None:
    control.limit("ten_seconds", 2, 10.0)
    with pytest.raises(RetryableError, match="TEN_SECONDLY_ROLLING"):  # the sandbox's clock does not move on by waits
        pulled(hubspot_login(fresh_sandbox.urls["hubspot"]), "contacts")
    assert waits == pytest.approx([10.0] * 5, abs=0.5)
    assert statuses(control) == [200] * 2 + [429] * 5


# --- reached ---


@pytest.mark.parametrize(
    ("body", "headers", "waited"),
    [
        ({"message": "You have reached your secondly limit.", "errorType": "RATE_LIMIT"}, {}, 1.0),
        ({"message": "You have reached your ten_secondly_rolling limit.", "category": "RATE_LIMITS"}, {}, 10.0),
        ({"policyName": "ten_secondly_rolling"}, {}, 10.0),
        ({"policyName": "TEN_SECONDLY_ROLLING"}, {"X-HubSpot-RateLimit-Interval-Milliseconds": "3000"}, 3.0),
        ({"policyName": "SECONDLY"}, {"X-HubSpot-RateLimit-Interval-Milliseconds": "10000"}, 1.0),
        ({}, {"x-hubspot-ratelimit-interval-milliseconds": "5000"}, 5.0),
        ({}, {"X-HubSpot-RateLimit-Interval-Milliseconds": "soon"}, 1.0),
        ("<html>Too many requests</html>", {}, 1.0),
        ("", {"Retry-After": "2.5"}, 2.5),
        ({"policyName": "SECONDLY"}, {"Retry-After": "4", "X-HubSpot-RateLimit-Interval-Milliseconds": "9000"}, 4.0),
        ({"policyName": ["DAILY"], "message": None}, {}, 1.0),
    ],
)
def test_a_limit_is_waited_for_as_its_headers_its_name_or_its_words_say(
    fault: Fault, waits: list[float], body: Any, headers: dict[str, str], waited: float
) -> None:
    for cursor in (EVERYTHING, SINCE):
        pulled(fault(Reply(body, 429, headers), Reply({"results": []})), "contacts", cursor)
    assert waits == [waited] * 2


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        ({"policyName": "DAILY"}, {}),
        ({"policyName": "daily"}, {"Retry-After": "1"}),
        ({"message": "You have reached your daily limit.", "errorType": "RATE_LIMIT"}, {}),
        ({"policyName": "TEN_SECONDLY_ROLLING"}, {"X-HubSpot-RateLimit-Daily-Remaining": "0"}),
        ("", {"Retry-After": "86400"}),
    ],
)
def test_the_end_of_a_days_requests_ends_the_pull_at_once(
    hubspot_login: Login, answering: Callable[..., Scripted], waits: list[float], body: Any, headers: dict[str, str]
) -> None:
    server = answering(Reply(body, 429, headers))
    with pytest.raises(RetryableError) as error:
        pulled(hubspot_login(server.url), "contacts")
    assert (len(server.asked), waits, error.value.retry_after) == (1, [], 86_400.0)


def test_an_account_that_has_used_up_its_day_is_not_asked_again(
    fresh_sandbox: Sandbox, hubspot_login: Login, control: HubSpotControl, waits: list[float]
) -> None:
    control.limit("day", 2, 86_400.0)
    with pytest.raises(RetryableError, match="DAILY"):
        pulled(hubspot_login(fresh_sandbox.urls["hubspot"]), "contacts")
    assert (statuses(control), waits) == ([200, 200, 429], [])


# --- other refusals ---


def test_a_lock_is_waited_for_two_seconds_at_least(fault: Fault, waits: list[float]) -> None:
    pulled(fault(Reply("", 423), Reply("", 423, {"Retry-After": "1"}), Reply({"results": []})), "contacts")
    assert waits == [2.0, 2.0]


@pytest.mark.parametrize("status", [500, 502, 503, 504, 520, 521, 522, 523, 524, 525, 526, 530, 599])
def test_what_stands_before_the_vendor_may_fail_and_recover(fault: Fault, waits: list[float], status: int) -> None:
    page = "<!DOCTYPE html><title>api.hubapi.com | Web server is down</title>"
    assert records_of(pulled(fault(Reply(page, status), Reply({"results": []})), "contacts", SINCE)) == []
    assert len(waits) == 1


def test_a_token_that_cannot_be_one_may_look_like_a_server_that_is_away(fault: Fault, waits: list[float]) -> None:
    with pytest.raises(RetryableError, match=r"530 when checking .* HUBSPOT_ACCESS_TOKEN"):
        fault(Reply("<html>origin DNS error</html>", 530)).check()
    assert len(waits) == 4


def test_an_expired_token_is_said_to_be_one_to_change(hubspot_login: Login, answering: Callable[..., Scripted]) -> None:
    said = {
        "status": "error",
        "category": "EXPIRED_AUTHENTICATION",
        "message": "The OAuth token used expired 5 min ago.",
    }
    server = answering(Reply(said, 401))
    with pytest.raises(ConfigError, match="refused the credentials"):
        pulled(hubspot_login(server.url), "contacts", SINCE)
    assert len(server.asked) == 1


@pytest.mark.parametrize("key", ["requiredScopes", "requiredGranularScopes"])
def test_every_missing_scope_is_named(fault: Fault, key: str) -> None:
    context = {key: ["crm.objects.contacts.read", "tickets"]}
    said = {"category": "MISSING_SCOPES", "errors": [{"message": "One is required.", "context": context}]}
    with pytest.raises(ConfigError, match=r"\(crm\.objects\.contacts\.read, tickets\)"):
        pulled(fault(Reply(said, 403)), "feedback_submissions")


@pytest.mark.parametrize(
    "said",
    [
        {"errors": [{"code": "PROPERTY_DOESNT_EXIST", "context": {"propertyName": ["hs_value"]}}]},
        {"message": 'There was a problem: Property "hs_value" does not exist', "errors": [{"message": "secret"}]},
        {"message": "There was a problem with the request: property hs_value does not exist."},
    ],
)
def test_a_property_that_is_refused_is_named_and_nothing_else_is(fault: Fault, said: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="it refuses the property hs_value; correct it") as error:
        pulled(fault(Reply({"category": "VALIDATION_ERROR", **said}, 400)), "feedback_submissions", SINCE)
    assert "secret" not in str(error.value)


@pytest.mark.parametrize("status", [400, 404, 405, 410, 414, 431])
def test_a_request_that_is_refused_for_good_is_not_repeated(
    hubspot_login: Login, answering: Callable[..., Scripted], waits: list[float], status: int
) -> None:
    server = answering(Reply("<html>URI too long</html>", status))
    with pytest.raises(FatalError, match=f"answered {status} when listing contacts"):
        pulled(hubspot_login(server.url), "contacts")
    assert (len(server.asked), waits) == (1, [])


def test_a_redirect_is_not_followed_with_the_token(answering: Callable[..., Scripted], hubspot_login: Login) -> None:
    elsewhere = answering(Reply({"results": []}))
    server = answering(Reply("", 302, {"Location": elsewhere.url}))
    with pytest.raises(ConnectorError, match="answered 302"):
        pulled(hubspot_login(server.url), "contacts")
    assert elsewhere.asked == []
