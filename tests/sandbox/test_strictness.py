"""Row by row what `docs/sandbox.md` says that the sandboxes enforce, asked of strict ones over plain HTTP."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

import pytest
import requests

from sandbox.control import Control
from sandbox.hubspot.hooks import HubSpotControl
from sandbox.hubspot.service import ACCESS_TOKEN
from sandbox.salesforce import logins
from sandbox.serve import Sandbox, start
from sandbox.zendesk.service import OAUTH_TOKEN

TOKENS = {"hubspot": ACCESS_TOKEN, "salesforce": logins.SESSION_ID, "zendesk": OAUTH_TOKEN}
OBJECTS, DATA = "/crm/v3/objects/contacts", "/services/data/v59.0"
ROW = {"attributes": {"type": "Contact"}, "Id": "003000000000001AAA"}
OTHER = {"attributes": {"type": "Account"}, "Id": "001000000000001AAA"}
SEARCH = {"filterGroups": [], "sorts": [], "properties": [], "limit": 1, "after": "0"}
FOUND = {"propertyName": "firstname", "operator": "EQ", "value": "Behind"}
EXPORT = "/api/v2/incremental/users/cursor.json?start_time=0"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    with start(tmp_path_factory.mktemp("strict"), 7, date(2026, 11, 22)) as running:
        yield running


@pytest.fixture
def strict(served: Sandbox) -> Sandbox:
    """Strict sandboxes in the state of their start."""
    for control in served.control.values():
        control.reset()
    return served


def ask(sandbox: Sandbox, crm: str, target: str, body: object = None, method: str = "", **headers: str) -> Any:
    given = {"Authorization": f"Bearer {TOKENS[crm]}"} | headers
    verb = method or ("GET" if body is None else "POST")
    verify = sandbox.environment["SALESFORCE_CA_BUNDLE"]
    return requests.request(verb, sandbox.urls[crm] + target, json=body, headers=given, timeout=10, verify=verify)


@pytest.mark.parametrize(
    ("crm", "target", "body", "method"),
    [
        ("hubspot", f"{OBJECTS}?limit=101", None, ""),
        ("hubspot", f"{OBJECTS}/search", SEARCH | {"limit": 201}, ""),
        ("hubspot", f"{OBJECTS}/search", SEARCH | {"limit": 200, "after": "9801"}, ""),
        ("hubspot", f"{OBJECTS}/search", SEARCH | {"filterGroups": [{"filters": []}] * 6}, ""),
        ("hubspot", f"{OBJECTS}/search", SEARCH | {"filterGroups": [{"filters": [FOUND] * 19}]}, ""),
        ("hubspot", f"{OBJECTS}/search", SEARCH | {"sorts": ["email", "lastname"]}, ""),
        ("hubspot", f"{OBJECTS}/search", SEARCH | {"query": "x" * 3_000}, ""),
        ("hubspot", f"{OBJECTS}/batch/read", {"inputs": [{"id": "1"}] * 101}, ""),
        ("hubspot", f"{OBJECTS}/batch/update", {"inputs": [{"id": str(one)} for one in range(101)]}, ""),
        ("hubspot", f"{OBJECTS}/batch/update", {"inputs": [{"id": "1"}] * 2}, ""),
        ("hubspot", "/crm/v4/associations/contacts/companies/batch/read", {"inputs": [{"id": "1"}] * 1_001}, ""),
        ("salesforce", f"{DATA}/composite/sobjects", {"records": [ROW] * 201}, "PATCH"),
        ("salesforce", f"{DATA}/composite/sobjects", {"records": [ROW, OTHER] * 6}, "PATCH"),
        ("salesforce", f"{DATA}/query?q=SELECT+Id,Nothing+FROM+Contact", None, ""),
        ("salesforce", f"{DATA}/sobjects/Lead/deleted?start=2020-01-01T00:00:00Z&end=2020-01-02T00:00:00Z", None, ""),
        ("zendesk", f"{EXPORT}&per_page=1001", None, ""),
        ("zendesk", "/api/v2/organizations.json?per_page=101", None, ""),
        ("zendesk", "/api/v2/organizations.json?page%5Bsize%5D=101", None, ""),
        ("zendesk", f"/api/v2/users/show_many.json?ids={','.join(map(str, range(101)))}", None, ""),
        ("zendesk", "/api/v2/users/update_many.json", {"users": [{"id": one} for one in range(101)]}, "PUT"),
    ],
)
def test_what_is_too_large_is_refused(strict: Sandbox, crm: str, target: str, body: object, method: str) -> None:
    assert ask(strict, crm, target, body, method).status_code == 400


def test_a_page_of_a_query_has_at_most_two_thousand_rows(strict: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sandbox.salesforce.service.PAGE", 250)
    asked = {"Sforce-Query-Options": "batchSize=100000"}
    answer = ask(strict, "salesforce", f"{DATA}/query?q=SELECT+Id+FROM+Contact", **asked).json()
    assert (len(answer["records"]), answer["done"], "nextRecordsUrl" in answer) == (250, False, True)
    assert answer["records"][0].keys() == {"attributes", "Id"}


def test_properties_are_served_when_asked_for(strict: Sandbox) -> None:
    target = "/crm/v3/objects/feedback_submissions?limit=1"
    default, asked = (
        ask(strict, "hubspot", f"{target}{more}").json()["results"][0]["properties"].keys()
        for more in ("", "&properties=hs_value")
    )
    assert default == {"hs_createdate", "hs_lastmodifieddate", "hs_object_id"}
    assert asked - default == {"hs_value"}


def test_exports_leave_out_the_last_minute(strict: Sandbox) -> None:
    added = int(strict.control["zendesk"].add("users", name="New", role="end-user"))
    held = strict.control["zendesk"].state("users").keys() - {str(added)}
    assert {str(one["id"]) for one in ask(strict, "zendesk", EXPORT).json()["users"]} == held
    late = ask(strict, "zendesk", f"/api/v2/incremental/users/cursor.json?start_time={int(time.time())}")
    assert (late.status_code, late.json()["description"][:21]) == (422, "Too recent start_time")


def test_search_is_behind(strict: Sandbox) -> None:
    control = HubSpotControl.of(strict.control["hubspot"])
    control.edit("contacts", next(iter(control.state("contacts"))), firstname=FOUND["value"])
    search = SEARCH | {"filterGroups": [{"filters": [FOUND]}]}
    totals = [ask(strict, "hubspot", f"{OBJECTS}/search", search).json()["total"]]
    control.search_lag(0.05)
    time.sleep(0.05)
    totals.append(ask(strict, "hubspot", f"{OBJECTS}/search", search).json()["total"])
    assert totals == [0, 1]


# --- requests in a time ---


def test_the_limits_are_those_of_the_real_systems(strict: Sandbox) -> None:
    told = {crm: control.limits() for crm, control in strict.control.items()}
    assert {
        (crm, name): (one["most"], one["seconds"]) for crm, limits in told.items() for name, one in limits.items()
    } == {
        ("salesforce", "day"): (15_000, 86_400),
        ("hubspot", "ten_seconds"): (190, 10),
        ("hubspot", "search_second"): (5, 1),
        ("hubspot", "day"): (650_000, 86_400),
        ("zendesk", "minute"): (700, 60),
    }
    assert all(one["enforced"] for limits in told.values() for one in limits.values())


def refused(sandbox: Sandbox, crm: str, target: str, allowed: int, body: object = None) -> Any:
    """The answer after so many that were allowed."""
    assert {ask(sandbox, crm, target, body).status_code for _ in range(allowed)} == {200}
    return ask(sandbox, crm, target, body)


def test_the_sixth_search_of_a_second_is_refused_without_a_word_on_waiting(strict: Sandbox) -> None:
    strict.control["hubspot"].limit("search_second", 5, 30)  # the machine may need more than a second for them
    answer = refused(strict, "hubspot", f"{OBJECTS}/search", 5, SEARCH)
    assert (answer.status_code, answer.json()["policyName"]) == (429, "SECONDLY")
    assert not [name for name in answer.headers if "ratelimit" in name.lower() or name.lower() == "retry-after"]
    assert ask(strict, "hubspot", f"{OBJECTS}?limit=1").status_code == 200


def test_more_than_a_burst_is_refused_until_its_first_requests_are_old(strict: Sandbox) -> None:
    strict.control["hubspot"].limit("ten_seconds", 3, 0.4)
    answer = refused(strict, "hubspot", f"{OBJECTS}?limit=1", 3)
    said = answer.json()
    assert (answer.status_code, answer.headers["X-HubSpot-RateLimit-Remaining"]) == (429, "0")
    assert (said["errorType"], said["policyName"]) == ("RATE_LIMIT", "TEN_SECONDLY_ROLLING")
    assert said["message"] == "You have reached your ten_secondly_rolling limit."
    unlimited = (f"{OBJECTS}/search", SEARCH), ("/crm/v4/associations/contacts/companies/batch/read", {"inputs": []})
    assert [ask(strict, "hubspot", *one).status_code for one in unlimited] == [200, 400]
    time.sleep(0.4)
    assert ask(strict, "hubspot", f"{OBJECTS}?limit=1").status_code == 200


@pytest.mark.parametrize(
    ("crm", "target", "status", "says"),
    [
        ("hubspot", f"{OBJECTS}?limit=1", 429, '"policyName":"DAILY"'),
        ("salesforce", f"{DATA}/limits", 403, '"errorCode":"REQUEST_LIMIT_EXCEEDED"'),
    ],
)
def test_a_day_has_so_many_requests(strict: Sandbox, crm: str, target: str, status: int, says: str) -> None:
    strict.control[crm].limit("day", 2, 86_400)
    answer = refused(strict, crm, target, 2)
    assert answer.status_code == status
    assert says in answer.text
    strict.control[crm].reset()
    assert ask(strict, crm, target).status_code == 200


def test_logins_are_no_calls_of_the_day(strict: Sandbox) -> None:
    strict.control["salesforce"].limit("day", 0, 86_400)
    assert ask(strict, "salesforce", f"{DATA}/limits").status_code == 403
    assert ask(strict, "salesforce", "/services/data").status_code == 200


def test_a_minute_has_so_many_requests_and_says_when_it_ends(strict: Sandbox) -> None:
    strict.control["zendesk"].limit("minute", 2, 60)
    answer = refused(strict, "zendesk", "/api/v2/users/me.json", 2)
    assert (answer.status_code, answer.json()["error"]) == (429, "APIRateLimitExceeded")
    assert (answer.headers["x-rate-limit"], answer.headers["x-rate-limit-remaining"]) == ("2", "0")
    assert 50 < int(answer.headers["Retry-After"]) == int(answer.headers["ratelimit-reset"]) <= 60


def test_a_minute_has_ten_exports(strict: Sandbox) -> None:
    answer = refused(strict, "zendesk", EXPORT, 10)
    assert answer.status_code == 429
    assert 50 < int(answer.headers["Retry-After"]) <= 60
    assert ask(strict, "zendesk", "/api/v2/users.json").status_code == 200


def test_a_limit_is_set_by_its_name_and_in_numbers(strict: Sandbox) -> None:
    control: Control = strict.control["zendesk"]
    for name, most, seconds in (("hour", 1, 1.0), ("minute", "1", 1.0), ("minute", 1, 0.0)):
        with pytest.raises(LookupError, match=r"no such limit|needs a whole number"):
            control.limit(name, most, seconds)  # type: ignore[arg-type]


def test_a_lenient_sandbox_tells_its_limits_and_enforces_none(sandbox: Sandbox) -> None:
    assert not [one for control in sandbox.control.values() for one in control.limits().values() if one["enforced"]]
    assert {ask(sandbox, "hubspot", f"{OBJECTS}/search", SEARCH).status_code for _ in range(9)} == {200}
    assert {ask(sandbox, "zendesk", EXPORT).status_code for _ in range(11)} == {200}


# --- jobs ---


def test_a_query_job_is_worked_on_from_poll_to_poll_and_kept_for_a_week(
    strict: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = {"operation": "query", "query": "SELECT Id FROM Contact"}
    job = f"{DATA}/jobs/query/{ask(strict, 'salesforce', f'{DATA}/jobs/query', body).json()['id']}"
    early = [ask(strict, "salesforce", f"{job}/results"), ask(strict, "salesforce", job, method="DELETE")]
    assert [one.status_code for one in early] == [412, 400]
    assert [ask(strict, "salesforce", job).json()["state"] for _ in range(2)] == ["InProgress", "JobComplete"]
    assert ask(strict, "salesforce", f"{job}/results").status_code == 200
    monkeypatch.setattr("sandbox.salesforce.bulk.KEPT", timedelta(seconds=-1))  # it is older than that
    assert [ask(strict, "salesforce", one).status_code for one in (job, f"{job}/results")] == [404, 404]


def test_a_job_of_zendesk_has_no_results_before_its_end(strict: Sandbox) -> None:
    assert ask(strict, "zendesk", "/_sandbox/behaviour", {"job_milliseconds": 100}, "PATCH").status_code == 200
    user = next(iter(strict.control["zendesk"].state("users")))
    body = {"users": [{"id": int(user), "notes": "x"}]}
    queued = ask(strict, "zendesk", "/api/v2/users/update_many.json", body, "PUT").json()["job_status"]
    assert (queued["status"], queued["results"]) == ("queued", None)
    deadline = time.monotonic() + 5
    while (job := ask(strict, "zendesk", f"/api/v2/job_statuses/{queued['id']}.json").json()["job_status"])[
        "status"
    ] == "queued":
        assert time.monotonic() < deadline
    assert (job["status"], [one["success"] for one in job["results"]]) == ("completed", [True])
