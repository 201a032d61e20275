"""Each critical check by itself stops a run: nothing is published, no CRM is written to, nothing leaks on the way."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg
import duckdb
import pytest

from expectations.suites import Suite, load_suites, shipped_suites
from nps_pipeline import automation, instance, warehouse
from nps_pipeline.execute import RunResult, Wishes, run_job
from nps_pipeline.gate import gate_checks
from nps_pipeline.home import Home
from nps_pipeline.keys import SYNC_BACK, table
from nps_pipeline.outcome import outcome
from nps_pipeline.publications import current
from nps_pipeline.publish import GateRefusedError, publish, published_mart
from nps_pipeline.report import render_report
from nps_pipeline.resources import Run
from nps_pipeline.sync_back import sync_asset
from nps_pipeline.warehouse import CONTRACT_TABLES
from sandbox.serve import Sandbox
from tests.expectations import good_mart
from tests.expectations.mutations import MUTATIONS
from tests.nps_pipeline.command import leaks
from tests.nps_pipeline.pipeline import Pipeline

CANARIES = ("kestrel.canary@mailbox.example", "+49 170 5550199", "Kestrels sing at the third window")
EMAIL, PHONE, COMMENT = CANARIES
_PERSONAL = f"""
update fct_nps_responses set comment = '{COMMENT}, {PHONE}, {EMAIL}', source_record_id =
    case when response_id = 'r0058' then '{EMAIL}' else source_record_id end;
update dim_customers set email = '{EMAIL}', display_name = '{EMAIL}';
update customer_identities set evidence = '{PHONE}';
update dim_accounts set name = '{COMMENT}';
"""
# A column of another type makes DuckDB quote the cell in its error.
_QUOTED = f"""
alter table fct_nps_responses alter score type varchar;
update fct_nps_responses set score = '{EMAIL}', nps_category = '{COMMENT}';
alter table fct_invitations alter responded type varchar;
update fct_invitations set responded = '{PHONE}';
"""


@dataclass(frozen=True)
class World:
    """A home with a sound publication of personal data, and the working database behind it."""

    pipeline: Pipeline
    crms: Sandbox
    good: Path
    definitions: dg.Definitions
    record_id: str

    @property
    def home(self) -> Home:
        return self.pipeline.home

    def run_after(self, sql: str) -> RunResult:
        """Run everything behind the build, with the tables of the mart changed."""
        shutil.copy(self.good, self.home.work_db)
        with duckdb.connect(str(self.home.work_db)) as work:
            work.execute(f"use marts; {sql}".replace("contact c1", self.record_id))
        os.environ.update(self.pipeline.environment)  # each step reads the settings of the environment
        return run_job(self.pipeline.settings(), self.definitions, Wishes(sync="apply"))

    def writes(self) -> int:
        return len(self.crms.control["hubspot"].writes())


@pytest.fixture(scope="module")
def suites() -> Sequence[Suite]:
    return load_suites(shipped_suites())


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, crms: Sandbox, suites: Sequence[Suite]) -> World:
    folder = tmp_path_factory.mktemp("gate")
    crms.control["hubspot"].reset()
    configuration: dict[str, Any] = {
        "version": 1,
        "sources": {"hubspot": {}},
        "sync": {"hubspot": {"contact": {"fields": {"score": {"to": "nps_score"}}}}},
    }
    pipeline = Pipeline(folder, configuration=configuration, environment=dict(crms.environment))
    contacts = sorted(crms.control["hubspot"].state("contacts"))
    good = build(folder, contacts)
    instance.use(pipeline.settings())
    definitions = after_the_build(suites)
    return World(pipeline, crms, good, definitions, contacts[1])


def build(folder: Path, contacts: Sequence[str]) -> Path:
    """A working database whose mart is sound, full of personal data, and wants scores on real contacts."""
    mart = good_mart.build(folder / "mart")
    renamed = " ".join(f"when 'contact c{number}' then '{contacts[number]}'" for number in range(10))
    set_record = f"set record_id = case record_id {renamed} else record_id end where destination = 'hubspot'"
    good_mart.change(mart, f"{_PERSONAL} update sync_wanted {set_record}; update sync_observed {set_record};")
    work = folder / "work.duckdb"
    with duckdb.connect(str(work)) as connection:
        connection.execute(f"attach '{mart}' as mart (read_only); create schema marts; create schema raw")
        for name in CONTRACT_TABLES:
            connection.execute(f"create table marts.{name} as from mart.{name}")
        connection.execute("create table raw.built_from as select 'these models' as dbt_hash")
    return work


def after_the_build(suites: Sequence[Suite]) -> dg.Definitions:
    """What the pipeline does with a mart that is built: gate, publishing, sync-back, outcome."""
    keys = [table("marts", name) for name in CONTRACT_TABLES]

    @dg.multi_asset(specs=[dg.AssetSpec(key) for key in keys])
    def built() -> Any:
        yield from (dg.MaterializeResult(asset_key=key) for key in keys)

    return dg.Definitions(
        assets=[
            built,
            published_mart(suites, render_report),
            sync_asset(),
            outcome([SYNC_BACK]),
        ],
        asset_checks=[gate_checks(suites)],
        jobs=[automation.job()],
        resources={"run": Run()},
        executor=dg.in_process_executor,
    )


def critical(suites: Sequence[Suite]) -> dict[str, str]:
    """The critical expectations, each with SQL that breaks it."""
    breaking = {mutation.breaks: mutation.sql for mutation in MUTATIONS}
    return {
        check.name: breaking[check.name]
        for suite in suites
        for check in suite.expectations
        if check.severity == "critical"
    }


CRITICAL = critical(load_suites(shipped_suites()))


def test_a_sound_mart_is_published_and_synced(world: World) -> None:
    """Otherwise nothing below could show that a check stops anything."""
    result = world.run_after("")
    assert (result.exit, result.problems, result.published) == (0, (), True)
    assert world.writes() > 0
    world.crms.control["hubspot"].reset()
    world.home.ledger.unlink()
    world.home.ledger_backup.unlink(missing_ok=True)


@pytest.mark.parametrize("check", CRITICAL)
def test_a_critical_check_that_fails_stops_everything(world: World, suites: Sequence[Suite], check: str) -> None:
    published = current(world.home)
    result = world.run_after(CRITICAL[check] + "; update publication set publication_id = 'p2', fingerprint = 'other'")

    assert (result.exit, result.published) == (1, None)
    assert current(world.home) == published
    assert world.writes() == 0
    (expectation,) = [one for suite in suites for one in suite.expectations if one.name == check]
    (message,) = [problem for problem in result.problems if f"Check {check} " in problem]
    assert message.startswith(f"Check {check} on {expectation.table} failed for ")
    assert expectation.remedy in message
    assert not [value for value in CANARIES for problem in result.problems if value in problem]

    with pytest.raises(GateRefusedError) as refused:  # so does publishing by itself, whoever starts it
        publish(world.pipeline.settings(), result.run_id, suites, render_report)
    assert message in str(refused.value).splitlines()
    assert current(world.home) == published


def test_a_check_that_cannot_run_stops_everything_too(world: World) -> None:
    result = world.run_after(_QUOTED)
    assert (result.exit, result.published) == (1, None)
    assert world.writes() == 0
    unable = [problem for problem in result.problems if " could not run" in problem]
    assert [problem for problem in unable if problem.startswith("Check score_is_whole_and_in_range on fct_nps_resp")]


def test_nothing_of_a_customer_is_told_anywhere(world: World) -> None:
    """After all the runs above: in no message, metadata, log, page or ledger; searched byte by byte."""
    assert leaks(world.home, CANARIES) == set()
    kept = world.home.publish / "current" / "mart.duckdb"
    with warehouse.open_published(kept) as mart:  # where it may be, it is
        assert mart.execute("select count(*) from fct_nps_responses where comment like $1", [f"%{EMAIL}"]).fetchone()
    instance.use(world.pipeline.settings())
    with dg.DagsterInstance.get() as opened:
        told = json.dumps([str(record.event_log_entry.to_json()) for record in _records(opened)])
    assert "score_is_whole_and_in_range" in told
    assert not [value for value in CANARIES if value in told]


def _records(opened: dg.DagsterInstance) -> list[Any]:
    return [record for run in opened.get_run_records() for record in _of_run(opened, run.dagster_run.run_id)]


def _of_run(opened: dg.DagsterInstance, run_id: str) -> list[Any]:
    return list(opened.get_records_for_run(run_id).records)
