"""What HubSpot may answer besides data: error pages, endless lists, limits, nothing at all."""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice
from typing import Any

import pytest

from connectors.base import Session
from connectors.errors import FatalError, RetryableError
from connectors.values import parse_moment
from sandbox.serve import Sandbox
from tests.connectors.hubspot_pulls import EVERYTHING, NO_OVERLAP, STREAMS, Login, pulled, records_of
from tests.connectors.scripted import Reply, Scripted

# --- answers that must not pass for data ---

Fault = Callable[..., Session]


@pytest.fixture
def fault(hubspot_login: Login, answering: Callable[..., Scripted]) -> Fault:
    """Logs in to a server that gives these replies."""
    return lambda *replies: hubspot_login(answering(*replies).url)


ROW = {"id": "5", "properties": {}, "updatedAt": "2026-03-01T09:00:00.500Z", "archived": False}
NEXT = {"next": {"after": "5"}}
CURSOR = {"modified": "2026-01-01T00:00:00.000+00:00"}


@pytest.mark.parametrize("cursor", [EVERYTHING, CURSOR])
@pytest.mark.parametrize(
    "body",
    [
        "<html>Just a moment</html>",
        "",
        b"\xff\xfe",
        "[]",
        '{"results": [{"id": "1", "prop',
        {},
        {"results": None},
        {"results": ["5"]},
        {"results": [ROW | {"properties": None}]},
        {"results": [ROW], "errors": [{"category": "INTERNAL"}]},
    ],
)
def test_an_answer_without_results_is_an_error_after_retries(
    hubspot_login: Login, answering: Callable[..., Scripted], waits: list[float], body: Any, cursor: dict[str, str]
) -> None:
    server = answering(Reply(body))
    with pytest.raises(RetryableError, match="contacts"):
        pulled(hubspot_login(server.url), "contacts", cursor)
    assert len(server.asked) == len(waits) + 1 == 5


@pytest.mark.parametrize("change", [{"id": None}, {"id": "x"}, {"updatedAt": None}, {"updatedAt": "soon"}])
def test_a_record_without_id_or_time_stops_the_pull(
    hubspot_login: Login, answering: Callable[..., Scripted], change: dict[str, Any]
) -> None:
    server = answering(Reply({"results": [ROW | change]}))
    with pytest.raises(FatalError, match="without id or time when listing contacts"):
        pulled(hubspot_login(server.url), "contacts")


@pytest.mark.parametrize(
    ("cursor", "results"),
    [
        (EVERYTHING, [ROW]),
        (CURSOR, [ROW]),
        (CURSOR, [ROW | {"id": "10"}, ROW]),
        (CURSOR, []),
    ],
)
def test_pages_that_do_not_go_on_stop_the_pull(fault: Fault, cursor: dict[str, str], results: list[Any]) -> None:
    page = Reply({"results": results, "paging": NEXT})
    with pytest.raises(FatalError, match="this page was not kept"):
        pulled(fault(page, page, Reply({"results": []})), "companies", cursor)


def test_pages_that_lead_in_a_circle_stop_the_pull(hubspot_login: Login, answering: Callable[..., Scripted]) -> None:
    one, other = (Reply({"results": [ROW], "paging": {"next": {"after": after}}}) for after in "ab")
    server = answering(one, other, one, other, one)
    with pytest.raises(FatalError, match="same page again when listing contacts"):
        list(islice(hubspot_login(server.url).pull(STREAMS["contacts"], EVERYTHING, NO_OVERLAP), 5))
    assert len(server.asked) == 3


@pytest.mark.parametrize("cursor", [EVERYTHING, CURSOR])
@pytest.mark.parametrize("paging", ["next", {"next": {"link": "https://x.example"}}, {"next": []}, {"next": "5"}])
def test_a_page_that_does_not_say_what_follows_is_not_the_last(
    fault: Fault, paging: Any, cursor: dict[str, str]
) -> None:
    session = fault(Reply({"results": [ROW], "paging": paging}), Reply({"results": []}))
    with pytest.raises(FatalError, match="did not say where its pages go on"):
        pulled(session, "contacts", cursor)


def test_an_empty_page_in_between_does_not_end_a_list(hubspot_login: Login, answering: Callable[..., Scripted]) -> None:
    last = Reply({"results": [ROW]})
    server = answering(Reply({"results": [], "paging": NEXT}), last, Reply({"results": []}))
    assert [one.record_id for one in records_of(pulled(hubspot_login(server.url), "contacts"))] == ["5"]


@pytest.mark.parametrize(
    ("clock", "reached"),
    [
        ("Sun, 01 Mar 2026 08:00:00 GMT", "2026-03-01T07:59:53"),
        ("Sun, 01 Mar 2026 09:00:01 GMT", "2026-03-01T08:59:54"),
        ("Sun, 01 Mar 2026 10:00:00 GMT", "2026-03-01T09:00:00.500"),
    ],
)
def test_the_cursor_reaches_neither_past_the_servers_clock_at_the_start_nor_past_what_was_seen(
    fault: Fault, monkeypatch: pytest.MonkeyPatch, clock: str, reached: str
) -> None:
    monkeypatch.setattr("connectors.hubspot.monotonic", iter([100.0, 107.0]).__next__)
    page = pulled(fault(Reply({"results": [ROW]}, headers={"Date": clock}), Reply({"results": []})), "contacts")[-1]
    assert parse_moment(page.cursor["modified"]) == parse_moment(reached)


def test_archiving_counts_where_the_crm_does_not_count_it_as_a_change_and_makes_no_version_of_its_own(
    fault: Fault,
) -> None:
    early = ROW | {"archived": True, "archivedAt": "2026-03-01T09:00:00Z"}
    late = ROW | {"id": "6", "archived": True, "archivedAt": "2026-03-05T09:00:00Z"}
    since = {"modified": "2026-03-02T00:00:00.000+00:00"}
    found = records_of(pulled(fault(Reply({"results": []}), Reply({"results": [early, late]})), "contacts", since))
    assert [(one.record_id, one.is_deleted, one.source_version) for one in found] == [
        ("6", True, parse_moment(ROW["updatedAt"]))
    ]


def test_a_cut_connection_is_tried_again(
    hubspot_login: Login, answering: Callable[..., Scripted], waits: list[float]
) -> None:
    server = answering(Reply(cut=True), Reply({"results": []}))
    assert records_of(pulled(hubspot_login(server.url), "contacts")) == []
    assert len(waits) == 1


def test_nobody_there_is_said_so(hubspot_login: Login, waits: list[float]) -> None:
    with pytest.raises(RetryableError, match=r"could not be reached when checking .* HUBSPOT_BASE_URL"):
        hubspot_login("http://127.0.0.1:1").check()
    assert len(waits) == 4


def test_a_certificate_that_nobody_vouches_for_is_said_so(
    sandbox: Sandbox, hubspot_login: Login, waits: list[float]
) -> None:
    with pytest.raises(RetryableError, match=r"could not be reached when checking .*SSLError"):
        hubspot_login(sandbox.urls["salesforce"]).check()
    assert len(waits) == 4


# --- limits ---

LIMIT = {"status": "error", "errorType": "RATE_LIMIT", "message": "You have reached your limit."}


@pytest.mark.parametrize(
    ("headers", "policy", "waited"),
    [
        ({"Retry-After": "7"}, "TEN_SECONDLY_ROLLING", 7.0),
        ({}, "TEN_SECONDLY_ROLLING", 10.0),
        ({}, "SECONDLY", 1.0),
        ({}, "SOME_OTHER", 1.0),
    ],
)
def test_a_limit_is_waited_for(
    fault: Fault, waits: list[float], headers: dict[str, str], policy: str, waited: float
) -> None:
    session = fault(Reply(LIMIT | {"policyName": policy}, 429, headers), Reply({"results": []}))
    assert records_of(pulled(session, "contacts", CURSOR)) == []
    assert waits == [waited]


@pytest.mark.parametrize("cursor", [EVERYTHING, CURSOR])
@pytest.mark.parametrize("status", [423, 477, 500, 502, 503, 504])
def test_an_account_that_is_busy_or_ill_is_asked_again(
    fault: Fault, waits: list[float], status: int, cursor: dict[str, str]
) -> None:
    session = fault(Reply("<html>Later</html>", status, {"Retry-After": "3"}), Reply({"results": []}))
    assert records_of(pulled(session, "contacts", cursor)) == []
    assert waits == [3.0]


def test_an_account_that_moves_for_hours_is_not_waited_for(
    hubspot_login: Login, answering: Callable[..., Scripted], waits: list[float]
) -> None:
    server = answering(Reply({}, 477, {"Retry-After": "86400"}))
    with pytest.raises(RetryableError, match="moved to another data centre") as error:
        pulled(hubspot_login(server.url), "contacts")
    assert (len(server.asked), waits, error.value.retry_after) == (1, [], 86_400.0)


def test_live_records_in_the_list_of_archived_ones_are_not_taken_for_deleted(fault: Fault) -> None:
    with pytest.raises(RetryableError, match="not archived when listing archived contacts"):
        pulled(fault(Reply({"results": []}), Reply({"results": [ROW]})), "contacts", CURSOR)


@pytest.mark.parametrize("headers", [{}, {"Retry-After": "1"}])
def test_the_limit_of_a_day_is_not_waited_for(
    hubspot_login: Login, answering: Callable[..., Scripted], waits: list[float], headers: dict[str, str]
) -> None:
    server = answering(Reply(LIMIT | {"policyName": "DAILY"}, 429, headers))
    with pytest.raises(RetryableError, match="DAILY"):
        pulled(hubspot_login(server.url), "contacts")
    assert (len(server.asked), waits) == (1, [])


def test_a_limit_without_a_name_is_said_as_one(fault: Fault, waits: list[float]) -> None:
    with pytest.raises(RetryableError, match=r"limit of requests is reached \(unnamed\)"):
        pulled(fault(Reply("<html>Slow down</html>", 429)), "contacts")
    assert len(waits) == 4


def test_a_refusal_that_is_no_text_is_still_an_answer(hubspot_login: Login, answering: Callable[..., Scripted]) -> None:
    server = answering(Reply(b"\xff\xfe", 404))
    with pytest.raises(FatalError, match="answered 404 when listing contacts"):
        pulled(hubspot_login(server.url), "contacts")
