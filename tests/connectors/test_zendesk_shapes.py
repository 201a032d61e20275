"""Shapes that real Zendesk accounts answer with, or that the published API allows: none stops a pull or loses a row.

What they look like is known from the vendor's reference and from what others recorded; the values are made up.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from connectors.base import Record
from connectors.errors import FatalError
from tests.connectors.scripted import Reply
from tests.connectors.test_conformance import at
from tests.connectors.zendesk_accounts import (
    NO_OVERLAP,
    START,
    STREAMS,
    Start,
    drained,
    organizations_page,
    row,
    users_page,
)

SCORE = "360001"
LARGE = 9_007_199_254_740_993  # the first whole number that a float does not hold
DEFINED = Reply({"ticket_fields": [{"id": int(SCORE), "active": True}], "meta": {"has_more": False}})
ELSEWHERE = "https://127.0.0.1:9/api/v2/elsewhere.json?cursor=x&page=2"


def payloads(records: list[Record]) -> list[Any]:
    return [json.loads(one.payload) for one in records]


# --- numbers, nulls, what is not there ---


def test_ids_are_whole_whether_they_come_as_numbers_or_as_text(scripted_zendesk: Start) -> None:
    rows = [row(LARGE, organization_id=LARGE + 2), row(str(LARGE + 1)), row("01J1WB51MG6HXTYWE6Q0C93RNW")]
    served, _ = drained(scripted_zendesk(users_page(rows, "a", ended=True))[0], "users")
    assert [one.record_id for one in served] == [str(LARGE), str(LARGE + 1), "01J1WB51MG6HXTYWE6Q0C93RNW"]
    assert payloads(served) == rows


@pytest.mark.parametrize("after", [7, "7"])
def test_a_cursor_may_be_a_number(scripted_zendesk: Start, after: object) -> None:
    session, server = scripted_zendesk(users_page([row(1)], after), users_page([row(2)], None, ended=True))
    assert [one.record_id for one in drained(session, "users")[0]] == ["1", "2"]
    assert "cursor=7" in server.asked[1]["path"]


@pytest.mark.parametrize("no_cursor", [None, True, 1.5, {}])
def test_an_export_that_goes_on_without_a_cursor_is_no_end(scripted_zendesk: Start, no_cursor: object) -> None:
    with pytest.raises(FatalError, match="does not get past one point"):
        drained(scripted_zendesk(users_page([], no_cursor))[0], "users")


@pytest.mark.parametrize(
    ("first", "last"),
    [
        ({"end_of_stream": False, "count": "1"}, {"end_of_stream": True, "count": "1"}),
        ({"count": 1_000}, {"count": 1}),
        ({"count": "1000", "end_of_stream": None}, {"count": "1", "end_of_stream": None}),
    ],
)
@pytest.mark.parametrize("spelled", [int, str])
def test_an_export_by_time_ends_where_it_says_so(
    scripted_zendesk: Start, first: dict[str, Any], last: dict[str, Any], spelled: type
) -> None:
    pages = [
        organizations_page([row(1)], spelled(START + 9), next_page=ELSEWHERE, **first),
        organizations_page([row(2)], spelled(START + 10), next_page=ELSEWHERE, **last),
    ]
    session, server = scripted_zendesk(*pages)
    assert [one.record_id for one in drained(session, "organizations")[0]] == ["1", "2"]
    assert f"start_time={START + 9}&" in server.asked[1]["path"]  # asked of this server, not of the one in next_page
    assert len(server.asked) == 2


def test_a_server_that_tells_neither_time_nor_limits_is_pulled(scripted_zendesk: Start) -> None:
    session, _ = scripted_zendesk(users_page([row(1)], "a", Date=""), users_page([], "b", ended=True, Date=""))
    pages = [*session.pull(STREAMS["users"], {}, NO_OVERLAP)]
    assert [page.budget for page in pages] == [None, None]
    assert pages[-1].cursor == {"time": START}


def test_either_name_of_the_rate_headers_tells_the_budget(scripted_zendesk: Start) -> None:
    told = {"ratelimit-limit": "400", "ratelimit-remaining": "399", "ratelimit-reset": "41"}
    session, _ = scripted_zendesk(users_page([], "a", ended=True, **told))
    budget = next(session.pull(STREAMS["users"], {}, NO_OVERLAP)).budget
    assert budget is not None
    assert (budget.limit, budget.remaining) == (400, 399)


# --- tickets and users ---


def test_tickets_are_taken_as_they_come(scripted_zendesk: Start) -> None:
    tickets = [
        row(1, 1, generated_timestamp=START + 60, status="open", tags=["nps"], custom_fields=[], metric_set={"id": 7}),
        row(2, 2, generated_timestamp=str(START + 70), status="closed", tags=None, custom_fields=None),
        row(3, 3, generated_timestamp=None, status=None, tags=[], satisfaction_rating=None),
        row(4, 4, status="deleted", subject="SCRUBBED", requester_id=None),
        row(5, 5, status="closed", tags=["closed_by_merge", "nps"]),
    ]
    page = {"tickets": tickets, "users": [{"id": 9}], "metric_sets": [], "count": 5}
    ends = {"after_cursor": "a", "after_url": ELSEWHERE, "before_cursor": None, "before_url": None}
    session, server = scripted_zendesk(DEFINED, Reply({**page, **ends, "end_of_stream": True}))
    served, cursor = drained(session, "tickets")
    assert [(one.record_id, one.is_deleted) for one in served] == [
        ("1", False), ("2", False), ("3", False), ("4", True), ("5", True),
    ]  # fmt: skip
    assert payloads(served) == tickets  # with what nobody asked for
    assert cursor == {"time": START + 70}
    assert len(server.asked) == 2


def test_people_who_are_suspended_are_there_and_those_who_were_merged_or_erased_are_not(
    scripted_zendesk: Start,
) -> None:
    users = [
        row(1, active=True, suspended=True),
        row(2, active=False, name="Ann", suspended=False),  # merged into another one
        row(3, active=False, name="Permanently Deleted User", email=None, permanently_deleted=True),
        row(4, user_fields=None, email=None),
    ]
    served, _ = drained(scripted_zendesk(users_page(users, None, ended=True))[0], "users")
    assert [one.is_deleted for one in served] == [False, True, True, False]


def test_an_empty_export_has_no_cursor_at_all(scripted_zendesk: Start) -> None:
    empty = {"users": [], "after_url": None, "after_cursor": None, "before_cursor": None, "end_of_stream": True}
    assert drained(scripted_zendesk(Reply(empty))[0], "users", {"time": START}) == ([], {"time": START})


# --- ticket events ---


def event(number: int, second: int, *changes: dict[str, Any], **further: Any) -> dict[str, Any]:
    """An event as it is exported: each change has an id of its own."""
    moment = datetime.fromtimestamp(START + second, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    children = [{"id": number + place, "via": "Web form"} | one for place, one in enumerate(changes, start=1)]
    told = {"id": number, "ticket_id": 7, "timestamp": START + second, "created_at": moment, "updater_id": 42}
    return {**told, "via": "Web form", "event_type": "Audit", "child_events": children, **further}


def filled(score: str | None, previous: str | None = None, **others: str) -> dict[str, Any]:
    values = {SCORE: score, **others}
    return {"custom_ticket_fields": values, "event_type": "Change", "previous_value": previous}


def events_page(*events: dict[str, Any]) -> Reply:
    return Reply({"ticket_events": events, "count": len(events), "end_of_stream": True, "end_time": START + 99})


def test_of_events_what_touches_the_score_is_taken(scripted_zendesk: Start) -> None:
    events = [
        event(100, 0, {"status": "new", "event_type": "Create"}, {"tags": ["a"], "event_type": "Create"}),
        event(
            200, 1, {"status": "solved", "event_type": "Change", "previous_value": "open"}, filled("9", **{"8": "x"})
        ),
        event(300, 2, {"comment_present": True, "comment_public": False, "event_type": "Comment"}),
        event(400, 3, {"custom_ticket_fields": {"8": "y"}, "event_type": "Change", "previous_value": "x"}),
        event(500, 4, {"custom_ticket_fields": None, "event_type": "Change"}, {"event_type": "Notification"}),
        event(600, 5, merged_ticket_ids=[3, 4]),
        event(700, 6, child_events=None),
        event(800, 7, filled(None, "9"), {"removed_tags": ["a"], "event_type": "Change"}),
        event(900, 8, filled("3")),
    ]
    served, cursor = drained(scripted_zendesk(DEFINED, events_page(*events))[0], "ticket_events")
    fields = STREAMS["ticket_events"].fields
    told = [{name: at(payload, path) for name, path in fields.items()} for payload in payloads(served)]
    assert [(one["parent_id"], one["name"], one["completed_at"][-3:]) for one in told] == [
        (7, "9", "01Z"), (7, None, "07Z"), (7, "3", "08Z"),
    ]  # fmt: skip
    assert [one.record_id for one in served] == ["202", "801", "901"]
    assert [payload.get("previous_value") for payload in payloads(served)] == [None, "9", None]
    assert cursor == {"time": START + 8}


@pytest.mark.parametrize("timestamp", [START + 5, str(START + 5)])
def test_an_event_that_has_only_a_timestamp_has_a_time(scripted_zendesk: Start, timestamp: object) -> None:
    bare = {name: value for name, value in event(100, 5, filled("9")).items() if name != "created_at"}
    (one,), _ = drained(scripted_zendesk(DEFINED, events_page(bare | {"timestamp": timestamp}))[0], "ticket_events")
    assert one.source_version == datetime.fromtimestamp(START + 5, UTC)
    assert json.loads(one.payload)["created_at"] == "2026-01-01T12:00:05Z"


# --- other metrics ---


def answer(kind: str, second: int, **further: Any) -> dict[str, Any]:
    moment = (datetime.fromtimestamp(START, UTC) + timedelta(seconds=second)).isoformat()
    return {"type": kind, "created_at": moment, "updated_at": moment, "question": {"id": "q", "type": kind}, **further}


def test_answers_of_a_survey_are_told_apart_by_their_type(scripted_zendesk: Start) -> None:
    answers = [
        answer("skipped", 3),
        answer("open_ended", 9, value="I had to ask twice."),
        answer("closed_ended", 5, selections=[{"option_id": "o", "type": "predefined"}]),
        answer("rating_scale", 7, rating=1, rating_category="bad"),
    ]
    responses = [
        {"id": "01A", "answers": answers, "responder_id": 42, "expires_at": None, "subject_zrns": ["zen:ticket:99"]},
        {"id": "01B", "answers": [], "responder_id": 43},
        {"id": "01C", "answers": None, "responder_id": 44},
    ]
    page = {"survey_responses": responses, "meta": {"has_more": False, "after_cursor": "MW", "before_cursor": "MQ"}}
    served, cursor = drained(scripted_zendesk(Reply(page))[0], "survey_responses")
    fields = STREAMS["survey_responses"].fields
    told = {name: at(json.loads(served[0].payload), path) for name, path in fields.items()}
    assert told == {
        "score": 1, "comment": "I had to ask twice.", "person_id": 42, "responded_at": "2026-01-01T12:00:07+00:00",
    }  # fmt: skip
    assert [one.source_version for one in served] == [datetime.fromtimestamp(START + 9, UTC), None, None]
    assert cursor == {"time": START + 9}


def test_a_list_goes_on_by_its_cursor_and_not_by_its_links(scripted_zendesk: Start) -> None:
    ratings = [row(one, score="bad", comment=None, reason="No reason provided") for one in (1, 2)]
    links = {"links": {"next": ELSEWHERE, "prev": None}}
    pages = [
        Reply({"satisfaction_ratings": ratings[:1], "meta": {"has_more": True, "after_cursor": "x=="}, **links}),
        Reply({"satisfaction_ratings": ratings[1:], "meta": {"has_more": False, "after_cursor": None}}),
    ]
    session, server = scripted_zendesk(*pages)
    assert [one.record_id for one in drained(session, "satisfaction_ratings")[0]] == ["1", "2"]
    assert server.asked[1]["path"].endswith("?page%5Bsize%5D=100&page%5Bafter%5D=x%3D%3D")


# --- refusals ---


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (422, {"error": "InvalidValue", "description": "start_time must be at least one minute in the past"}),
        (400, {"error": {"title": "Invalid attribute", "message": "You passed an invalid value"}}),
        (422, b"<html>"),
    ],
)
def test_an_end_time_of_just_now_is_too_recent_whatever_zendesk_calls_it(
    scripted_zendesk: Start, status: int, body: Any
) -> None:
    recent = int(datetime.now(UTC).timestamp()) - 30
    page = organizations_page([row(1)], recent, end_of_stream=False)
    served, cursor = drained(scripted_zendesk(page, Reply(body, status))[0], "organizations")
    assert ([one.record_id for one in served], cursor) == (["1"], {"time": START})
