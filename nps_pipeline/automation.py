"""Automation: the one job, the schedule and the sensor that start it. What a step does is unknown here."""

from __future__ import annotations

import hashlib
import json
from contextlib import suppress
from pathlib import Path

import dagster as dg

from nps_pipeline.keys import OUTCOME, SYNC_BACK
from nps_pipeline.settings import Settings, load_settings

JOB = "nps"
SYNC_JOB = "nps_sync"
INBOX_EVERY = 30
"""Seconds between two looks into the inbox; a file that did not change in between is complete."""

_UNDER_WAY = [dg.DagsterRunStatus.QUEUED, dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED]


def job() -> dg.UnresolvedAssetJobDefinition:
    """The whole loop, from the sources to the outcome."""
    return dg.define_asset_job(
        JOB,
        selection=dg.AssetSelection.all(),
        description="Pull, transform, gate, publish, sync back: the whole loop. `nps run` runs the same job.",
    )


def sync_job() -> dg.UnresolvedAssetJobDefinition:
    """Sync-back alone: it reads the last good publication and pulls nothing."""
    return dg.define_asset_job(
        SYNC_JOB,
        selection=dg.AssetSelection.assets(SYNC_BACK, OUTCOME),
        description="Write the scores of the current publication back into the CRMs, as `sync.mode` in nps.yaml says.",
    )


def schedule(settings: Settings, target: dg.UnresolvedAssetJobDefinition) -> dg.ScheduleDefinition:
    """The job on the cron expression of nps.yaml; switched on by a person in the UI."""
    configuration = settings.configuration
    return dg.ScheduleDefinition(
        name="nps_schedule",
        job=target,
        cron_schedule=configuration.schedule.cron,
        execution_timezone=configuration.reporting.timezone,
        description="Set `schedule.cron` in nps.yaml; switch it on here.",
    )


def inbox_sensor(target: dg.UnresolvedAssetJobDefinition) -> dg.SensorDefinition:
    """The job when files rest in the inbox; switched on by a person in the UI."""

    @dg.sensor(
        name="nps_inbox",
        job=target,
        minimum_interval_seconds=INBOX_EVERY,
        description="Starts the job when survey files wait in the inbox and none of them is still changing.",
    )
    def watch(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
        if context.instance.get_runs_count(dg.RunsFilter(job_name=JOB, statuses=_UNDER_WAY)):
            return dg.SkipReason("A run is under way; it takes what rests in the inbox.")
        looks = _looks(load_settings().home.inbox)
        if not looks:
            context.update_cursor(None)
            return dg.SkipReason("The inbox is empty.")
        seen = hashlib.sha256(json.dumps(looks).encode()).hexdigest()
        if seen != context.cursor:
            context.update_cursor(seen)
            return dg.SkipReason(f"{len(looks)} files wait in the inbox; they are taken once they rest.")
        # The key is that of the files as they are: what a run leaves in the inbox starts no second one.
        return dg.SensorResult(run_requests=[dg.RunRequest(run_key=seen)], cursor=seen)

    return watch


def _looks(inbox: Path) -> list[tuple[str, int, int]]:
    """Name, size and time of the last change of each file that waits; one that goes away meanwhile waits no more."""
    looks = []
    for path in sorted(inbox.glob("*")):
        with suppress(FileNotFoundError):
            status = path.lstat()
            looks.append((path.name, status.st_size, status.st_mtime_ns))
    return [look for look in looks if not look[0].startswith(".")]
