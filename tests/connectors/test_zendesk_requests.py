"""Every request to Zendesk is one that its published API has: path, parameters, limits."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qsl

import pytest

from connectors import zendesk_exports
from connectors.base import Change, Value
from connectors.zendesk import CONNECTOR, USER, ZendeskSettings
from sandbox.serve import Sandbox
from tests.connectors.zendesk_accounts import SETTINGS, STREAMS, account, drained, login, records

LISTED = {"page[size]", "page[after]"}
# Method and path (with or without .json) -> the parameters that the vendor's reference names.
PUBLISHED: Mapping[tuple[str, str], set[str]] = {
    ("GET", "incremental/tickets/cursor"): {"start_time", "cursor", "support_type_scope"},
    ("GET", "incremental/users/cursor"): {"start_time", "cursor", "per_page"},
    ("GET", "incremental/organizations"): {"start_time", "per_page"},
    ("GET", "incremental/ticket_events"): {"start_time", "include", "support_type_scope"},
    ("GET", "organizations"): LISTED,
    ("GET", "satisfaction_ratings"): LISTED | {"score", "start_time", "end_time"},
    ("GET", "guide/survey_responses"): LISTED | {"filter[created_at_start]", "filter[created_at_end]"},
    ("GET", "ticket_fields"): LISTED | {"locale", "creator"},
    ("GET", "user_fields"): LISTED,
    ("GET", "tickets/show_many"): {"ids"},
    ("GET", "users/show_many"): {"ids", "external_ids"},
    ("GET", "organizations/show_many"): {"ids", "external_ids"},
    ("GET", "users/me"): set(),
    ("GET", "job_statuses/*"): set(),
    ("PUT", "users/update_many"): {"ids", "external_ids"},
}
WITHOUT_SUFFIX = "/api/v2/guide/"  # the Help Center's part of the API
MOST: Mapping[str, int] = {"per_page": 1_000, "page[size]": 100}


def endpoint(request: Mapping[str, Any]) -> tuple[str, str]:
    path = request["path"].removesuffix(".json").removeprefix("/api/v2/")
    return request["method"], re.sub(r"^(job_statuses)/[^/]+$", r"\1/*", path)


def check(request: Mapping[str, Any]) -> None:
    """Assert that one request is a published one."""
    assert endpoint(request) in PUBLISHED, request
    given = dict(parse_qsl(request["query"], keep_blank_values=True))
    assert given.keys() <= PUBLISHED[endpoint(request)], request
    assert not (request["path"].startswith(WITHOUT_SUFFIX) and request["path"].endswith(".json"))
    assert all(int(given[name]) <= most for name, most in MOST.items() if name in given)
    assert len(given.get("ids", "").split(",")) <= 100
    assert {"start_time", "cursor"} - given.keys() or endpoint(request)[1].startswith("satisfaction"), request


def test_what_is_asked_for_is_published(fresh_sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    assert (MOST["per_page"], MOST["page[size]"]) == (zendesk_exports.PAGE_SIZE, zendesk_exports.LIST_SIZE)
    for place in ("sandbox.zendesk.exports.PAGE", "connectors.zendesk_exports.PAGE_SIZE"):
        monkeypatch.setattr(place, 30)  # so that there are pages to follow
    control = fresh_sandbox.control["zendesk"]
    session = CONNECTOR.connect(SETTINGS, fresh_sandbox.environment)
    session.check()
    users = list(control.state("users"))[1:]
    for name, stream in STREAMS.items():
        _, cursor = drained(session, name)
        drained(session, name, cursor, timedelta(minutes=10))
        session.gone(stream, users)
    session.push(USER, [Change("op", users[0], {"nps_score": Value("number", "9")})])
    session.read_back(USER, users, {"nps_score": "number"})
    asked = control.requests()
    for request in asked:
        check(request)
    assert {endpoint(request) for request in asked} == PUBLISHED.keys() - {("GET", "organizations")}
    assert {request["status"] for request in asked} == {200}


def test_what_a_crowded_second_needs_is_published() -> None:
    with account(organizations=records([0] * 1_500)) as held:
        drained(login(held.url), "organizations")
        asked = held.control.requests()
    for request in asked:
        check(request)
    assert ("GET", "organizations") in {endpoint(request) for request in asked}


def test_no_limit_of_ids_is_exceeded_by_what_is_asked_for_at_once(fresh_sandbox: Sandbox) -> None:
    session = CONNECTOR.connect(ZendeskSettings(), fresh_sandbox.environment)
    session.gone(STREAMS["users"], [str(one) for one in range(1, 251)])
    asked = fresh_sandbox.control["zendesk"].requests()
    assert [len(dict(parse_qsl(one["query"]))["ids"].split(",")) for one in asked] == [100, 100, 50]
