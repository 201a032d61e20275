"""What a run comes to: small jobs that end in every way, instead of the whole pipeline."""

from __future__ import annotations

from pathlib import Path

import dagster as dg
import pytest

from nps_pipeline.console import silence
from nps_pipeline.execute import Exit, RunResult, run_job
from nps_pipeline.home import Home
from nps_pipeline.keys import OUTCOME, PROBLEMS, PUBLISHED_MART, SYNC_BACK
from nps_pipeline.settings import Configuration, Settings


def run_of(folder: Path, *assets: dg.AssetsDefinition, **resources: object) -> RunResult:
    settings = Settings(Configuration(version=1), Home(folder / "var"), folder / "nps.yaml")
    job = dg.define_asset_job("nps", selection=dg.AssetSelection.all())
    definitions = dg.Definitions(
        assets=assets,
        jobs=[job],
        resources=resources,
        executor=dg.in_process_executor,
        loggers={"console": silence},
    )
    return run_job(settings, definitions)


@dg.asset(key=PUBLISHED_MART)
def published() -> dg.MaterializeResult[None]:
    return dg.MaterializeResult(metadata={"changed": True, "publication_id": "new"})


@dg.asset(key=PUBLISHED_MART)
def unchanged() -> dg.MaterializeResult[None]:
    return dg.MaterializeResult(metadata={"changed": False, "publication_id": "old"})


@dg.asset(key=PUBLISHED_MART)
def nothing_yet() -> dg.MaterializeResult[None]:
    return dg.MaterializeResult(metadata={"changed": False})


@dg.asset
def pulled() -> dg.MaterializeResult[None]:
    return dg.MaterializeResult(metadata={PROBLEMS: dg.MetadataValue.json(["a.csv was refused: it is empty."])})


@dg.asset(key=OUTCOME, deps=[PUBLISHED_MART, pulled])
def degraded() -> None:
    raise dg.Failure(description="a.csv was refused: it is empty.")


@dg.asset(key=SYNC_BACK, deps=[PUBLISHED_MART])
def sync_failed() -> None:
    raise RuntimeError("the ledger broke")


@dg.asset(key=PUBLISHED_MART)
def refused() -> None:
    raise dg.Failure(description="Nothing was published.")


@dg.asset(key=PUBLISHED_MART)
def broken() -> None:
    raise RuntimeError("it failed") from OSError("the disk is full")


@dg.asset(check_specs=[dg.AssetCheckSpec("sound", asset="candidate", blocking=True)])
def candidate() -> dg.MaterializeResult:  # type: ignore[type-arg]
    check = dg.AssetCheckResult(passed=False, severity=dg.AssetCheckSeverity.ERROR, description="3 rows fail sound.")
    return dg.MaterializeResult(check_results=[check])


@dg.asset(key=PUBLISHED_MART, deps=[candidate])
def blocked() -> dg.MaterializeResult[None]:
    return dg.MaterializeResult(metadata={"changed": True})


@dg.asset(key=OUTCOME, deps=[PUBLISHED_MART])
def done() -> None:
    """Nothing is left to say."""


class Unavailable(dg.ConfigurableResource[None]):
    def setup_for_execution(self, context: dg.InitResourceContext) -> None:  # noqa: ARG002 - Dagster's signature
        raise RuntimeError("the state cannot be opened")


@dg.asset(key=PUBLISHED_MART)
def needy(unavailable: Unavailable) -> None:
    """Needs what is not there."""


@pytest.mark.parametrize(
    ("assets", "exit_code", "problems", "was_published"),
    [
        ((published, done), Exit.DONE, (), True),
        ((pulled, published, degraded), Exit.DEGRADED, ("a.csv was refused: it is empty.",), True),
        ((pulled, unchanged, degraded), Exit.DEGRADED, ("a.csv was refused: it is empty.",), False),
        ((published, sync_failed), Exit.DEGRADED, ("The step sync_back failed: the ledger broke",), True),
        ((pulled, nothing_yet, degraded), Exit.FAILED, ("a.csv was refused: it is empty.",), False),
        ((refused, done), Exit.FAILED, ("Nothing was published.",), None),
        ((broken, done), Exit.FAILED, ("The step published_mart failed: the disk is full",), None),
        ((candidate, blocked, done), Exit.FAILED, ("3 rows fail sound.",), None),
    ],
    ids=[
        "done",
        "degraded",
        "degraded-and-unchanged",
        "sync-failed",
        "refused-and-nothing-yet",
        "refused",
        "broken",
        "blocked",
    ],
)
def test_a_run_comes_to_an_exit_code_and_its_sentences(
    tmp_path: Path,
    assets: tuple[dg.AssetsDefinition, ...],
    exit_code: Exit,
    problems: tuple[str, ...],
    was_published: bool | None,
) -> None:
    result = run_of(tmp_path, *assets)

    assert (result.exit, result.problems, result.published) == (exit_code, problems, was_published)


def test_a_run_that_fails_before_its_first_step_says_so(tmp_path: Path) -> None:
    result = run_of(tmp_path, needy, unavailable=Unavailable())

    assert (result.exit, result.problems) == (Exit.FAILED, ("The run failed: the state cannot be opened",))
