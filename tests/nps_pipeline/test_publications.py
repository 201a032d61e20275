"""Publications: a candidate becomes what everyone reads by one rename, and a kill never shows half of one."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pytest

from nps_pipeline import publications
from nps_pipeline.home import Home
from nps_pipeline.publications import Publication, PublicationError, current, history, require_current, swap
from nps_pipeline.warehouse import CONTRACT_TABLES, WarehouseError, open_published, open_work
from tests.nps_pipeline.small_marts import facts_of, judge, publish, published, read_all


@pytest.fixture
def built(home: Home) -> Home:
    """A home whose working database holds every contract table, three rows each, and one that is none."""
    with open_work(home) as work:
        work.execute("create schema marts")
        for table in (*CONTRACT_TABLES, "int_identities"):
            work.execute(f"create table marts.{table} as select 3 - i as n, '{table}' as name from range(3) as r(i)")
        work.execute("create or replace table marts.publication as select 'p1' as publication_id")
    return home


def publish_built(built: Home, run_id: str, publication_id: str) -> Publication:
    """Publish what the working database holds, as a run does that finds nothing wrong with it."""
    with open_work(built) as work:
        work.execute(f"update marts.publication set publication_id = '{publication_id}'")
    directory = publications.candidate(built, run_id)
    (directory / "report.html").write_text("<p>", encoding="utf-8")
    judge(directory, publication_id)
    return swap(built, directory, facts_of(directory, publication_id), keep=2)


def ids(home: Home) -> list[str]:
    return [publication.publication_id for publication in history(home)]


# --- candidates ------------------------------------------------------------------------------------------------------


def test_a_candidate_holds_the_contract_tables_and_nothing_else(built: Home) -> None:
    directory = publications.candidate(built, "run-1")
    assert sorted(path.name for path in directory.iterdir()) == ["mart.duckdb", "parquet"]
    assert {path.stem for path in (directory / "parquet").iterdir()} == set(CONTRACT_TABLES)
    with open_published(directory / "mart.duckdb") as mart:
        tables = {name for (name,) in mart.execute("select table_name from duckdb_tables()").fetchall()}
        assert tables == set(CONTRACT_TABLES)
        for table in CONTRACT_TABLES:
            rows = mart.execute(f"select * from {table}").fetchall()
            assert rows == ([("p1",)] if table == "publication" else [(1, table), (2, table), (3, table)])
            parquet = str(directory / "parquet" / f"{table}.parquet")
            assert mart.execute("select * from read_parquet($path)", {"path": parquet}).fetchall() == rows


def test_a_candidate_is_copied_once_per_run(built: Home) -> None:
    first = publications.candidate(built, "run-1")
    with open_work(built) as work:
        work.execute("delete from marts.fct_nps_responses")
    assert publications.candidate(built, "run-1") == first
    with open_published(first / "mart.duckdb") as mart:
        assert mart.execute("select count(*) from fct_nps_responses").fetchall() == [(3,)]


def test_candidates_of_runs_that_ended_are_removed_and_a_half_made_one_is_made_anew(built: Home) -> None:
    publications.candidate(built, "run-1")
    half = built.publish / ".candidates" / ".run-2"
    half.mkdir()
    (half / "mart.duckdb").write_bytes(b"half")
    directory = publications.candidate(built, "run-2")
    assert [path.name for path in directory.parent.iterdir()] == ["run-2"]
    with duckdb.connect(str(directory / "mart.duckdb"), read_only=True) as mart:
        assert mart.execute("select count(*) from publication").fetchall() == [(1,)]


def test_a_discarded_candidate_is_gone(built: Home) -> None:
    directory = publications.candidate(built, "run-1")
    publications.discard(directory)
    assert not directory.exists()


def test_a_table_that_is_missing_makes_no_candidate(built: Home) -> None:
    with open_work(built) as work:
        work.execute("drop table marts.publication")
    with pytest.raises((WarehouseError, duckdb.Error)):
        publications.candidate(built, "run-1")
    assert not (built.publish / ".candidates" / "run-1").exists()


# --- the swap --------------------------------------------------------------------------------------------------------


def test_before_the_first_publication_nothing_is_current(home: Home) -> None:
    assert current(home) is None
    assert history(home) == []
    with pytest.raises(PublicationError) as refusal:
        require_current(home)
    assert str(refusal.value) == f"Nothing is published yet below {home.root}. Start with `nps run`."


def test_a_swapped_candidate_is_what_everyone_reads(built: Home) -> None:
    publication = publish_built(built, "run-1", "20261122T101500Z")
    assert publication == current(built) == require_current(built)
    assert not (built.publish / ".candidates" / "run-1").exists()
    assert publication.directory == built.publish / "publications" / "20261122T101500Z"
    assert (publication.publication_id, publication.fingerprint) == ("20261122T101500Z", "of 20261122T101500Z")
    facts = json.loads((publication.directory / "publication.json").read_text(encoding="utf-8"))
    assert facts == {**facts_of(publication.directory, "20261122T101500Z"), "previous": None}
    assert publication.report.read_text(encoding="utf-8") == "<p>"
    assert publication.mart == publication.directory / "mart.duckdb"
    with open_published(built.publish / "mart.duckdb") as mart:
        assert mart.execute("select count(*) from fct_nps_responses").fetchall() == [(3,)]


def test_the_links_are_relative_so_that_a_moved_home_still_reads(home: Home, tmp_path: Path) -> None:
    publish(home, "p1")
    assert (home.publish / "current").readlink() == Path("publications/p1")
    assert (home.publish / "mart.duckdb").readlink() == Path("current/mart.duckdb")
    moved = Home(home.root.rename(tmp_path / "moved"))
    assert require_current(moved).directory == moved.publish / "publications" / "p1"
    assert published(moved) == {"p1"}


def test_a_second_swap_takes_over_and_the_first_stays(home: Home) -> None:
    first = publish(home, "p1")
    second = publish(home, "p2")
    assert current(home) == second
    assert history(home) == [first, second]
    assert published(home) == {"p2"}
    assert read_all(first.mart)[0] == {"p1"}
    assert (first.facts["previous"], second.facts["previous"]) == (None, "p1")


def test_who_reads_a_publication_while_another_is_swapped_in_goes_on_reading_it(built: Home) -> None:
    publish_built(built, "run-1", "p1")
    with open_published(built.publish / "mart.duckdb") as reader:
        with open_work(built) as work:
            work.execute("delete from marts.loads")
        for publication_id in ("p2", "p3"):
            publish_built(built, f"run of {publication_id}", publication_id)
        assert ids(built) == ["p2", "p3"]
        assert reader.execute("select count(*) from loads").fetchall() == [(3,)]
    with open_published(require_current(built).mart) as reader:
        assert reader.execute("select count(*) from loads").fetchall() == [(0,)]


@pytest.mark.parametrize(
    ("keep", "kept"), [(2, ["p4", "p5"]), (3, ["p3", "p4", "p5"]), (9, ["p1", "p2", "p3", "p4", "p5"])]
)
def test_the_last_publications_stay(home: Home, keep: int, kept: list[str]) -> None:
    for number in range(1, 6):
        publish(home, f"p{number}", keep)
    assert ids(home) == kept
    assert sorted(path.name for path in (home.publish / "publications").iterdir()) == kept


def test_the_current_publication_is_never_pruned_however_it_is_named(home: Home) -> None:
    for publication_id in ("p5", "p4", "p1"):
        publish(home, publication_id, keep=2)
    assert require_current(home).publication_id == "p1"
    assert ids(home) == ["p1", "p4"]  # p4 is what readers had before


def test_a_home_behind_a_link_keeps_its_current_publication(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    home = Home(tmp_path / "link")
    home.root.symlink_to(tmp_path / "disk")
    for publication_id in ("p1", "p2", "p3"):
        publish(home, publication_id, keep=2)
    assert require_current(home).publication_id == "p3"
    assert ids(home) == ["p2", "p3"]


def test_a_published_id_is_not_published_again(home: Home) -> None:
    publish(home, "p1")
    with pytest.raises(PublicationError, match=r"^p1 is published already\. Nothing was changed"):
        publish(home, "p1")
    assert published(home) == {"p1"}


# --- damage ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "damage",
    [
        lambda directory: (directory / "publication.json").unlink(),
        lambda directory: (directory / "publication.json").write_text('{"publication_id": '),
        lambda directory: (directory / "publication.json").write_text("[]"),
        lambda directory: (directory / "publication.json").write_text("5"),
        lambda directory: (directory / "publication.json").write_text('{"publication_id": "p1"}'),
        lambda directory: (directory / "publication.json").write_bytes(b"\xff"),
        lambda directory: (directory / "mart.duckdb").unlink(),
    ],
)
@pytest.mark.parametrize("read", [current, require_current, history])
def test_an_incomplete_publication_is_told_with_its_remedy(
    home: Home, read: Callable[[Home], Any], damage: Callable[[Path], Any]
) -> None:
    directory = publish(home, "p1").directory
    damage(directory)
    with pytest.raises(PublicationError) as refusal:
        read(home)
    assert str(refusal.value) == (
        f"{directory} is no complete publication. Remove it, or point {home.publish / 'current'} to another one with "
        "`nps rollback`; `nps run` publishes again."
    )


def test_the_remedies_work(home: Home) -> None:
    """Pointing the link to another publication, and removing the directory."""
    publish(home, "p1")
    damaged = publish(home, "p2")
    (damaged.directory / "publication.json").unlink()
    (home.publish / "current").unlink()
    (home.publish / "current").symlink_to("publications/p1")
    assert require_current(home).publication_id == "p1"
    (home.publish / "current").unlink()
    (home.publish / "current").symlink_to("publications/p2")
    shutil.rmtree(damaged.directory)
    assert current(home) is None
    assert publish(home, "p2") == current(home)


def test_a_damaged_old_publication_does_not_stop_a_new_one(home: Home) -> None:
    damaged = publish(home, "p1")
    (damaged.directory / "publication.json").unlink()
    publish(home, "p2", keep=2)
    publish(home, "p3", keep=2)
    assert ids(home) == ["p2", "p3"]


def test_nothing_built_is_no_candidate(home: Home) -> None:
    home.root.mkdir()
    home.work_db.write_bytes(b"no database")
    with pytest.raises(WarehouseError, match="cannot be opened"):
        publications.candidate(home, "run-1")
    assert not (home.publish / ".candidates" / "run-1").exists()
