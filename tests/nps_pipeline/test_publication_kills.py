"""Publishing and rolling back, killed at every step: readers see what they saw or what is new, never half of it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.nps_pipeline.loads import ROOT


def ask(*words: str | Path) -> Any:
    command = [sys.executable, "-m", "tests.nps_pipeline.kill_swap", *words]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("published", [[], ["p1"], ["p1", "p2"]], ids=["first", "second", "third with pruning"])
def test_a_kill_at_any_step_of_a_swap_shows_the_old_or_the_new_publication_whole(
    tmp_path: Path, published: list[str]
) -> None:
    found = ask("kills", tmp_path, *published)
    kills = found["kills"]
    old, new = reader_of(found["old"]), reader_of(found["new"])
    assert (old["current"], new["current"]) == (published[-1] if published else None, "p3")
    assert len(new["files"]) == 6
    # what makes it visible is the rename after the last new link; all after that is pruning
    swapped = last_link(kills) + 2
    assert len(kills) > swapped > 15
    assert [reader_of(kill["killed"]) for kill in kills] == [old] * swapped + [new] * (len(kills) - swapped)
    for kill in kills:  # the next swaps converge and leave no rest
        assert reader_of(kill["again"]) == new
        assert (kill["after_p4"]["current"], kill["after_p4"]["history"]) == ("p4", ["p3", "p4"])
        assert kill["left"] == [".candidates", "current", "mart.duckdb", "p3", "p4", "publications"]


def last_link(kills: list[dict[str, Any]]) -> int:
    return max(number for number, kill in enumerate(kills) if kill["step"] == "os.symlink")


def test_a_kill_at_any_step_of_a_rollback_leaves_the_old_or_the_held_publication_whole(tmp_path: Path) -> None:
    found = ask("rollbacks", tmp_path, "p1", "p2", "p3")
    kills = found["kills"]
    old, new = reader_of(found["old"]), reader_of(found["new"])
    assert (old["current"], new["current"]) == ("p3", "p1")
    swapped = last_link(kills) + 2
    assert len(kills) > swapped > 10
    assert [reader_of(kill["killed"]) for kill in kills] == [old] * swapped + [new] * (len(kills) - swapped)
    # it is held before anyone reads it, and a note is there whole or not at all
    assert found["new"]["held"]["publication_id"] == "p1"
    held = [kill["killed"]["held"] for kill in kills]
    written = held.index(found["new"]["held"])
    assert held == [None] * written + [found["new"]["held"]] * (len(kills) - written)
    assert written < swapped
    for kill in kills:  # repeated, it ends as if nothing had happened
        assert kill["again"] == found["new"]
        assert kill["left"] == [".candidates", "current", "held.json", "mart.duckdb", "p1", "p2", "p3", "publications"]


def reader_of(seen: dict[str, Any]) -> dict[str, Any]:
    """What a reader sees through the links, without the history."""
    return {key: seen[key] for key in ("current", "files", "mart")}


def test_a_candidate_is_on_disk_before_its_rename_and_its_name_before_the_link(tmp_path: Path) -> None:
    steps = [(step, path) for step, path in ask("steps", tmp_path) if step in {"write_text", "fsync", "os.rename"}]
    candidate = "publish/.candidates/p3"
    files = ("gate.json", "mart.duckdb", "parquet", "parquet/dim_surveys.parquet", "parquet/loads.parquet")
    assert steps == [
        *[("write_text", f"{candidate}/publication.json")] * 2,
        *[("fsync", f"{candidate}/{name}") for name in (*files, "publication.json", "report.html")],
        ("fsync", candidate),
        ("os.rename", f"{candidate} -> publish/publications/p3"),
        ("fsync", "publish/publications"),
        ("os.rename", "publish/.mart.duckdb.new -> publish/mart.duckdb"),
        ("fsync", "publish"),
        ("os.rename", "publish/.current.new -> publish/current"),
        ("fsync", "publish"),
    ]
