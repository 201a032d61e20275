"""The Dagster instance of a home: its settings file, its environment, and the runs that died without saying so."""

from __future__ import annotations

import os

import dagster as dg

from nps_pipeline.home import Home
from nps_pipeline.settings import Settings

_DAGSTER_YAML = """\
# Written by the pipeline; edit it as Dagster documents it.
telemetry: {enabled: false}
nux: {enabled: false}
# One run at a time per home: a second one waits in the queue.
concurrency: {runs: {max_concurrent_runs: 1}}
retention:
  schedule: {purge_after_days: 90}
  sensor: {purge_after_days: {skipped: 7, failure: 30, success: 30}}
"""


def use(settings: Settings) -> None:
    """Point this process, and the ones it starts, to the instance below the home."""
    home = settings.home
    home.dagster.mkdir(parents=True, exist_ok=True)
    document = home.dagster / "dagster.yaml"
    if not document.exists():
        document.write_text(_DAGSTER_YAML, encoding="utf-8")
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
    started = instance.get_runs(filters=dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTED]))
    for run in started:
        instance.report_run_failed(run, f"The process of this run ended without a word; {home.root} is free again.")
    return len(started)
