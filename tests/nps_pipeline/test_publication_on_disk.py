"""What reaches the disk: verified before readers are led to it, with the rights of what they had before."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import duckdb
import pytest

from nps_pipeline.home import Home
from nps_pipeline.publications import PublicationError, current, history, require_current, swap
from tests.nps_pipeline.small_marts import facts_of, judge, make_candidate, make_mart, publish, published
from tests.nps_pipeline.test_publication_kills import ask

PARQUET = ("parquet/dim_surveys.parquet", "parquet/loads.parquet")


def ids(home: Home) -> list[str]:
    return [publication.publication_id for publication in history(home)]


# --- verified before anyone reads it ---------------------------------------------------------------------------------


def lacks_a_table(directory: Path) -> None:
    with duckdb.connect(str(directory / "mart.duckdb")) as mart:
        mart.execute("drop table dim_accounts")
    judge(directory, "p2")


def is_no_database(directory: Path) -> None:
    (directory / "mart.duckdb").write_bytes(b"no database")
    judge(directory, "p2")


def has_damaged_rows(directory: Path) -> None:
    """The file still opens, for the catalogue is whole; its blocks of rows are not."""
    mart = directory / "mart.duckdb"
    with duckdb.connect(str(mart)) as connection:
        connection.execute("create table padding as select hash(i) as n from range(300000) as r(i)")
    content = bytearray(mart.read_bytes())
    middle = 262_144 * (len(content) // 262_144 // 2)
    content[middle : middle + 100_000] = os.urandom(100_000)
    mart.write_bytes(content)
    judge(directory, "p2")


def is_of_another_publication(directory: Path) -> None:
    make_mart(directory / "mart.duckdb", "p9")
    judge(directory, "p2")


def changed_after_the_gate(directory: Path) -> None:
    with duckdb.connect(str(directory / "mart.duckdb")) as mart:
        mart.execute("delete from dim_accounts")


def did_not_pass(directory: Path) -> None:
    judge(directory, "p2", passed=False)


@pytest.mark.parametrize(
    ("damage", "why"),
    [
        (lacks_a_table, "its mart lacks dim_accounts"),
        (is_no_database, "DuckDB cannot read all of its mart"),
        (has_damaged_rows, "DuckDB cannot read all of its mart"),
        (is_of_another_publication, "its table publication does not name it, and it alone"),
        (changed_after_the_gate, "gate.json beside it does not say that this very mart passed the gate"),
        (did_not_pass, "gate.json beside it does not say that this very mart passed the gate"),
        (lambda directory: (directory / "gate.json").unlink(), "gate.json beside it does not say that this very mart"),
    ],
)
def test_what_is_on_disk_is_verified_before_readers_are_led_to_it(
    home: Home, damage: Callable[[Path], Any], why: str
) -> None:
    publish(home, "p1")
    directory = make_candidate(home, "p2")
    damage(directory)
    with pytest.raises(PublicationError) as refusal:
        swap(home, directory, facts_of(directory, "p2"), keep=2)
    assert str(refusal.value).startswith(f"p2 was not published: {why}")
    assert "Readers see what they saw before." in str(refusal.value)
    assert published(home) == {"p1"}
    assert [path.name for path in (home.publish / "publications").iterdir()] == ["p1"]
    publish(home, "p2")
    assert published(home) == {"p2"}


def test_a_mart_that_another_gate_passed_is_not_taken_for_this_one(home: Home) -> None:
    directory = make_candidate(home, "p1")
    with pytest.raises(PublicationError, match=r"^p1 was not published: its mart is not the one of this run"):
        swap(home, directory, {**facts_of(directory, "p1"), "mart_sha256": "0" * 64}, keep=2)
    assert current(home) is None


# --- rights ----------------------------------------------------------------------------------------------------------


def modes(directory: Path) -> dict[str, int]:
    paths = [directory, directory.parent, *directory.rglob("*")]
    return {os.path.relpath(path, directory): stat.S_IMODE(path.stat().st_mode) for path in paths}


def test_the_first_publication_has_the_rights_that_the_umask_leaves(home: Home) -> None:
    before = os.umask(0o027)
    try:
        directory = publish(home, "p1").directory
    finally:
        os.umask(before)
    assert modes(directory) == {
        ".": 0o750,
        "..": 0o750,
        "parquet": 0o750,
        **dict.fromkeys(
            ("mart.duckdb", "report.html", "gate.json", "publication.json", *PARQUET),
            0o640,
        ),
    }


def test_a_publication_takes_the_rights_of_the_one_before_it(home: Home) -> None:
    first = publish(home, "p1").directory
    chosen = {
        "..": 0o711,
        ".": 0o2755,
        "parquet": 0o2750,
        "mart.duckdb": 0o440,
        "gate.json": 0o600,
        "publication.json": 0o644,
        "report.html": 0o604,
        "parquet/loads.parquet": 0o400,
    }
    for name, mode in chosen.items():
        (first / name).chmod(mode)
    (first / "parquet" / "dim_surveys.parquet").unlink()
    for publication_id in ("p2", "p3"):
        second = publish(home, publication_id, keep=2).directory
        # what has no counterpart is like the mart
        assert modes(second) == {**chosen, "parquet/dim_surveys.parquet": 0o440}
        (second / "parquet" / "dim_surveys.parquet").unlink()
    assert ids(home) == ["p2", "p3"]


def test_a_publication_that_may_not_be_written_can_still_be_removed(home: Home) -> None:
    first = publish(home, "p1").directory
    (first / "parquet").chmod(0o500)
    first.chmod(0o500)
    for publication_id in ("p2", "p3", "p4"):
        publish(home, publication_id, keep=2)
    assert [path.name for path in sorted((home.publish / "publications").iterdir())] == ["p3", "p4"]
    assert modes(require_current(home).directory)["parquet"] == 0o500


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files away")
def test_a_publication_takes_the_owners_of_the_one_before_it(home: Home) -> None:
    first = publish(home, "p1").directory
    for path in (first, *first.rglob("*")):
        os.chown(path, 1234, 2345)
    os.chown(first / "report.html", 1234, 3456)
    told: list[str] = []
    candidate = make_candidate(home, "p2")
    second = swap(home, candidate, facts_of(candidate, "p2"), 2, told.append).directory
    owners = {path.name: (path.stat().st_uid, path.stat().st_gid) for path in (second, *second.rglob("*"))}
    assert owners.pop("report.html") == (1234, 3456)
    assert set(owners.values()) == {(1234, 2345)}
    assert told == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_owners_that_cannot_be_given_are_told_and_stop_nothing() -> None:
    with TemporaryDirectory() as folder:  # pytest's own folders are closed to other users
        told = ask("as_nobody", folder)
    assert told["current"] == "p2"
    assert told["mode"] == 0o640
    (sentence,) = told["sentences"]
    assert sentence == (
        "8 files and directories of p2 could not be given the owner and group that those of p1 have: this user has no "
        "right to. If readers need them, use chown, or run as a user who may."
    )
