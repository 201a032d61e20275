"""The databases: alone opens work.duckdb and published files from Python. No rule about NPS stands here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb

from nps_pipeline.errors import PipelineError
from nps_pipeline.home import Home

Connection = duckdb.DuckDBPyConnection

# The contract tables of a publication, in the order in which they are copied.
CONTRACT_TABLES = (
    "fct_nps_responses",
    "fct_invitations",
    "dim_customers",
    "dim_accounts",
    "dim_surveys",
    "customer_identities",
    "identity_edges",
    "customer_id_history",
    "account_identities",
    "customer_nps",
    "account_nps",
    "nps_by_period",
    "duplicate_responses",
    "quarantined_responses",
    "excluded_responses",
    "loads",
    "conservation",
    "sync_wanted",
    "sync_observed",
    "publication",
)
# The classes of the conservation table: of answers, and of all else.
CLASSES = ("superseded", "deleted", "excluded", "quarantined", "duplicate", "kept")
OTHER_CLASSES = ("superseded", "deleted", "current")
# The oldest DuckDB that must be able to open a publication.
STORAGE_VERSION = "v1.0.0"


class WarehouseError(PipelineError):
    """A database cannot be opened or is not as this version leaves it; the text says what to do."""


@contextmanager
def open_work(home: Home) -> Iterator[duckdb.DuckDBPyConnection]:
    """The private working database, read-write; the caller holds the run lock.

    Raises:
        WarehouseError: Another program has the file open, or it is no database of this DuckDB.
    """
    home.root.mkdir(parents=True, exist_ok=True)
    try:
        connection = duckdb.connect(str(home.work_db))
    except duckdb.IOException as error:
        if "could not set lock" in str(error).lower():
            raise WarehouseError(
                f"{home.work_db} is open in another program; close it there. Read {home.publish / 'mart.duckdb'} "
                "instead: it is never locked."
            ) from None
        raise WarehouseError(
            f"{home.work_db} cannot be opened. It holds nothing that landing does not: delete it and run again."
        ) from None
    with connection:
        connection.execute("set TimeZone = 'UTC'")
        yield connection


@contextmanager
def open_published(mart: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """A closed mart file, read-only.

    Raises:
        WarehouseError: It is not there or not readable.
    """
    try:
        connection = duckdb.connect(str(mart), read_only=True)
    except duckdb.Error:
        raise WarehouseError(f"{mart} is missing or damaged; run `nps run` to publish again.") from None
    with connection:
        yield connection


def copy_published(connection: Connection, mart: Path, tables: Mapping[str, str]) -> None:
    """Append rows of a closed mart to tables of an open database, column by column of these.

    Args:
        connection: The open database.
        mart: The file.
        tables: {table to append to, with its schema: table of the mart}; one that the mart lacks, being of an older
            version, has no rows.

    Raises:
        WarehouseError: The mart is missing or damaged.
    """
    try:
        connection.execute(f"attach '{_quoted(mart)}' as published (read_only)")
        there = connection.execute("select table_name from duckdb_tables() where database_name = 'published'")
        names = {name for (name,) in there.fetchall()}
        for target, table in tables.items():
            if table in names:
                described = connection.execute(f"select * from {target} limit 0").description or []
                columns = ", ".join(column[0] for column in described)
                connection.execute(f"insert into {target} select {columns} from published.{table}")
        connection.execute("detach published")
    except duckdb.Error:
        raise WarehouseError(f"{mart} is missing or damaged; `nps rollback` leads readers to an older one.") from None


def read_whole(mart: Path) -> tuple[set[str], list[str]]:
    """Read every row of every table of a closed mart.

    Returns:
        The names of its tables, and every id that its table ``publication`` has.

    Raises:
        WarehouseError: It is not there, or something in it cannot be read.
    """
    with open_published(mart) as connection:
        try:
            tables = {name for (_, name) in _tables(connection)}
            reading = [f'select count(*), bit_xor(hash(t)) from "{name}" as t' for name in sorted(tables)]
            connection.execute(" union all ".join(reading) or "select 0").fetchall()
            ids = connection.execute("select publication_id from publication").fetchall()
        except duckdb.Error:
            raise WarehouseError(f"{mart} is damaged: DuckDB cannot read all of its tables.") from None
    return tables, [str(publication_id) for (publication_id,) in ids]


def count_rows(mart: Path, table: str) -> int:
    """How many rows a table of a closed mart has.

    Raises:
        WarehouseError: The file or the table cannot be read.
    """
    with open_published(mart) as connection:
        try:
            return int(connection.execute(f"select count(*) from {table}").fetchall()[0][0])
        except duckdb.Error:
            raise WarehouseError(f"{mart} is damaged: its table {table} cannot be read.") from None


def rows_as_dicts(
    connection: duckdb.DuckDBPyConnection, sql: str, parameters: Mapping[str, Any] | None = None
) -> list[dict[str, Any]]:
    """The rows of a query, each as {column: value}."""
    cursor = connection.execute(sql, dict(parameters or {}))
    names = [column[0] for column in cursor.description or ()]
    return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def work_publication(home: Home) -> dict[str, Any]:
    """The one row of the ``publication`` table that dbt built last.

    Raises:
        WarehouseError: Nothing was built yet.
    """
    if not home.work_db.exists():
        raise WarehouseError(f"Nothing is built yet below {home.root}; start `nps run`.")
    with open_work(home) as connection:
        try:
            return rows_as_dicts(connection, "select * from marts.publication where exists (from raw.built_from)")[0]
        except (duckdb.CatalogException, IndexError):
            raise WarehouseError(f"The build in {home.work_db} is incomplete; start `nps run`.") from None


def fields_hashes(home: Home) -> dict[tuple[str, str], set[str]]:
    """By which declarations the loads of each stream were read last: (source, stream) -> hashes; empty unbuilt."""
    if not home.work_db.exists():
        return {}
    with open_work(home) as connection:
        if ("raw", "loads") not in _tables(connection):
            return {}
        rows = connection.execute("select distinct source_system, source_stream, fields_hash from raw.loads").fetchall()
    hashes: dict[tuple[str, str], set[str]] = {}
    for source, stream, fields_hash in rows:
        hashes.setdefault((source, stream), set()).add(fields_hash)
    return hashes


def work_row_counts(home: Home) -> dict[tuple[str, str], int]:
    """Rows of every table of the working database: (schema, table) -> rows."""
    with open_work(home) as connection:
        tables = _tables(connection)
        return {
            (schema, name): connection.execute(f'select count(*) from "{schema}"."{name}"').fetchall()[0][0]
            for schema, name in tables
        }


def work_conservation(home: Home) -> dict[str, int]:
    """The conservation table as one number per stream and class, and how many rows are in no class; empty unbuilt.

    Streams of responses have no rows that are ``current``, all others have only those and what is no longer current.
    """
    with open_work(home) as connection:
        if ("marts", "conservation") not in _tables(connection):
            return {}
        rows = rows_as_dicts(connection, "select * from marts.conservation order by all")
    numbers: dict[str, int] = {}
    for row in rows:
        stream, is_response = f"{row['source_system']}/{row['source_stream']}", row["role"] == "response"
        classes = CLASSES if is_response else OTHER_CLASSES
        numbers |= {f"{stream} {name}": row[name] for name in ("served", *classes)}
        numbers[f"{stream} unexplained"] = row["served"] - sum(row[name] for name in classes)
    return numbers


def _tables(connection: duckdb.DuckDBPyConnection, schema: str | None = None) -> list[tuple[str, str]]:
    return connection.execute(
        "select schema_name, table_name from duckdb_tables() where $schema is null or schema_name = $schema",
        {"schema": schema},
    ).fetchall()


def begin_build(home: Home, dbt_hash: str) -> bool:
    """Note that a build is under way; until ``finish_build`` nothing of it may be published.

    Returns:
        Whether the last build finished and was of the same dbt project, so that what it parsed can be kept.
    """
    with open_work(home) as connection:
        connection.execute("create table if not exists raw.built_from (dbt_hash varchar)")
        before = connection.execute("select dbt_hash from raw.built_from").fetchall()
        connection.execute("delete from raw.built_from")
    return before == [(dbt_hash,)]


def finish_build(home: Home, dbt_hash: str) -> None:
    """Note that the whole dbt project was built and tested."""
    with open_work(home) as connection:
        connection.execute("insert into raw.built_from values ($hash)", {"hash": dbt_hash})


def export_contract(home: Home, directory: Path) -> None:
    """Copy the contract tables from the working database into ``directory``: mart.duckdb and parquet/, both closed.

    The file has plain tables without constraints, in the storage format of the oldest supported DuckDB.

    Raises:
        WarehouseError: Nothing was built yet, or the build is incomplete.
    """
    mart = directory / "mart.duckdb"
    (directory / "parquet").mkdir(parents=True)
    with open_work(home) as connection:
        built = {name for (_, name) in _tables(connection, "marts")}
        if missing := sorted(set(CONTRACT_TABLES) - built):
            raise WarehouseError(f"{home.work_db} lacks {', '.join(missing)}. Nothing was published; start `nps run`.")
        connection.execute(f"attach '{_quoted(mart)}' as mart (storage_version '{STORAGE_VERSION}')")
        for table in CONTRACT_TABLES:
            connection.execute(f"create table mart.{table} as select * from marts.{table} order by all")
            parquet = directory / "parquet" / f"{table}.parquet"
            connection.execute(f"copy mart.{table} to '{_quoted(parquet)}' (format parquet, compression zstd)")
        connection.execute("checkpoint mart")
        connection.execute("detach mart")


def _quoted(path: Path) -> str:
    return str(path).replace("'", "''")
