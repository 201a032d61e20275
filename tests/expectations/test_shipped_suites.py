"""Each shipped expectation against a mart that breaks it, and against marts that look odd but are right."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import duckdb
import pytest

from expectations.runner import CheckResult, run_suites
from expectations.suites import Suite
from tests.expectations import good_mart
from tests.expectations.mutations import FIRST, MUTATIONS, Mutation


def test_every_expectation_has_a_mutation(suites: Sequence[Suite]) -> None:
    names = {expectation.name for suite in suites for expectation in suite.expectations}
    assert {mutation.breaks for mutation in MUTATIONS} == names


def test_a_good_mart_passes_every_check(good: Path, suites: Sequence[Suite]) -> None:
    results = run_suites(good / "mart.duckdb", suites)

    assert [result.message() for result in results if result.status != "passed"] == []
    assert len(results) == sum(len(suite.expectations) for suite in suites)


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.breaks)
def test_a_broken_mart_fails_exactly_the_broken_check(
    mutation: Mutation, candidate: Path, suites: Sequence[Suite]
) -> None:
    results = _results_after(mutation.sql, candidate, suites)

    assert {name for name, result in results.items() if result.status == "failed"} == {mutation.breaks, *mutation.also}
    assert not [name for name, result in results.items() if result.status == "error"]
    assert (results[mutation.breaks].failed_rows or 0) > 0


def test_the_number_of_failed_rows_is_the_number_of_bad_rows(candidate: Path, suites: Sequence[Suite]) -> None:
    bad = "response_id in ('r0001', 'r0002', 'r0003')"

    results = _results_after(
        f"update fct_nps_responses set score = 12, nps_category = 'promoter', survey_id = '' where {bad}",
        candidate,
        suites,
    )

    assert results["score_is_whole_and_in_range"].failed_rows == 3
    assert results["response_has_a_survey"].failed_rows == 3


RIGHT_BUT_ODD = {
    "one answer whose NPS lies outside its interval": (
        "insert into nps_by_period values "
        "('day', '2026-10-01', 'relational', 'web', 'purchase', 1, 1, 0, 0, 100, -48.5, 98.5, null, null, null, null)"
    ),
    "a relational roll-up below the sum of its parts": (
        "insert into nps_by_period select 'week', date '2026-10-05', 'relational', channel, 'purchase', 4, 4, 0, 0, "
        "100, 40, 100, null, null, null, null from (values ('web'), ('email'), ('all')) as parts(channel)"
    ),
    "a cell without answers but with invitations": (
        "insert into nps_by_period select 'week', date '2026-10-05', 'transactional', channel, touchpoint, 0, 0, 0, 0, "
        "null, null, null, 'below_minimum', 5, 0, 0 from (values ('web'), ('all')) as c(channel), "
        "(values ('purchase'), ('all')) as t(touchpoint)"
    ),
    "a date that is ahead by less than a day": (
        "update fct_nps_responses set responded_at = (select max(published_at) from publication) + interval 23 hour "
        + FIRST
    ),
    "an anonymous response": f"update fct_nps_responses set customer_id = null {FIRST}",
    "an answer in the second of its invitation": f"update fct_nps_responses set invited_at = responded_at {FIRST}",
    "a local date of an answer that is ahead of UTC": (
        "update sync_wanted set wanted = '2026-11-24' where field = 'nps_on'"
    ),
    "a link whose answers nobody can count": "update fct_invitations set responded = null where delivered is null",
    "a stream that lost a fifth of its records": (
        "update loads set live_records = 8, live_before = 10 where load_id = 'load-people'"
    ),
    "a shrink that a later pull took back": (
        "update loads set live_records = 1, live_before = 10 where load_id = 'load-people';"
        "update loads set live_records = 8, live_before = 1 where load_id = 'load-nothing-new'"
    ),
    "a shrink that a person accepted": (
        "update loads set live_records = 1, live_before = 10, is_shrink_accepted = true where load_id = 'load-people'"
    ),
    "a source whose clock is ahead by less than an hour": (
        "update loads set cursor_at = finished_at + interval 59 minute"
    ),
    "no row in any table of responses": (
        "delete from nps_by_period; delete from customer_nps; delete from dim_customers;"
        "delete from duplicate_responses; delete from excluded_responses; delete from quarantined_responses;"
        "delete from fct_nps_responses; delete from fct_invitations; delete from account_nps; delete from sync_wanted;"
        "delete from conservation; delete from loads"
    ),
}


@pytest.mark.parametrize("sql", RIGHT_BUT_ODD.values(), ids=RIGHT_BUT_ODD.keys())
def test_what_the_method_allows_blocks_nothing(sql: str, candidate: Path, suites: Sequence[Suite]) -> None:
    results = _results_after(sql, candidate, suites)

    assert [result.message() for result in results.values() if result.blocks] == []


def test_the_good_mart_has_relational_cells_that_do_not_add_up(good: Path) -> None:
    # Otherwise it could not show that no check asks them to.
    with duckdb.connect(str(good / "mart.duckdb"), read_only=True) as connection:
        differing = connection.execute(
            "select sum(responses) filter (where channel = 'all' and touchpoint = 'all')"
            " - sum(responses) filter (where channel <> 'all' and touchpoint <> 'all')"
            " from nps_by_period where survey_type = 'relational' and grain = 'all_time'"
        ).fetchall()

    assert differing[0][0] < 0


def _results_after(sql: str, candidate: Path, suites: Sequence[Suite]) -> dict[str, CheckResult]:
    good_mart.change(candidate / "mart.duckdb", sql)
    return {result.check: result for result in run_suites(candidate / "mart.duckdb", suites)}
