"""Assembles the stages into Dagster definitions; the only module that knows all of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import dagster as dg

from expectations.suites import load_suites
from nps_pipeline import automation, project, settings, warehouse
from nps_pipeline.console import silence, stage_lines
from nps_pipeline.gate import gate_checks
from nps_pipeline.keys import LANDED_FILES, PUBLISHED_MART, SYNC_BACK
from nps_pipeline.outcome import outcome
from nps_pipeline.publish import published_mart
from nps_pipeline.pull import declared_streams, landed_crm, landed_files
from nps_pipeline.report import render_report
from nps_pipeline.resources import Run
from nps_pipeline.sync_back import sync_asset
from nps_pipeline.transform import Clock, dbt_models, raw_assets, utc_now


def build_defs(
    *, clock: Clock = utc_now, suite_files: Sequence[Path] | None = None, quiet: bool = False
) -> dg.Definitions:
    """The whole pipeline. Reads nps.yaml for the schedule and the suites for the checks; opens no state.

    Args:
        clock: Says when a run is; a test may hold time still.
        suite_files: The suites of the gate; unless given those that ship and those in the folder of nps.yaml.
        quiet: Whether a run in the terminal prints nothing of its progress.

    Raises:
        SettingsError: nps.yaml is wrong.
        SuiteError: A suite is wrong.
        ProjectError: dbt cannot parse its project.
    """
    configured = settings.load_settings()
    suites = load_suites(configured.suite_files() if suite_files is None else suite_files, warehouse.CONTRACT_TABLES)
    project.prepare_manifest()
    job = automation.job()
    crms = [landed_crm(configured, source) for source in configured.crms()]
    sources = [LANDED_FILES, *(key for crm in crms for key in crm.keys)]
    return dg.Definitions(
        assets=[
            landed_files,
            *crms,
            raw_assets(sources, declared_streams, clock),
            dbt_models(declared_streams),
            published_mart(suites, render_report),
            sync_asset(),
            outcome([*sources, PUBLISHED_MART, SYNC_BACK]),
        ],
        asset_checks=[gate_checks(suites)],
        jobs=[job, automation.sync_job()],
        schedules=[automation.schedule(configured, job)],
        sensors=[automation.inbox_sensor(job)],
        resources={"run": Run()},
        # One process per run: the run lock, the dbt build and the gate's single import all live in it.
        executor=dg.in_process_executor,
        loggers={"console": silence if quiet else stage_lines},
    )
