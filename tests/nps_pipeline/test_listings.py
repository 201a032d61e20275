"""Pulls that list everything a source has: what they must hold, what a person may accept, and where every row went."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import yaml

from nps_pipeline import instance, shrink
from nps_pipeline.execute import Wishes, run_job
from nps_pipeline.home import Home
from nps_pipeline.shrink import ShrinkError
from nps_pipeline.transform import CONSERVATION
from tests.nps_pipeline.command import SHOP
from tests.nps_pipeline.loads import loaded, pull, record, rows, version
from tests.nps_pipeline.pipeline import Pipeline

CONTACTS: dict[str, Any] = {"source": "hubspot", "stream": "contacts"}


def contacts(*numbers: int, day: int = 1) -> list[Any]:
    return [
        record(str(number), json.dumps({"id": str(number), "properties": {"email": f"c{number}@x.example"}}), day)
        for number in numbers
    ]


# --- landing ---


def test_a_pull_of_everything_counts_what_it_lists_also_what_was_landed_before(home: Home) -> None:
    first = loaded(pull(home, record("a"), record("b", day=1), record("b", day=2, deleted=True), mode="full"))
    second = loaded(pull(home, record("a"), record("a"), record("c"), record("d", deleted=True), mode="full"))
    assert (first.manifest.live_records, first.manifest.rows) == (1, 3)
    assert (second.manifest.live_records, second.manifest.rows) == (2, 2)


def test_a_pull_of_everything_that_lists_nothing_counts_nothing(home: Home) -> None:
    pull(home, record("a"), cursor={"at": "2026-01-01T00:00:00Z"}, mode="full")
    emptied = loaded(pull(home, mode="full", mapping_hash="another"))
    assert (emptied.manifest.live_records, emptied.manifest.rows) == (0, 0)


def test_a_pull_of_changes_counts_no_live_records(home: Home) -> None:
    assert loaded(pull(home, record("a"), mode="incremental")).manifest.live_records is None


def test_a_reconcile_is_a_load_also_when_nothing_changed(home: Home) -> None:
    pull(home, record("a"), mode="full")
    result = pull(home, record("a"), mode="reconcile", source_count=lambda: 1)
    assert (result.reread_rows, loaded(result).manifest.rows, loaded(result).manifest.source_count) == (1, 0, 1)
    assert loaded(result).manifest.live_records == 1


def test_a_reconcile_lands_the_delete_of_what_it_does_not_list(home: Home) -> None:
    pull(home, record("a", day=1), record("b", "{1}", day=1), record("c", day=1, deleted=True), mode="full")
    pull(home, record("b", "{2}", day=2), mode="incremental")
    load = loaded(pull(home, record("a", day=1), mode="reconcile"))
    assert [(row["record_id"], row["payload"], row["is_deleted"], row["row_no"]) for row in rows(load)] == [
        ("b", "{2}", True, 1)
    ]
    assert [row["source_version"] for row in rows(load)] == [version(2)]
    manifest = load.manifest
    assert (manifest.rows, manifest.deleted_rows, manifest.unlisted_rows) == (1, 1, 1)
    assert (manifest.live_before, manifest.live_records) == (2, 1)
    again = loaded(pull(home, record("a", day=1), mode="reconcile"))
    assert (again.manifest.rows, again.manifest.unlisted_rows) == (0, 0)


def test_what_is_listed_again_lives_again(home: Home) -> None:
    pull(home, record("a", day=1), mode="full")
    pull(home, record("b", day=1), mode="reconcile")
    load = loaded(pull(home, record("a", day=1), record("b", day=1), mode="reconcile"))
    assert [(row["record_id"], row["is_deleted"]) for row in rows(load)] == [("a", False)]


@pytest.mark.parametrize("mode", ["full", "incremental"])
def test_only_a_reconcile_takes_what_is_not_listed_for_deleted(home: Home, mode: Any) -> None:
    pull(home, record("a", day=1), record("b", day=1), mode="full")
    load = loaded(pull(home, record("a", day=2), mode=mode))
    assert [row["record_id"] for row in rows(load)] == ["a"]
    assert (load.manifest.unlisted_rows, load.manifest.late_rows) == (None, None)


def test_a_reconcile_counts_what_earlier_pulls_should_have_had(home: Home) -> None:
    pull(home, record("a", day=1), mode="full")
    served = record("a", day=1), record("late", day=2), record("new", day=4)
    load = loaded(pull(home, *served, mode="reconcile", pulled_until=version(3)))
    assert (load.manifest.rows, load.manifest.late_rows) == (2, 1)


# --- what a person accepted ---


def test_what_is_accepted_are_pulls_of_everything_and_stays_accepted(home: Home) -> None:
    full = loaded(pull(home, record("a"), mode="full"))
    changes = loaded(pull(home, record("b"), mode="incremental"))
    reconcile = loaded(pull(home, record("a"), mode="reconcile"))
    assert shrink.accepted(home) == set()
    assert shrink.accept(home, [full, changes]) == {full.manifest.load_id}
    assert shrink.accept(home, [reconcile]) == shrink.accepted(home)
    assert shrink.accepted(home) == {full.manifest.load_id, reconcile.manifest.load_id}


@pytest.mark.parametrize("damage", ["", "[]", '{"load_ids": 7}'])
def test_a_damaged_list_of_what_was_accepted_is_named(home: Home, damage: str) -> None:
    home.root.mkdir()
    home.accepted_shrinks.write_text(damage)
    with pytest.raises(ShrinkError, match="accept again"):
        shrink.accepted(home)


# --- through the whole loop ---


@pytest.fixture(scope="module")
def refused(tmp_path_factory: pytest.TempPathFactory) -> tuple[Pipeline, Any]:
    """A HubSpot whose second full pull lists half as much and counts more than it lists; and the run after it."""
    folder: Path = tmp_path_factory.mktemp("listings")
    pipeline = Pipeline(folder, configuration={"version": 1, "sources": {"hubspot": {}, **shop()}})
    pipeline.write(
        "shop.csv", "id,mail,customer,name,nps,why,at\n1,c1@x.example,,,9,,2026-01-05\n2,,,,NA,,2026-01-05\n"
    )
    pull(pipeline.home, *contacts(*range(10)), mode="full", **CONTACTS)
    halved = contacts(*range(5), day=2)
    pull(pipeline.home, *halved, mode="reconcile", source_count=lambda: 12, **CONTACTS)
    return pipeline, pipeline.run()


def shop() -> dict[str, Any]:
    sources: dict[str, Any] = yaml.safe_load(SHOP)["sources"]
    return sources


def test_a_source_that_lists_too_little_blocks_and_says_what_to_do(refused: tuple[Pipeline, Any]) -> None:
    pipeline, result = refused
    assert (result.exit, result.published) == (1, None)
    assert not (pipeline.home.publish / "current").exists()
    said = "\n".join(result.problems)
    assert "full_pull_lists_most_records on loads failed for 1 row" in said
    assert "nps run --accept-shrink" in said
    assert "live_records_are_those_that_the_source_counts on conservation failed for 1 row" in said


def test_what_a_person_accepts_is_published_and_every_load_accounts_for_its_rows(
    refused: tuple[Pipeline, Any],
) -> None:
    pipeline, _ = refused
    pull(pipeline.home, *contacts(*range(5), day=2), mode="reconcile", source_count=lambda: 5, **CONTACTS)
    result = run_job(pipeline.settings(), pipeline.definitions(), Wishes(accept_shrink=True))
    assert (result.exit, result.problems) == (0, ())

    listings = pipeline.query(
        "select load_seq, mode, manifest_rows, superseded, current, reread_rows, live_records, live_before, "
        "is_shrink_accepted from loads where source_stream = 'contacts' order by load_seq"
    )
    assert [tuple(row.values()) for row in listings] == [
        (1, "full", 10, 10, 0, 0, 10, 0, True),
        (2, "reconcile", 10, 0, 5, 0, 5, 10, True),
        (3, "reconcile", 0, 0, 0, 5, 5, 5, True),
    ]
    (counted,) = pipeline.query("select source_count, counted_live from conservation where role = 'person'")
    assert (counted["source_count"], counted["counted_live"]) == (5, 5)
    (of_files,) = pipeline.query("select manifest_rows, kept, quarantined from loads where source_system = 'files'")
    assert tuple(of_files.values()) == (2, 1, 1)
    assert plotted(pipeline) == {
        "files/shop served": 2,
        "files/shop superseded": 0,
        "files/shop deleted": 0,
        "files/shop excluded": 0,
        "files/shop quarantined": 1,
        "files/shop duplicate": 0,
        "files/shop kept": 1,
        "files/shop unexplained": 0,
        "hubspot/contacts served": 20,
        "hubspot/contacts superseded": 10,
        "hubspot/contacts deleted": 5,
        "hubspot/contacts current": 5,
        "hubspot/contacts unexplained": 0,
    }


def plotted(pipeline: Pipeline) -> dict[str, Any]:
    """The numbers of the conservation asset that Dagster plots."""
    instance.use(pipeline.settings())
    with dg.DagsterInstance.get() as opened:
        event = opened.get_latest_materialization_event(CONSERVATION)
    assert event is not None
    assert event.asset_materialization is not None
    metadata = event.asset_materialization.metadata
    return {
        name: told.value for name, told in metadata.items() if " " in name and isinstance(told, dg.IntMetadataValue)
    }
