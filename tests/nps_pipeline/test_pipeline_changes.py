"""The whole loop when something changes: new files, another mapping, a refused file, nothing at all."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from nps_pipeline.execute import RunResult
from nps_pipeline.publications import current
from nps_pipeline.warehouse import CONTRACT_TABLES
from tests.nps_pipeline.pipeline import Pipeline, content

WEEKLY = {
    "name": "weekly",
    "match": "week_*.csv",
    "id": "id",
    "email": "mail",
    "score": "score",
    "scale": [0, 10],
    "responded_at": {"column": "at", "timezone": "UTC"},
    "survey_type": "relational",
}
SHOP = {
    "name": "shop",
    "match": "shop.csv",
    "id": "id",
    "score": "satisfaction",
    "scale": [0, 10],
    "responded_at": {"constant": "2026-01-01"},
}
WEEKS = [
    "id,mail,score,at\n1,a@x.org,9,2026-01-05\n2,b@x.org,3,2026-01-05\n",
    "id,mail,score,at\n1,a@x.org,9,2026-01-05\n2,B@x.org,6,2026-01-12\n3,c@x.org,NA,2026-01-12\n",
    "id,mail,score,at\n3,c@x.org,10,2026-01-13\n4,,8,2026-01-14\n",
]
ANSWERS = "id,satisfaction,nps\n1,1,9\n2,2,10\n"
UNKNOWN = "colour,size\nred,9\n"
EVERYTHING = set(CONTRACT_TABLES) - {"publication"}
Content = dict[str, list[tuple[Any, ...]]]


@dataclass(frozen=True)
class Changed:
    """What a home came to: a first run, a second one with new files and another mapping, and a rebuild."""

    pipeline: Pipeline
    first: RunResult
    second: RunResult
    rebuilt: RunResult
    scores_of_first: list[dict[str, Any]]
    content_of_second: Content


def configured(*mappings: dict[str, Any]) -> dict[str, Any]:
    return {"version": 1, "sources": {"files": list(mappings)}}


def scores(pipeline: Pipeline, stream: str) -> list[dict[str, Any]]:
    return pipeline.query(
        "select response_id, source_record_id, score from fct_nps_responses "
        f"where source_stream = '{stream}' order by source_record_id"
    )


def conserved(pipeline: Pipeline, stream: str) -> dict[str, int]:
    (row,) = pipeline.query(
        f"select served, superseded, kept, quarantined from conservation where source_stream = '{stream}'"
    )
    return row


@pytest.fixture(scope="module")
def changed(tmp_path_factory: pytest.TempPathFactory) -> Changed:
    pipeline = Pipeline(tmp_path_factory.mktemp("changed"), configuration=configured(WEEKLY, SHOP))
    pipeline.write("week_0.csv", WEEKS[0])
    pipeline.write("shop.csv", ANSWERS)
    pipeline.write("unknown.csv", UNKNOWN)
    first = pipeline.run()
    scores_of_first = scores(pipeline, "shop")

    pipeline.configuration = configured(WEEKLY, SHOP | {"score": "nps"})
    pipeline.write("week_1.csv", WEEKS[1])
    pipeline.write("week_2.csv", WEEKS[2])
    pipeline.write("shop.csv", ANSWERS)
    second = pipeline.run()
    content_of_second = content(pipeline, EVERYTHING)

    pipeline.home.work_db.unlink()
    pipeline.now += timedelta(seconds=1)
    pipeline.configuration["reporting"] = {"min_n": 29}  # another definition: it must be published anew
    return Changed(pipeline, first, second, pipeline.run(), scores_of_first, content_of_second)


def test_an_increment_equals_a_rebuild(changed: Changed) -> None:
    """One load of a stream and then more, or all at once from an empty working database: the same mart."""
    assert (changed.second.exit, changed.second.published) == (0, True)
    assert (changed.rebuilt.exit, changed.rebuilt.published) == (0, True)
    assert content(changed.pipeline, EVERYTHING) == changed.content_of_second


def test_the_later_version_of_a_row_counts_and_one_that_is_the_same_is_not_landed_again(changed: Changed) -> None:
    # row 1 of the second week equals what was landed; 2 and 3 have a later version
    weekly = conserved(changed.pipeline, "weekly")
    assert weekly == {"served": 6, "superseded": 2, "kept": 4, "quarantined": 0}
    assert [row["score"] for row in scores(changed.pipeline, "weekly")] == [9, 6, 10, 8]


def test_a_changed_mapping_supersedes_the_rows_it_read_before(changed: Changed) -> None:
    before, after = changed.scores_of_first, scores(changed.pipeline, "shop")
    assert [row["score"] for row in before] == [1, 2]
    assert [row["score"] for row in after] == [9, 10]
    assert [row["response_id"] for row in before] == [row["response_id"] for row in after]
    shop = conserved(changed.pipeline, "shop")
    assert shop == {"served": 4, "superseded": 2, "kept": 2, "quarantined": 0}
    archived = {path.name for path in changed.pipeline.home.archive.iterdir()}
    assert archived == {"shop-2.csv", "shop.csv", "week_0.csv", "week_1.csv", "week_2.csv"}


def test_a_refused_file_degrades_a_run_that_published(changed: Changed) -> None:
    assert (changed.first.exit, changed.first.published) == (3, True)
    assert len(changed.scores_of_first) == 2


def test_a_refused_file_fails_a_run_that_never_published(tmp_path: Path) -> None:
    pipeline = Pipeline(tmp_path)
    pipeline.write("unknown.csv", UNKNOWN)

    refused = pipeline.run()

    assert (refused.exit, refused.published) == (1, False)
    (problem,) = refused.problems
    assert problem.startswith("A file was refused. unknown.csv")
    assert current(pipeline.home) is None
    assert (pipeline.home.refused / "unknown.csv.reason.txt").read_text(encoding="utf-8").strip() in problem
