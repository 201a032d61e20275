"""Gate: the suites of ``expectations/`` judge the candidate; each expectation is a check on the table it is about."""

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import dagster as dg

from expectations.runner import CheckResult
from expectations.suites import Check, Suite
from expectations.verdict import PARQUET_MATCHES_TABLE
from nps_pipeline import publications, warehouse
from nps_pipeline.judging import judge_candidate
from nps_pipeline.keys import table
from nps_pipeline.progress import tell
from nps_pipeline.resources import Run


def checked_asset(name: str) -> dg.AssetKey:
    """The asset of a contract table; what is about the whole candidate hangs on ``publication``."""
    return table("marts", name if name in warehouse.CONTRACT_TABLES else "publication")


def gate_checks(suites: Sequence[Suite]) -> dg.AssetChecksDefinition:
    """One asset check per expectation: critical ones block what is downstream, warnings are shown.

    Args:
        suites: Read when the definitions are loaded.
    """
    checks: list[Check] = [*(check for suite in suites for check in suite.expectations), PARQUET_MATCHES_TABLE]

    @dg.multi_asset_check(
        name="gate",
        specs=[
            dg.AssetCheckSpec(
                check.name,
                asset=checked_asset(check.table),
                blocking=check.severity == "critical",
                description=f"{check.says} Owner: {check.owner}.",
                additional_deps=[
                    table("marts", name)
                    for name in warehouse.CONTRACT_TABLES
                    if table("marts", name) != checked_asset(check.table)
                ],
            )
            for check in checks
        ],
    )
    def gate(context: dg.AssetCheckExecutionContext, run: Run) -> Iterator[dg.AssetCheckResult]:
        home = run.settings.home
        facts = warehouse.work_publication(home)
        candidate = publications.candidate(home, context.run.run_id)
        judged = judge_candidate(run.settings, candidate, facts, suites, say=partial(tell, context))
        results = judged.verdict.results
        for result in results:
            if result.status != "passed":
                tell(context, result.message())
            yield _as_check_result(result, judged.page)
        passed = sum(result.status == "passed" for result in results)
        where = f"; all of them: {judged.page}" if judged.page and passed < len(results) else ""
        tell(context, f"{passed} of {len(results)} checks passed{where}.")

    return gate


def _as_check_result(result: CheckResult, page: Path | None) -> dg.AssetCheckResult:
    critical = result.severity == "critical"
    metadata: dict[str, Any] = {
        "status": result.status,
        "failed_rows": result.failed_rows or 0,
        "remedy": result.advice,
        "owner": result.owner,
    }
    return dg.AssetCheckResult(
        check_name=result.check,
        asset_key=checked_asset(result.table),
        passed=result.status == "passed",
        severity=dg.AssetCheckSeverity.ERROR if critical else dg.AssetCheckSeverity.WARN,
        description=None if result.status == "passed" else result.message(),
        metadata=metadata | ({"data_docs": dg.MetadataValue.path(str(page))} if page else {}),
    )
