"""Seconds in which more rows changed than a page of Zendesk's exports by time has: all of it is found, deletes too."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from datetime import timedelta

import pytest

from connectors.errors import ExpiredCursorError
from tests.connectors.scripted import Reply
from tests.connectors.zendesk_accounts import (
    START,
    Account,
    Start,
    account,
    drained,
    login,
    organizations_page,
    records,
    row,
)

SCORE = "360001"


@pytest.fixture(scope="module")
def crowded() -> Iterator[Account]:
    """An account whose organizations changed 3, 2, then 2,300 and again 3 to a second."""
    with account(organizations=records([0] * 3 + [1] * 2 + [2] * 2_300 + [3] * 3)) as running:
        yield running


def test_a_second_with_more_rows_than_a_page_is_served_whole(crowded: Account) -> None:
    crowded.control.reset()
    crowded.service.store.delete(crowded.service.store.everything("organizations")[-1])
    served, cursor = drained(login(crowded.url), "organizations")
    assert {one.record_id for one in served} == {str(number) for number in range(1, 2_309)}
    assert [one.record_id for one in served if one.is_deleted] == ["2308"]
    # A page per 1,000 of the export, a page per 100 of the list, and where the export went on behind the second.
    assert crowded.asked() <= math.ceil(2_308 / 1_000) + math.ceil(2_308 / 100) + 2
    assert cursor["time"] == int(crowded.now[0].timestamp())


def test_a_crowded_second_is_not_listed_again_when_it_is_long_over(crowded: Account) -> None:
    crowded.control.reset()
    session, overlap = login(crowded.url), timedelta(minutes=10)
    _, cursor = drained(session, "organizations")
    assert set(cursor) == {"time", "listed"}
    crowded.asked()
    again, same = drained(session, "organizations", cursor, overlap)
    assert same == cursor
    assert crowded.asked() <= 4  # the 2,308 rows are within the overlap: what the list had is not listed again
    assert len(again) < 2_308


def test_a_pull_of_changes_that_meets_a_crowded_second_asks_for_everything(crowded: Account) -> None:
    crowded.control.reset()
    session, overlap = login(crowded.url), timedelta(minutes=10)
    fresh = START - 240  # the second was not long over yet when the list was read
    for cursor in ({"time": START + 3}, {"time": START + 3, "listed": fresh}):
        crowded.control.forget_requests()
        with pytest.raises(ExpiredCursorError, match="everything is pulled again"):
            drained(session, "organizations", cursor, overlap)
        assert "/api/v2/organizations.json" not in [one["path"] for one in crowded.control.requests()]


def test_crowded_seconds_need_the_list_once_in_a_pull() -> None:
    with account(organizations=records([0] * 1_200 + [5] * 1_200 + [9] * 1_200)) as held:
        served, cursor = drained(login(held.url), "organizations")
        assert len({one.record_id for one in served}) == 3_600
        listed = [one for one in held.control.requests() if one["path"] == "/api/v2/organizations.json"]
        assert len(listed) == 3_600 / 100
        assert held.asked() <= math.ceil(3_600 / 1_000) + len(listed) + 6  # two more for each crowded second
        assert (cursor["time"], "listed" in cursor) == (START + 9, True)


def test_what_only_a_list_showed_does_not_move_the_cursor(crowded: Account) -> None:
    crowded.control.reset()
    crowded.service.behaviour.export_delay = 60
    crowded.wait(100)
    crowded.control.edit("organizations", "1")  # the export will serve it in a minute
    crowded.wait(1)
    crowded.control.delete("organizations", "2")
    served, cursor = drained(login(crowded.url), "organizations")
    assert {"1", "2"} & {one.record_id for one in served} == {"1"}
    assert cursor["time"] == START + 3
    crowded.wait(61)
    later, _ = drained(login(crowded.url), "organizations", cursor)
    assert {one.record_id: one.is_deleted for one in later if one.record_id in ("1", "2")} == {"1": False, "2": True}


def test_crowded_events_do_not_stop_those_that_follow() -> None:
    change = {"custom_ticket_fields": {SCORE: "9"}, "event_type": "Change", "previous_value": None}
    events = records([0] * 1_500 + [7], ticket_id=1, changes=[change])
    for number, event in enumerate(events):
        event.record_id, event.created = str(100 * (number + 1)), event.modified
    with account(ticket_events=events) as held:
        served, cursor = drained(login(held.url), "ticket_events")
    assert served[-1].record_id == "150101"
    assert len(served) == 1_001
    assert cursor == {"time": START + 7}


def test_what_is_listed_is_spelled_as_the_export_spells_it(scripted_zendesk: Start) -> None:
    """Each endpoint has an order of its own, and only the export says of a live organization that it is not deleted."""
    exported = row(1, name="Ann's", deleted_at=None, organization_fields={"b": 1, "a": None}, url="u", note=None)
    listed = {name: exported[name] for name in reversed(exported) if name != "deleted_at"}
    listed["organization_fields"] = {"a": None, "b": 1}
    gone = row(2, deleted_at="2026-01-01T12:00:00Z")
    pages = [
        organizations_page([exported, gone], START, end_of_stream=False),
        organizations_page([exported, gone], START, end_of_stream=False),
        Reply({"organizations": [listed], "meta": {"has_more": False}}),
        organizations_page([], None, end_of_stream=True),
    ]
    served, _ = drained(scripted_zendesk(*pages)[0], "organizations")
    assert [(one.record_id, one.is_deleted) for one in served] == [("1", False), ("2", True), ("1", False)]
    assert served[0] == served[2]
    payload = json.loads(served[0].payload)
    assert payload == listed  # nothing is lost, and nothing is made up
    assert "deleted_at" in json.loads(served[1].payload)
