"""What every connector must survive, whatever the vendor: one suite over all streams, with faults on real HTTP.

A pull is whole or ends in a ``ConnectorError``: no fault is ever taken for "no data" or for a delete.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace

import pytest

from connectors.base import Mode, Target
from connectors.errors import ConfigError, ConnectorError, InDoubtError, RetryableError
from connectors.http import ATTEMPTS, LONGEST_WAIT
from nps_pipeline.landing import list_loads
from sandbox.faults import Fault, at_random
from tests.connectors.conformance import (
    CASES,
    Case,
    case_of,
    change,
    every_target,
    every_way,
    holds,
    kinds,
    live,
    synced,
    texts,
)
from tests.connectors.conformance_fixtures import Whole
from tests.connectors.landed_source import EVER, NO_OVERLAP, Source, versions

DATA = r"^/(services/data|crm|api)/"  # no logins
# What is served page by page; the answer of another endpoint is no page that comes again.
PAGED = r"^/(services/data|crm|api)/(?!v4/associations/(tickets|deals)/companies)"
RENEWED = {"salesforce": ("password", "jwt", "client_credentials")}  # the ways that can log in anew

LIMITS = [Fault("too_many"), Fault("too_many_seconds", seconds=7), Fault("too_many_date", seconds=7)]
ERRORS = [Fault("status", status=status) for status in (500, 502, 503, 504)]
BROKEN = [Fault(kind) for kind in ("html", "empty", "truncated", "cut", "cut_in_body", "dropped")]
SourceOf = Callable[[Case], Source]
WholeOf = Callable[[Source], Whole]


def named(fault: Fault) -> str:
    return f"{fault.kind}_{fault.status}" if fault.kind == "status" else fault.kind


PASSING = [*LIMITS, *ERRORS, *BROKEN]
every_fault = pytest.mark.parametrize("fault", PASSING, ids=named)


# --- faults that pass ---


@holds("cut connection")
def test_a_pull_in_which_every_request_fails_in_many_ways_is_whole(
    source_of: SourceOf, whole_of: WholeOf, waits: list[float], case: Case
) -> None:
    one = source_of(case)
    whole = whole_of(one)
    places = [nth for nth in range(1, whole.requests * ATTEMPTS) if nth % ATTEMPTS]  # each fails as often as it may
    faults = [replace(PASSING[n % len(PASSING)], nth=nth) for n, nth in enumerate(places)]
    one.control.forget_requests()
    one.control.faults(faults)
    pages = [*one.pages()]
    assert versions(pages) == whole.records
    assert len(pages) >= one.least_pages
    struck, needed = one.control.struck(), (whole.requests - whole.spare) * (ATTEMPTS - 1)
    assert struck == [fault.kind for fault in faults][: len(struck)]
    assert min(len(struck), len(waits)) >= needed
    assert max(waits) <= LONGEST_WAIT


@every_way
@every_fault
def test_a_pull_in_which_every_request_fails_once_is_whole(
    source_of: SourceOf, whole_of: WholeOf, case: Case, fault: Fault
) -> None:
    one = source_of(case)
    whole = whole_of(one)
    one.control.forget_requests()
    one.control.faults([replace(fault, nth=1 + 2 * n) for n in range(whole.requests)])
    assert one.served() == whole.records
    assert len(one.control.struck()) >= whole.requests - whole.spare


@every_way
@every_fault
def test_a_storm_ends_with_an_error_after_few_requests(
    source_of: SourceOf, whole_of: WholeOf, waits: list[float], case: Case, fault: Fault
) -> None:
    one = source_of(case)
    whole, session = whole_of(one), one.connect()
    session.check()
    for nth in (1, 3):
        one.control.forget_requests()
        one.control.faults([replace(fault, nth=nth, times=None)])
        with pytest.raises(RetryableError):
            [*session.pull(one.stream, whole.cursor, EVER)]
        assert len(one.control.requests()) == nth - 1 + ATTEMPTS
        assert max(waits) <= LONGEST_WAIT
        one.control.clear_faults()


@holds("429 storm")
def test_a_storm_costs_nothing_and_deletes_nothing(source_of: SourceOf, case: Case) -> None:
    one = source_of(case)
    one.pull()
    before = one.landed()
    edited, deleted = one.changing()[:2]
    one.edit(edited)
    one.delete(deleted)
    now = one.served()
    for number, fault in enumerate([*BROKEN, LIMITS[0]]):
        mode: Mode = "incremental" if number % 2 else "reconcile"
        loads = len(list_loads(one.home))
        one.control.faults([replace(fault, nth=1 + number % 3, times=None)])
        with pytest.raises(RetryableError):
            one.land(one.pages(one.cursor() if number % 2 else {}, EVER), mode=mode)
        assert len(list_loads(one.home)) == loads or mode == "incremental"
    assert {key: row for key, row in one.landed().items() if row != before.get(key)}.items() <= now.items()
    one.control.clear_faults()
    one.pull()
    one.agrees()


@holds("nothing lost or doubled")
@pytest.mark.parametrize("cursor", ["none", "kept"])
def test_a_page_that_comes_again_costs_no_other(
    source_of: SourceOf, whole_of: WholeOf, case: Case, cursor: str
) -> None:
    one = source_of(case)
    whole = whole_of(one)
    since = whole.cursor if cursor == "kept" else {}
    one.control.forget_requests()
    assert versions([*one.pages(since, EVER)]) == whole.records
    struck = 0
    for nth in range(2, len(one.control.requests()) + 1):
        one.control.forget_requests()
        one.control.faults([Fault("duplicate_page", path=PAGED, nth=nth)])
        with suppress(ConnectorError):
            assert versions([*one.pages(since, EVER)]) == whole.records, nth
        struck += len(one.control.struck())
    assert struck >= one.least_pages - 1
    one.control.clear_faults()
    assert versions([*one.pages(since, EVER)]) == whole.records


@every_way
@pytest.mark.parametrize("seed", range(2))
def test_random_faults_cost_no_record(source_of: SourceOf, whole_of: WholeOf, case: Case, seed: int) -> None:
    struck = 0
    for other in (other for other in CASES if (other.source, other.variant) == (case.source, case.variant)):
        one = source_of(other)
        whole = whole_of(one)
        one.control.faults([fault for fault in at_random(seed, rate=0.3) if fault.kind != "slow"])
        one.control.forget_requests()
        with suppress(RetryableError):
            assert one.served() == whole.records
        struck += len(one.control.struck())
        one.control.clear_faults()
    assert struck


# --- limits and sessions ---


@holds("429 storm")
@pytest.mark.parametrize("fault", [Fault("daily_limit"), Fault("too_many_seconds", seconds=3_600)], ids=named)
def test_a_limit_of_hours_is_not_waited_for(source_of: SourceOf, waits: list[float], case: Case, fault: Fault) -> None:
    one = source_of(case)
    session = one.connect()
    one.control.forget_requests()
    one.control.faults([replace(fault, nth=2, times=None)])
    with pytest.raises(RetryableError) as error:
        [*session.pull(one.stream, {}, NO_OVERLAP)]
    assert (error.value.retry_after or 0) >= 3_600
    assert [len(one.control.requests()), len(waits)] == [2, 0]


@holds("expired token")
def test_a_session_that_expires_at_any_request_is_renewed_or_said_to_be_over(
    source_of: SourceOf, whole_of: WholeOf, case: Case
) -> None:
    one = source_of(case)
    whole = whole_of(one)
    if case.source in RENEWED:
        one.control.forget_requests()
        one.control.faults([Fault("expired_session", path=DATA, nth=1 + 2 * n) for n in range(whole.requests)])
        assert one.served() == whole.records
        logins = [request for request in one.control.requests() if not re.search(DATA, request["path"])]
        assert len(logins) == 1 + len(one.control.struck()) >= whole.requests - whole.spare
        return
    for nth in range(1, whole.requests + 1):
        one.control.faults([Fault("expired_session", path=DATA, nth=nth)])
        with pytest.raises(ConfigError):
            [*one.connect().pull(one.stream, {}, NO_OVERLAP)]


@every_way
def test_every_way_to_log_in_renews_an_expired_session_or_says_that_it_is_over(
    source_of: SourceOf, whole_of: WholeOf, case: Case
) -> None:
    one = source_of(case)
    whole = whole_of(one)
    for way in one.sandbox.logins[case.source]:
        session = one.connect(**{case.source: way})
        for nth in (1, 2):
            one.control.faults([Fault("expired_session", path=DATA, nth=nth)])
            if way in RENEWED.get(case.source, ()):
                assert versions([*session.pull(one.stream, {}, NO_OVERLAP)]) == whole.records
            else:
                with pytest.raises(ConfigError):
                    [*session.pull(one.stream, {}, NO_OVERLAP)]
            one.control.clear_faults()


@every_way
def test_a_session_that_cannot_be_renewed_is_not_tried_for_ever(source_of: SourceOf, case: Case) -> None:
    one = source_of(case)
    for way in one.sandbox.logins[case.source]:
        session = one.connect(**{case.source: way})
        one.control.forget_requests()
        one.control.faults([Fault("expired_session", path=DATA, nth=2, times=None)])
        with pytest.raises(ConfigError):
            [*session.pull(one.stream, {}, NO_OVERLAP)]
        paths = [request["path"] for request in one.control.requests()]
        assert len([path for path in paths if re.search(DATA, path)]) <= 3
        assert len(paths) <= 5
        one.control.clear_faults()


# --- writes ---


@every_target
@every_fault
def test_a_write_under_faults_is_told_truly(source_of: SourceOf, source: str, target: Target, fault: Fault) -> None:
    one, values = source_of(case_of(source, target)), synced(source, target)
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
        earlier = one.control.state(target.stream)
        observed = session.read_back(target, [record_id], kinds(values))
        assert observed == wanted if results else observed[record_id].keys() == values.keys()
        later = one.control.state(target.stream)  # a job whose answer was lost may end at any moment
        assert (observed == wanted) in (earlier != before, later != before)
        one.control.reset()
