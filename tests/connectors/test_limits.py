"""Real connectors against enforced limits: they wait as told, nothing is lost, and a used up day ends the pull cleanly.

Time runs faster here: limits are as many times shorter as waits are.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from typing import Any

import pytest

from connectors.base import Cursor, Page, Session
from connectors.errors import RetryableError
from sandbox.hubspot.hooks import HubSpotControl
from sandbox.serve import Sandbox
from tests.connectors.test_conformance import CONNECTORS, NO_OVERLAP, settings_of, streams_of

OVERLAP = timedelta(minutes=10)
REFUSED = {"hubspot": 429, "salesforce": 403}
PAGES = {
    "hubspot": ("contacts", "connectors.hubspot._LISTED"),
    "salesforce": ("Contact", "sandbox.salesforce.service.PAGE"),
}
Hurry = Callable[[float], list[float]]


@pytest.fixture
def hurry(monkeypatch: pytest.MonkeyPatch) -> Hurry:
    """Makes every wait so many times shorter; gives the list of those that there were, in seconds as was meant."""

    def faster(times: float) -> list[float]:
        waited: list[float] = []

        def sleep(seconds: float) -> None:
            waited.append(seconds)
            time.sleep(seconds / times)

        monkeypatch.setattr("connectors.http.sleep", sleep)
        monkeypatch.setattr("connectors.http.random", lambda: 0.0)
        return waited

    return faster


@pytest.fixture
def connected(fresh_sandbox: Sandbox) -> Iterator[Callable[[str], Session]]:
    opened: list[Session] = []

    def connect(source: str) -> Session:
        opened.append(CONNECTORS[source].connect(settings_of(source), fresh_sandbox.environment_for()))
        return opened[-1]

    yield connect
    for session in opened:
        session.close()


def pulled(session: Session, source: str, stream: str, cursor: Cursor | None = None) -> Iterator[Page]:
    return session.pull(streams_of(source)[stream], cursor or {}, NO_OVERLAP)


def ids_of(pages: Sequence[Page]) -> list[str]:
    return [record.record_id for page in pages for record in page.records]


def held(sandbox: Sandbox, source: str, table: str) -> list[str]:
    return sorted(sandbox.control[source].state(table))


def statuses(sandbox: Sandbox, source: str) -> set[Any]:
    return {one["status"] for one in sandbox.control[source].requests()}


def test_a_list_of_hubspot_goes_on_when_ten_seconds_are_over(
    fresh_sandbox: Sandbox, connected: Callable[[str], Session], hurry: Hurry
) -> None:
    waited = hurry(1)
    fresh_sandbox.control["hubspot"].limit("ten_seconds", 1, 10 / 20)  # its answers tell of so long an interval
    found = ids_of([*pulled(connected("hubspot"), "hubspot", "contacts")])
    assert sorted(found) == held(fresh_sandbox, "hubspot", "contacts")
    assert statuses(fresh_sandbox, "hubspot") == {200}  # nothing is asked that would be refused
    assert waited == pytest.approx([10 / 20] * len(waited), abs=0.1)
    assert waited


def test_a_search_of_hubspot_goes_on_in_the_next_second(
    fresh_sandbox: Sandbox, connected: Callable[[str], Session], hurry: Hurry, monkeypatch: pytest.MonkeyPatch
) -> None:
    waited = hurry(2)
    monkeypatch.setattr("connectors.hubspot._SEARCHED", 150)
    fresh_sandbox.control["hubspot"].limit("search_second", 1, 1 / 2)
    cursor = {"modified": "2000-01-01T00:00:00.000+00:00"}
    found = ids_of([*pulled(connected("hubspot"), "hubspot", "contacts", cursor)])
    live = [key for key, one in fresh_sandbox.control["hubspot"].state("contacts").items() if one["deleted"] is None]
    assert set(live) <= set(found)
    assert len(set(found)) == len(found)
    assert 429 in statuses(fresh_sandbox, "hubspot")
    assert set(waited) == {1.0}


def test_an_export_of_zendesk_goes_on_in_the_next_minute(
    fresh_sandbox: Sandbox, connected: Callable[[str], Session], hurry: Hurry, monkeypatch: pytest.MonkeyPatch
) -> None:
    waited = hurry(2)
    monkeypatch.setattr("connectors.zendesk_exports.PAGE_SIZE", 100)
    session = connected("zendesk")
    fresh_sandbox.control["zendesk"].limit("minute", 1, 1 / 2)
    found = ids_of([*pulled(session, "zendesk", "users")])
    assert sorted(found) == held(fresh_sandbox, "zendesk", "users")
    assert statuses(fresh_sandbox, "zendesk") == {200, 429}
    assert set(waited) == {1.0}  # what is left of a second, in whole ones, as Retry-After has it


@pytest.mark.parametrize(("source", "says"), [("hubspot", "DAILY"), ("salesforce", "no more API calls")])
def test_a_used_up_day_ends_the_pull_and_the_next_one_has_the_rest(  # noqa: PLR0917 - fixtures
    fresh_sandbox: Sandbox,
    connected: Callable[[str], Session],
    hurry: Hurry,
    monkeypatch: pytest.MonkeyPatch,
    source: str,
    says: str,
) -> None:
    stream, size = PAGES[source]
    waited = hurry(50)
    monkeypatch.setattr(size, 40)
    monkeypatch.setattr("sandbox.salesforce.service.SMALLEST_PAGE", 40)
    control, session = fresh_sandbox.control[source], connected(source)
    control.limit("day", 5, 86_400)
    pages: list[Page] = []
    with pytest.raises(RetryableError, match=says):
        pages.extend(pulled(session, source, stream))
    assert [one["status"] for one in control.requests() if one["status"] != 200] == [REFUSED[source]]  # not sent again
    assert (waited, bool(ids_of(pages))) == ([], True)
    cursor = next((page.cursor for page in reversed(pages) if page.cursor), {})
    control.reset()
    rest = ids_of([*pulled(session, source, stream, cursor)])
    assert {*ids_of(pages), *rest} == set(held(fresh_sandbox, source, stream))


def test_what_search_does_not_know_yet_is_found_by_a_later_pull(
    fresh_sandbox: Sandbox, connected: Callable[[str], Session]
) -> None:
    control, session = HubSpotControl.of(fresh_sandbox.control["hubspot"]), connected("hubspot")
    stream = streams_of("hubspot")["contacts"]
    cursor = [*session.pull(stream, {}, OVERLAP)][-1].cursor
    late = control.add("contacts", email="late@crm.example")
    control.search_lag(60)
    behind = [*session.pull(stream, cursor, OVERLAP)]
    control.search_lag(0)
    caught_up = [*session.pull(stream, behind[-1].cursor, OVERLAP)]
    assert (late in ids_of(behind), late in ids_of(caught_up)) == (False, True)
