"""The whole loop when something changes: new files, another mapping, a refused file, nothing at all."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from nps_pipeline.publications import current
from nps_pipeline.warehouse import CONTRACT_TABLES
from tests.nps_pipeline.pipeline import Pipeline, content


def test_an_increment_equals_a_rebuild(tmp_path: Path) -> None:
    """One load and then two more, or all three at once from an empty working database: the same mart."""
    mapping = {
        "name": "weekly",
        "match": "week_*.csv",
        "id": "id",
        "email": "mail",
        "score": "score",
        "scale": [0, 10],
        "responded_at": {"column": "at", "timezone": "UTC"},
        "survey_type": "relational",
    }
    pipeline = Pipeline(tmp_path, configuration={"version": 1, "sources": {"files": [mapping]}})
    weeks = [
        "id,mail,score,at\n1,a@x.org,9,2026-01-05\n2,b@x.org,3,2026-01-05\n",
        "id,mail,score,at\n1,a@x.org,9,2026-01-05\n2,B@x.org,6,2026-01-12\n3,c@x.org,NA,2026-01-12\n",
        "id,mail,score,at\n3,c@x.org,10,2026-01-13\n4,,8,2026-01-14\n",
    ]
    for arriving in ([0], [1, 2]):
        for number in arriving:
            pipeline.write(f"week_{number}.csv", weeks[number])
        assert pipeline.run().exit == 0
    everything = set(CONTRACT_TABLES) - {"publication"}
    incremental = content(pipeline, everything)

    (row,) = pipeline.query("select * from conservation")
    # row 1 of the second week equals what was landed and is not landed again; 2 and 3 have a later version
    assert (row["served"], row["superseded"], row["kept"], row["quarantined"]) == (6, 2, 4, 0)
    scores = pipeline.query("select score from fct_nps_responses order by source_record_id")
    assert [row["score"] for row in scores] == [9, 6, 10, 8]

    pipeline.home.work_db.unlink()
    pipeline.now += timedelta(seconds=1)
    pipeline.configuration["reporting"] = {"min_n": 29}  # another definition: it must be published anew
    assert pipeline.run().published is True
    assert content(pipeline, everything) == incremental


def test_a_changed_mapping_supersedes_the_rows_it_read_before(tmp_path: Path) -> None:
    mapping = {
        "name": "shop",
        "match": "shop.csv",
        "id": "id",
        "score": "satisfaction",
        "scale": [0, 10],
        "responded_at": {"constant": "2026-01-01"},
    }
    pipeline = Pipeline(tmp_path, configuration={"version": 1, "sources": {"files": [mapping]}})
    text = "id,satisfaction,nps\n1,1,9\n2,2,10\n"
    pipeline.write("shop.csv", text)
    assert pipeline.run().exit == 0
    before = pipeline.query("select response_id, score from fct_nps_responses order by source_record_id")

    mapping["score"] = "nps"
    pipeline.write("shop.csv", text)
    assert pipeline.run().published is True
    after = pipeline.query("select response_id, score from fct_nps_responses order by source_record_id")
    assert [row["score"] for row in before] == [1, 2]
    assert [row["score"] for row in after] == [9, 10]
    assert [row["response_id"] for row in before] == [row["response_id"] for row in after]
    (row,) = pipeline.query("select served, superseded, kept from conservation")
    assert row == {"served": 4, "superseded": 2, "kept": 2}
    assert sorted(path.name for path in pipeline.home.archive.iterdir()) == ["shop-2.csv", "shop.csv"]


def test_a_refused_file_degrades_a_run_that_published_and_fails_one_that_did_not(tmp_path: Path) -> None:
    pipeline = Pipeline(tmp_path)
    pipeline.write("unknown.csv", "colour,size\nred,9\n")

    refused = pipeline.run()

    assert (refused.exit, refused.published) == (1, False)
    (problem,) = refused.problems
    assert problem.startswith("A file was refused. unknown.csv")
    assert current(pipeline.home) is None
    assert (pipeline.home.refused / "unknown.csv.reason.txt").read_text(encoding="utf-8").strip() in problem

    mapping = {"name": "shop", "match": "shop.csv", "id": "id", "score": "nps", "scale": [0, 10]}
    mapping["responded_at"] = {"constant": "2026-01-01"}
    pipeline.configuration["sources"] = {"files": [mapping]}
    pipeline.write("shop.csv", "id,nps\n1,9\n")
    pipeline.write("unknown.csv", "colour,size\nred,9\n")

    degraded = pipeline.run()

    assert (degraded.exit, degraded.published) == (3, True)
    assert pipeline.one("select count(*) from fct_nps_responses") == 1
