"""What Great Expectations lacks for DuckDB: an engine, a datasource and a rule that only counts. No rule stands here.

Importing this module imports Great Expectations, which takes seconds: import it inside functions only.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar, Literal

import great_expectations as gx
import sqlalchemy as sa
from great_expectations.data_context.data_context.ephemeral_data_context import EphemeralDataContext
from great_expectations.data_context.types.base import (
    DataContextConfig,
    InMemoryStoreBackendDefaults,
    ProgressBarsConfig,
)
from great_expectations.datasource.fluent.sql_datasource import SQLDatasource
from great_expectations.execution_engine.sqlalchemy_execution_engine import SqlAlchemyExecutionEngine
from great_expectations.expectations.core.unexpected_rows_expectation import UnexpectedRowsExpectation

# DuckDB would else keep what it has read, up to most of the machine's memory; beyond this it spills beside the mart.
# A rule is about the mart: a suite that a user brings reads no other file.
_SETTINGS = {"memory_limit": "1GB", "enable_external_access": "false"}


class DuckDBExecutionEngine(SqlAlchemyExecutionEngine):
    """Great Expectations' SQL engine on one DuckDB connection, kept from the first query to ``close``.

    The stock engine closes its connection before the rows are read, and a DuckDB cursor dies with its connection.
    """

    @contextmanager
    def get_connection(self) -> Generator[sa.Connection, None, None]:
        """The one connection; nobody closes it but ``close``."""
        if self._connection is None:
            self._connection = self.engine.connect()
            for setting, value in _SETTINGS.items():
                self._connection.exec_driver_sql(f"set {setting} = '{value}'")
        yield self._connection

    def close(self) -> None:
        """Let go of the file: the kept connection, then the pool behind it."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        self.engine.dispose()


_EngineType = type[DuckDBExecutionEngine]


class DuckDBDatasource(SQLDatasource):
    """Adds ``context.data_sources.add_duckdb``; its class name and ``type`` are what Great Expectations registers."""

    type: Literal["duckdb"] = "duckdb"  # type: ignore[assignment]  # each SQL datasource narrows its own type

    @property
    def execution_engine_type(self) -> _EngineType:
        """The engine that this datasource's batches are judged with."""
        return DuckDBExecutionEngine

    def close(self) -> None:
        """Close every connection: the engine's, and the one that only tests whether a table can be read."""
        self.get_execution_engine().close()
        self.get_engine().dispose()


class RowsThatFail(UnexpectedRowsExpectation):
    """UnexpectedRowsExpectation that counts the rows and never fetches one: no cell value enters this process."""

    metric_dependencies: ClassVar[tuple[str, ...]] = ("unexpected_rows_query.row_count",)

    def _validate(
        self,
        metrics: dict[str, Any],
        runtime_configuration: dict[str, Any] | None = None,  # noqa: ARG002  # the signature is Great Expectations'
        execution_engine: object = None,  # noqa: ARG002  # the same
    ) -> dict[str, Any]:
        failed_rows = metrics["unexpected_rows_query.row_count"]
        return {"success": failed_rows == 0, "result": {"unexpected_count": failed_rows}}


def context_in_memory() -> EphemeralDataContext:
    """A context of Great Expectations that keeps nothing on disk."""
    return gx.get_context(
        mode="ephemeral",
        project_config=DataContextConfig(
            store_backend_defaults=InMemoryStoreBackendDefaults(),
            progress_bars=ProgressBarsConfig(globally=False, metric_calculations=False),
            analytics_enabled=False,
        ),
    )


@contextmanager
def opened(mart: Path) -> Iterator[DuckDBDatasource]:
    """A datasource on one DuckDB file, read-only, in a context that lives in memory and writes nothing.

    Args:
        mart: the closed DuckDB file.

    Raises:
        great_expectations.exceptions.GreatExpectationsError: the file cannot be opened.
    """
    source = context_in_memory().data_sources.add_duckdb(
        "mart",
        connection_string=sa.URL.create("duckdb", database=str(mart)).render_as_string(),
        create_temp_table=False,
        # Each query is a transaction of its own: in a shared one, DuckDB refuses all queries after one that fails.
        kwargs={"connect_args": {"read_only": True}, "isolation_level": "AUTOCOMMIT"},
    )
    try:
        yield source
    finally:
        source.close()
