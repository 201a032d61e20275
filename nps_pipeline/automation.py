"""Automation: the one job, the schedule and the sensor that start it. What a step does is unknown here."""

from __future__ import annotations

import hashlib
import json

import dagster as dg

from nps_pipeline.keys import OUTCOME, SYNC_BACK
from nps_pipeline.settings import Settings, load_settings

JOB = "nps"
SYNC_JOB = "nps_sync"
INBOX_EVERY = 30
"""Seconds between two looks into the inbox; a file that did not change in between is complete."""


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
        inbox = load_settings().home.inbox
        waiting = sorted(path for path in inbox.glob("*") if not path.name.startswith("."))
        if not waiting:
            context.update_cursor(None)
            return dg.SkipReason("The inbox is empty.")
        looks = [(path.name, status.st_size, status.st_mtime_ns) for path in waiting for status in [path.lstat()]]
        seen = hashlib.sha256(json.dumps(looks).encode()).hexdigest()
        if seen != context.cursor:
            context.update_cursor(seen)
            return dg.SkipReason(f"{len(waiting)} files wait in the inbox; they are taken once they rest.")
        # The key is that of the files as they are: what a run leaves in the inbox starts no second one.
        return dg.SensorResult(run_requests=[dg.RunRequest(run_key=seen)], cursor=seen)

    return watch
