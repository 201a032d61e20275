"""What Zendesk's exports and lists make hard: the last minute, limits, late answers, events."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from connectors import zendesk_client
from connectors.base import Budget, Session
from connectors.errors import ConfigError, FatalError, RetryableError
from connectors.zendesk import CONNECTOR, ZendeskSettings
from connectors.zendesk_exports import EXPORTS
from sandbox.serve import Sandbox
from tests.connectors.scripted import Reply
from tests.connectors.zendesk_accounts import (
    MOMENT,
    NO_OVERLAP,
    SETTINGS,
    START,
    STREAMS,
    Start,
    account,
    drained,
    login,
    organizations_page,
    records,
    row,
)

SCORE, COMMENT = "360001", "360002"


@pytest.fixture
def session(sandbox: Sandbox) -> Iterator[Session]:
    made = CONNECTOR.connect(SETTINGS, sandbox.environment)
    yield made
    made.close()


# --- the last minute ---


def test_nothing_is_lost_where_the_last_minute_is_left_out() -> None:
    """Edits and deletions fall before, into and after the minute that each of many pulls does not see."""
    with account(users=records(range(0, 600, 7)), organizations=records(range(0, 600, 13))) as held:
        held.service.behaviour.export_delay = 60
        session, cursors = login(held.url), dict[str, Mapping[str, Any]]()
        landed: dict[tuple[str, str], tuple[datetime, bool]] = {}
        for turn in range(30):
            for table in ("users", "organizations"):
                record_id = str(1 + turn)
                held.control.edit(table, record_id, name=f"turn {turn}")
                if turn % 5 == 0:
                    held.control.delete(table, record_id)
                held.wait(17)
                served, cursors[table] = drained(session, table, cursors.get(table))
                for one in served:
                    assert one.source_version is not None
                    was = landed.get((table, one.record_id), (MOMENT - timedelta(days=1), False))
                    landed[table, one.record_id] = max(was, (one.source_version, one.is_deleted))
        held.wait(61)
        for table in ("users", "organizations"):
            for one in drained(session, table, cursors[table])[0]:
                assert one.source_version is not None
                landed[table, one.record_id] = (one.source_version, one.is_deleted)
            state = held.control.state(table)
            assert {key: value for (name, key), value in landed.items() if name == table} == {
                key: (datetime.fromisoformat(one["modified"]), one["deleted"] is not None) for key, one in state.items()
            }


TOO_RECENT = {"error": "InvalidValue", "description": "Too recent start_time. Use a start_time older than 60 seconds"}


def organizations(ids: list[int], end_time: int | None, *, ended: bool) -> Reply:
    return organizations_page([row(one) for one in ids], end_time, end_of_stream=ended, count=len(ids))


def test_no_export_is_asked_to_start_in_the_last_minutes(scripted_zendesk: Start) -> None:
    session, server = scripted_zendesk(organizations([], None, ended=True))
    now = int(datetime.now(UTC).timestamp())
    drained(session, "organizations", {"time": now})
    started = int(server.asked[0]["path"].partition("start_time=")[2].partition("&")[0])
    assert now - 330 < started <= now - 299


def test_a_recent_end_time_ends_nothing(scripted_zendesk: Start) -> None:
    recent = int(datetime.now(UTC).timestamp()) - 70
    pages = [organizations([1], recent, ended=False), organizations([2], recent + 5, ended=True)]
    session, server = scripted_zendesk(*pages)
    assert [one.record_id for one in drained(session, "organizations")[0]] == ["1", "2"]
    assert f"start_time={recent}&" in server.asked[1]["path"]


@pytest.mark.parametrize("status", [400, 422])
def test_what_is_too_recent_to_be_served_is_left_to_the_next_pull(scripted_zendesk: Start, status: int) -> None:
    session, _ = scripted_zendesk(organizations([1], START + 50, ended=False), Reply(TOO_RECENT, status))
    served, cursor = drained(session, "organizations")
    assert ([one.record_id for one in served], cursor) == (["1"], {"time": START})


def test_another_refusal_of_an_export_is_not_read_as_its_end(scripted_zendesk: Start) -> None:
    session, _ = scripted_zendesk(organizations([1], START + 50, ended=False), Reply({"error": "InvalidValue"}, 422))
    with pytest.raises(FatalError, match="422"):
        drained(session, "organizations")


# --- cost and limits ---


@pytest.mark.parametrize("table", STREAMS)
def test_a_pull_with_nothing_new_takes_two_requests_at_most(fresh_sandbox: Sandbox, table: str) -> None:
    session = CONNECTOR.connect(SETTINGS, fresh_sandbox.environment)
    _, cursor = drained(session, table)
    fresh = CONNECTOR.connect(SETTINGS, fresh_sandbox.environment)
    fresh_sandbox.control["zendesk"].forget_requests()
    drained(fresh, table, cursor, timedelta(minutes=10))
    assert 1 <= len(fresh_sandbox.control["zendesk"].requests()) <= 2


@pytest.mark.parametrize(("table", "page"), [("users", 1_000), ("organizations", 1_000), ("satisfaction_ratings", 100)])
def test_a_full_pull_takes_a_request_per_largest_page(table: str, page: int) -> None:
    rows = records(range(2_345), score="good")
    with account(**{table: rows}) as held:
        served, _ = drained(login(held.url), table)
        assert len({one.record_id for one in served}) == 2_345
        assert held.asked() <= math.ceil(2_345 / page) + 1


def test_the_limit_of_exports_is_kept_before_it_is_reached(monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[float] = []
    with account(users=records(range(0, 13_000, 500))) as held:
        held.service.behaviour.exports_per_minute = 10
        monkeypatch.setattr("connectors.zendesk_exports.PAGE_SIZE", 1)
        monkeypatch.setattr(zendesk_client, "sleep", lambda seconds: (waited.append(seconds), held.wait(seconds + 1)))
        pages = list(login(held.url).pull(STREAMS["users"], {}, NO_OVERLAP))
        assert {one["status"] for one in held.control.requests()} == {200}
    assert len([one for page in pages for one in page.records]) == 26
    assert [page.budget for page in pages[:2]] == [Budget(10, 9, "minute"), Budget(10, 8, "minute")]
    assert len(waited) == 2  # before the eleventh and the twenty-first request
    assert all(55 < seconds <= 60 for seconds in waited)


def test_a_limit_that_starts_anew_in_an_hour_is_not_waited_out(
    scripted_zendesk: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    waited: list[float] = []
    monkeypatch.setattr(zendesk_client, "sleep", waited.append)
    used_up = {"Zendesk-RateLimit-incremental-exports": "total=10; remaining=0; resets=3600"}
    page = {"users": [], "after_cursor": "a", "end_of_stream": False}
    session, _ = scripted_zendesk(
        Reply(page, headers=used_up), Reply(page | {"after_cursor": "b", "end_of_stream": True})
    )
    drained(session, "users")
    assert len(waited) == 1
    assert 110 < waited[0] <= 120


def test_a_conflict_is_asked_again(scripted_zendesk: Start, waits: list[float]) -> None:
    page = Reply({"users": [], "after_cursor": "a", "end_of_stream": True})
    session, server = scripted_zendesk(Reply({"error": "DatabaseConflict"}, 409), page)
    drained(session, "users")
    assert (len(server.asked), len(waits)) == (2, 1)
    session, _ = scripted_zendesk(Reply({"error": "DatabaseConflict"}, 409))
    with pytest.raises(RetryableError, match="409"):
        drained(session, "users")


# --- tickets and their events ---


def test_events_tell_when_a_score_was_filled(sandbox: Sandbox, session: Session) -> None:
    events, _ = drained(session, "ticket_events")
    tickets = sandbox.control["zendesk"].state("tickets")
    answered = {key: one for key, one in tickets.items() if one["fields"]["custom_values"][SCORE] is not None}
    payloads = [json.loads(one.payload) for one in events]
    filled = {str(one["ticket_id"]): one["custom_ticket_fields"][SCORE] for one in payloads}
    assert filled == {key: one["fields"]["custom_values"][SCORE] for key, one in answered.items()}
    assert len(events) == len(answered) < len(tickets)  # neither new tickets nor comments are taken
    for event, payload in zip(events, payloads, strict=True):
        assert event.source_version == datetime.fromisoformat(payload["created_at"])
        assert payload["created_at"] == answered[str(payload["ticket_id"])]["modified"].replace("+00:00", "Z")


def test_a_later_pull_has_the_events_since(fresh_sandbox: Sandbox, session: Session) -> None:
    control = fresh_sandbox.control["zendesk"]
    first, cursor = drained(session, "ticket_events")
    ticket, one = next(iter(control.state("tickets").items()))
    values = one["fields"]["custom_values"]
    control.edit("tickets", ticket, custom_values=values | {SCORE: "3"})
    control.edit("tickets", ticket, custom_values=values | {SCORE: "3", COMMENT: "another"})
    control.edit("tickets", ticket, status="open")
    later, _ = drained(session, "ticket_events", cursor)
    new = [json.loads(event.payload) for event in later if event not in first]
    assert [(str(event["ticket_id"]), event["custom_ticket_fields"]) for event in new] == [(ticket, {SCORE: "3"})]


def test_without_the_right_to_read_events_the_tickets_are_pulled_all_the_same() -> None:
    with account(tickets=records([0], status="open", custom_values={SCORE: "9"})) as held:
        held.service.behaviour.events_forbidden = 1
        session = login(held.url)
        with pytest.raises(ConfigError, match=r"set sources\.zendesk\.tickets\.events to false"):
            drained(session, "ticket_events")
        assert [one.record_id for one in drained(session, "tickets")[0]] == ["1"]


def test_a_ticket_that_was_merged_into_another_is_gone(fresh_sandbox: Sandbox, session: Session) -> None:
    control = fresh_sandbox.control["zendesk"]
    merged, other = list(control.state("tickets"))[:2]
    _, cursor = drained(session, "tickets")
    control.edit("tickets", merged, status="closed", tags=["nps", "closed_by_merge"])
    control.edit("tickets", other, status="closed", tags=["nps"])
    served = {one.record_id: one.is_deleted for one in drained(session, "tickets", cursor)[0]}
    assert (served[merged], served[other]) == (True, False)


# --- other metrics ---


def test_optional_streams_are_off_unless_asked_for() -> None:
    tickets = {"score": 360_001, "scale": [0, 10]}
    plain = CONNECTOR.streams(ZendeskSettings.model_validate({"tickets": tickets}), {})
    assert [stream.name for stream in plain] == ["tickets", "users", "organizations"]
    assert list(STREAMS) == [
        "tickets", "ticket_events", "users", "organizations", "satisfaction_ratings", "survey_responses",
    ]  # fmt: skip
    assert set(STREAMS) == set(EXPORTS)


@pytest.mark.parametrize("table", ["satisfaction_ratings", "survey_responses"])
def test_satisfaction_is_pulled_as_another_metric(fresh_sandbox: Sandbox, session: Session, table: str) -> None:
    control = fresh_sandbox.control["zendesk"]
    served, _ = drained(session, table)
    assert len(served) == len(control.state(table)) > 1
    assert len({one.record_id for one in served}) == len(served)
    assert STREAMS[table].constants["metric"] == "CSAT"
    assert not any(one.is_deleted for one in served)


def test_a_rating_or_an_answer_that_is_changed_late_is_served_again() -> None:
    made = {"satisfaction_ratings": {"score": "good"}, "survey_responses": {"rating": 2, "expires_at": None}}
    with account(**{table: records(range(0, 9_000_000, 600_000), **fields) for table, fields in made.items()}) as held:
        for one in held.service.store.everything("survey_responses"):
            one.created = one.modified
        held.wait(9_000_000)
        session = login(held.url)
        for table, change in (("satisfaction_ratings", {"score": "bad"}), ("survey_responses", {"rating": 5})):
            _, cursor = drained(session, table)
            held.asked()
            held.control.edit(table, "9", **change)  # 42 days after it was made, before the latest one
            later, moved = drained(session, table, cursor)
            new = [json.loads(one.payload) for one in later if one.source_version == held.now[0].replace(microsecond=0)]
            assert len(new) == 1, table
            assert moved["time"] == int(held.now[0].timestamp())
            assert len(later) < 15, table  # those of more than 90 days ago are not asked for


def test_survey_responses_start_in_milliseconds(scripted_zendesk: Start) -> None:
    session, server = scripted_zendesk(
        Reply({"survey_responses": [], "meta": {"has_more": False, "after_cursor": None}})
    )
    drained(session, "survey_responses", {"time": START})
    after = (START - 90 * 86_400) * 1_000
    assert server.asked[0]["path"].endswith(f"?filter%5Bcreated_at_start%5D={after}&page%5Bsize%5D=100")


@pytest.mark.parametrize(("status", "error"), [(403, ConfigError), (404, FatalError)])
def test_a_plan_without_surveys_is_said_with_what_to_switch_off(
    scripted_zendesk: Start, status: int, error: type[Exception]
) -> None:
    session, _ = scripted_zendesk(Reply({"error": "InvalidEndpoint"}, status))
    with pytest.raises(error, match=r"set sources\.zendesk\.survey_responses to false"):
        drained(session, "survey_responses")


@pytest.mark.parametrize(
    "meta", [None, {}, {"has_more": "yes"}, {"has_more": True}, {"has_more": True, "after_cursor": "a"}]
)
def test_a_list_that_does_not_lead_on_is_not_taken_for_whole(scripted_zendesk: Start, meta: object) -> None:
    session, server = scripted_zendesk(Reply({"satisfaction_ratings": [], "meta": meta}))
    with pytest.raises(FatalError):
        drained(session, "satisfaction_ratings")
    assert len(server.asked) <= 2


# --- what there is now ---


def test_counts_are_not_taken_for_exact(session: Session) -> None:
    assert [session.count(stream) for stream in STREAMS.values()] == [None] * len(STREAMS)


def test_a_user_is_read_as_it_is_now(fresh_sandbox: Sandbox, session: Session) -> None:
    control, target = fresh_sandbox.control["zendesk"], CONNECTOR.targets[0]
    user = list(control.state("users"))[1]
    seen = []
    for score in (3, 8):
        control.edit("users", user, user_fields={"nps_score": score})
        seen.append(session.read_back(target, [user], {"nps_score": "number"})[user]["nps_score"])
    assert seen == ["3", "8"]
