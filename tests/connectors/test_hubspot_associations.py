"""Whom HubSpot records belong to, however it says so; and tickets and deals, which nothing else says it of."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest
from pydantic import ValidationError

from connectors.base import Session
from connectors.errors import ConfigError, FatalError, RetryableError
from connectors.hubspot import HubSpotSettings
from sandbox.serve import Sandbox
from tests.connectors.hubspot_pulls import (
    CONNECTED,
    EVERY_STREAM,
    EVERYTHING,
    NO_OVERLAP,
    STREAMS,
    Login,
    payloads_of,
    pulled,
    records_of,
)
from tests.connectors.scripted import Reply, Scripted

MOMENT = "2026-03-01T09:00:00.500Z"
SINCE = {"modified": "2000-01-01T00:00:00.000+00:00"}
both_ways = pytest.mark.parametrize("cursor", [EVERYTHING, SINCE], ids=["listed", "searched"])


@pytest.fixture
def hubspot(fresh_sandbox: Sandbox, hubspot_login: Login) -> Session:
    return hubspot_login(fresh_sandbox.urls["hubspot"])


def ids_in(payload: dict[str, Any], other: str) -> list[str]:
    return [one["id"] for one in payload["associations"][other]["results"]]


# --- which one counts ---


@pytest.mark.parametrize(
    ("associated", "named", "expected"),
    [
        (["30", "4", "200"], "30", ["30", "4", "200"]),
        (["30", "4", "200"], "77", ["4", "30", "200"]),
        (["30", "4", "200"], None, ["4", "30", "200"]),
        ([], "77", ["77"]),
        ([], None, []),
        ([], "unknown", []),
    ],
)
def test_the_association_decides_and_the_property_which_of_several(
    fresh_sandbox: Sandbox, hubspot: Session, associated: list[str], named: str | None, expected: list[str]
) -> None:
    control = fresh_sandbox.control["hubspot"]
    answer = min(control.state("feedback_submissions"))
    control.edit("feedback_submissions", answer, hs_contact_id=named, associations={"contacts": associated})
    for cursor in (EVERYTHING, SINCE):
        payload = payloads_of(pulled(hubspot, "feedback_submissions", cursor))[answer]
        assert ids_in(payload, "contacts") == expected


@pytest.mark.parametrize("name", ["contacts", "tickets", "deals"])
def test_the_primary_company_counts_whatever_its_age_and_what_a_property_says(
    fresh_sandbox: Sandbox, hubspot: Session, name: str
) -> None:
    links = {"companies": ["30", "4", "200"]}  # the sandbox takes the first for the primary one
    linked = fresh_sandbox.control["hubspot"].add(name, associations=links, associatedcompanyid="200")
    for cursor in (EVERYTHING, SINCE):
        assert ids_in(payloads_of(pulled(hubspot, name, cursor))[linked], "companies")[0] == "30"


@pytest.mark.parametrize(
    ("types", "first"),
    [
        ({"9": [339, 26], "4": [339]}, "9"),
        ({"9": ["26"], "4": ["339"]}, "9"),
        ({"9": [339], "4": [339]}, "4"),
        ({"9": [1], "4": [5]}, "4"),  # the primary companies of other types of record
        ({"9": [], "4": []}, "4"),
    ],
)
def test_an_association_is_the_primary_one_by_the_vendors_number(
    hubspot_login: Login, answering: Callable[..., Scripted], types: dict[str, list[Any]], first: str
) -> None:
    described = Reply({"results": [{"name": one} for one in ("nps_rating", "nps_reason", "nps_rated_at")]})
    to = [
        {"toObjectId": one, "associationTypes": [{"category": "HUBSPOT_DEFINED", "typeId": kind} for kind in kinds]}
        for one, kinds in types.items()
    ]
    to[1]["associationTypes"].append(
        {"category": "USER_DEFINED", "typeId": 26, "label": "Primary"}
    )  # a label of theirs
    linked = Reply({"results": [{"from": {"id": "5"}, "to": to}]})
    none, end = Reply({"results": [], "errors": [NONE]}, 207), Reply({"results": []})
    server = answering(described, Reply({"results": [ROW, ROW | {"id": "6"}]}), none, linked, end)
    payload = payloads_of(pulled(hubspot_login(server.url), "tickets", SINCE))["5"]
    assert ids_in(payload, "companies") == sorted(types, key=lambda one: (one != first, int(one)))


@pytest.mark.parametrize("name", EVERY_STREAM)
def test_a_list_and_a_search_serve_the_same_text(fresh_sandbox: Sandbox, hubspot: Session, name: str) -> None:
    control = fresh_sandbox.control["hubspot"]
    for links in ({}, {"contacts": ["9", "8"], "companies": ["7", "6"]}):
        control.add(name, associations=links)
    listed, searched = (records_of(pulled(hubspot, name, cursor)) for cursor in (EVERYTHING, SINCE))
    assert {one.record_id: one for one in listed} == {one.record_id: one for one in searched}
    assert len(listed) == len(searched) > 1


def test_the_order_in_which_a_server_names_values_makes_no_difference(
    hubspot_login: Login, answering: Callable[..., Scripted]
) -> None:
    listed = {"id": "5", "properties": {"name": "A", "domain": "b"}, "updatedAt": MOMENT}
    searched = {"updatedAt": MOMENT, "properties": {"domain": "b", "name": "A"}, "id": "5"}
    session = hubspot_login(answering(*(Reply({"results": rows}) for rows in ([listed], [], [searched], []))).url)
    assert records_of(pulled(session, "companies")) == records_of(pulled(session, "companies", SINCE)) != []


@both_ways
def test_more_associations_than_a_page_holds_are_all_served(
    fresh_sandbox: Sandbox, hubspot: Session, cursor: Mapping[str, str]
) -> None:
    many = [str(number) for number in range(1_101, 0, -1)]
    ticket = fresh_sandbox.control["hubspot"].add("tickets", associations={"contacts": many, "companies": ["5"]})
    payload = payloads_of(pulled(hubspot, "tickets", cursor))[ticket]
    assert ids_in(payload, "contacts") == sorted(many, key=int)
    assert ids_in(payload, "companies") == ["5"]


def test_a_ticket_that_changed_alone_is_read_by_its_id_and_not_asked_about_type_by_type(
    fresh_sandbox: Sandbox, hubspot: Session
) -> None:
    control = fresh_sandbox.control["hubspot"]
    changed = control.add("tickets", associations={"contacts": ["8", "9"], "companies": ["30", "4"]})
    record = control.state("tickets")[changed]
    control.forget_requests()
    payload = payloads_of(pulled(hubspot, "tickets", {"modified": record["modified"]}))[changed]
    assert (ids_in(payload, "contacts"), ids_in(payload, "companies")) == (["8", "9"], ["30", "4"])
    _, searched, read, archived = [request["path"].removeprefix("/crm/v3/objects/") for request in control.requests()]
    assert (searched, read, archived) == ("tickets/search", f"tickets/{changed}", "tickets")


@pytest.mark.parametrize(
    "read",
    [
        Reply({"status": "error", "category": "OBJECT_NOT_FOUND"}, 404),  # gone since, as a search may serve it still
        Reply({"id": "7", "properties": {}, "updatedAt": "2026-03-01T09:00:00Z", "associations": {}}),  # merged since
        Reply({"id": "5", "properties": {}, "associations": {"companies": {}}}),
    ],
)
def test_a_ticket_that_changed_alone_and_cannot_be_read_is_asked_about_type_by_type(
    hubspot_login: Login, answering: Callable[..., Scripted], read: Reply
) -> None:
    described = Reply({"results": [{"name": one} for one in ("nps_rating", "nps_reason", "nps_rated_at")]})
    of_contacts, of_companies = (Reply({"results": [LINK | {"to": [{"toObjectId": one}]}]}) for one in (8, 9))
    server = answering(described, Reply({"results": [ROW]}), read, of_contacts, of_companies, Reply({"results": []}))
    payload = payloads_of(pulled(hubspot_login(server.url), "tickets", SINCE))["5"]
    assert (ids_in(payload, "contacts"), ids_in(payload, "companies")) == (["8"], ["9"])


# --- answers that must not pass for "no association" ---

ROW = {"id": "5", "properties": {}, "updatedAt": MOMENT, "archived": False}
LINK = {"from": {"id": "5"}, "to": [{"toObjectId": 9, "associationTypes": []}]}
NONE = {"category": "OBJECT_NOT_FOUND", "subCategory": "crm.associations.NO_ASSOCIATIONS_FOUND"}


@pytest.mark.parametrize(
    "body",
    [
        "<html>Just a moment</html>",
        "",
        {},
        {"results": None},
        {"results": [ROW]},
        {"results": [LINK | {"from": {"id": "6"}}]},
        {"results": [LINK | {"to": None}]},
        {"results": [LINK | {"to": [{"toObjectId": None}]}]},
        {"results": [LINK | {"paging": {"next": {}}}]},
        {"results": [], "errors": [{"category": "INTERNAL"}]},
        {"results": [], "status": "PENDING"},
        {"results": [LINK], "status": "CANCELED"},
    ],
)
def test_an_answer_without_associations_is_an_error_after_retries(
    hubspot_login: Login, answering: Callable[..., Scripted], waits: list[float], body: Any
) -> None:
    server = answering(Reply({"results": [ROW]}), Reply(body))
    with pytest.raises(RetryableError, match="reading which companies contacts are associated with"):
        pulled(hubspot_login(server.url), "contacts", SINCE)
    assert (len(server.asked), len(waits)) == (6, 4)


def test_a_record_without_associations_is_no_error(hubspot_login: Login, answering: Callable[..., Scripted]) -> None:
    server = answering(Reply({"results": [ROW]}), Reply({"results": [], "errors": [NONE]}, 207), Reply({"results": []}))
    payloads = payloads_of(pulled(hubspot_login(server.url), "contacts", SINCE))
    assert ids_in(payloads["5"], "companies") == []
    assert server.asked[1] == {
        "path": "/crm/v4/associations/contacts/companies/batch/read",
        "body": {"inputs": [{"id": "5"}]},
    }


def test_associations_that_lead_in_a_circle_stop_the_pull(
    hubspot_login: Login, answering: Callable[..., Scripted]
) -> None:
    server = answering(Reply({"results": [ROW]}), Reply({"results": [LINK | {"paging": {"next": {"after": "5"}}}]}))
    with pytest.raises(FatalError, match="same page again when reading which companies"):
        pulled(hubspot_login(server.url), "contacts", SINCE)
    assert len(server.asked) == 3


@pytest.mark.parametrize("associations", [{"companies": {"results": [{}]}}, {"companies": {}}, "5", {"companies": "5"}])
def test_a_list_with_unreadable_associations_stops_the_pull(
    hubspot_login: Login, answering: Callable[..., Scripted], associations: Any
) -> None:
    server = answering(Reply({"results": [ROW | {"associations": associations}]}))
    with pytest.raises(FatalError, match="nothing of it was kept"):
        pulled(hubspot_login(server.url), "contacts")


# --- tickets and deals ---


def test_tickets_and_deals_are_pulled_where_nps_yaml_asks_for_them() -> None:
    assert set(STREAMS) == {"feedback_submissions", "contacts", "companies"}
    plain = HubSpotSettings.model_validate({"tickets": {}, "deals": True})
    events = [stream for stream in CONNECTED.streams(plain, {}) if stream.name not in STREAMS]
    assert [(stream.name, stream.role, stream.fields) for stream in events] == [
        ("tickets", "event", {}),
        ("deals", "event", {}),
    ]


def test_tickets_with_a_score_are_responses() -> None:
    tickets = EVERY_STREAM["tickets"]
    assert tickets.role == "response"
    assert tickets.fields == {
        "score": "$.properties.nps_rating",
        "comment": "$.properties.nps_reason",
        "responded_at": "$.properties.nps_rated_at",
        "person_id": "$.associations.contacts.results[0].id",
        "account_id": "$.associations.companies.results[0].id",
    }
    assert tickets.constants["responded_at_basis"] == "source"
    assert tickets.constants["survey_type"] == "transactional"
    undated = HubSpotSettings.model_validate({"tickets": {"score": "nps_rating", "scale": [0, 10]}})
    (stream,) = [one for one in CONNECTED.streams(undated, {}) if one.name == "tickets"]
    assert stream.constants["responded_at_basis"] == "first_seen"
    assert "responded_at" not in stream.fields


@pytest.mark.parametrize(
    "tickets",
    [
        {"score": "nps"},
        {"scale": [0, 10]},
        {"comment": "nps"},
        {"score": "nps", "scale": [1, 5]},
        {"score": "n.p", "scale": [0, 10]},
    ],
)
def test_a_mapping_of_tickets_that_cannot_be_one_is_refused(tickets: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        HubSpotSettings.model_validate({"tickets": tickets})


@both_ways
def test_a_ticket_has_its_answer_and_whom_it_is_from(
    fresh_sandbox: Sandbox, hubspot: Session, cursor: Mapping[str, str]
) -> None:
    links = {"contacts": ["90100000001"], "companies": ["80100000001"]}
    ticket = fresh_sandbox.control["hubspot"].add("tickets", nps_rating="9", hs_pipeline="0", associations=links)
    payload = payloads_of(pulled(hubspot, "tickets", cursor))[ticket]
    assert payload["properties"] | {"nps_rating": "9", "hs_pipeline": "0"} == payload["properties"]
    assert (ids_in(payload, "contacts"), ids_in(payload, "companies")) == (["90100000001"], ["80100000001"])


def test_a_property_of_tickets_that_is_not_there_is_named(hubspot: Session) -> None:
    settings = HubSpotSettings.model_validate({"tickets": {"score": "nps_gone", "scale": [0, 10]}})
    (stream,) = [one for one in CONNECTED.streams(settings, {}) if one.name == "tickets"]
    with pytest.raises(ConfigError, match=r"no nps_gone among the properties of tickets; correct sources\.hubspot"):
        list(hubspot.pull(stream, {}, NO_OVERLAP))


def test_properties_that_cannot_be_read_are_not_taken_for_missing_ones(
    hubspot_login: Login, answering: Callable[..., Scripted], waits: list[float]
) -> None:
    with pytest.raises(RetryableError, match="reading the properties of tickets"):
        pulled(hubspot_login(answering(Reply({"results": None})).url), "tickets")
    assert len(waits) == 4
