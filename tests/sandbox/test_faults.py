"""Faults on request: what a client meets, which requests are struck, what the CRM has done, what the log keeps."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import pytest
import requests

import sandbox.faults
from sandbox.admin import PREFIX
from sandbox.faults import KINDS, PASSING, Fault, at_random
from sandbox.serve import CRMS, Sandbox

ASK = {
    "salesforce": "/services/data/v59.0/limits",
    "hubspot": "/crm/v3/objects/contacts?limit=1",
    "zendesk": "/api/v2/users.json?page[size]=1",
}
Ask = Callable[..., requests.Response]


@pytest.fixture
def ask(sandbox: Sandbox) -> Iterator[Ask]:
    """Sends one request to a CRM, with credentials, over a connection that is kept."""
    kept = requests.Session()
    kept.trust_env = False
    kept.verify = sandbox.environment["SALESFORCE_CA_BUNDLE"]
    tokens = {
        "salesforce": sandbox.logins["salesforce"]["session"]["SALESFORCE_SESSION_ID"],
        "hubspot": sandbox.environment["HUBSPOT_ACCESS_TOKEN"],
        "zendesk": sandbox.logins["zendesk"]["oauth"]["ZENDESK_OAUTH_TOKEN"],
    }

    def send(crm: str, path: str = "", method: str = "GET", body: Any = None) -> requests.Response:
        url, headers = sandbox.urls[crm] + (path or ASK[crm]), {"Authorization": f"Bearer {tokens[crm]}"}
        return kept.request(method, url, json=body, headers=headers, timeout=5)

    yield send
    kept.close()


every_crm = pytest.mark.parametrize("crm", CRMS)


@every_crm
@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_a_status_comes_with_the_page_of_a_gateway(sandbox: Sandbox, ask: Ask, crm: str, status: int) -> None:
    sandbox.control[crm].faults([Fault("status", status=status)])
    answer = ask(crm)
    assert (answer.status_code, answer.headers["content-type"]) == (status, "text/html; charset=utf-8")
    assert ask(crm).json()


@every_crm
def test_a_limit_asks_to_wait_in_seconds_as_a_date_or_not_at_all(sandbox: Sandbox, ask: Ask, crm: str) -> None:
    kinds = ("too_many", "too_many_seconds", "too_many_date")
    sandbox.control[crm].faults([Fault(kind, seconds=90) for kind in kinds])
    answers = [ask(crm) for _ in kinds]
    assert {answer.status_code for answer in answers} == {429}
    absent, number, date = (answer.headers.get("Retry-After") for answer in answers)
    assert (absent, number) == (None, "90")
    assert 85 <= (parsedate_to_datetime(str(date)) - datetime.now(UTC)).total_seconds() <= 90


@pytest.mark.parametrize(
    ("crm", "kind", "said"),
    [
        ("salesforce", "daily_limit", (403, "REQUEST_LIMIT_EXCEEDED")),
        ("salesforce", "expired_session", (401, "INVALID_SESSION_ID")),
        ("hubspot", "too_many", (429, '"policyName":"TEN_SECONDLY_ROLLING"')),
        ("hubspot", "daily_limit", (429, '"policyName":"DAILY"')),
        ("hubspot", "expired_session", (401, "INVALID_AUTHENTICATION")),
        ("zendesk", "too_many", (429, "APIRateLimitExceeded")),
        ("zendesk", "daily_limit", (429, "APIRateLimitExceeded")),
        ("zendesk", "expired_session", (401, "Couldn't authenticate you")),
    ],
)
def test_refusals_are_in_the_words_of_the_crm(
    sandbox: Sandbox, ask: Ask, crm: str, kind: str, said: tuple[int, str]
) -> None:
    sandbox.control[crm].faults([Fault(kind)])
    answer = ask(crm)
    status, words = said
    assert answer.status_code == status
    assert words in json.dumps(answer.json(), separators=(",", ":"))
    assert ask(crm).ok


@every_crm
def test_an_answer_may_be_a_page_nothing_or_cut_short(sandbox: Sandbox, ask: Ask, crm: str) -> None:
    whole = ask(crm).text
    sandbox.control[crm].faults([Fault(kind) for kind in ("html", "empty", "truncated")])
    page, empty, half = (ask(crm) for _ in range(3))
    assert {one.status_code for one in (page, empty, half)} == {200}
    assert (page.text[:5], empty.text) == ("<!DOC", "")
    assert len(half.content) == int(half.headers["Content-Length"]) == len(whole.encode()) // 2
    with pytest.raises(requests.exceptions.JSONDecodeError):
        half.json()


@every_crm
@pytest.mark.parametrize("kind", ["cut", "dropped", "cut_in_body"])
def test_a_connection_ends_and_the_next_one_holds(sandbox: Sandbox, ask: Ask, crm: str, kind: str) -> None:
    assert ask(crm).ok
    sandbox.control[crm].faults([Fault(kind)])
    broken = requests.exceptions.ChunkedEncodingError if kind == "cut_in_body" else requests.exceptions.ConnectionError
    with pytest.raises(broken):
        ask(crm)
    assert ask(crm).json()


def test_a_slow_answer_comes_whole(sandbox: Sandbox, ask: Ask) -> None:
    sandbox.control["hubspot"].faults([Fault("slow", seconds=0.2)])
    began = time.monotonic()
    assert ask("hubspot").json()["results"]
    assert time.monotonic() - began >= 0.2


def test_the_previous_page_comes_again(sandbox: Sandbox, ask: Ask) -> None:
    sandbox.control["hubspot"].faults([Fault("duplicate_page", path="/contacts")])
    first = ask("hubspot")
    after = f"{ASK['hubspot']}&after={first.json()['paging']['next']['after']}"
    again, second = ask("hubspot", after), ask("hubspot", after)
    assert again.json() == first.json()
    assert second.json()["results"][0]["id"] != first.json()["results"][0]["id"]


@pytest.mark.parametrize(
    ("kind", "written"),
    [("dropped", True), ("cut_in_body", True), ("truncated", True), ("cut", False), ("status", False), ("html", False)],
)
def test_a_write_is_applied_or_not(sandbox: Sandbox, ask: Ask, kind: str, *, written: bool) -> None:
    control = sandbox.control["hubspot"]
    contact = next(iter(control.state("contacts")))
    control.faults([Fault(kind, method="POST")])
    body: Any = {"inputs": [{"id": contact, "properties": {"lastname": "Changed"}}]}
    try:
        answer = ask("hubspot", "/crm/v3/objects/contacts/batch/update", "POST", body).text
    except requests.exceptions.RequestException:
        answer = ""
    assert "completedAt" not in answer or kind == "truncated"
    assert (control.state("contacts")[contact]["fields"]["lastname"] == "Changed") is written
    assert len(control.writes()) == int(written)


def test_requests_are_chosen_by_method_path_and_number(sandbox: Sandbox, ask: Ask) -> None:
    control = sandbox.control["hubspot"]
    control.faults([Fault("status", method="GET", path=r"contacts\?limit=2", nth=2, times=2)])
    paths = ["/crm/v3/objects/contacts?limit=2"] * 5
    assert [ask("hubspot", path).status_code for path in paths] == [200, 503, 503, 200, 200]
    control.faults([Fault("status", method="GET", path="contacts/search|limit=2", times=None)])
    search = ask("hubspot", "/crm/v3/objects/contacts/search", "POST", {})
    assert [search.status_code, *(ask("hubspot", path).status_code for path in paths)] == [200, *[503] * 5]
    assert ask("hubspot").status_code == 200
    control.clear_faults()
    assert ask("hubspot", paths[0]).status_code == 200


def test_chance_is_decided_by_the_seed(sandbox: Sandbox, ask: Ask) -> None:
    def struck(seed: int) -> list[int]:
        sandbox.control["hubspot"].faults([Fault("empty", times=None, probability=0.5, seed=seed)])
        return [len(ask("hubspot").content) for _ in range(20)]

    first = struck(1)
    assert 0 < first.count(0) < 20
    assert (struck(1) == first, struck(2) == first) == (True, False)


def test_the_log_keeps_what_happened(sandbox: Sandbox, ask: Ask) -> None:
    control = sandbox.control["hubspot"]
    control.faults([Fault("too_many"), Fault("cut"), Fault("dropped", nth=3), Fault("slow", nth=5, seconds=0)])
    for _ in range(5):
        with suppress(requests.exceptions.ConnectionError):
            ask("hubspot")
    logged = [(one["status"], one["fault"]) for one in control.requests()]
    assert logged == [(429, "too_many"), (None, "cut"), (200, "dropped"), (200, None), (200, "slow")]
    assert control.struck() == ["too_many", "cut", "dropped", "slow"]
    assert {one["query"] for one in control.requests()} == {"limit=1"}


def test_the_control_interface_is_exempt_and_reset_clears(sandbox: Sandbox, ask: Ask) -> None:
    control = sandbox.control["hubspot"]
    control.faults([Fault("cut", times=None)])
    shown = requests.get(f"{control.url}{PREFIX}/faults", timeout=5).json()["faults"]
    assert [(one["kind"], one["times"], one["seen"], one["struck"]) for one in shown] == [("cut", None, 0, 0)]
    control.reset()
    assert ask("hubspot").ok


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("cut", "whose kind is one of"),
        ({"kind": "flood"}, "whose kind is one of"),
        ({"kind": "cut", "after": 3}, "A fault has no after"),
        ({"kind": "cut", "nth": "3"}, "The nth of a fault cannot be '3'"),
        ({"kind": "cut", "times": True}, "The times of a fault cannot be True"),
        ({"kind": "cut", "path": "("}, "no regular expression"),
    ],
)
def test_a_fault_that_cannot_be_one_is_refused(sandbox: Sandbox, ask: Ask, fault: Any, words: str) -> None:
    sandbox.control["hubspot"].faults([Fault("status")])
    url = f"{sandbox.urls['hubspot']}{PREFIX}/faults"
    answer = requests.put(url, json={"faults": [fault]}, timeout=5)
    assert (answer.status_code, words in answer.json()["error"]) == (400, True)
    assert ask("hubspot").status_code == 503  # those before are in force still


def test_every_kind_can_be_asked_for(sandbox: Sandbox, ask: Ask) -> None:
    control = sandbox.control["hubspot"]
    for kind in KINDS:
        control.faults([Fault(kind, nth=2, seconds=0)])
        assert ask("hubspot").ok
        with suppress(requests.exceptions.RequestException):
            ask("hubspot")
    assert control.struck() == list(KINDS)


def test_random_faults_are_of_every_kind_that_passes_and_moderate(sandbox: Sandbox, ask: Ask) -> None:
    control = sandbox.control["hubspot"]
    control.faults([fault for fault in at_random(5) if fault.kind != "slow"])
    for _ in range(300):
        with suppress(requests.exceptions.RequestException):
            ask("hubspot")
    struck = control.struck()
    assert 15 <= len(struck) <= 50
    assert len(set(struck)) >= 6
    assert {fault.kind for fault in at_random(5)} == set(PASSING)
    assert at_random(5) == at_random(5) != at_random(6)


def test_the_command_lets_things_go_wrong(tmp_path: Path) -> None:
    file = tmp_path / "crm.env"
    command = [sys.executable, "-m", "sandbox", "--faults", "3", "--write-env", str(file)]
    root = Path(str(sandbox.faults.__file__)).parents[1]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=root) as process:
        assert process.stdout is not None
        assert any(line.startswith("# ") for line in process.stdout)
        written = dict(line.split("=", 1) for line in file.read_text(encoding="utf-8").splitlines())
        shown = requests.get(f"{written['ZENDESK_BASE_URL']}{PREFIX}/faults", timeout=5).json()["faults"]
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=10) == 0
    assert [one["seed"] for one in shown] == [fault.seed for fault in at_random(3)]
