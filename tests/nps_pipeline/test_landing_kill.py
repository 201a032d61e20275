"""A writer killed before any of its steps leaves the old loads or the old ones and the whole new one, never a part."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.nps_pipeline.kill_landing import LONG, SCENARIOS
from tests.nps_pipeline.loads import ROOT


def ask(*words: str | Path) -> Any:
    command = [sys.executable, "-m", "tests.nps_pipeline.kill_landing", *words]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_a_kill_at_any_step_leaves_the_old_or_the_new_and_the_next_run_converges(tmp_path: Path, scenario: str) -> None:
    found = ask(tmp_path, scenario)
    old, new, kills = found["old"], found["new"], found["kills"]
    assert len(kills) > 20
    assert new[:-1] == old
    # the last rename makes the load visible: kills before it show the old loads, kills after it the whole new one
    rename = max(number for number, kill in enumerate(kills) if kill["step"] == "os.rename")
    after = len(kills) - rename - 1
    assert after > 0
    assert [kill["state"] for kill in kills] == [old] * (rename + 1) + [new] * after
    for kill in kills:
        assert kill["lock_free"]
        assert kill["state_after_next"] == new, f"killed before {kill['step']}"
        assert kill["scratch_after_next"] == []


def test_a_kill_in_a_long_pull_leaves_the_loads_that_were_committed_and_the_next_run_goes_on(tmp_path: Path) -> None:
    found = ask(tmp_path, LONG)
    whole, kills = found["new"], found["kills"]
    assert [len(load["rows"]) for load in whole] == [2, 2, 1]
    assert [len(kill["state"]) for kill in kills] == sorted(len(kill["state"]) for kill in kills)
    assert {len(kill["state"]) for kill in kills} == {0, 1, 2, 3}
    for kill in kills:
        assert kill["state"] == whole[: len(kill["state"])]
        assert kill["lock_free"]
        assert kill["state_after_next"] == whole, f"killed before {kill['step']}"
        assert kill["scratch_after_next"] == []


def steps_of(tmp_path: Path, scenario: str) -> list[tuple[str, str]]:
    """The steps of an undisturbed run, load ids and their load_seq taken out of the paths."""
    load_id = re.compile(r"\d{8}T\d{6}\.\d{6}Z-[0-9a-f]{8}")
    return [(step, load_id.sub("ID", path)) for step, path in ask(tmp_path, scenario, "steps")]


def test_a_first_load_is_on_disk_before_the_rename_and_the_rename_before_the_end(tmp_path: Path) -> None:
    steps = steps_of(tmp_path, "the first load")
    durable = [(step, path) for step, path in steps if step in {"parquet close", "write_text", "fsync", "os.rename"}]
    scratch = "landing/.tmp/files.retail.ID"
    assert durable == [
        ("parquet close", ""),
        ("fsync", f"{scratch}/part-00000.parquet"),
        ("write_text", f"{scratch}/manifest.json"),
        ("write_text", f"{scratch}/manifest.json"),
        ("fsync", f"{scratch}/manifest.json"),
        ("fsync", scratch),
        ("fsync", "."),  # each new directory on the way has its entry on disk
        ("fsync", "landing"),
        ("fsync", "landing/files"),
        ("os.rename", f"{scratch} -> landing/files/retail/00000001-ID"),
        ("fsync", "landing/files/retail"),
    ]
    assert steps[-1] == durable[-1]


def test_a_part_without_its_reread_rows_takes_its_place_before_it_is_on_disk(tmp_path: Path) -> None:
    steps = steps_of(tmp_path, "a second load with re-read rows")
    scratch = "landing/.tmp/files.retail.ID"
    moved = steps.index(("os.rename", f"{scratch}/kept.parquet -> {scratch}/part-00000.parquet"))
    synced = steps.index(("fsync", f"{scratch}/part-00000.parquet"))
    shown = steps.index(("os.rename", f"{scratch} -> landing/files/retail/00000002-ID"))
    assert moved < synced < shown
    assert "duckdb execute" not in [step for step, _ in steps[moved:]]
