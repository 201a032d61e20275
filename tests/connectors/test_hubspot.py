"""Pulling from the HubSpot sandbox through the real client."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from math import ceil
from typing import Any
from urllib.parse import parse_qsl, urlsplit
from urllib.request import Request, urlopen

import pytest

from connectors.base import Session, Stream
from connectors.config import requested_fields
from connectors.errors import ConfigError
from connectors.hubspot import HubSpotSettings
from connectors.hubspot_streams import ASSOCIATED, requested
from connectors.values import parse_moment
from sandbox.hubspot.service import ACCESS_TOKEN, NARROW_TOKEN
from sandbox.serve import Sandbox
from tests.connectors.hubspot_pulls import CONNECTED, DAY, NO_OVERLAP, STREAMS, Login, pulled, records_of
from tests.connectors.scripted import Reply, Scripted


@pytest.fixture
def hubspot(sandbox: Sandbox, hubspot_login: Login) -> Session:
    return hubspot_login(sandbox.urls["hubspot"])


def served(sandbox: Sandbox, stream: Stream) -> dict[str, Any]:
    """Every live record as the server sends it when it is asked for one by one with the stream's properties."""
    names = f"{','.join(requested(stream))}&associations={','.join(ASSOCIATED.get(stream.name, ()))}"
    return {
        record_id: json.loads(answer_to(f"{sandbox.urls['hubspot']}/crm/v3/objects/{stream.name}/{record_id}", names))
        for record_id in sandbox.control["hubspot"].state(stream.name)
    }


def without_links(row: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name != "associations"}


def linked_ids(row: dict[str, Any]) -> set[str]:
    return {one["id"] for linked in row.get("associations", {}).values() for one in linked["results"]}


def answer_to(address: str, names: str) -> bytes:
    request = Request(f"{address}?properties={names}", headers={"Authorization": f"Bearer {ACCESS_TOKEN}"})  # noqa: S310
    with urlopen(request, timeout=10) as answer:  # noqa: S310
        body: bytes = answer.read()
    return body


# --- declarations ---


def test_only_contacts_bear_the_fields_that_are_written() -> None:
    assert STREAMS["contacts"].written == {
        "nps_score": "$.properties.nps_score",
        "nps_responded_at": "$.properties.nps_responded_at",
    }
    assert STREAMS["companies"].written == STREAMS["feedback_submissions"].written == {}


def test_each_stream_has_its_role_and_the_records_it_points_to() -> None:
    assert {name: stream.role for name, stream in STREAMS.items()} == {
        "feedback_submissions": "response",
        "contacts": "person",
        "companies": "account",
    }
    assert STREAMS["feedback_submissions"].constants["person_stream"] in STREAMS
    assert STREAMS["contacts"].constants["account_stream"] in STREAMS


def test_every_declared_field_is_one_that_the_crm_knows(sandbox: Sandbox) -> None:
    for stream in STREAMS.values():
        address = f"{sandbox.urls['hubspot']}/crm/v3/properties/{stream.name}"
        known = {one["name"] for one in json.loads(answer_to(address, ""))["results"]}
        assert set(requested_fields(stream.fields, "$.properties.")) <= known, stream.name


# --- login ---


def test_a_good_token_passes_the_check(hubspot: Session) -> None:
    hubspot.check()


def test_a_wrong_token_is_named_as_such_and_not_shown(sandbox: Sandbox, hubspot_login: Login) -> None:
    session = hubspot_login(sandbox.urls["hubspot"], "pat-wrong-secret")
    with pytest.raises(ConfigError, match="refused the credentials") as error:
        session.check()
    assert "pat-wrong-secret" not in str(error.value)


@pytest.mark.parametrize(
    ("environment", "sentence"),
    [
        ({}, "HUBSPOT_ACCESS_TOKEN is not set"),
        ({"HUBSPOT_ACCESS_TOKEN": "pat secret\nsecret"}, "no token has"),
        ({"HUBSPOT_ACCESS_TOKEN": "pat-é"}, "no token has"),
        ({"HUBSPOT_ACCESS_TOKEN": "pat-1", "HUBSPOT_BASE_URL": "api.hubapi.com"}, "HUBSPOT_BASE_URL is no address"),
    ],
)
def test_what_cannot_work_is_refused_before_anything_is_asked(environment: dict[str, str], sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence) as error:
        CONNECTED.connect(HubSpotSettings(), environment)
    assert "secret" not in str(error.value)


def test_blanks_around_the_token_are_ignored(sandbox: Sandbox, hubspot_login: Login) -> None:
    hubspot_login(f" {sandbox.urls['hubspot']}/ ", f"{ACCESS_TOKEN}\n").check()


def test_a_missing_permission_names_the_scope_to_grant(sandbox: Sandbox, hubspot_login: Login) -> None:
    session = hubspot_login(sandbox.urls["hubspot"], NARROW_TOKEN)
    with pytest.raises(ConfigError, match=r"\(crm\.objects\.companies\.read\); grant it") as error:
        pulled(session, "companies")
    assert NARROW_TOKEN not in str(error.value)


# --- pull ---


@pytest.mark.parametrize("name", STREAMS)
def test_the_first_pull_serves_every_record_as_the_crm_sends_it(sandbox: Sandbox, hubspot: Session, name: str) -> None:
    state = sandbox.control["hubspot"].state(name)
    found = records_of(pulled(hubspot, name))
    payloads = {one.record_id: json.loads(one.payload) for one in found}
    expected = served(sandbox, STREAMS[name])
    assert len(found) == len(state) > 30
    for judged in (without_links, linked_ids):
        assert {key: judged(row) for key, row in payloads.items()} == {
            key: judged(row) for key, row in expected.items()
        }
    assert any(map(linked_ids, payloads.values())) is (name in ASSOCIATED)
    for one in found:
        assert one.source_version == datetime.fromisoformat(state[one.record_id]["modified"])
        assert not one.is_deleted


def test_payloads_have_the_values_of_the_record(sandbox: Sandbox, hubspot: Session) -> None:
    state = sandbox.control["hubspot"].state("contacts")
    for one in records_of(pulled(hubspot, "contacts")):
        properties = json.loads(one.payload)["properties"]
        fields = state[one.record_id]["fields"]
        assert {name: properties[name] for name in ("email", "lastname", "associatedcompanyid")} == {
            name: fields[name] for name in ("email", "lastname", "associatedcompanyid")
        }
        assert properties["nps_score"] is None


def test_a_page_on_the_way_says_how_far_the_walk_came_and_no_cursor_runs_ahead(
    sandbox: Sandbox, hubspot: Session
) -> None:
    pages = pulled(hubspot, "contacts")
    walked = [page for page in pages[:-1] if page.cursor]
    assert [page.cursor["walked"] for page in walked] == [
        "@" + [one.record_id for one in page.records if not one.is_deleted][-1] for page in walked
    ]
    assert len(walked) == ceil(len(records_of(pages)) / 100)
    assert "walked" not in pages[-1].cursor
    reached = parse_moment(json.loads(json.dumps(pages[-1].cursor))["modified"])
    newest = max(one["modified"] for one in sandbox.control["hubspot"].state("contacts").values())
    assert reached <= min(datetime.fromisoformat(newest), datetime.now(UTC))


def test_pages_tell_requests_bytes_and_what_the_api_still_allows(fresh_sandbox: Sandbox, hubspot_login: Login) -> None:
    session = hubspot_login(fresh_sandbox.urls["hubspot"])
    pages = pulled(session, "contacts")
    assert sum(page.requests for page in pages) == len(fresh_sandbox.control["hubspot"].requests()) == 5
    assert sum(page.bytes for page in pages) > sum(len(one.payload) for one in records_of(pages))
    left = [page.budget.remaining for page in pages if page.budget]
    assert len(left) == len(pages)
    assert left[0] - left[-1] == 4
    assert pages[0].budget
    assert (pages[0].budget.limit, pages[0].budget.per) == (650_000, "day")


@pytest.mark.parametrize(
    ("headers", "budget"),
    [
        ({"X-HubSpot-RateLimit-Max": "190", "x-hubspot-ratelimit-remaining": "12"}, (190, 12, "10 s")),
        ({"X-HubSpot-RateLimit-Daily": "soon"}, None),
    ],
)
def test_without_a_daily_limit_the_short_one_is_told(
    hubspot_login: Login,
    answering: Callable[..., Scripted],
    headers: dict[str, str],
    budget: tuple[int, int, str] | None,
) -> None:
    page = pulled(hubspot_login(answering(Reply({"results": []}, headers=headers)).url), "contacts")[-1]
    assert (page.budget and (page.budget.limit, page.budget.remaining, page.budget.per)) == budget


@pytest.mark.parametrize("overlap", [NO_OVERLAP, 30 * DAY, 999_999 * DAY])
@pytest.mark.parametrize("name", STREAMS)
def test_a_later_pull_serves_what_changed_and_the_overlap_again(
    fresh_sandbox: Sandbox, hubspot_login: Login, name: str, overlap: timedelta
) -> None:
    session, control = hubspot_login(fresh_sandbox.urls["hubspot"]), fresh_sandbox.control["hubspot"]
    cursor = pulled(session, name)[-1].cursor
    edited = min(control.state(name))
    control.edit(name, edited, lastname="Renamed", name="Renamed", hs_content="Renamed")
    added = control.add(name, email="new@person.example")
    pages = pulled(session, name, cursor, overlap)
    reached, state = parse_moment(cursor["modified"]), control.state(name)
    expected = {key for key, one in state.items() if reached - datetime.fromisoformat(one["modified"]) <= overlap}
    found = {one.record_id: one for one in records_of(pages)}
    assert found.keys() == expected >= {edited, added}
    assert "Renamed" in found[edited].payload
    assert found[edited].source_version == datetime.fromisoformat(state[edited]["modified"])
    assert parse_moment(pages[-1].cursor["modified"]) >= parse_moment(cursor["modified"])


def test_a_later_pull_asks_for_the_same_properties(fresh_sandbox: Sandbox, hubspot_login: Login) -> None:
    session = hubspot_login(fresh_sandbox.urls["hubspot"])
    first = {one.record_id: one for one in records_of(pulled(session, "contacts"))}
    again = records_of(pulled(session, "contacts", {"modified": "2000-01-01T00:00:00.000+00:00"}))
    assert {one.record_id: one for one in again} == first
    searches = [one for one in fresh_sandbox.control["hubspot"].requests() if one["path"].endswith("/search")]
    assert len(searches) == 2


def test_without_changes_the_cursor_stays(hubspot: Session) -> None:
    cursor = pulled(hubspot, "companies")[-1].cursor
    assert pulled(hubspot, "companies", cursor)[-1].cursor == cursor


def test_a_record_that_changes_during_the_pull_is_served_by_the_next(
    fresh_sandbox: Sandbox, hubspot_login: Login
) -> None:
    session, control = hubspot_login(fresh_sandbox.urls["hubspot"]), fresh_sandbox.control["hubspot"]
    pages = session.pull(STREAMS["contacts"], {}, NO_OVERLAP)
    early = next(pages).records[0].record_id
    control.edit("contacts", early, lastname="Renamed")
    late = [page.cursor for page in pages if page.cursor][-1]
    again = {one.record_id: one for one in records_of(pulled(session, "contacts", late))}
    assert "Renamed" in again[early].payload


def test_archived_records_are_served_as_deleted(fresh_sandbox: Sandbox, hubspot_login: Login) -> None:
    session, control = hubspot_login(fresh_sandbox.urls["hubspot"]), fresh_sandbox.control["hubspot"]
    early, gone = list(control.state("contacts"))[:2]
    control.delete("contacts", early)
    pages = pulled(session, "contacts")
    assert [one.record_id for one in records_of(pages) if one.is_deleted] == [early]
    control.delete("contacts", gone)
    control.edit("contacts", max(control.state("contacts")), lastname="Renamed")
    cursor = {"modified": control.state("contacts")[gone]["modified"]}
    deleted = [one for one in records_of(pulled(session, "contacts", cursor)) if one.is_deleted]
    assert [one.record_id for one in deleted] == [gone]
    assert deleted[0].source_version == datetime.fromisoformat(control.state("contacts")[gone]["deleted"])


def test_more_changes_than_a_search_serves_page_by_page_are_all_served(
    hubspot_login: Login, answering: Callable[..., Scripted], waits: list[float]
) -> None:
    moment, number = "2026-01-01T00:00:00Z", 10_100

    def search(body: dict[str, Any]) -> Reply:
        first = 1 + int(body["filterGroups"][0]["filters"][1]["value"])
        ids = range(first, min(first + body["limit"], number + 1))
        rows = [{"id": str(one), "properties": {}, "updatedAt": moment, "archived": False} for one in ids]
        return Reply({"results": rows} | ({"paging": {"next": {"after": "200"}}} if ids[-1] < number else {}))

    server = answering(lambda body: search(body) if body else Reply({"results": []}))
    found = records_of(pulled(hubspot_login(server.url), "companies", {"modified": moment}))
    assert [one.record_id for one in found] == [str(one) for one in range(1, number + 1)]
    assert {one["body"]["after"] for one in server.asked if one["body"]} == {"0"}
    assert len(waits) >= number / 200 / 4 - 1
    assert max(waits) <= 1.0


def test_archived_records_are_asked_for_with_a_boolean_as_json_spells_it(
    hubspot_login: Login, answering: Callable[..., Scripted]
) -> None:
    server = answering(Reply({"results": []}))
    pulled(hubspot_login(server.url), "contacts")
    live, archived = (dict(parse_qsl(urlsplit(one["path"]).query)) for one in server.asked)
    assert ("archived" in live, archived["archived"]) == (False, "true")
