"""After a change of nps.yaml landed files are read anew in the order in which they came; refused ones are retried."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

from nps_pipeline.inbox import pull_files
from nps_pipeline.landing import Load, list_loads
from nps_pipeline.requeue import Requeued, UnknownStreamError, requeue
from tests.nps_pipeline.loads import ROOT, payloads, pull, record
from tests.nps_pipeline.pipeline import Pipeline, content
from tests.nps_pipeline.test_inbox import MAPPING, configure
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


def loads_that_count(shop: Pipeline) -> list[Load]:
    """Those that no other one replaces, of each stream in the order that decides which version is current."""
    loads = list_loads(shop.home)
    replaced = {load_id for load in loads for load_id in load.manifest.replaces}
    return [load for load in loads if load.manifest.load_id not in replaced]


def counting(shop: Pipeline) -> list[tuple[str, list[str]]]:
    """The files of these loads, with the ids of the rows landed for them."""
    return [
        (load.manifest.file.name, sorted(name for name, _ in payloads(load)))
        for load in loads_that_count(shop)
        if load.manifest.file
    ]


def current(shop: Pipeline) -> dict[str, str]:
    """Record -> payload of its current version."""
    return {name: payload for load in loads_that_count(shop) for name, payload in payloads(load)}


def scores(shop: Pipeline) -> dict[str, str]:
    return {name: json.loads(payload)["mapped"]["score"] for name, payload in sorted(current(shop).items())}


def test_files_are_read_anew_in_the_order_in_which_they_came(shop: Pipeline) -> None:
    configure(shop, score="other")
    outcomes = requeue(shop.settings())
    assert [outcome.what for outcome in outcomes] == ["z_first.csv", "a_second.csv", "m_third.csv"]
    assert not any(outcome.failed for outcome in outcomes)
    assert counting(shop) == [("z_first.csv", ["1", "2"]), ("a_second.csv", ["2", "3"]), ("m_third.csv", ["4"])]
    assert '"score":"4"' in current(shop)["2"].replace(" ", "")  # of the later file

    assert said(requeue(shop.settings())) == {"files": "is read as before; nothing was added."}
    assert len(list_loads(shop.home)) == 6


def test_files_that_came_in_an_archive_are_read_anew_and_tried_again(shop: Pipeline) -> None:
    with zipfile.ZipFile(shop.home.inbox / "both.zip", "w") as archive:
        archive.writestr("packed.csv", "id,nps,other\n7,9,3\n")
        archive.writestr("unreadable.csv", "id,other\n8,4\n")
    pull_files(shop.settings())
    configure(shop, score="other")
    told = said(requeue(shop.settings()))
    assert told["packed.csv"] == "1 rows into files/shop, in place of its earlier load."
    assert told["unreadable.csv"].startswith("1 rows into files/shop")
    assert {name: score for name, score in scores(shop).items() if name in "78"} == {"7": "3", "8": "4"}


def test_what_is_read_as_before_stays(shop: Pipeline) -> None:
    assert said(requeue(shop.settings())) == {"files": "is read as before; nothing was added."}
    assert len(list_loads(shop.home)) == 3


def test_a_file_that_came_after_the_change_stays_the_later_one(shop: Pipeline) -> None:
    configure(shop, score="other")
    drop(shop, b_fourth="id,nps,other\n1,0,7\n")
    requeue(shop.settings())
    assert [name for name, _ in counting(shop)] == ["z_first.csv", "a_second.csv", "m_third.csv", "b_fourth.csv"]
    assert '"score":"7"' in current(shop)["1"].replace(" ", "")


def test_a_mapping_with_another_name_takes_its_files_along(shop: Pipeline) -> None:
    configure(shop, name="retail")
    requeue(shop.settings(), "files.shop")
    loads = [load.manifest for load in list_loads(shop.home)]
    assert [load.stream for load in loads] == ["retail"] * 3 + ["shop"] * 3
    assert counting(shop) == [("z_first.csv", ["1", "2"]), ("a_second.csv", ["2", "3"]), ("m_third.csv", ["4"])]


def test_only_the_chosen_stream_is_read_anew(shop: Pipeline) -> None:
    configure(shop, score="other")
    shop.configuration["sources"]["files"].append({**MAPPING, "name": "survey", "match": "*.tsv"})
    assert requeue(shop.settings(), "files.survey") == []
    assert len(list_loads(shop.home)) == 3
    assert len(requeue(shop.settings(), "files")) == 3
    with pytest.raises(UnknownStreamError, match=r"nothing is no source or stream .* there are files, files\.shop"):
        requeue(shop.settings(), "nothing")


def test_a_file_that_the_new_mapping_refuses_keeps_its_load_and_its_place(shop: Pipeline) -> None:
    drop(shop, x_other="id,nps\n4,2\n")
    drop(shop, y_last="id,nps,other\n4,0,1\n5,0,1\n")
    configure(shop, score="other")
    outcomes = requeue(shop.settings())
    assert [outcome.what for outcome in outcomes if outcome.failed] == ["x_other.csv"]
    assert "what was landed of it stays" in said(outcomes)["x_other.csv"]
    assert scores(shop) == {"1": "3", "2": "4", "3": "4", "4": "1", "5": "1"}

    again = requeue(shop.settings())
    assert [outcome.what for outcome in again] == ["x_other.csv"]
    assert len(list_loads(shop.home)) == 5 + 4


def test_a_file_that_left_the_archive_is_named_and_keeps_its_load(shop: Pipeline) -> None:
    configure(shop, score="other")
    (shop.home.archive / "a_second.csv").unlink()
    outcomes = requeue(shop.settings())
    assert [outcome.what for outcome in outcomes if outcome.failed] == ["a_second.csv"]
    assert "drop the file into the inbox again" in said(outcomes)["a_second.csv"]
    assert scores(shop) == {"1": "3", "2": "6", "3": "NA", "4": "5"}

    drop(shop, a_second=SECOND)
    assert scores(shop) == {"1": "3", "2": "4", "3": "4", "4": "5"}


@pytest.mark.parametrize("stream", ["a_first", "z_first"])
def test_an_export_that_repeats_an_earlier_one_keeps_what_it_repeats(shop: Pipeline, stream: str) -> None:
    """The earlier one goes to another stream: its rows, landed once, stood in the later one too."""
    drop(shop, export_1="id,nps,other\n7,1,1\n8,1,1\n")
    drop(shop, export_2="id,nps,other\n7,1,1\n8,1,1\n9,1,1\n")
    shop.configuration["sources"]["files"].insert(0, {**MAPPING, "name": stream, "match": "export_1.csv"})
    requeue(shop.settings())
    assert ("export_1.csv", ["7", "8"]) in counting(shop)
    assert ("export_2.csv", ["7", "8", "9"]) in counting(shop)
    landed = len(list_loads(shop.home))
    requeue(shop.settings())
    assert len(list_loads(shop.home)) == landed


def test_a_file_that_is_dropped_again_after_it_adds_nothing(shop: Pipeline) -> None:
    """It leaned on what came before it; what came after it stays the later version."""
    export = "id,nps,other\n1,9,3\n5,5,5\n"
    drop(shop, n_fourth=export)
    drop(shop, c_fifth="id,nps,other\n1,9,3\n5,6,6\n")
    configure(shop, score="other")
    requeue(shop.settings())
    landed, before = len(list_loads(shop.home)), scores(shop)
    assert drop(shop, n_fourth=export)["n_fourth.csv"].rows == 0
    assert (len(list_loads(shop.home)), scores(shop)) == (landed, before)


def test_files_of_two_streams_that_become_one_keep_the_order_in_which_they_came(shop: Pipeline) -> None:
    shop.configuration["sources"]["files"].insert(0, {**MAPPING, "name": "other", "match": "o_*.csv"})
    drop(shop, o_fourth="id,nps,other\n2,1,1\n4,1,1\n")
    drop(shop, b_fifth="id,nps,other\n2,0,0\n")
    del shop.configuration["sources"]["files"][0]
    requeue(shop.settings())
    assert scores(shop) == {"1": "9", "2": "0", "3": "NA", "4": "1"}
    landed = len(list_loads(shop.home))
    assert said(requeue(shop.settings())) == {"files": "is read as before; nothing was added."}
    assert len(list_loads(shop.home)) == landed


def test_a_correction_that_is_named_since_replaces_its_file(shop: Pipeline) -> None:
    configure(shop, replaces={"m_third.csv": "a_second.csv"})
    requeue(shop.settings())
    assert counting(shop) == [("z_first.csv", ["1", "2"]), ("m_third.csv", ["4"])]


def test_a_correction_stays_one_of_the_file_that_it_corrected(shop: Pipeline) -> None:
    """Of two files of one name it replaced the newer one; the older one counts."""
    drop(shop, a_second="id,nps,other\n9,9,9\n")
    configure(shop, replaces={"fixed.csv": "a_second.csv"})
    drop(shop, fixed="id,nps,other\n9,8,8\n")
    configure(shop, score="other")
    requeue(shop.settings())
    assert [name for name, _ in counting(shop)] == ["z_first.csv", "a_second.csv", "m_third.csv", "fixed.csv"]
    assert scores(shop) == {"1": "3", "2": "4", "3": "4", "4": "5", "9": "8"}


def test_a_second_refused_file_of_a_name_is_tried_under_its_own_name(shop: Pipeline) -> None:
    for record_id in ("8", "9"):
        drop(shop, late=f"id,rating\n{record_id},8\n")
    mapping = {**MAPPING, "name": "late", "match": "late.csv", "score": "rating"}
    shop.configuration["sources"]["files"].insert(0, mapping)
    assert not any(outcome.failed for outcome in requeue(shop.settings()))
    assert [entry for entry in counting(shop) if entry[0] == "late.csv"] == [("late.csv", ["8"]), ("late.csv", ["9"])]
    assert [path for path in shop.home.refused.rglob("*") if path.is_file()] == []


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
    assert ("late.csv", ["8"]) in counting(shop)


def test_what_happens_to_a_crm_is_said(tmp_path: Path) -> None:
    pipeline = Pipeline(tmp_path, configuration={"version": 1, "sources": {"hubspot": {}}})
    pull(pipeline.home, record("1"), source="hubspot", stream="contacts", mode="full")
    outcome = said(requeue(pipeline.settings(), "hubspot"))
    assert outcome == {"hubspot.contacts": "other fields are asked for now: the next run pulls everything anew."}


def test_a_requeue_killed_at_any_step_is_never_out_of_order_and_ends_the_same(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.nps_pipeline.kill_requeue", tmp_path]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert len(found["kills"]) > 60
    assert found["new"]["scores"] == {"1": "3", "2": "6", "3": "8"}
    for kill in found["kills"]:
        # record 2 stands in both files, and the later one decides, read in the old way or in the new one
        assert kill["left"]["scores"]["2"] in {"5", "6"}, kill["step"]
        assert kill["repeated"] in (None, found["new"]), kill["step"]


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
