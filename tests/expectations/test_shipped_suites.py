"""Each shipped expectation against a mart that breaks it, and against marts that look odd but are right."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pytest

from expectations.runner import CheckResult, run_suites
from expectations.suites import Suite
from tests.expectations import good_mart


@dataclass(frozen=True)
class Mutation:
    """SQL that breaks one expectation; ``also`` are those that cannot but break with it."""

    breaks: str
    sql: str
    also: frozenset[str] = frozenset()


# A row more or less in one stream, everywhere but where the mutation is about.
_LANDED_AGAIN = """
    update loads set manifest_rows = served, parquet_rows = served, classified_rows = served from conservation
    where loads.source_system = conservation.source_system and loads.source_stream = conservation.source_stream;
"""
_FIRST = "where response_id = 'r0001'"

MUTATIONS = [
    Mutation(
        "parquet_holds_what_manifests_promise",
        "update loads set manifest_rows = manifest_rows + 1 where load_id = 'load-people'",
    ),
    Mutation(
        "every_landed_row_is_classified",
        "update loads set classified_rows = classified_rows - 1 where load_id = 'load-people'",
    ),
    Mutation(
        "load_counts_are_counts",
        "update loads set manifest_rows = -1, parquet_rows = -1, classified_rows = -1 where load_id = 'load-people'",
    ),
    Mutation(
        "load_counts_are_counts",
        "update loads set manifest_rows = null, parquet_rows = null, classified_rows = null "
        "where load_id = 'load-people'",
    ),
    Mutation(
        "conservation_balances", "update conservation set superseded = superseded + 1 where source_stream = 'retail'"
    ),
    Mutation("conservation_counts_are_counts", "update conservation set source_count = -1"),
    Mutation(
        "conservation_counts_are_counts",
        "update conservation set deleted = null where source_stream = 'retail'",
        frozenset({"conservation_balances"}),
    ),
    Mutation("served_rows_are_the_landed_rows", "delete from loads where source_stream = 'support'"),
    Mutation("kept_rows_are_the_responses", f"delete from fct_nps_responses {_FIRST}"),
    Mutation(
        "kept_rows_are_the_responses", f"update fct_nps_responses set source_stream = 'a stream of no load' {_FIRST}"
    ),
    Mutation("quarantined_rows_are_listed", "delete from quarantined_responses where source_record_id = 'bad0'"),
    Mutation(
        "quarantined_rows_are_listed",
        "update quarantined_responses set reason = null where source_record_id = 'bad0'",
    ),
    Mutation("excluded_rows_are_listed", "delete from excluded_responses where source_record_id = 'partial0'"),
    Mutation("duplicate_rows_are_listed", "delete from duplicate_responses where source_record_id = 'dup0'"),
    Mutation(
        "quarantine_share_is_small",
        "update conservation set quarantined = 1, served = 1 where source_stream = 'empty';"
        "insert into quarantined_responses values ('files', 'empty', 'x', 'load-9', 'score_blank', null);"
        + _LANDED_AGAIN,
    ),
    Mutation("score_is_there", f"update fct_nps_responses set score = null {_FIRST}"),
    Mutation(
        "score_is_whole_and_in_range",
        f"update fct_nps_responses set score = 11, nps_category = 'promoter' {_FIRST}",
    ),
    Mutation(
        "score_is_whole_and_in_range",
        f"update fct_nps_responses set score = -1, nps_category = 'detractor' {_FIRST}",
    ),
    Mutation(
        "score_is_whole_and_in_range",
        "alter table fct_nps_responses alter score type double;"
        f"update fct_nps_responses set score = 9.5, nps_category = 'promoter' {_FIRST}",
    ),
    Mutation("category_agrees_with_score", "update fct_nps_responses set nps_category = 'passive' where score = 6"),
    Mutation("category_agrees_with_score", "update fct_nps_responses set nps_category = 'promoter' where score = 8"),
    Mutation("category_agrees_with_score", f"update fct_nps_responses set nps_category = null {_FIRST}"),
    Mutation("response_has_a_source", f"update fct_nps_responses set source_record_id = ' ' {_FIRST}"),
    Mutation("response_has_a_survey", f"update fct_nps_responses set survey_id = null {_FIRST}"),
    Mutation("response_has_a_survey_type", f"update fct_nps_responses set survey_type = null {_FIRST}"),
    Mutation("response_has_a_survey_type", f"update fct_nps_responses set survey_type = 'all' {_FIRST}"),
    Mutation(
        "no_response_from_the_future",
        "update fct_nps_responses set responded_at = "
        f"(select max(published_at) from publication) + interval 25 hour {_FIRST}",
    ),
    Mutation(
        "no_response_before_its_invitation",
        f"update fct_nps_responses set invited_at = responded_at + interval 1 second {_FIRST}",
    ),
    Mutation(
        "response_is_not_quarantined_too",
        "update quarantined_responses set source_record_id = 'rec0' where source_record_id = 'bad0'",
    ),
    Mutation(
        "response_is_not_excluded_too",
        "update excluded_responses set source_record_id = 'rec2' where source_record_id = 'partial0'",
    ),
    Mutation(
        "response_is_not_a_duplicate_too",
        "update duplicate_responses set source_record_id = 'rec1' where source_record_id = 'dup0'",
    ),
    Mutation(
        "responses_are_there",
        "delete from fct_nps_responses; update conservation set served = served - kept, kept = 0;" + _LANDED_AGAIN,
        # Nothing is kept of a stream that has quarantined rows.
        frozenset({"quarantine_share_is_small"}),
    ),
    Mutation("channel_is_mostly_known", "update fct_nps_responses set channel = 'unknown'"),
    Mutation(
        "customer_category_agrees_with_score", "update customer_nps set nps_category = 'detractor' where score = 7"
    ),
    Mutation("customer_has_responses", "update customer_nps set responses = 0 where customer_id = 'c1'"),
    Mutation(
        "promoters_passives_detractors_are_all",
        "update nps_by_period set passives = passives + 1 where survey_type = 'relational' and grain = 'all_time'",
    ),
    Mutation("period_counts_are_counts", "update nps_by_period set invited = -1 where survey_type = 'relational'"),
    Mutation(
        "period_counts_are_counts",
        "update nps_by_period set promoters = promoters + detractors + 1, detractors = -1 "
        "where survey_type = 'relational'",
    ),
    Mutation(
        "survey_types_are_not_pooled",
        "insert into nps_by_period select * replace ('all' as survey_type) from nps_by_period "
        "where survey_type = 'relational' and grain = 'all_time'",
    ),
    Mutation("nps_is_in_range", "update nps_by_period set nps = 100.0001 where nps is not null"),
    Mutation("interval_is_in_order", "update nps_by_period set nps_low = nps_high + 0.0001 where nps is not null"),
    Mutation("interval_is_in_order", "update nps_by_period set nps_high = 100.0001 where nps is not null"),
    Mutation("interval_is_in_order", "update nps_by_period set nps_low = null where nps is not null"),
    Mutation("missing_nps_has_a_reason", "update nps_by_period set score_reason = null"),
    Mutation("missing_nps_has_a_reason", "update nps_by_period set score_reason = 'below_minimum'"),
    Mutation(
        "transactional_roll_ups_are_their_parts",
        "update nps_by_period set promoters = promoters + 1, detractors = detractors - 1 "
        "where survey_type = 'transactional' and grain = 'all_time' and channel = 'all' and touchpoint = 'all'",
    ),
    Mutation(
        "transactional_roll_ups_are_their_parts",
        "delete from nps_by_period "
        "where survey_type = 'transactional' and grain = 'month' and channel = 'all' and touchpoint <> 'all'",
    ),
    Mutation(
        "transactional_roll_ups_are_their_parts",
        "delete from nps_by_period where survey_type = 'transactional' and channel = 'email' and touchpoint <> 'all'",
    ),
    Mutation("publication_is_one", "delete from publication"),
    Mutation("publication_is_one", "insert into publication select * from publication"),
    Mutation("publication_is_one", "update publication set published_at = null"),
]


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
        "null, null, null, null, 5, 0, 0 from (values ('web'), ('all')) as c(channel), "
        "(values ('purchase'), ('all')) as t(touchpoint)"
    ),
    "a date that is ahead by less than a day": (
        "update fct_nps_responses set responded_at = (select max(published_at) from publication) + interval 23 hour "
        + _FIRST
    ),
    "an anonymous response": f"update fct_nps_responses set customer_id = null {_FIRST}",
    "an answer in the second of its invitation": f"update fct_nps_responses set invited_at = responded_at {_FIRST}",
    "no row in any table of responses": (
        "delete from nps_by_period; delete from customer_nps; delete from dim_customers;"
        "delete from duplicate_responses; delete from excluded_responses; delete from quarantined_responses;"
        "delete from fct_nps_responses;"
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
