"""The history of a home: Dagster's own files where Dagster puts them, kept open while a run logs."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dagster as dg
import sqlalchemy as sa
from dagster._core.storage.event_log import SqliteEventLogStorage

from nps_pipeline import instance
from nps_pipeline.event_log import EventLog
from nps_pipeline.home import Home
from nps_pipeline.settings import Configuration, Settings

TABLES = [dg.AssetSpec(f"table_{number}") for number in range(20)]
DIES = """
import os, sys
from tests.nps_pipeline.test_event_log import dg, log
with dg.DagsterInstance.get() as history:
    log(history, "before_it_died")
    os.kill(os.getpid(), 9)
"""


@dg.multi_asset(specs=TABLES)
def tables() -> Iterator[dg.MaterializeResult[None]]:
    yield from (dg.MaterializeResult(asset_key=table.key) for table in TABLES)


@dg.asset
def one() -> None:
    """Nothing but its events."""


def log(history: dg.DagsterInstance, table: str) -> None:
    history.report_runless_asset_event(dg.AssetMaterialization(table))


@contextmanager
def history_of(folder: Path) -> Iterator[dg.DagsterInstance]:
    home = Home(folder / "var")
    instance.use(Settings(Configuration(version=1), home, folder / "nps.yaml"))
    with dg.DagsterInstance.get() as history:
        yield history


def files(folder: Path, name: str) -> list[str]:
    return sorted(path.name for path in (folder / "var" / "dagster" / "history" / "runs").glob(name))


def test_dagsters_own_log_reads_what_a_run_logged(tmp_path: Path) -> None:
    with history_of(tmp_path) as history:
        assert isinstance(history.event_log_storage, EventLog)
        run = dg.materialize([tables], instance=history)
        told = [(entry.run_id, entry.message) for entry in history.all_logs(run.run_id)]
    assert len(told) > len(TABLES)
    assert files(tmp_path, "*.db") == sorted([f"{run.run_id}.db", "index.db"])

    os.remove(tmp_path / "var" / "dagster" / "dagster.yaml")  # noqa: PTH107 - then Dagster takes what it has by itself
    with dg.DagsterInstance.get() as plain:
        assert type(plain.event_log_storage) is SqliteEventLogStorage
        assert [(entry.run_id, entry.message) for entry in plain.all_logs(run.run_id)] == told
        assert set(plain.all_asset_keys()) == {table.key for table in TABLES}


@contextmanager
def opened_files() -> Iterator[list[str]]:
    """The names of the files that are opened meanwhile, each as often as it is."""
    names: list[str] = []

    def note(connection: sqlite3.Connection, _: object) -> None:
        names.extend(Path(file).name for _, _, file in connection.execute("pragma database_list"))

    sa.event.listen(sa.Engine, "connect", note)
    try:
        yield names
    finally:
        sa.event.remove(sa.Engine, "connect", note)


def test_a_run_keeps_its_files_open_and_lets_go_of_them(tmp_path: Path) -> None:
    with history_of(tmp_path) as history, opened_files() as opened:
        run = dg.materialize([tables], instance=history)
        assert files(tmp_path, "*-wal")

    # once more to see whether it has its tables
    assert max(opened.count(f"{run.run_id}.db"), opened.count("index.db")) <= 2 < len(TABLES)
    assert files(tmp_path, "*-wal") == []


def test_the_files_of_many_runs_are_not_all_kept_open(tmp_path: Path) -> None:
    with history_of(tmp_path) as history:
        runs = [dg.materialize([one], instance=history) for _ in range(9)]
        assert len(files(tmp_path, "*-wal")) < len(runs)
        assert all(history.all_logs(run.run_id) for run in runs)


def test_what_was_logged_is_there_when_the_process_dies(tmp_path: Path) -> None:
    with history_of(tmp_path) as history:
        log(history, "before")
        died = subprocess.run([sys.executable, "-c", DIES], check=False, capture_output=True)
        assert died.returncode == -9, died.stderr
        assert {key.to_user_string() for key in history.all_asset_keys()} == {"before", "before_it_died"}


def test_a_wiped_history_is_empty_and_takes_new_events(tmp_path: Path) -> None:
    with history_of(tmp_path) as history:
        run = dg.materialize([tables], instance=history)
        event = history.all_logs(run.run_id)[0]
        history.wipe()
        assert files(tmp_path, "*.db") == ["index.db"]
        assert list(history.all_asset_keys()) == []
        history.event_log_storage.store_event(event)
    with history_of(tmp_path) as history:
        assert [entry.message for entry in history.all_logs(run.run_id)] == [event.message]
