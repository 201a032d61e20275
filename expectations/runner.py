"""Runs suites on a mart with Great Expectations, all in one go. What follows from the results is decided elsewhere."""

from __future__ import annotations

import logging
import os
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from expectations.suites import Check, Expectation, Severity, Suite, check_names_are_unique

if TYPE_CHECKING:
    from great_expectations.core.expectation_validation_result import ExpectationValidationResult
    from great_expectations.expectations.expectation import Expectation as GxExpectation
    from great_expectations.expectations.expectation_configuration import ExpectationConfiguration

    from expectations.datasource import DuckDBDatasource

Status = Literal["passed", "failed", "error"]

_REMEDY_OF_ERROR = "rebuild the mart, or correct the suite."

# Counts only: no sample of the values that break a rule.
_RESULT_FORMAT = {"result_format": "SUMMARY", "partial_unexpected_count": 0}


@dataclass(frozen=True)
class Outcome:
    """What came of one rule; ``failed_rows`` is None where nothing was or could be counted."""

    status: Status
    failed_rows: int | None = None


_COULD_NOT_RUN = Outcome("error")


@dataclass(frozen=True)
class CheckResult:
    """What came of one check: counts and the rule's own words, never a value from the data.

    ``failed`` means the data is bad; ``error`` means the check could not run, so nothing is known about the data.
    """

    check: str
    table: str
    severity: Severity
    status: Status
    failed_rows: int | None
    says: str
    remedy: str
    owner: str

    @property
    def blocks(self) -> bool:
        """Whether nothing may be published because of this result."""
        return self.severity == "critical" and self.status != "passed"

    @property
    def advice(self) -> str:
        """What to do where it did not pass; the rule's remedy is for bad data, not for a check that could not run."""
        return _REMEDY_OF_ERROR if self.status == "error" else self.remedy

    def message(self) -> str:
        """One sentence for the person who must act: check, table, count and remedy."""
        if self.status == "passed":
            return f"Check {self.check} on {self.table} passed."
        if self.status == "error":
            return (
                f"Check {self.check} on {self.table} could not run, so nothing is known about its rows: something that "
                f"it reads is missing or has another type; what to do: {self.advice}"
            )
        rows = {None: "", 1: " for 1 row"}.get(self.failed_rows, f" for {self.failed_rows} rows")
        return f"Check {self.check} on {self.table} failed{rows} ({self.says.rstrip('.')}); what to do: {self.advice}"


def run_suites(mart: Path, suites: Sequence[Suite]) -> list[CheckResult]:
    """Run every expectation on one DuckDB file and let go of the file.

    Great Expectations is imported here, because that takes seconds. It is kept silent: its logs carry the text of
    exceptions, and those carry cell values.

    Args:
        mart: the closed DuckDB file; nobody else in this process may have it open for writing.
        suites: read by ``load_suites``.

    Returns:
        One result per expectation, in the order of the suites. A file, table or column that cannot be read makes
        results with the status ``error``, not an exception.

    Raises:
        SuiteError: two expectations have one name.
    """
    check_names_are_unique(suites)
    checks = [check for suite in suites for check in suite.expectations]
    with silent_great_expectations():
        outcomes = _outcomes(mart, checks)
    return [result_of(check, outcomes.get(check.name, _COULD_NOT_RUN)) for check in checks]


def result_of(check: Check, outcome: Outcome) -> CheckResult:
    """A check's words and its outcome in one object."""
    return CheckResult(
        check=check.name,
        table=check.table,
        severity=check.severity,
        status=outcome.status,
        failed_rows=outcome.failed_rows,
        says=check.says,
        remedy=check.remedy,
        owner=check.owner,
    )


@contextmanager
def silent_great_expectations() -> Iterator[None]:
    """No log and no telemetry of Great Expectations: what it logs carries the text of exceptions."""
    os.environ["GX_ANALYTICS_ENABLED"] = "false"
    logger = logging.getLogger("great_expectations")
    level = logger.level
    logger.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        logger.setLevel(level)


def _outcomes(mart: Path, checks: Iterable[Expectation]) -> Mapping[str, Outcome]:
    """Outcomes by the check's name; a check without one could not run."""
    from expectations.datasource import opened  # noqa: PLC0415  # imports Great Expectations: seconds

    by_table = defaultdict(list)
    for check in checks:
        by_table[check.table].append(check)
    outcomes: dict[str, Outcome] = {}
    try:
        with opened(mart) as source:
            for table, of_table in by_table.items():
                outcomes |= _outcomes_of_table(source, table, of_table)
    except Exception:  # noqa: BLE001  # whatever is raised means "could not run", and its text may hold cell values
        return outcomes
    return outcomes


def _outcomes_of_table(source: DuckDBDatasource, table: str, checks: Sequence[Expectation]) -> Mapping[str, Outcome]:
    from great_expectations.core.expectation_suite import ExpectationSuite  # noqa: PLC0415  # seconds

    try:
        batch = source.add_table_asset(table).add_batch_definition_whole_table(table).get_batch()
        suite = ExpectationSuite(table, [rule for check in checks if (rule := _rule(check)) is not None])
        validated = batch.validate(suite, result_format=_RESULT_FORMAT).results
    except Exception:  # noqa: BLE001  # as above
        return {}
    return dict(_outcome(result) for result in validated)


def configuration_of(check: Expectation) -> ExpectationConfiguration:
    """The check as Great Expectations writes down a rule."""
    from great_expectations.expectations.expectation_configuration import ExpectationConfiguration  # noqa: PLC0415

    sql = {"unexpected_rows_query": check.rows_that_fail}
    return ExpectationConfiguration(
        type=check.expect or "rows_that_fail",
        kwargs=dict(check.kwargs) if check.expect else sql,
        meta={"check": check.name},
    )


def _rule(check: Expectation) -> GxExpectation | None:
    """The check as Great Expectations' own object; None where it refuses the arguments."""
    try:
        return configuration_of(check).to_domain_obj()
    except Exception:  # noqa: BLE001  # as above
        return None


def _outcome(result: ExpectationValidationResult) -> tuple[str, Outcome]:
    """Passed or failed only where something was measured: a broken engine also reports ``success`` False."""
    config = result.expectation_config
    name = config.meta["check"] if config is not None else ""
    if not result.result:
        return name, _COULD_NOT_RUN
    return name, Outcome("passed" if result.success else "failed", result.result.get("unexpected_count"))
