"""Publishing refuses what the gate refuses, whoever starts it, and says what to do.

That each critical check by itself makes it refuse is tested with the runs that the gate blocks.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

import dagster as dg
import duckdb
import pytest

from expectations.suites import Expectation, Suite, load_suites, shipped_suites
from expectations.verdict import judge
from nps_pipeline import instance, publications
from nps_pipeline.build import build_defs
from nps_pipeline.errors import PipelineError
from nps_pipeline.hold import Hold, HoldError, write_hold
from nps_pipeline.home import Home
from nps_pipeline.keys import PUBLISHED_MART
from nps_pipeline.landing import sha256_of
from nps_pipeline.publications import current
from nps_pipeline.publish import GateRefusedError, publish
from nps_pipeline.report import render_report
from nps_pipeline.settings import Settings, load_settings
from nps_pipeline.warehouse import CONTRACT_TABLES
from tests.expectations import good_mart

SUITES = load_suites(shipped_suites())
HOLD = Hold("p1", "2026-11-22T12:00:00+00:00", "p2")
CRITICAL = {e.name: e for suite in SUITES for e in suite.expectations if e.severity == "critical"}


@dataclass
class Built:
    """A home in which a build has finished and one publication is out."""

    settings: Settings

    @property
    def home(self) -> Home:
        return self.settings.home

    def change(self, sql: str) -> None:
        with duckdb.connect(str(self.home.work_db)) as work:
            work.execute("set schema = 'marts'")
            work.execute(sql)

    def publish(self, run_id: str, suites: tuple[Suite, ...] = SUITES) -> bool:
        return publish(self.settings, run_id, suites, render_report).changed

    def published_hash(self) -> tuple[str, str]:
        now = current(self.home)
        assert now is not None
        return now.publication_id, sha256_of(now.mart)


def build_work(home: Home, mart: Path) -> None:
    home.root.mkdir(parents=True, exist_ok=True)
    home.work_db.unlink(missing_ok=True)
    with duckdb.connect(str(home.work_db)) as work:
        work.execute(f"attach '{mart}' as good (read_only)")
        work.execute("create schema marts")
        for table in CONTRACT_TABLES:
            work.execute(f"create table marts.{table} as select * from good.{table}")
        work.execute("create schema raw; create table raw.built_from as select 'a finished build' as dbt_hash")


def settings_of(folder: Path) -> Settings:
    config = folder / "nps.yaml"
    config.write_text("version: 1\n", encoding="utf-8")
    return load_settings({"NPS_HOME": str(folder / "var"), "NPS_CONFIG": str(config)})


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one publication, and a build whose publication would differ from it."""
    folder = tmp_path_factory.mktemp("first")
    built = Built(settings_of(folder))
    build_work(built.home, good_mart.build(tmp_path_factory.mktemp("good")))
    assert built.publish("first")
    built.change("update publication set publication_id = 'second', fingerprint = 'another'")
    return folder


@pytest.fixture
def built(tmp_path: Path, first: Path) -> Built:
    shutil.copytree(first / "var", tmp_path / "var", symlinks=True)
    return Built(settings_of(tmp_path))


def assert_names_what_to_do(sentence: str, expectation: Expectation) -> None:
    assert expectation.table in sentence
    assert expectation.remedy.rstrip(".") in sentence
    assert any(character.isdigit() for character in sentence)


def test_mended_data_is_published_again(built: Built) -> None:
    built.change("update fct_nps_responses set score = 11 where response_id = 'r0001'")
    with pytest.raises(GateRefusedError):
        built.publish("second")

    built.change("update fct_nps_responses set score = 1 * 7 % 11 where response_id = 'r0001'")

    assert built.publish("third")
    assert built.published_hash()[0] == "second"


def test_a_home_without_any_load_publishes_nothing(built: Built) -> None:
    built.change("update publication set input_loads = '[]'")
    (built.home.publish / "current").unlink()

    assert not built.publish("second")

    assert current(built.home) is None


def test_a_warning_is_shown_and_publishes(built: Built) -> None:
    built.change("update fct_nps_responses set channel = 'unknown'")

    assert built.publish("second")

    gate = json.loads((built.home.publish / "current" / "gate.json").read_text(encoding="utf-8"))
    assert gate["passed"] is True
    failed = {result["check"] for result in gate["results"] if result["status"] != "passed"}
    assert failed == {"channel_is_mostly_known"}


def test_a_candidate_edited_after_the_gate_is_judged_again(built: Built) -> None:
    candidate = publications.candidate(built.home, "second")
    assert judge(candidate, "second", "another", SUITES).passed
    good_mart.change(candidate / "mart.duckdb", "update fct_nps_responses set score = 11 where response_id = 'r0001'")

    with pytest.raises(GateRefusedError):
        built.publish("second")


def test_an_unfinished_build_is_not_published(built: Built) -> None:
    built.change("delete from raw.built_from")

    with pytest.raises(PipelineError, match="incomplete"):
        built.publish("second")


def test_a_damaged_publication_is_published_again(built: Built) -> None:
    assert built.publish("second")
    mart = built.home.publish / "current" / "mart.duckdb"
    mart.write_bytes(mart.read_bytes()[:1000])
    built.change("update publication set publication_id = 'third'")

    assert built.publish("third")
    assert built.published_hash()[0] == "third"


def test_what_is_published_holds_together(built: Built) -> None:
    assert built.publish("second")
    directory = built.home.publish / "current"

    gate = json.loads((directory / "gate.json").read_text(encoding="utf-8"))
    facts = json.loads((directory / "publication.json").read_text(encoding="utf-8"))

    assert set(gate) == {
        "publication_id",
        "mart_sha256",
        "parquet_sha256",
        "fingerprint",
        "suites_hash",
        "results",
        "passed",
    }
    assert gate["mart_sha256"] == facts["mart_sha256"] == sha256_of(built.home.publish / "mart.duckdb")
    assert gate["publication_id"] == facts["publication_id"] == (built.home.publish / "current").resolve().name
    assert {path.stem for path in (directory / "parquet").iterdir()} == set(CONTRACT_TABLES)
    assert all(sha256_of(path) == gate["parquet_sha256"][path.name] for path in (directory / "parquet").iterdir())
    with duckdb.connect(str(built.home.publish / "mart.duckdb"), read_only=True) as mart:
        tables = {name for (name,) in mart.execute("select table_name from duckdb_tables()").fetchall()}
        constraints = mart.execute("select count(*) from duckdb_constraints()").fetchall()
        (storage,) = mart.execute(
            "select tags['storage_version'] from duckdb_databases() where not internal and database_name = 'mart'"
        ).fetchall()[0]
    assert tables == set(CONTRACT_TABLES)
    assert constraints == [(0,)]
    assert str(storage).startswith("v1.0.0")


def test_while_a_publication_is_held_a_candidate_is_judged_and_not_published(built: Built) -> None:
    before = built.published_hash()
    write_hold(built.home, HOLD)
    held = publish(built.settings, "second", SUITES, render_report)
    assert (held.changed, held.hold, held.publication) == (False, HOLD, current(built.home))
    (problem,) = held.problems
    assert problem.startswith("This run published nothing.")
    assert HOLD.sentence(before[0]) in problem
    assert not any((built.home.publish / ".candidates").iterdir())
    built.change("update fct_nps_responses set score = 11 where response_id = 'r0001'")
    with pytest.raises(GateRefusedError):
        built.publish("third")
    assert built.published_hash() == before


def test_what_is_held_and_cannot_be_read_is_published_over_by_nobody(built: Built) -> None:
    before = built.published_hash()
    (built.home.publish / "held.json").write_text("{", encoding="utf-8")
    with pytest.raises(HoldError, match=r"held\.json cannot be read"):
        built.publish("second")
    assert built.published_hash() == before


def test_publish_launched_alone_from_dagster_refuses_too(built: Built) -> None:
    before = built.published_hash()
    built.change("update fct_nps_responses set score = 11 where response_id = 'r0001'")
    instance.use(built.settings)

    with dg.DagsterInstance.get() as dagster_instance:
        result = (
            build_defs(quiet=True)
            .resolve_implicit_global_asset_job_def()
            .execute_in_process(
                instance=dagster_instance,
                asset_selection=[PUBLISHED_MART],
                raise_on_error=False,
                run_config={"loggers": {"console": {}}},
            )
        )

    assert not result.success
    (failure,) = [event for event in result.all_events if event.is_step_failure]
    data = failure.step_failure_data.user_failure_data
    assert data is not None
    assert_names_what_to_do(str(data.description), CRITICAL["score_is_whole_and_in_range"])
    assert built.published_hash() == before
