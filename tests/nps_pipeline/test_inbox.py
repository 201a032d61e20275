"""Files of the inbox become loads: corrections, changed mappings and repeated files do what a person expects."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from nps_pipeline.inbox import FileOutcome, pull_files
from nps_pipeline.landing import list_loads
from tests.nps_pipeline.loads import rows
from tests.nps_pipeline.pipeline import Pipeline

MAPPING: dict[str, Any] = {
    "name": "shop",
    "match": "*.csv",
    "id": "id",
    "score": "nps",
    "scale": [0, 10],
    "responded_at": {"constant": "2026-01-01"},
}


@pytest.fixture
def shop(tmp_path: Path) -> Pipeline:
    return Pipeline(tmp_path, configuration={"version": 1, "sources": {"files": [dict(MAPPING)]}})


def configure(shop: Pipeline, **changes: Any) -> None:
    shop.configuration["sources"]["files"][0].update(changes)


def pull(shop: Pipeline, **files: str) -> dict[str, FileOutcome]:
    for name, text in files.items():
        shop.write(f"{name}.csv", text)
    return {outcome.name: outcome for outcome in pull_files(shop.settings())}


def live(shop: Pipeline) -> list[tuple[str, list[str]]]:
    """The files whose loads no other load replaces, oldest first, with the ids of the rows landed for them."""
    loads = sorted(list_loads(shop.home), key=lambda load: load.manifest.started_at)
    replaced = {load_id for load in loads for load_id in load.manifest.replaces}
    return [
        (load.manifest.file.name, sorted(row["record_id"] for row in rows(load)))
        for load in loads
        if load.manifest.file and load.manifest.load_id not in replaced
    ]


def test_a_correction_replaces_its_file_also_when_both_arrive_at_once(shop: Pipeline) -> None:
    configure(shop, replaces={"a_corrected.csv": "B_wrong.csv"})

    pull(shop, a_corrected="id,nps\n1,9\n", b_wrong="id,nps\n1,3\n2,3\n")

    assert live(shop) == [("a_corrected.csv", ["1"])]


def test_a_replaced_file_that_comes_again_adds_nothing(shop: Pipeline) -> None:
    configure(shop, replaces={"a_corrected.csv": "b_wrong.csv"})
    pull(shop, a_corrected="id,nps\n1,9\n", b_wrong="id,nps\n1,3\n2,3\n")

    again = pull(shop, b_wrong="id,nps\n1,3\n2,3\n3,3\n")

    assert live(shop) == [("a_corrected.csv", ["1"])]
    assert again["b_wrong.csv"].notes == ("a_corrected.csv replaces this file and was landed; nothing was added",)


def test_a_correction_replaces_only_the_newest_file_of_that_name(shop: Pipeline) -> None:
    for month in range(1, 4):
        pull(shop, answers=f"id,nps\n{month},3\n")
    configure(shop, replaces={"fixed.csv": "answers.csv"})

    pull(shop, fixed="id,nps\n3,9\n")

    assert live(shop) == [("answers.csv", ["1"]), ("answers.csv", ["2"]), ("fixed.csv", ["3"])]


def test_a_correction_of_nothing_says_so_and_lands(shop: Pipeline) -> None:
    configure(shop, replaces={"fixed.csv": "typo.csv"})

    outcome = pull(shop, fixed="id,nps\n1,9\n")["fixed.csv"]

    assert outcome.notes[-1] == "nothing named typo.csv is in the mart, so this file replaces nothing"
    assert live(shop) == [("fixed.csv", ["1"])]


def test_rows_that_stood_in_a_replaced_file_too_come_back_when_their_file_is_dropped_again(shop: Pipeline) -> None:
    second = "id,nps\n1,3\n2,3\n3,3\n"
    pull(shop, b1="id,nps\n1,3\n2,3\n")
    pull(shop, b2=second)
    configure(shop, replaces={"b1_fixed.csv": "b1.csv"})

    corrected = pull(shop, b1_fixed="id,nps\n1,3\n")["b1_fixed.csv"]
    assert corrected.notes[-1] == "drop b2.csv again: rows of b1.csv stood in there too and were landed once"
    assert live(shop) == [("b2.csv", ["3"]), ("b1_fixed.csv", ["1"])]

    pull(shop, b2=second)
    assert {record for _, records in live(shop) for record in records} == {"1", "2", "3"}


def test_the_same_file_again_adds_nothing_also_after_its_mapping_was_renamed(shop: Pipeline) -> None:
    text = "id,nps\n1,3\n"
    pull(shop, answers=text)
    configure(shop, name="a_shop")
    assert pull(shop, answers=text)["answers.csv"].rows == 1

    again = pull(shop, answers=text)["answers.csv"]

    assert (again.rows, again.notes) == (
        0,
        ("the same file was landed before under the same mapping; nothing was added",),
    )
    assert live(shop) == [("answers.csv", ["1"])]


def test_equal_rows_without_an_id_in_two_files_are_two_answers(shop: Pipeline) -> None:
    pull(shop, one="id,nps\n,0\n")
    pull(shop, two="id,nps\n,0\n\n")

    assert [len(records) for _, records in live(shop)] == [1, 1]
