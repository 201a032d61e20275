"""Execute: one run of the job in this process, and what it came to as an exit code and sentences."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import dagster as dg

from nps_pipeline import home, instance
from nps_pipeline.automation import JOB
from nps_pipeline.keys import LANDED_FILES, OUTCOME, PUBLISHED_MART, RAW, SYNC_BACK, landing_step, told_problems
from nps_pipeline.settings import Settings


class Exit(IntEnum):
    """The exit codes of `nps run`."""

    DONE = 0
    FAILED = 1
    DEGRADED = 3


@dataclass(frozen=True)
class RunResult:
    """What a run came to; ``published`` is None when nothing was decided about publishing.

    ``same_content``: what was published holds the same as before, but for what the CRMs showed.
    """

    run_id: str
    exit: Exit
    problems: tuple[str, ...]
    published: bool | None
    same_content: bool = False


@dataclass(frozen=True)
class Wishes:
    """What a person wants otherwise this once.

    ``only``: pull this source alone, the others keep their last landed data. ``sync``: what sync-back does, configured
    (as nps.yaml says), plan, apply or off. ``reconcile``: pull everything again, also where that is not due.
    ``accept_shrink``: the full pulls landed by then serve enough, however little that is.
    """

    only: str | None = None
    sync: str = "configured"
    reconcile: bool = False
    accept_shrink: bool = False


_NONE = Wishes()


def run_job(settings: Settings, definitions: dg.Definitions, wishes: Wishes = _NONE) -> RunResult:
    """Run the whole job in this process, holding the run lock.

    Args:
        settings: Already checked.
        definitions: From ``build_defs``.
        wishes: What is to be otherwise this once.

    Raises:
        HomeLockedError: Another run is at work.
    """
    instance.use(settings)
    with home.lock(settings.home, "run", "nps run"), dg.DagsterInstance.get() as dagster_instance:
        instance.bury_dead_runs(dagster_instance, settings.home)
        with _library_output(settings.home):
            job = definitions.resolve_job_def(JOB)
            result = job.execute_in_process(
                instance=dagster_instance,
                raise_on_error=False,
                asset_selection=None if wishes.only is None else _pulling_only(job, wishes.only),
                run_config={"loggers": {"console": {}}, "ops": _op_config(settings, wishes)},
            )
        published = _told_of_publishing(result.all_events)
        return RunResult(
            run_id=result.run_id,
            exit=_exit(result.success, result.all_events, stands=published.get("publication_id") is not None),
            problems=tuple(_problems(result.all_events)),
            published=published.get("changed"),
            same_content=bool(published.get("same_content")),
        )


def _op_config(settings: Settings, wishes: Wishes) -> dict[str, Any]:
    """The wishes as the configuration of the steps that they are about."""
    pulled = [source for source in settings.crms() if wishes.only in (None, source)] if wishes.reconcile else []
    said = {
        **{landing_step(source): {"reconcile": True} for source in pulled},
        **({RAW: {"accept_shrink": True}} if wishes.accept_shrink else {}),
        **({} if wishes.sync == "configured" else {SYNC_BACK.to_python_identifier(): {"mode": wishes.sync}}),
    }
    return {step: {"config": config} for step, config in said.items()}


def _pulling_only(job: dg.JobDefinition, source: str) -> list[dg.AssetKey]:
    """Every asset of the job but those that pull other sources."""
    keys = job.asset_layer.executable_asset_keys
    return [key for key in keys if key.path[0] != LANDED_FILES.path[0] or key.path[1] == source]


@contextmanager
def _library_output(where: home.Home) -> Iterator[None]:
    """Keep what dbt and other libraries print in a log file: the terminal is for the run's own sentences."""
    with (where.root / "last_run.log").open("w", encoding="utf-8") as log, redirect_stdout(log), redirect_stderr(log):
        yield


def _exit(success: bool, events: Iterable[dg.DagsterEvent], *, stands: bool) -> Exit:
    """``stands``: the run got as far as a sound publication, be it new or the last one."""
    if success:
        return Exit.DONE
    failed = {event.step_key for event in events if event.is_step_failure}
    after_publishing = {SYNC_BACK.to_python_identifier(), OUTCOME.to_python_identifier()}
    return Exit.DEGRADED if stands and failed <= after_publishing else Exit.FAILED


def _problems(events: Iterable[dg.DagsterEvent]) -> Iterable[str]:
    """The sentences of failed checks and steps, each once."""
    told: dict[str, None] = {}
    blocked = False
    for event in events:
        if event.is_step_materialization:  # what a pull left behind is told also when a later step failed
            told |= dict.fromkeys(told_problems(event.step_materialization_data.materialization))
        elif event.event_type == dg.DagsterEventType.ASSET_CHECK_EVALUATION:
            evaluation = event.asset_check_evaluation_data
            if not evaluation.passed and evaluation.severity == dg.AssetCheckSeverity.ERROR:
                blocked = True
                told[evaluation.description or _failed_dbt_test(evaluation)] = None
        elif event.is_step_failure and event.step_key == OUTCOME.to_python_identifier():
            continue  # it repeats what the pulls said
        elif event.is_step_failure and event.step_failure_data.user_failure_data:
            told[event.step_failure_data.user_failure_data.description or ""] = None
        elif event.is_step_failure and not blocked:
            told[f"The step {event.step_key} failed: {_cause(event.step_failure_data.error)}"] = None
        elif event.event_type == dg.DagsterEventType.RUN_FAILURE and not told:  # before its first step
            told[f"The run failed: {_cause(event.job_failure_data.error)}"] = None
    return told


def _failed_dbt_test(evaluation: dg.AssetCheckEvaluation) -> str:
    table = evaluation.asset_key.path[-1]
    return (
        f"The dbt test {evaluation.check_name} fails on {table}. Nothing was published. It guards the code, not your "
        "data: if you changed the dbt project, mend it; otherwise report it."
    )


def _cause(error: Any) -> str:
    """The first cause of Dagster's serialised error, without its type."""
    while error is not None and error.cause is not None:
        error = error.cause
    return error.message.split(": ", 1)[-1].strip() if error is not None else "no message"


def _told_of_publishing(events: Iterable[dg.DagsterEvent]) -> dict[str, Any]:
    """What publishing told; empty if it told nothing."""
    for event in events:
        if event.is_step_materialization and event.asset_key == PUBLISHED_MART:
            told = event.step_materialization_data.materialization.metadata
            return {name: told[name].value for name in ("changed", "same_content", "publication_id") if name in told}
    return {}
