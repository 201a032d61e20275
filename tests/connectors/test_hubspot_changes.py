"""What changed since the last HubSpot pull, where it is easily missed: archived, restored, merged, late."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from math import ceil

import pytest

from connectors.base import Session
from connectors.errors import ConfigError
from connectors.hubspot import HubSpotSettings
from connectors.values import parse_moment
from sandbox.hubspot.hooks import HubSpotControl
from sandbox.hubspot.service import ACCESS_TOKEN
from sandbox.serve import Sandbox
from tests.connectors.hubspot_pulls import CONNECTED, EVERY_STREAM, Login, current, pulled, records_of
from tests.connectors.scripted import Reply, Scripted

OVERLAP = timedelta(minutes=10)
MOMENT = datetime(2026, 11, 20, 12, tzinfo=UTC)


@pytest.fixture
def hubspot(fresh_sandbox: Sandbox, hubspot_login: Login) -> Session:
    return hubspot_login(fresh_sandbox.urls["hubspot"])


@pytest.fixture
def control(fresh_sandbox: Sandbox) -> HubSpotControl:
    return HubSpotControl.of(fresh_sandbox.control["hubspot"])


def asked(control: HubSpotControl) -> list[str]:
    """The last parts of the paths that were asked for since this was called last."""
    paths = [one["path"].rsplit("/", 1)[-1] for one in control.requests()]
    control.forget_requests()
    return paths


# --- cost ---


@pytest.mark.parametrize("name", EVERY_STREAM)
def test_a_pull_costs_a_request_for_each_full_page_and_one_more(
    control: HubSpotControl, hubspot: Session, name: str
) -> None:
    for number in range(3):
        control.add(name, email=f"{number}@person.example")
    rows = len(control.state(name))
    control.forget_requests()
    cursor = pulled(hubspot, name)[-1].cursor
    described = name == "tickets"
    assert len(asked(control)) == ceil(rows / 100) + 1 + described
    control.set_modified(name, MOMENT - timedelta(days=400))  # nothing is as young as the cursor
    assert records_of(pulled(hubspot, name, cursor)) == []
    assert len(asked(control)) == 2 + described


@pytest.mark.parametrize("name", ["contacts", "feedback_submissions"])
def test_changes_cost_one_more_request_for_each_page_to_know_what_they_are_associated_with(
    control: HubSpotControl, hubspot: Session, name: str
) -> None:
    rows = len(control.state(name))
    control.forget_requests()
    pulled(hubspot, name, {"modified": "2000-01-01T00:00:00.000+00:00"})
    assert len(asked(control)) == 2 * ceil(rows / 200) + 1


# --- archived and restored ---


@pytest.fixture
def crowded(control: HubSpotControl, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Deals of which the five first are archived, where a page holds two; their ids."""
    ids = [control.add("deals", amount=str(number)) for number in range(7)]
    for gone in ids[:5]:
        control.delete("deals", gone)
    monkeypatch.setattr("connectors.hubspot._LISTED", 2)
    control.forget_requests()
    return ids


def test_a_long_list_of_archived_records_is_read_whole_once_and_then_its_first_page(
    control: HubSpotControl, hubspot: Session, crowded: list[str]
) -> None:
    first = pulled(hubspot, "deals")
    assert {one.record_id for one in records_of(first) if one.is_deleted} == {*crowded[:5]}
    assert asked(control).count("deals") == ceil((len(control.state("deals")) - 5) / 2) + 3
    control.delete("deals", crowded[5])
    second = pulled(hubspot, "deals", first[-1].cursor, OVERLAP)
    assert asked(control).count("deals") == 1
    assert crowded[5] not in {one.record_id for one in records_of(second) if one.is_deleted}
    assert second[-1].cursor["archived"] == first[-1].cursor["archived"]
    a_day_ago = (parse_moment(str(first[-1].cursor["archived"])) - timedelta(hours=25)).isoformat()
    gone_at = datetime.fromisoformat(control.state("deals")[crowded[5]]["deleted"])
    control.forget_requests()
    later = (gone_at + timedelta(seconds=1)).isoformat()  # other changes have moved the cursor on since
    third = pulled(hubspot, "deals", {"modified": later, "archived": a_day_ago})
    assert asked(control).count("deals") == 3
    assert current(first, second, third)[crowded[5]].is_deleted
    assert str(third[-1].cursor["archived"]) > a_day_ago


def test_how_often_a_long_list_of_archived_records_is_read_can_be_said(
    fresh_sandbox: Sandbox, control: HubSpotControl, crowded: list[str]
) -> None:
    environment = {"HUBSPOT_ACCESS_TOKEN": ACCESS_TOKEN, "HUBSPOT_BASE_URL": fresh_sandbox.urls["hubspot"]}
    session = CONNECTED.connect(HubSpotSettings(archived="2h"), environment)
    cursor = pulled(session, "deals")[-1].cursor
    control.delete("deals", crowded[5])
    deleted = {}
    for hours in (1, 3):
        earlier = (parse_moment(str(cursor["archived"])) - timedelta(hours=hours)).isoformat()
        pages = pulled(session, "deals", {**cursor, "archived": earlier})
        deleted[hours] = {one.record_id for one in records_of(pages) if one.is_deleted}
    session.close()
    assert {hours: crowded[5] in ids for hours, ids in deleted.items()} == {1: False, 3: True}


def test_a_first_page_of_archived_records_that_is_all_there_is_needs_no_cursor_of_its_own(
    control: HubSpotControl, hubspot: Session, crowded: list[str]
) -> None:
    cursor = pulled(hubspot, "deals")[-1].cursor
    assert set(cursor) == {"modified", "archived"}
    for gone in crowded[:4]:
        control.restore("deals", gone)
    assert set(pulled(hubspot, "deals", cursor)[-1].cursor) == {"modified"}


@pytest.mark.parametrize("counts_as_change", [True, False])
@pytest.mark.parametrize("later", ["changes", "everything"])
def test_a_restored_record_counts_again(
    control: HubSpotControl, hubspot: Session, counts_as_change: bool, later: str
) -> None:
    back = max(control.state("contacts"))
    control.edit("contacts", back)
    before = datetime.fromisoformat(control.state("contacts")[back]["modified"])
    first = pulled(hubspot, "contacts")
    control.delete("contacts", back)
    if not counts_as_change:
        control.set_modified("contacts", before, [back])
    second = pulled(hubspot, "contacts", first[-1].cursor, OVERLAP)
    assert current(first, second)[back].is_deleted
    control.restore("contacts", back)
    third = pulled(hubspot, "contacts", second[-1].cursor if later == "changes" else {}, OVERLAP)
    assert not current(first, second, third)[back].is_deleted


# --- merged ---


@pytest.mark.parametrize("name", ["contacts", "companies"])
@pytest.mark.parametrize("later", ["changes", "everything"])
def test_records_that_were_merged_count_as_deleted_and_name_the_one_that_is_left(
    control: HubSpotControl, hubspot: Session, name: str, later: str
) -> None:
    first = pulled(hubspot, name)
    one, other, third = list(control.state(name))[:3]
    kept = control.merge(name, control.merge(name, one, other), third)
    second = pulled(hubspot, name, first[-1].cursor if later == "changes" else {}, OVERLAP)
    found = current(first, second)
    live = {key for key, record in found.items() if not record.is_deleted}
    assert live == (set(control.state(name)) & live) == (current(first).keys() - {one, other, third}) | {kept}
    assert {json.loads(found[gone].payload)["mergedInto"] for gone in (one, other, third)} == {kept}
    assert found[one].source_version == found[kept].source_version
    assert {*records_of(pulled(hubspot, name, second[-1].cursor))} <= {*records_of(second)}  # and settles


def test_a_merge_into_a_record_that_keeps_its_id_does_not_delete_it(
    hubspot_login: Login, answering: Callable[..., Scripted]
) -> None:
    row = {"id": "5", "properties": {"hs_merged_object_ids": "5; 7;"}, "updatedAt": "2026-03-01T09:00:00Z"}
    server = answering(Reply({"results": [row]}), Reply({"results": []}))
    found = current(pulled(hubspot_login(server.url), "companies"))
    assert {key: record.is_deleted for key, record in found.items()} == {"5": False, "7": True}


def test_an_answer_follows_its_contact_into_a_merge(control: HubSpotControl, hubspot: Session) -> None:
    submissions = control.state("feedback_submissions")
    answer, contact = next((key, one["fields"]["hs_contact_id"]) for key, one in submissions.items())
    other = next(key for key in control.state("contacts") if key != contact)
    kept = control.merge("contacts", other, contact)
    (payload,) = [
        json.loads(one.payload)
        for one in records_of(pulled(hubspot, "feedback_submissions"))
        if one.record_id == answer
    ]
    assert payload["associations"]["contacts"]["results"] == [{"id": kept}]
    assert payload["properties"]["hs_contact_id"] == contact


# --- late, tied, too many ---


def test_what_search_finds_late_is_served_within_the_overlap(control: HubSpotControl, hubspot: Session) -> None:
    cursor = pulled(hubspot, "contacts")[-1].cursor
    late, prompt = list(control.state("contacts"))[:2]
    control.edit("contacts", late, lastname="Late")
    control.edit("contacts", prompt, lastname="Prompt")
    control.unindexed(late)
    second = pulled(hubspot, "contacts", cursor, OVERLAP)
    assert {prompt} <= {one.record_id for one in records_of(second)}
    assert late not in {one.record_id for one in records_of(second)}
    reached = parse_moment(str(second[-1].cursor["modified"]))
    control.set_modified("contacts", reached - OVERLAP / 2, [late])
    control.unindexed()
    third = {one.record_id: one for one in records_of(pulled(hubspot, "contacts", second[-1].cursor, OVERLAP))}
    assert "Late" in third[late].payload
    assert late not in {one.record_id for one in records_of(pulled(hubspot, "contacts", second[-1].cursor))}


@pytest.mark.usefixtures("waits")
@pytest.mark.parametrize("name", ["contacts", "companies"])
def test_more_records_of_one_moment_than_a_search_serves_are_all_served(
    control: HubSpotControl, hubspot: Session, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr("sandbox.hubspot.search.CEILING", 20)
    monkeypatch.setattr("connectors.hubspot._SEARCHED", 10)
    control.set_modified(name, MOMENT)
    found = [one.record_id for one in records_of(pulled(hubspot, name, {"modified": MOMENT.isoformat()}))]
    assert sorted(found) == sorted(control.state(name))
    assert len(found) > 20


@pytest.mark.parametrize("after", ["200", 200])
def test_an_empty_page_of_a_search_does_not_end_it(
    hubspot_login: Login, answering: Callable[..., Scripted], after: object
) -> None:
    row = {"id": "7", "properties": {}, "updatedAt": "2026-03-01T09:00:00Z"}
    more = {"paging": {"next": {"after": after}}}
    server = answering(Reply({"results": [], **more}), Reply({"results": [row], **more}), Reply({"results": []}))
    found = pulled(hubspot_login(server.url), "companies", {"modified": "2026-01-01T00:00:00.000+00:00"})
    assert [one.record_id for one in records_of(found)] == ["7"]
    searches = [one["body"] for one in server.asked if one["body"]]
    assert [one["after"] for one in searches] == ["0", "200", "0"]
    assert [one["filterGroups"][0]["filters"][1]["value"] for one in searches] == ["0", "0", "7"]


def test_what_search_learns_of_after_a_while_is_served_within_the_overlap(
    control: HubSpotControl, hubspot: Session
) -> None:
    cursor = pulled(hubspot, "contacts")[-1].cursor
    control.search_lag(60.0)
    late = min(control.state("contacts"))
    control.edit("contacts", late, lastname="Late")
    second = pulled(hubspot, "contacts", cursor, OVERLAP)
    assert late not in {one.record_id for one in records_of(second)}
    control.search_lag(0.0)
    third = {one.record_id: one for one in records_of(pulled(hubspot, "contacts", second[-1].cursor, OVERLAP))}
    assert "Late" in third[late].payload


# --- properties that are not there any more ---

ANSWER = {"id": "5", "updatedAt": "2026-03-01T09:00:00Z", "archived": False}
ALWAYS = {"hs_object_id": "5", "hs_createdate": "2026-03-01T09:00:00Z"}
FEEDBACK = (
    "hs_value",
    "hs_content",
    "hs_submission_timestamp",
    "hs_survey_name",
    "hs_survey_channel",
    "hs_survey_type",
)
LINKED = {"contacts": {"results": [{"id": "9", "type": "feedback_submission_to_contact"}]}}


def feedback(*absent: str) -> Reply:
    properties = {**ALWAYS, **{name: None for name in FEEDBACK if name not in absent}}
    return Reply({"results": [{**ANSWER, "properties": properties, "associations": LINKED}]})


DESCRIBED = Reply({"results": [{"name": name} for name in FEEDBACK if name != "hs_value"]})


def test_a_property_that_vanished_stops_its_stream_by_name(
    hubspot_login: Login, answering: Callable[..., Scripted]
) -> None:
    server = answering(feedback("hs_value", "hs_content"), DESCRIBED)
    with pytest.raises(ConfigError, match="no hs_value among the properties of feedback_submissions"):
        pulled(hubspot_login(server.url), "feedback_submissions")
    assert [one["path"].split("?")[0] for one in server.asked] == [
        "/crm/v3/objects/feedback_submissions",
        "/crm/v3/properties/feedback_submissions",
    ]


@pytest.mark.parametrize("told", [Reply({"results": [{"name": name} for name in FEEDBACK]}), Reply("", 404)])
def test_a_server_that_leaves_out_what_is_empty_is_believed(
    hubspot_login: Login, answering: Callable[..., Scripted], told: Reply
) -> None:
    session = hubspot_login(answering(feedback("hs_value"), told, Reply({"results": []})).url)
    assert [one.record_id for one in records_of(pulled(session, "feedback_submissions"))] == ["5"]


def test_what_one_row_of_a_page_has_is_there_and_only_one_page_is_looked_at(
    hubspot_login: Login, answering: Callable[..., Scripted]
) -> None:
    rows = [row for absent in FEEDBACK for row in feedback(absent).body["results"]]
    first = Reply({"results": rows, "paging": {"next": {"after": "5"}}})
    server = answering(first, feedback(*FEEDBACK), Reply({"results": []}))
    pulled(hubspot_login(server.url), "feedback_submissions")
    assert len(server.asked) == 3
