"""What every connector must survive, whatever the vendor: one suite over all streams, with faults on real HTTP.

A pull is whole or ends in a ``ConnectorError``: no fault is ever taken for "no data" or for a delete. What is landed
after faults, kills, ties and changes under way is what the server holds, each version once.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import islice
from math import ceil
from pathlib import Path

import pytest

from connectors.base import Page, Target
from connectors.errors import ConfigError, ConnectorError, InDoubtError, RetryableError
from connectors.http import ATTEMPTS, LONGEST_WAIT
from connectors.values import latest_moment
from nps_pipeline.home import Home
from nps_pipeline.landing import COMMIT_EVERY, list_loads
from sandbox.faults import Fault, at_random
from sandbox.serve import Sandbox
from tests.connectors.landed_source import EVER, MOST_ROWS, OVERLAP, PAGE_SIZES, PAGES, Source, first_stream, versions
from tests.connectors.test_conformance import (
    NO_OVERLAP,
    change,
    every_source,
    every_stream,
    every_target,
    kinds,
    live,
    streams_of,
    synced,
    texts,
)

LISTS = ("satisfaction_ratings", "survey_responses")  # in no order of what changed
CHANGES = 6  # while one pull runs: fewer than a page has rows, since an export may hide what a full second deletes
DATA = r"^/(services/data|crm|api)/"  # no logins
RENEWED = {"salesforce": ("password", "jwt", "client_credentials")}  # the ways that can log in anew

LIMITS = [Fault("too_many"), Fault("too_many_seconds", seconds=7), Fault("too_many_date", seconds=7)]
ERRORS = [Fault("status", status=status) for status in (500, 502, 503, 504)]
BROKEN = [Fault(kind) for kind in ("html", "empty", "truncated", "cut", "cut_in_body", "dropped")]


def named(fault: Fault) -> str:
    return f"{fault.kind}_{fault.status}" if fault.kind == "status" else fault.kind


PASSING = [*LIMITS, *ERRORS, *BROKEN]
every_fault = pytest.mark.parametrize("fault", PASSING, ids=named)


@pytest.fixture
def source_of(
    sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, waits: list[float]
) -> Iterator[Callable[[str, str], Source]]:
    """Makes the source of a stream, as at its start; it is so again after the test. Waits take no time."""
    made: list[Source] = []

    def make(source: str, name: str) -> Source:
        made.append(Source(sandbox, Home(tmp_path), streams_of(source)[name]))
        made[-1].control.reset()
        waits.clear()
        rows = len(made[-1].control.state(name))
        for place in PAGE_SIZES.get(source, ()):
            monkeypatch.setattr(place, max(1, min(MOST_ROWS, ceil(rows / PAGES) - 1)))
        return made[-1]

    yield make
    for one in made:
        one.close()


SourceOf = Callable[[str, str], Source]


# --- faults that pass ---


@every_stream
def test_a_pull_in_which_every_request_fails_in_many_ways_is_whole(
    source_of: SourceOf, waits: list[float], source: str, name: str
) -> None:
    one = source_of(source, name)
    whole = one.served()
    asked, failing = len(one.control.requests()), ATTEMPTS - 1
    places = [nth for nth in range(1, asked * ATTEMPTS) if nth % ATTEMPTS]  # each request fails as often as it may
    faults = [replace(PASSING[n % len(PASSING)], nth=nth) for n, nth in enumerate(places)]
    one.control.forget_requests()
    one.control.faults(faults)
    pages = [*one.pages()]
    assert versions(pages) == whole
    assert len(pages) >= one.least_pages
    assert one.control.struck() == [fault.kind for fault in faults]
    assert len(waits) == asked * failing
    assert max(waits) <= LONGEST_WAIT


@every_source
@every_fault
def test_a_pull_in_which_every_request_fails_once_is_whole(source_of: SourceOf, source: str, fault: Fault) -> None:
    one = source_of(source, first_stream(source))
    whole = one.served()
    asked = len(one.control.requests())
    one.control.forget_requests()
    one.control.faults([replace(fault, nth=1 + 2 * n) for n in range(asked)])
    assert versions([*one.pages()]) == whole
    assert one.control.struck() == [fault.kind] * asked


@every_source
@every_fault
def test_a_storm_ends_with_an_error_after_few_requests(
    source_of: SourceOf, waits: list[float], source: str, fault: Fault
) -> None:
    one = source_of(source, first_stream(source))
    cursor = [*one.pages()][-1].cursor
    for nth in (1, 3):
        one.control.forget_requests()
        one.control.faults([replace(fault, nth=nth, times=None)])
        with pytest.raises(RetryableError):
            [*one.pages(cursor, EVER)]
        assert len(one.control.requests()) == nth - 1 + ATTEMPTS
        assert max(waits) <= LONGEST_WAIT


@every_stream
def test_a_storm_costs_nothing_and_deletes_nothing(source_of: SourceOf, source: str, name: str) -> None:
    one = source_of(source, name)
    one.pull()
    before = one.landed()
    edited, deleted = list(before)[:2]
    one.control.edit(name, edited)
    one.control.delete(name, deleted)
    now = one.served()
    for number, fault in enumerate(BROKEN):
        is_reconcile, loads = number % 2 == 0, len(list_loads(one.home))
        one.control.faults([replace(fault, nth=1 + number // 2, times=None)])
        with pytest.raises(RetryableError):
            one.land(one.pages({} if is_reconcile else one.cursor(), EVER), reconcile=is_reconcile)
        assert {key: row for key, row in one.landed().items() if row != before[key]}.items() <= now.items()
        assert len(list_loads(one.home)) == loads or not is_reconcile
    one.control.clear_faults()
    one.pull()
    one.agrees()


@every_stream
@pytest.mark.parametrize("cursor", ["none", "kept"])
def test_a_page_that_comes_again_costs_no_other(source_of: SourceOf, source: str, name: str, cursor: str) -> None:
    one = source_of(source, name)
    pages = [*one.pages()]
    whole, since = versions(pages), pages[-1].cursor if cursor == "kept" else {}
    one.control.forget_requests()
    assert versions([*one.pages(since, EVER)]) == whole
    struck = 0
    for nth in range(2, len(one.control.requests()) + 1):
        one.control.forget_requests()
        one.control.faults([Fault("duplicate_page", path=DATA, nth=nth)])
        with suppress(ConnectorError):
            assert versions([*one.pages(since, EVER)]) == whole, nth
        struck += len(one.control.struck())
    assert struck >= one.least_pages - 1
    one.control.clear_faults()
    assert versions([*one.pages(since, EVER)]) == whole


@every_source
@pytest.mark.parametrize("seed", range(2))
def test_random_faults_cost_no_record(source_of: SourceOf, source: str, seed: int) -> None:
    struck = 0
    for name in streams_of(source):
        one = source_of(source, name)
        whole = one.served()
        one.control.faults([fault for fault in at_random(seed, rate=0.3) if fault.kind != "slow"])
        one.control.forget_requests()
        with suppress(RetryableError):
            assert versions([*one.pages()]) == whole
        struck += len(one.control.struck())
        one.control.clear_faults()
    assert struck


# --- limits and sessions ---


@every_stream
@pytest.mark.parametrize("fault", [Fault("daily_limit"), Fault("too_many_seconds", seconds=3_600)], ids=named)
def test_a_limit_of_hours_is_not_waited_for(
    source_of: SourceOf, waits: list[float], source: str, name: str, fault: Fault
) -> None:
    one = source_of(source, name)
    session = one.connect()
    one.control.forget_requests()
    one.control.faults([replace(fault, nth=2, times=None)])
    with pytest.raises(RetryableError) as error:
        [*session.pull(one.stream, {}, NO_OVERLAP)]
    assert (error.value.retry_after or 0) >= 3_600
    assert [len(one.control.requests()), len(waits)] == [2, 0]


@every_source
def test_a_session_that_expires_is_renewed_or_said_to_be_over(source_of: SourceOf, source: str) -> None:
    one = source_of(source, first_stream(source))
    whole = one.served()
    for way in one.sandbox.logins[source]:
        session = one.connect(**{source: way})
        one.control.forget_requests()
        [*session.pull(one.stream, {}, NO_OVERLAP)]
        for nth in range(1, len(one.control.requests()) + 1):
            session = one.connect(**{source: way})
            one.control.faults([Fault("expired_session", path=DATA, nth=nth)])
            if way in RENEWED.get(source, ()):
                assert versions([*session.pull(one.stream, {}, NO_OVERLAP)]) == whole
            else:
                with pytest.raises(ConfigError):
                    [*session.pull(one.stream, {}, NO_OVERLAP)]
            one.control.clear_faults()


@every_source
def test_a_session_that_cannot_be_renewed_is_not_tried_for_ever(source_of: SourceOf, source: str) -> None:
    one = source_of(source, first_stream(source))
    for way in one.sandbox.logins[source]:
        session = one.connect(**{source: way})
        one.control.forget_requests()
        one.control.faults([Fault("expired_session", path=DATA, nth=2, times=None)])
        with pytest.raises(ConfigError):
            [*session.pull(one.stream, {}, NO_OVERLAP)]
        paths = [request["path"] for request in one.control.requests()]
        assert len([path for path in paths if re.search(DATA, path)]) <= 3
        assert len(paths) <= 5
        one.control.clear_faults()


# --- kills, ties, changes under way ---


def changing(one: Source, pages: Iterator[Page], ids: Sequence[str]) -> Iterator[Page]:
    """After each of the first pages somebody edits a record, or deletes another one."""
    for number, page in enumerate(pages):
        yield page
        if number < min(CHANGES, len(ids)):
            edit_or_delete = one.control.delete if number % 2 else one.control.edit
            edit_or_delete(one.stream.name, ids[number])


def killed_after(pages: Iterator[Page], number: int) -> Iterator[Page]:
    yield from islice(pages, number)
    pages.close()  # type: ignore[attr-defined]
    raise RetryableError("killed")


def doubled(one: Source) -> int:
    """How many more rows are landed than there are versions of records."""
    landed = [(row["record_id"], row["payload"], row["is_deleted"]) for row in one.rows()]
    return len(landed) - len({*landed})


@every_stream
def test_a_pull_that_is_killed_at_any_page_keeps_what_came_and_the_next_goes_on(
    source_of: SourceOf, tmp_path: Path, source: str, name: str
) -> None:
    one = source_of(source, name)
    whole = one.served()
    for killed in range(len([*one.pages()]) + 1):
        one.home = Home(tmp_path / f"first-{killed}")
        with pytest.raises(RetryableError, match="killed"):
            one.land(killed_after(one.pages(), killed))
        assert one.landed().items() <= whole.items()
        one.pull()
        assert (one.landed(), doubled(one)) == (whole, 0)
    before, base = one.landed(), one.home
    edited, deleted = list(before)[:2]
    one.control.edit(name, edited)
    one.control.delete(name, deleted)
    number = len([*one.pages(one.cursor(), EVER)])
    assert number >= one.least_pages
    for killed in range(number + 1):
        one.home = Home(shutil.copytree(base.root, tmp_path / f"then-{killed}"))
        with pytest.raises(RetryableError, match="killed"):
            one.land(killed_after(one.pages(one.cursor(), EVER), killed))
        one.pull()
        one.agrees()
        assert doubled(one) == 0


@every_stream
def test_a_long_pull_is_committed_on_the_way_wherever_pages_say_from_where_it_goes_on(
    source_of: SourceOf, source: str, name: str
) -> None:
    one = source_of(source, name)
    one.land(one.pages(), every=1)
    loads = [load.manifest for load in list_loads(one.home)]
    assert [load.is_drained for load in loads] == [False] * (len(loads) - 1) + [True]
    assert [load.mode for load in loads] == ["incremental"] * (len(loads) - 1) + ["full"]
    assert [load.live_records for load in loads] == [None] * (len(loads) - 1) + [len(one.landed())]
    if name not in LISTS:
        assert len(loads) >= one.least_pages
    assert doubled(one) == 0
    one.agrees()
    one.settles()


@every_stream
@pytest.mark.parametrize(("cursor", "every"), [("none", COMMIT_EVERY), ("kept", COMMIT_EVERY), ("none", 1)])
def test_what_changes_while_it_is_pulled_is_landed_by_this_pull_or_the_next(
    source_of: SourceOf, source: str, name: str, cursor: str, every: int
) -> None:
    one = source_of(source, name)
    ids = list(one.control.state(name))
    if cursor == "kept":
        one.pull()
    one.land(changing(one, one.pages(one.cursor(), EVER), ids), every)
    one.pull()
    one.agrees()
    one.settles()


@every_stream
def test_what_changes_before_an_interrupted_pull_goes_on_is_landed(source_of: SourceOf, source: str, name: str) -> None:
    one = source_of(source, name)
    ids = list(one.control.state(name))
    with pytest.raises(RetryableError, match="killed"):
        one.land(killed_after(changing(one, one.pages(), ids), 2))
    live_ids = [key for key, (_, is_deleted, _) in one.landed().items() if not is_deleted]
    for number, key in enumerate(live_ids[:CHANGES]):
        (one.control.delete if number % 2 else one.control.edit)(name, key)
    one.control.edit(name, [key for key in ids if key not in one.landed()][-1])  # later, and still to come
    one.pull(NO_OVERLAP)
    one.pull(NO_OVERLAP)
    one.agrees()
    one.settles()


@every_stream
def test_ties_over_many_pages_are_whole_also_where_one_comes_late(source_of: SourceOf, source: str, name: str) -> None:
    one, moment = source_of(source, name), datetime(2026, 11, 20, 12, 0, 0, tzinfo=UTC)
    late, deleted = list(one.control.state(name))[:2]
    one.control.set_modified(name, moment)
    one.control.set_modified(name, moment - timedelta(days=1), [late])
    assert len([*one.pages()]) >= one.least_pages
    one.pull(NO_OVERLAP)
    one.agrees()
    one.control.delete(name, deleted)
    one.control.set_modified(name, moment)
    one.pull(NO_OVERLAP)
    one.agrees()
    one.settles()


@every_stream
def test_what_shows_late_is_found_within_the_overlap(source_of: SourceOf, source: str, name: str) -> None:
    one = source_of(source, name)
    one.pull()
    reached = latest_moment(one.cursor())
    assert reached
    late, later = sorted(one.landed().items(), key=lambda item: item[1][0] or reached)[:2]
    one.control.edit(name, late[0])
    one.control.set_modified(name, reached - OVERLAP / 2, [late[0]])
    one.control.edit(name, later[0])
    one.pull()
    one.agrees()


# --- writes ---


@every_target
@every_fault
def test_a_write_under_faults_is_told_truly(source_of: SourceOf, source: str, target: Target, fault: Fault) -> None:
    one, values = source_of(source, target.stream), synced(source, target)
    (record_id,) = live(one.control, target.stream, 1)
    wanted, before = {record_id: texts(values)}, one.control.state(target.stream)
    for nth in (1, 2):
        session = one.connect()
        one.control.forget_requests()
        one.control.faults([replace(fault, nth=nth, times=None)])
        try:
            results = session.push(target, [change(record_id, values)])
        except InDoubtError:
            results = []
        except ConnectorError:
            assert one.control.state(target.stream) == before
            results = []
        assert [result.error_code for result in results] in ([], [None])
        assert len(one.control.writes()) <= 1
        one.control.clear_faults()
        observed = session.read_back(target, [record_id], kinds(values))
        assert observed == wanted if results else observed[record_id].keys() == values.keys()
        assert (one.control.state(target.stream) != before) == (observed == wanted)
        one.control.reset()
