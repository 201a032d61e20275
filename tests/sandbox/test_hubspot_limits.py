"""What a busy HubSpot account enforces: limits of requests and of searches, a search index that lags."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest
import requests

from sandbox.hubspot.hooks import HubSpotControl
from sandbox.hubspot.service import ACCESS_TOKEN, HubSpot
from sandbox.serve import Sandbox, site
from sandbox.servers import Servers
from sandbox.store import Record

CONTACTS, SEARCH = "/crm/v3/objects/contacts", "/crm/v3/objects/contacts/search"


@dataclass
class Account:
    """The account of the sandbox, asked without a client of its own."""

    url: str
    control: HubSpotControl

    def ask(self, path: str, body: Any = None) -> requests.Response:
        headers = {"Authorization": f"Bearer {ACCESS_TOKEN}"}
        method = "GET" if body is None else "POST"
        return requests.request(method, f"{self.url}{path}", json=body, headers=headers, timeout=10)

    def statuses(self, number: int, path: str, body: Any = None) -> list[int]:
        return [self.ask(path, body).status_code for _ in range(number)]


@pytest.fixture
def account(sandbox: Sandbox) -> Iterator[Account]:
    control = HubSpotControl.of(sandbox.control["hubspot"])
    yield Account(sandbox.urls["hubspot"], control)
    control.reset()


def test_no_limit_is_enforced_unless_it_is_asked_for(account: Account) -> None:
    answers = [account.ask(CONTACTS) for _ in range(200)]
    assert {one.status_code for one in answers} == {200}
    assert min(int(one.headers["X-HubSpot-RateLimit-Remaining"]) for one in answers) == 1


@pytest.mark.parametrize(
    ("behaviour", "policy"), [("requests_per_interval", "TEN_SECONDLY_ROLLING"), ("requests_per_day", "DAILY")]
)
def test_requests_beyond_a_limit_are_refused_by_its_name(account: Account, behaviour: str, policy: str) -> None:
    account.control.behave(**{behaviour: 3})
    answers = [account.ask(CONTACTS) for _ in range(4)]
    assert [one.status_code for one in answers] == [200, 200, 200, 429]
    name = "X-HubSpot-RateLimit-Remaining" if policy != "DAILY" else "X-HubSpot-RateLimit-Daily-Remaining"
    assert [one.headers[name] for one in answers] == ["2", "1", "0", "0"]
    said = answers[-1].json()
    assert (said["policyName"], said["errorType"]) == (policy, "RATE_LIMIT")
    assert "Retry-After" not in answers[-1].headers
    account.control.reset()
    assert account.ask(CONTACTS).status_code == 200


def test_searches_have_a_limit_of_their_own_and_say_nothing_of_it(account: Account) -> None:
    account.control.behave(searches_per_second=2)
    answers = [account.ask(SEARCH, {"limit": 1}) for _ in range(5)]  # at most two of them in each of two seconds
    refused = [one for one in answers if one.status_code == 429]
    assert refused
    assert {one.json()["policyName"] for one in refused} == {"SECONDLY"}
    assert not any("ratelimit" in name.lower() for one in answers for name in one.headers)
    assert set(account.statuses(5, CONTACTS)) == {200}


def test_search_learns_of_changes_after_a_while(account: Account) -> None:
    changed = min(account.control.state("contacts"))
    wanted = {"filterGroups": [{"filters": [{"propertyName": "hs_object_id", "operator": "EQ", "value": changed}]}]}
    assert account.ask(SEARCH, wanted).json()["total"] == 1
    account.control.behave(index_milliseconds=60_000)
    account.control.edit("contacts", changed, lastname="Changed")
    assert account.ask(SEARCH, wanted).json()["total"] == 0
    assert account.ask(f"{CONTACTS}/{changed}?properties=lastname").json()["properties"]["lastname"] == "Changed"
    account.control.behave(index_milliseconds=0)
    assert account.ask(SEARCH, wanted).json()["total"] == 1


@pytest.mark.parametrize("wrong", [{"no_such_name": 1}, {"requests_per_day": "many"}])
def test_a_behaviour_that_there_is_not_is_refused(account: Account, wrong: dict[str, Any]) -> None:
    assert account.ask("/_sandbox/hubspot/behaviour", wrong).status_code == 400


@pytest.mark.parametrize(("given", "status"), [("true", 200), ("True", 200), ("false", 200), ("1", 400), ("", 400)])
def test_archived_is_true_or_false(account: Account, given: str, status: int) -> None:
    assert account.ask(f"{CONTACTS}?archived={given}").status_code == status


@pytest.mark.parametrize(("microsecond", "text"), [(0, "2026-01-01T12:00:00Z"), (250_000, "2026-01-01T12:00:00.250Z")])
def test_a_time_has_milliseconds_where_it_has_any(microsecond: int, text: str) -> None:
    moment = datetime(2026, 1, 1, 12, microsecond=microsecond, tzinfo=UTC)
    service = HubSpot({"contacts": [Record("1", {}, moment, moment)]})
    with Servers([site(service)]) as servers:
        headers = {"Authorization": f"Bearer {ACCESS_TOKEN}"}
        (row,) = requests.get(f"{servers.urls[0]}{CONTACTS}", headers=headers, timeout=10).json()["results"]
    assert (row["updatedAt"], row["properties"]["lastmodifieddate"]) == (text, text)
