"""The whole loop on the sandbox's survey exports: nothing lost, nothing twice, nothing changed without a reason."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest
import yaml

from nps_pipeline import project
from nps_pipeline.warehouse import open_published
from sandbox import demo
from sandbox.survey_exports import write_survey_exports
from tests.nps_pipeline.pipeline import NOON, Pipeline, content

CONFIGURATION = yaml.safe_load((Path(demo.__file__).parent / "demo.yaml").read_text(encoding="utf-8"))
STREAMS = {
    "retail_stores.csv": "stores",
    "six_countries.csv": "six_countries",
    "qualtrics_checkout.csv": "checkout",
    "qualtrics_visits_legacy.csv": "qualtrics_legacy",
    "typeform_checkout.csv": "checkout_mail",
    "surveymonkey_kunden.csv": "customers",
}


@pytest.fixture(scope="module")
def exports(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    folder = tmp_path_factory.mktemp("exports")
    return folder, write_survey_exports(folder, seed=11, today=date(2026, 11, 20))


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory, exports: tuple[Path, dict[str, Any]]) -> Pipeline:
    pipeline = Pipeline(tmp_path_factory.mktemp("pipeline"), configuration=CONFIGURATION)
    pipeline.drop(*exports[0].iterdir())
    result = pipeline.run()
    assert (result.exit, result.problems, result.published) == (0, (), True)
    return pipeline


def test_every_row_is_in_the_class_that_the_truth_says(
    published: Pipeline, exports: tuple[Path, dict[str, Any]]
) -> None:
    conserved = {row["source_stream"]: row for row in published.query("select * from conservation")}

    assert set(conserved) == set(STREAMS.values())
    for file, counts in exports[1]["files"].items():
        row = conserved[STREAMS[file]]
        assert row["served"] == counts["rows"]
        assert row["kept"] + row["duplicate"] == counts["kept"]
        assert row["quarantined"] == sum(counts["quarantined"].values())
        assert row["excluded"] == sum(counts["excluded"].values())
        assert row["superseded"] == row["deleted"] == 0


@pytest.mark.parametrize("kind", ["quarantined", "excluded"])
def test_every_reason_is_the_one_that_the_truth_says(
    published: Pipeline, exports: tuple[Path, dict[str, Any]], kind: str
) -> None:
    found: dict[str, dict[str, int]] = {stream: {} for stream in STREAMS.values()}
    for row in published.query(f"select source_stream, reason, count(*) as n from {kind}_responses group by all"):
        found[row["source_stream"]][row["reason"]] = row["n"]

    assert found == {STREAMS[file]: counts[kind] for file, counts in exports[1]["files"].items()}


def test_answers_in_two_tools_are_counted_once(published: Pipeline, exports: tuple[Path, dict[str, Any]]) -> None:
    duplicates = published.query(
        "select d.source_stream, d.rule, f.source_stream as winner from duplicate_responses as d "
        "inner join fct_nps_responses as f using (response_id)"
    )

    assert len(duplicates) == exports[1]["duplicates"]
    assert {row["rule"] for row in duplicates} == {"same_answer"}
    assert all(row["source_stream"] != row["winner"] for row in duplicates)


def test_people_are_one_customer_whatever_the_case_of_their_address(
    published: Pipeline, exports: tuple[Path, dict[str, Any]]
) -> None:
    with_address = published.one("select count(*) from dim_customers where email is not null")
    identified = published.one("select count(distinct customer_id) from customer_identities where rule = 'email'")
    addresses = published.one("select count(distinct evidence) from customer_identities where rule = 'email'")

    assert with_address == identified == addresses
    assert published.one("select count(*) from dim_customers where email <> lower(email)") == 0
    assert 0 < with_address <= exports[1]["people"]


def test_totals_are_the_truth(published: Pipeline, exports: tuple[Path, dict[str, Any]]) -> None:
    row = published.query(
        "select sum(promoters) as promoters, sum(passives) as passives, sum(detractors) as detractors "
        "from nps_by_period where grain = 'all_time' and survey_type = 'transactional' "
        "and channel = 'all' and touchpoint = 'all'"
    )[0]
    in_both = published.query(
        "select f.nps_category, count(*) as n from duplicate_responses as d "
        "inner join fct_nps_responses as f using (response_id) group by all"
    )
    twice = {found["nps_category"]: found["n"] for found in in_both}
    files = exports[1]["files"]
    for category in ("promoter", "passive", "detractor"):
        truth = sum(files[name][f"{category}s"] for name in ("qualtrics_checkout.csv", "typeform_checkout.csv"))
        assert row[f"{category}s"] == truth - twice.get(category, 0)


@pytest.fixture(scope="module")
def tested(published: Pipeline, tmp_path_factory: pytest.TempPathFactory) -> str:
    """What dbt prints of its unit tests, and of the test that counts the rows of staging, where one is missing."""
    folder = tmp_path_factory.mktemp("tested")
    work_db = folder / "work.duckdb"
    shutil.copy(published.home.work_db, work_db)
    with duckdb.connect(str(work_db)) as connection:
        connection.execute("delete from staging.stg_responses where rowid = 0")
    selected = ["--select", "test_type:unit test_name:holds_every_row", "--target-path", str(folder)]
    folders = ["--project-dir", str(project.DBT_PROJECT), "--profiles-dir", str(project.DBT_PROJECT)]
    environment = {**project.dbt_environment(), "NPS_WORK_DB": str(work_db)}
    command = [str(project.DBT), "--no-use-colors", "test", *selected, *folders]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stdout
    return done.stdout


def test_the_dbt_unit_tests_hold(tested: str) -> None:
    """The check values of the method, and every rule of classes, identity and duplicates, on rows made for it."""
    manifest = json.loads(project.MANIFEST.read_text(encoding="utf-8"))
    wanted = {(one["model"], one["name"]) for one in manifest["unit_tests"].values()}
    assert len(wanted) > 30
    outcomes = re.findall(r"\d+ of \d+ (PASS|FAIL|ERROR|SKIP)[ \d]* (\w+)::(\w+) ", tested)
    assert sorted(outcomes) == sorted(("PASS", *one) for one in wanted)


def test_a_row_that_staging_loses_fails_the_build(tested: str) -> None:
    """It would pass for an answer with a blank score: conservation counts landed rows and would still balance."""
    assert re.search(r"FAIL 1 holds_every_row_stg_responses", tested)
    assert len(re.findall(r"PASS holds_every_row_", tested)) == 4


def test_rebuilding_gives_the_same_mart(published: Pipeline) -> None:
    first, before = published.publication, content(published)

    published.home.work_db.unlink()
    published.now += timedelta(days=1)  # another as-of date: the same content must be built and published anew
    rebuilt = published.run()
    published.now = NOON
    assert (rebuilt.exit, rebuilt.published) == (0, True)
    after = content(published)
    assert all(after[table] == before[table] for table in before if table != "nps_by_period")
    periods = "select * from nps_by_period where grain not like 'rolling%' order by all"
    with open_published(first.mart) as mart:
        assert mart.execute(periods).fetchall() == [tuple(row.values()) for row in published.query(periods)]
