"""A real run on a home that was rolled back: it pulls, builds and judges, publishes nothing, and says so.

What is published after it is also read with the oldest and the newest DuckDB.
"""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import date
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import yaml

from expectations.suites import load_suites, shipped_suites
from nps_pipeline import instance, keys
from nps_pipeline.landing import list_loads
from nps_pipeline.outcome import problems_of
from nps_pipeline.publications import current_name, names
from nps_pipeline.publish import publish
from nps_pipeline.report import render_report
from nps_pipeline.warehouse import CONTRACT_TABLES, count_rows, work_publication, work_row_counts
from sandbox import demo
from sandbox.survey_exports import write_survey_exports
from tests.expectations import good_mart
from tests.nps_pipeline.command import Command
from tests.nps_pipeline.loads import ROOT
from tests.nps_pipeline.pipeline import Pipeline
from tests.nps_pipeline.test_publish import Built, build_work, settings_of

CONFIGURATION = (Path(demo.__file__).parent / "demo.yaml").read_text(encoding="utf-8")
SUITES = load_suites(shipped_suites())
OLD = "20200101T000000.000000Z"
NEWER = "20250101T000000.000000Z"
READ_ALL = """
import hashlib, json, sys
import duckdb
connection = duckdb.connect(sys.argv[1], read_only=True)
found = {}
for table in sys.argv[2:]:
    cursor = connection.execute(f"select * from {table}")
    columns = [column[0] for column in cursor.description]
    rows = sorted(map(repr, cursor.fetchall()))
    bounds = ", ".join(f'min("{name}")::varchar, max("{name}")::varchar, count("{name}")' for name in columns)
    (figures,) = connection.execute(f"select {bounds} from {table}").fetchall()
    found[table] = {"columns": columns, "rows": len(rows), "figures": figures,
                    "digest": hashlib.sha256("\\n".join(rows).encode()).hexdigest()}
print(json.dumps({"version": duckdb.__version__, "tables": found}))
"""


class HeldHome:
    """What a home went through, step by step, with what was said at each."""

    def __init__(self, folder: Path) -> None:
        self.pipeline = Pipeline(folder, configuration=yaml.safe_load(CONFIGURATION))
        built = Built(settings_of(folder))
        build_work(built.home, good_mart.build(folder / "good"))
        for publication_id in (OLD, NEWER):
            built.change(
                f"update publication set publication_id = '{publication_id}', fingerprint = '{publication_id}'"
            )
            assert built.publish(publication_id)
        built.home.work_db.unlink()
        self.published = self.pipeline.publication
        self.command = Command(folder, CONFIGURATION)
        self.said = {"rollback": self.command("rollback"), "list": self.command.here("publications", "--json")}

        exports = folder / "exports"
        exports.mkdir()
        write_survey_exports(exports, seed=11, today=date(2026, 11, 20))
        self.files = {path.name for path in exports.iterdir()}
        self.pipeline.drop(*exports.iterdir())
        self.held = self.pipeline.run()
        self.problems = self.told()
        self.seen_while_held = current_name(self.pipeline.home)
        self.said["status"] = self.command.here("status")
        self.said["status --json"] = self.command.here("status", "--json")
        self.said["table"] = self.command.here("publications")
        self.said["release"] = self.command("rollback", "--release")

        self.after = publish(self.pipeline.settings(), "after", SUITES, render_report)
        self.mart = self.pipeline.publication.mart

    def told(self) -> dict[str, list[str]]:
        instance.use(self.pipeline.settings())
        with dg.DagsterInstance.get() as history:
            run_id = self.held.run_id
            return {"publish": problems_of(history, keys.PUBLISHED_MART, run_id)}


@pytest.fixture(scope="module")
def held(tmp_path_factory: pytest.TempPathFactory) -> HeldHome:
    return HeldHome(tmp_path_factory.mktemp("held"))


def sentence_of(held: HeldHome) -> str:
    note = json.loads(held.said["status --json"].stdout)["held"]
    return (
        f"{OLD} is held since {note['since']}, rolled back from {held.published.publication_id}: runs publish nothing. "
        "`nps rollback --release` lets the next run publish again."
    )


def test_the_command_sends_readers_back(held: HeldHome) -> None:
    assert held.published.publication_id == NEWER
    done = held.said["rollback"]
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"Readers see {OLD} again. {sentence_of(held)}\n"


def test_a_held_run_publishes_nothing_and_is_degraded(held: HeldHome) -> None:
    problem = f"This run published nothing. {sentence_of(held)}"
    assert (held.held.exit, held.held.published, held.held.problems) == (3, False, (problem,))
    assert held.problems == {"publish": [problem]}
    assert held.seen_while_held == OLD


def test_a_held_run_has_pulled_and_built_all_the_same(held: HeldHome) -> None:
    home = held.pipeline.home
    assert {load.manifest.file.name for load in list_loads(home) if load.manifest.file} == held.files
    assert work_row_counts(home)["marts", "fct_nps_responses"] == count_rows(held.mart, "fct_nps_responses") > 100
    assert not any((home.publish / ".candidates").iterdir())


def test_after_the_release_the_next_run_publishes(held: HeldHome) -> None:
    done = held.said["release"]
    assert (done.returncode, done.stdout) == (0, "Released: the next `nps run` publishes again.\n")
    assert held.after.changed
    assert held.after.problems == []
    home = held.pipeline.home
    assert current_name(home) == work_publication(home)["publication_id"]
    assert names(home) == [OLD, held.published.publication_id, current_name(home)]


def test_status_says_in_its_last_line_what_is_held(held: HeldHome) -> None:
    done = held.said["status"]
    assert done.returncode == 0
    assert done.stdout.splitlines()[-1] == f"Held         {sentence_of(held)}"
    assert json.loads(held.said["status --json"].stdout)["publication_id"] == OLD


def test_the_list_says_what_readers_see_and_what_they_can_go_back_to(held: HeldHome) -> None:
    newest, oldest = json.loads(held.said["list"].stdout)
    answers = count_rows(held.published.mart, "fct_nps_responses")
    assert newest == {
        "publication_id": held.published.publication_id,
        "published_at": held.published.facts["published_at"],
        "as_of_date": held.published.facts["as_of_date"],
        "responses": answers,
        "size": newest["size"],
        "passed": True,
        "failed_warnings": newest["failed_warnings"],
        "current": False,
        "held": False,
        "problem": None,
    }
    assert newest["size"] > held.published.mart.stat().st_size
    assert (oldest["publication_id"], oldest["current"], oldest["held"]) == (OLD, True, True)
    table = held.said["table"].stdout
    (first, second) = [line for line in table.splitlines() if line.strip().startswith("20")]
    assert first.split()[0] == held.published.publication_id
    assert f" {answers:,} " in first
    assert second.split()[0] == OLD
    assert second.rstrip().endswith("current, held")


# --- who can read it --------------------------------------------------------------------------------------------------


def everything(python: Path | str, mart: Path) -> dict[str, Any]:
    """Every contract table, read to its last row by another interpreter's DuckDB."""
    command = [str(python), "-c", READ_ALL, str(mart), *CONTRACT_TABLES]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize(("end", "version"), [("oldest", "1.0.0"), ("newest", "2.0.0")])
def test_every_duckdb_of_the_range_reads_the_same(held: HeldHome, end: str, version: str) -> None:
    if end == "oldest" and sys.version_info >= (3, 13):
        pytest.skip("DuckDB 1.0.0 has no wheel for this Python")
    python = ROOT / f".venv-duckdb-{end}" / "bin" / "python"
    assert python.exists(), f"make .venv-duckdb-{end}/.installed installs it"

    found = everything(python, held.mart)
    ours = everything(sys.executable, held.mart)

    assert found["version"] == version
    assert set(found["tables"]) == set(CONTRACT_TABLES)
    assert found["tables"] == ours["tables"]
    assert found["tables"]["fct_nps_responses"]["rows"] == count_rows(held.mart, "fct_nps_responses") > 100
