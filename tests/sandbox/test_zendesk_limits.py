"""What a busy Zendesk enforces: the last minute, limits of exports and jobs; its events and survey responses."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import requests

from sandbox.control import Control
from sandbox.serve import Sandbox, site
from sandbox.servers import Servers
from sandbox.store import Record
from sandbox.zendesk.ids import COMMENT_FIELD, SCORE_FIELD
from sandbox.zendesk.service import OAUTH_TOKEN, Zendesk

MOMENT = datetime(2026, 1, 1, 12, tzinfo=UTC)
START = int(MOMENT.timestamp())
SCORE, COMMENT = str(SCORE_FIELD), str(COMMENT_FIELD)


@dataclass
class Account:
    """A running account whose clock only the test moves."""

    url: str
    now: list[datetime]

    def ask(self, path: str, method: str = "GET", **given: Any) -> requests.Response:
        headers = {"Authorization": f"Bearer {OAUTH_TOKEN}"}
        return requests.request(method, f"{self.url}{path}", headers=headers, timeout=10, **given)

    def read(self, path: str, **parameters: Any) -> Any:
        return self.ask(f"/api/v2/{path}", params=parameters).json()

    def behave(self, **names: int) -> None:
        assert self.ask("/_sandbox/behaviour", "PATCH", json=names).status_code == 200

    @property
    def control(self) -> Control:
        return Control(self.url)


@pytest.fixture
def account() -> Iterator[Account]:
    now = [MOMENT]
    rows = [Record(str(one), {"name": "x"}, MOMENT, MOMENT - timedelta(seconds=one)) for one in (1, 30, 90, 300)]
    tickets = [Record("7", {"status": "open", "custom_values": {}}, MOMENT, MOMENT - timedelta(seconds=90))]
    tables = {"users": rows, "organizations": rows, "tickets": tickets, "satisfaction_ratings": []}
    with Servers([site(Zendesk(tables, clock=lambda: now[0]))]) as servers:
        yield Account(servers.urls[0], now)


@pytest.mark.parametrize(("path", "table"), [("users/cursor", "users"), ("organizations", "organizations")])
def test_exports_leave_out_the_last_minute(account: Account, path: str, table: str) -> None:
    account.behave(export_delay=60)
    page = account.read(f"incremental/{path}.json", start_time=0)
    assert [one["id"] for one in page[table]] == [300, 90]
    assert page["end_of_stream"] is True
    account.now[0] += timedelta(seconds=30)
    assert [one["id"] for one in account.read(f"incremental/{path}.json", start_time=0)[table]] == [300, 90, 30]
    late = account.ask(f"/api/v2/incremental/{path}.json?start_time={START}")
    assert (late.status_code, late.json()["description"][:21]) == (422, "Too recent start_time")


def test_exports_have_a_limit_of_their_own(account: Account) -> None:
    account.behave(exports_per_minute=3)
    answers = [account.ask("/api/v2/incremental/users/cursor.json?start_time=0") for _ in range(4)]
    assert [one.status_code for one in answers] == [200, 200, 200, 429]
    told = [one.headers["zendesk-ratelimit-incremental-exports"] for one in answers]
    assert told == [f"total=3; remaining={left}; resets=60" for left in (2, 1, 0, 0)]
    assert answers[3].headers["Retry-After"] == "60"
    other = account.ask("/api/v2/organizations.json")
    assert (other.status_code, "zendesk-ratelimit-incremental-exports" in other.headers) == (200, False)
    account.now[0] += timedelta(seconds=61)
    assert account.ask("/api/v2/incremental/users/cursor.json?start_time=0").status_code == 200


def test_behaviour_is_switched_by_name_and_undone_by_a_reset(account: Account) -> None:
    account.behave(events_forbidden=1)
    assert account.ask("/api/v2/incremental/ticket_events.json?start_time=0").status_code == 403
    for wrong in ({"no_such_name": 1}, {"export_delay": "long"}):
        assert account.ask("/_sandbox/behaviour", "PATCH", json=wrong).status_code == 400
    account.control.reset()
    assert account.ask("/api/v2/incremental/ticket_events.json?start_time=0").status_code == 200


def queue(account: Account) -> requests.Response:
    return account.ask("/api/v2/users/update_many.json", "PUT", json={"users": [{"id": 90, "name": "y"}]})


def state(account: Account, answer: requests.Response) -> Any:
    shown = account.ask(f"/api/v2/job_statuses/{answer.json()['job_status']['id']}.json")
    return shown.json()["job_status"]["status"] if shown.ok else shown.status_code


def test_thirty_jobs_may_wait(account: Account) -> None:
    account.behave(job_milliseconds=60_000)
    answers = [queue(account) for _ in range(31)]
    assert [one.status_code for one in answers] == [200] * 30 + [429]
    assert answers[30].json()["error"] == "TooManyJobs"


def wait_for(account: Account, answer: requests.Response) -> None:
    while state(account, answer) == "queued":
        pass


def test_what_a_job_did_is_told_for_an_hour(account: Account) -> None:
    account.behave(job_milliseconds=0)
    job = queue(account)
    wait_for(account, job)
    account.now[0] += timedelta(minutes=59)
    assert state(account, job) == "completed"
    account.now[0] += timedelta(minutes=2)
    assert state(account, job) == 404


def test_what_a_job_did_is_told_until_a_hundred_jobs_later(account: Account) -> None:
    account.behave(job_milliseconds=0)
    first = queue(account)
    for _ in range(99):
        wait_for(account, last := queue(account))
    assert state(account, first) == "completed"
    wait_for(account, last := queue(account))
    assert (state(account, first), state(account, last)) == (404, "completed")


def test_what_is_done_to_a_ticket_is_an_event(account: Account) -> None:
    account.now[0] += timedelta(seconds=5)
    account.control.edit("tickets", "7", custom_values={SCORE: "9", COMMENT: "good"})
    account.now[0] += timedelta(seconds=5)
    account.control.edit("tickets", "7", status="closed")
    account.control.edit("tickets", "7", tags=["nps"])  # of no interest here
    account.control.edit("users", "90", name="y")
    added = account.control.add("tickets", subject="Help", status="new", custom_values={SCORE: "3"})
    page = account.read("incremental/ticket_events.json", start_time=0)
    told = [
        (event["ticket_id"], event["timestamp"] - START, [one["event_type"] for one in event["child_events"]])
        for event in page["ticket_events"]
    ]
    assert told == [(7, 5, ["Change"] * 2), (7, 10, ["Change"]), (int(added), 10, ["Create"] * 4)]
    score, comment = page["ticket_events"][0]["child_events"]
    assert (score["custom_ticket_fields"], score["previous_value"]) == ({SCORE: "9"}, None)
    assert comment["custom_ticket_fields"] == {COMMENT: "good"}
    ids = [one["id"] for event in page["ticket_events"] for one in [event, *event["child_events"]]]
    assert len(set(ids)) == len(ids)


def test_the_tickets_of_the_population_have_their_events(sandbox: Sandbox) -> None:
    state = sandbox.control["zendesk"].state
    tickets, events = state("tickets"), state("ticket_events")
    filled = {
        str(event["fields"]["ticket_id"]): event["created"]
        for event in events.values()
        if any(SCORE in one.get("custom_ticket_fields", {}) for one in event["fields"]["changes"])
    }
    scored = {key: one["modified"] for key, one in tickets.items() if one["fields"]["custom_values"][SCORE] is not None}
    assert filled == scored
    assert len(events) == len(tickets) + len(scored)


def test_survey_responses_are_listed_by_cursor_and_by_when_they_were_made(sandbox: Sandbox) -> None:
    held = sandbox.control["zendesk"].state("survey_responses")
    url = f"{sandbox.urls['zendesk']}/api/v2/guide/survey_responses"
    headers = {"Authorization": f"Bearer {OAUTH_TOKEN}"}
    first = requests.get(url, {"page[size]": 2}, headers=headers, timeout=10).json()
    rest = requests.get(first["links"]["next"], headers=headers, timeout=10).json()
    assert len({one["id"] for one in first["survey_responses"] + rest["survey_responses"]}) == 4
    assert {type(one["id"]) for one in first["survey_responses"]} == {str}
    assert requests.get(f"{url}.json", headers=headers, timeout=10).status_code == 404
    times = sorted(datetime.fromisoformat(one["created"]).timestamp() for one in held.values())
    after = {"filter[created_at_start]": int(times[-2] * 1_000), "page[size]": 100}
    assert len(requests.get(url, after, headers=headers, timeout=10).json()["survey_responses"]) == 2
