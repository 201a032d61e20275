"""Automation: the one job and the schedule that starts it. What a step does is unknown here."""

from __future__ import annotations

import dagster as dg

from nps_pipeline.keys import OUTCOME, SYNC_BACK
from nps_pipeline.settings import Settings

JOB = "nps"
SYNC_JOB = "nps_sync"


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
