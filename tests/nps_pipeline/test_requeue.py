"""After a change of nps.yaml landed files are read anew in the order in which they came; refused ones are retried."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from nps_pipeline.inbox import pull_files
from nps_pipeline.landing import list_loads
from nps_pipeline.requeue import Requeued, UnknownStreamError, requeue
from tests.nps_pipeline.killing import killed_at_every_step
from tests.nps_pipeline.loads import payloads, pull, record
from tests.nps_pipeline.pipeline import Pipeline, content
from tests.nps_pipeline.test_inbox import MAPPING, configure, live
from tests.nps_pipeline.test_inbox import pull as drop

FIRST, SECOND, THIRD = "id,nps,other\n1,9,3\n2,3,3\n", "id,nps,other\n2,6,4\n3,NA,4\n", "id,nps,other\n4,8,5\n"


@pytest.fixture
def shop(tmp_path: Path) -> Pipeline:
    made = Pipeline(tmp_path, configuration={"version": 1, "sources": {"files": [dict(MAPPING)]}})
    drop(made, z_first=FIRST)  # the names are not in the order in which they came
    drop(made, a_second=SECOND)
    drop(made, m_third=THIRD)
    return made


def said(outcomes: list[Requeued]) -> dict[str, str]:
    return {outcome.what: outcome.says for outcome in outcomes}


def current(shop: Pipeline) -> dict[str, str]:
    """Record -> payload of its current version, by the order of loads that no other one replaces."""
    loads = list_loads(shop.home)
    replaced = {load_id for load in loads for load_id in load.manifest.replaces}
    counting = [load for load in loads if load.manifest.load_id not in replaced]
    return {name: payload for load in counting for name, payload in payloads(load)}


def test_files_are_read_anew_in_the_order_in_which_they_came(shop: Pipeline) -> None:
    configure(shop, score="other")
    outcomes = requeue(shop.settings())
    assert [outcome.what for outcome in outcomes] == ["z_first.csv", "a_second.csv", "m_third.csv"]
    assert not any(outcome.failed for outcome in outcomes)
    assert live(shop) == [("z_first.csv", ["1", "2"]), ("a_second.csv", ["2", "3"]), ("m_third.csv", ["4"])]
    assert '"score":"4"' in current(shop)["2"].replace(" ", "")  # of the later file

    assert said(requeue(shop.settings())) == {"files.shop": "is read as before; nothing was added."}
    assert len(list_loads(shop.home)) == 6


def test_what_is_read_as_before_stays(shop: Pipeline) -> None:
    assert said(requeue(shop.settings())) == {"files.shop": "is read as before; nothing was added."}
    assert len(list_loads(shop.home)) == 3


def test_a_file_that_came_after_the_change_stays_the_later_one(shop: Pipeline) -> None:
    configure(shop, score="other")
    drop(shop, b_fourth="id,nps,other\n1,0,7\n")
    requeue(shop.settings())
    assert [name for name, _ in live(shop)] == ["z_first.csv", "a_second.csv", "m_third.csv", "b_fourth.csv"]
    assert '"score":"7"' in current(shop)["1"].replace(" ", "")


def test_a_mapping_with_another_name_takes_its_files_along(shop: Pipeline) -> None:
    configure(shop, name="retail")
    requeue(shop.settings(), "files.shop")
    loads = [load.manifest for load in list_loads(shop.home)]
    assert [load.stream for load in loads] == ["retail"] * 3 + ["shop"] * 3
    assert live(shop) == [("z_first.csv", ["1", "2"]), ("a_second.csv", ["2", "3"]), ("m_third.csv", ["4"])]


def test_only_the_chosen_stream_is_read_anew(shop: Pipeline) -> None:
    configure(shop, score="other")
    shop.configuration["sources"]["files"].append({**MAPPING, "name": "survey", "match": "*.tsv"})
    assert requeue(shop.settings(), "files.survey") == []
    assert len(list_loads(shop.home)) == 3
    assert len(requeue(shop.settings(), "files")) == 3
    with pytest.raises(UnknownStreamError, match=r"nothing is no source or stream .* there are files, files\.shop"):
        requeue(shop.settings(), "nothing")


def test_a_file_that_the_new_mapping_refuses_keeps_its_stream_as_it_is(shop: Pipeline) -> None:
    drop(shop, x_other="id,nps\n9,9\n")
    configure(shop, score="other")
    outcomes = requeue(shop.settings())
    assert [outcome.what for outcome in outcomes if outcome.failed] == ["x_other.csv", "files.shop"]
    assert "what was landed of it stays" in said(outcomes)["x_other.csv"]
    assert len(list_loads(shop.home)) == 4


def test_a_file_that_left_the_archive_is_named(shop: Pipeline) -> None:
    configure(shop, score="other")
    (shop.home.archive / "a_second.csv").unlink()
    outcomes = requeue(shop.settings())
    assert "drop the file into the inbox again" in said(outcomes)["a_second.csv"]
    assert len(list_loads(shop.home)) == 3


def test_an_archived_file_is_found_by_its_content(shop: Pipeline) -> None:
    (shop.home.archive / "z_first.csv").rename(shop.home.archive / "renamed.csv")
    configure(shop, score="other")
    assert "z_first.csv" in said(requeue(shop.settings()))


def test_refused_files_are_tried_again(shop: Pipeline) -> None:
    drop(shop, late="id,rating\n8,8\n")
    assert (shop.home.refused / "late.csv.reason.txt").exists()
    assert [outcome.what for outcome in requeue(shop.settings()) if outcome.failed] == ["late.csv"]
    assert (shop.home.refused / "late.csv").exists()

    shop.configuration["sources"]["files"].insert(
        0, {**MAPPING, "name": "late", "match": "late*.csv", "score": "rating"}
    )
    assert not any(outcome.failed for outcome in requeue(shop.settings()))
    assert list(shop.home.refused.iterdir()) == []
    assert (shop.home.archive / "late.csv").exists()
    assert ("late.csv", ["8"]) in live(shop)


def test_what_happens_to_a_crm_is_said(tmp_path: Path) -> None:
    pipeline = Pipeline(tmp_path, configuration={"version": 1, "sources": {"hubspot": {}}})
    pull(pipeline.home, record("1"), source="hubspot", stream="contacts", mode="full")
    outcome = said(requeue(pipeline.settings(), "hubspot"))
    assert outcome == {"hubspot.contacts": "other fields are asked for now: the next run pulls everything anew."}


def test_a_killed_requeue_ends_the_same_when_it_is_repeated(tmp_path: Path) -> None:
    numbers = iter(range(10_000))

    def prepare() -> Pipeline:
        folder = tmp_path / str(next(numbers))
        folder.mkdir()
        made = Pipeline(folder, configuration={"version": 1, "sources": {"files": [dict(MAPPING)]}})
        drop(made, z_first=FIRST)
        drop(made, a_second=SECOND)
        configure(made, score="other")
        return made

    undisturbed = prepare()
    requeue(undisturbed.settings())
    steps = 0
    for _, made in killed_at_every_step(prepare, lambda made: requeue(made.settings())):
        steps += 1
        if steps % 5:  # every fifth step is looked at: each is a home of its own
            continue
        requeue(made.settings())
        assert live(made) == live(undisturbed)
        assert current(made) == current(undisturbed)
        assert not list(made.home.root.glob(".requeue-*/*.csv"))
    assert steps > 20


def test_nothing_is_lost_or_counted_twice_and_ids_stay(tmp_path: Path) -> None:
    mapping: dict[str, Any] = {**MAPPING, "email": "mail", "survey_type": "relational"}
    pipeline = Pipeline(tmp_path, configuration={"version": 1, "sources": {"files": [mapping]}})
    pipeline.write("b.csv", "id,mail,nps,other\n1,a@x.example,9,3\n2,b@x.example,NA,4\n")
    pull_files(pipeline.settings())
    pipeline.write("a.csv", "id,mail,nps,other\n1,a@x.example,8,5\n3,,7,6\n")
    assert pipeline.run().exit == 0
    ids = "select source_record_id, response_id, customer_id from fct_nps_responses order by all"
    before = {row["source_record_id"]: row for row in pipeline.query(ids)}

    configure(pipeline, score="other")
    requeue(pipeline.settings())
    assert pipeline.run().exit == 0
    after = {row["source_record_id"]: row for row in pipeline.query(ids)}
    assert {name: after[name] for name in before} == before
    scores = pipeline.query("select source_record_id, score from fct_nps_responses order by all")
    assert [tuple(row.values()) for row in scores] == [("1", 5), ("2", 4), ("3", 6)]
    (row,) = pipeline.query("select served, superseded, kept, quarantined from conservation")
    assert tuple(row.values()) == (8, 5, 3, 0)
    assert content(pipeline, {"quarantined_responses"}) == {"quarantined_responses": []}
