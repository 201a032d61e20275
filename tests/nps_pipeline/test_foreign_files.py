"""Files of many tools and hands through the whole loop: every row is where a second count says that it belongs."""

from __future__ import annotations

from collections import Counter

import pytest

from tests.nps_pipeline.foreign_files import Foreign, classes, every_file, scores
from tests.nps_pipeline.pipeline import Pipeline

FILES = every_file()
CLASSES = ("served", "superseded", "excluded", "quarantined", "duplicate", "kept")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Pipeline:
    mappings = [file.mapping for file in FILES if file.mapping]
    pipeline = Pipeline(
        tmp_path_factory.mktemp("foreign"), configuration={"version": 1, "sources": {"files": mappings}}
    )
    pipeline.home.inbox.mkdir(parents=True)
    for file in FILES:
        (pipeline.home.inbox / file.name).write_bytes(file.content)
    result = pipeline.run()
    assert result.problems == ()
    return pipeline


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.name))
def test_every_row_is_in_the_class_that_a_second_count_gives_it(run: Pipeline, file: Foreign) -> None:
    (found,) = run.query(f"select * from conservation where source_stream = '{file.stream}'")
    expected = classes(file.rows)
    assert {name: found[name] for name in CLASSES} == {name: expected[name] for name in CLASSES}
    assert expected["served"] == sum(expected[name] for name in CLASSES[1:])
    reasons = run.query(f"select reason from quarantined_responses where source_stream = '{file.stream}'")
    assert len(reasons) == expected["quarantined"]


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.name))
def test_the_kept_scores_are_those_of_a_second_count(run: Pipeline, file: Foreign) -> None:
    kept = run.query(f"select score from fct_nps_responses where source_stream = '{file.stream}'")
    assert Counter(row["score"] for row in kept) == scores(file.rows)


def test_masked_answers_are_quarantined_and_no_mask_is_an_address(run: Pipeline) -> None:
    reasons = run.query(
        "select reason, count(*) as n from quarantined_responses where source_stream = 'masked' group by 1"
    )
    assert {row["reason"]: row["n"] for row in reasons} == {
        "score_not_a_number": 6, "score_not_available": 2, "score_blank": 1, "score_not_whole": 1,
    }  # fmt: skip
    assert run.one("select count(*) from dim_customers where email like '%*%'") == 0
    assert (
        run.one("select count(*) from fct_nps_responses where source_stream = 'masked' and customer_id is not null")
        == 0
    )


def test_times_are_those_of_the_zone_that_the_mapping_states(run: Pipeline) -> None:
    found = run.query(
        "select source_record_id as id, strftime(responded_at, '%Y-%m-%d %H:%M:%S') as at from fct_nps_responses "
        "where source_stream in ('alchemer', 'in_app') order by 2"
    )
    assert {row["id"]: row["at"] for row in found} == {
        "1": "2026-01-02 20:04:05", "4": "2026-01-16 14:10:11", "6": "2026-01-18 18:10:11",
        "9007199254740993": "2026-03-01 13:05:00", "9007199254740992": "2026-03-01 11:05:00",
    }  # fmt: skip
