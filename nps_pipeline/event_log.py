"""Event log: Dagster's own on SQLite, but for how its files are opened. What is logged and read is Dagster's alone.

A run logs several hundred events. Dagster opens and closes a file for each of their statements, and SQLite then makes
sure each time that the disk has everything: of a run on little data that took most of the time.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import sqlalchemy as sa
from dagster import StringSource
from dagster._core.storage.event_log import SqliteEventLogStorage
from dagster._serdes import ConfigurableClassData

_SECONDS_TO_WAIT = 30  # for another process that writes, as Dagster waits
_FILES_KEPT_OPEN = 8  # the UI reads the files of many runs


class EventLog(SqliteEventLogStorage):
    """Keeps its files open. When power fails the last events of a run may be lost, when a process dies none are."""

    def __init__(self, base_dir: str, inst_data: ConfigurableClassData | None = None) -> None:
        self._engines: dict[str, sa.Engine] = {}
        self._tables: set[str] = set()
        super().__init__(base_dir, inst_data)

    @classmethod
    def config_type(cls) -> dict[str, Any]:
        """What dagster.yaml says: the home of Dagster, below which the files lie where Dagster itself puts them."""
        return {"dagster_home": StringSource}

    @classmethod
    def from_config_value(cls, inst_data: ConfigurableClassData | None, config_value: Mapping[str, Any]) -> Self:
        """Make it from what dagster.yaml says."""
        return cls(str(Path(config_value["dagster_home"]) / "history" / "runs"), inst_data)

    def has_table(self, table_name: str) -> bool:
        """Whether there is such a table; Dagster asks at each asset, and a table stays."""
        if table_name not in self._tables and super().has_table(table_name):
            self._tables.add(table_name)
        return table_name in self._tables

    @contextmanager
    def _connect(self, shard: str) -> Iterator[sa.Connection]:
        with self._db_lock:
            engine = self._engine(shard)
            if shard not in self._initialized_dbs:
                self._initdb(engine)
                self._initialized_dbs.add(shard)
            with engine.begin() as connection:
                yield connection

    def _engine(self, shard: str) -> sa.Engine:
        """The engine of a file, with a connection that stays open."""
        if shard not in self._engines:
            if len(self._engines) == _FILES_KEPT_OPEN:
                self._close_files()
            engine = sa.create_engine(self.conn_string_for_shard(shard), connect_args={"timeout": _SECONDS_TO_WAIT})
            sa.event.listen(engine, "connect", _outlive_processes_only)
            self._engines[shard] = engine
        return self._engines[shard]

    def _close_files(self) -> None:
        while self._engines:
            _, engine = self._engines.popitem()
            engine.dispose()

    def wipe(self) -> None:
        """Remove everything that was logged."""
        with self._db_lock:
            self._close_files()
        super().wipe()

    def dispose(self) -> None:
        """Let go of the files."""
        super().dispose()
        with self._db_lock:
            self._close_files()


def _outlive_processes_only(connection: Any, _record: object) -> None:
    """In WAL mode this still keeps the file sound whatever happens, and loses nothing when a process dies."""
    connection.execute("pragma synchronous = normal")
