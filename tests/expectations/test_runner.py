from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

import pytest

from expectations.runner import CheckResult, run_suites
from expectations.suites import Suite, SuiteError
from tests.expectations import good_mart

CANARY = "canary.person@example.org"


def test_a_missing_table_is_an_error_of_its_checks_only(candidate: Path, suites: Sequence[Suite]) -> None:
    good_mart.change(candidate / "mart.duckdb", "drop table customer_nps")

    results = run_suites(candidate / "mart.duckdb", suites)

    assert {result.table for result in results if result.status == "error"} == {"customer_nps"}
    assert all(result.status == "error" for result in results if result.table == "customer_nps")
    assert [result.check for result in results if result.status == "failed"] == []


def test_a_missing_column_is_an_error_of_the_checks_that_read_it(candidate: Path, suites: Sequence[Suite]) -> None:
    good_mart.change(candidate / "mart.duckdb", "alter table nps_by_period drop column nps_high")

    results = run_suites(candidate / "mart.duckdb", suites)

    assert [result.check for result in results if result.status == "error"] == ["interval_is_in_order"]
    assert [result.check for result in results if result.status == "failed"] == []


def test_an_absent_or_broken_file_is_an_error_of_every_check(tmp_path: Path, suites: Sequence[Suite]) -> None:
    (tmp_path / "broken.duckdb").write_bytes(b"this is no database" * 1000)

    for name in ("absent.duckdb", "broken.duckdb"):
        assert {result.status for result in run_suites(tmp_path / name, suites)} == {"error"}
    assert not (tmp_path / "absent.duckdb").exists()


def test_results_stand_in_the_order_of_the_suites_with_the_words_of_the_rule(
    good: Path, suites: Sequence[Suite]
) -> None:
    expectations = [expectation for suite in suites for expectation in suite.expectations]

    results = run_suites(good / "mart.duckdb", suites)

    assert [(r.check, r.table, r.severity, r.says, r.remedy, r.owner) for r in results] == [
        (e.name, e.table, e.severity, e.says, e.remedy, e.owner) for e in expectations
    ]


def test_two_checks_of_one_name_are_refused(good: Path, suites: Sequence[Suite]) -> None:
    with pytest.raises(SuiteError, match="More than one suite is named landing, mart, sync"):
        run_suites(good / "mart.duckdb", [*suites, *suites])


def test_no_value_of_the_data_comes_out(
    candidate: Path,
    suites: Sequence[Suite],
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    caplog.set_level(logging.DEBUG)
    good_mart.change(
        candidate / "mart.duckdb",
        # Bad rows that hold the canary, in the columns that the rules read and in the others; and a text where rules
        # compare numbers: DuckDB quotes it in its exception.
        f"""
        alter table fct_nps_responses alter score type varchar;
        update fct_nps_responses set score = '{CANARY}', nps_category = '{CANARY}', survey_type = '{CANARY}',
            survey_id = '', comment = 'write to {CANARY}', invited_at = responded_at + interval 1 day,
            source_record_id = '{CANARY}' where response_id in ('r0001', 'r0002');
        update customer_nps set nps_category = '{CANARY}', customer_id = '{CANARY}';
        update quarantined_responses set source_record_id = '{CANARY}', detail = '{CANARY}';
        """,
    )

    results = run_suites(candidate / "mart.duckdb", suites)

    statuses = {result.check: result.status for result in results}
    assert statuses["score_is_whole_and_in_range"] == "error"
    assert statuses["customer_category_agrees_with_score"] == "failed"
    assert statuses["response_has_a_survey_type"] == "failed"
    shown = capfd.readouterr()
    everything = [caplog.text, shown.out, shown.err, repr(results), *(result.message() for result in results)]
    assert not [text for text in everything if CANARY in text]
    # Whatever Great Expectations logs may carry the text of an exception, so it logs nothing.
    assert [record.name for record in caplog.records if record.name.startswith("great_expectations")] == []
    assert (shown.out, shown.err) == ("", "")


def test_logging_is_as_it_was_after_a_run(good: Path, suites: Sequence[Suite]) -> None:
    logger = logging.getLogger("great_expectations")
    logger.setLevel(logging.ERROR)
    try:
        run_suites(good / "mart.duckdb", suites)
        assert logger.level == logging.ERROR
    finally:
        logger.setLevel(logging.NOTSET)


def test_a_run_writes_nothing(
    good: Path, suites: Sequence[Suite], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    before = {path: path.stat().st_mtime_ns for path in good.rglob("*")}

    run_suites(good / "mart.duckdb", suites)

    assert {path: path.stat().st_mtime_ns for path in good.rglob("*")} == before
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("result", "message"),
    [
        (
            CheckResult("a_rule", "loads", "critical", "failed", 3, "Loads are whole.", "pull again.", "me"),
            "Check a_rule on loads failed for 3 rows (Loads are whole); what to do: pull again.",
        ),
        (
            CheckResult("a_rule", "loads", "critical", "failed", 1, "Loads are whole.", "pull again.", "me"),
            "Check a_rule on loads failed for 1 row (Loads are whole); what to do: pull again.",
        ),
        (
            CheckResult("a_rule", "loads", "critical", "failed", None, "Loads are whole.", "pull again.", "me"),
            "Check a_rule on loads failed (Loads are whole); what to do: pull again.",
        ),
        (
            CheckResult("a_rule", "loads", "critical", "passed", 0, "Loads are whole.", "pull again.", "me"),
            "Check a_rule on loads passed.",
        ),
        (
            CheckResult("a_rule", "loads", "critical", "error", None, "Loads are whole.", "pull again.", "me"),
            (
                "Check a_rule on loads could not run, so nothing is known about its rows: something that it reads is "
                "missing or has another type; what to do: rebuild the mart, or correct the suite."
            ),
        ),
    ],
)
def test_a_message_says_check_table_count_and_remedy(result: CheckResult, message: str) -> None:
    assert result.message() == message


@pytest.mark.parametrize(
    ("severity", "status", "blocks"),
    [
        ("critical", "passed", False),
        ("critical", "failed", True),
        ("critical", "error", True),
        ("warning", "failed", False),
        ("warning", "error", False),
    ],
)
def test_only_a_critical_check_that_did_not_pass_blocks(severity: str, status: str, blocks: bool) -> None:
    result = CheckResult("a_rule", "loads", severity, status, None, "Loads are whole.", "pull again.", "me")  # type: ignore[arg-type]

    assert result.blocks is blocks
