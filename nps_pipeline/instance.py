"""The Dagster instance of a home: its settings file, its environment, and the runs that died without saying so."""

from __future__ import annotations

import os
from contextlib import suppress

import dagster as dg

from nps_pipeline.errors import PipelineError
from nps_pipeline.home import Home, HomeLockedError, lock
from nps_pipeline.settings import Settings

_DAGSTER_YAML = """\
# Written by the pipeline; edit it as Dagster documents it.
telemetry: {enabled: false}
nux: {enabled: false}
# Dagster's own event log, but for its files, which stay open: a run logs several hundred events.
event_log_storage: {module: nps_pipeline.event_log, class: EventLog, config: {dagster_home: {env: DAGSTER_HOME}}}
# One run at a time per home: a second one waits in the queue.
concurrency: {runs: {max_concurrent_runs: 1}}
retention:
  schedule: {purge_after_days: 90}
  sensor: {purge_after_days: {skipped: 7, failure: 30, success: 30}}
"""


class HomeNotWritableError(PipelineError):
    """The state directory cannot be made or written; the text says why."""


def use(settings: Settings) -> None:
    """Point this process, and the ones it starts, to the instance below the home.

    Raises:
        HomeNotWritableError: The home is no directory that this user may write.
    """
    home = settings.home
    document = home.dagster / "dagster.yaml"
    try:
        home.dagster.mkdir(parents=True, exist_ok=True)
        if not document.exists():
            document.write_text(_DAGSTER_YAML, encoding="utf-8")
    except OSError as error:
        raise HomeNotWritableError(
            f"{home.root} cannot be written ({error.strerror}). Change its permissions or set NPS_HOME to another "
            "directory; nothing was changed."
        ) from None
    os.environ.update(
        DAGSTER_HOME=str(home.dagster),
        DAGSTER_DISABLE_TELEMETRY="yes",
        NPS_HOME=str(home.root),
        NPS_CONFIG=str(settings.config_path),
    )


def bury_dead_runs(instance: dg.DagsterInstance, home: Home) -> int:
    """Mark runs as failed whose process is gone: the caller holds the run lock, so no started run is alive.

    Dagster's default launcher has no health check, so a killed run would look started for ever.
    """
    started = instance.get_runs(
        filters=dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING])
    )
    for run in started:
        instance.report_run_failed(run, f"The process of this run ended without a word; {home.root} is free again.")
    return len(started)


def bury_dead_runs_of_idle(home: Home) -> None:
    """The same, unless a run is at work: dead ones would keep those that wait in the queue from ever starting."""
    with suppress(HomeLockedError), lock(home, "run", "nps ui"), dg.DagsterInstance.get() as instance:
        bury_dead_runs(instance, home)
