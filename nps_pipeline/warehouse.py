"""The databases: alone opens work.duckdb and published files from Python. No rule about NPS stands here."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import astuple, dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

import duckdb

from connectors.base import Stream
from nps_pipeline.errors import PipelineError
from nps_pipeline.home import Home
from nps_pipeline.landing import Load, verify

# The contract tables of a publication, in the order in which they are copied.
CONTRACT_TABLES = (
    "fct_nps_responses",
    "fct_invitations",
    "dim_customers",
    "dim_accounts",
    "dim_surveys",
    "customer_identities",
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
# The oldest DuckDB that must be able to open a publication.
STORAGE_VERSION = "v1.0.0"

_RAW_TABLES = """
create table if not exists raw.loads (
    source_system varchar, source_stream varchar, role varchar, load_id varchar, load_seq bigint, mode varchar,
    started_at timestamp, manifest_rows bigint, parquet_rows bigint, source_count bigint, cursor_after varchar,
    fields_hash varchar, replaces varchar[]
);
create or replace table raw.run (
    publication_id varchar, published_at timestamp, as_of_date date, timezone varchar, min_n integer,
    code_hash varchar, configuration_hash varchar
);
create or replace table raw.source_order (name varchar, position bigint);
create or replace table raw.surveys (
    name varchar, survey varchar, survey_type varchar, channel varchar, touchpoint varchar
);
create or replace table raw.sync_fields (
    destination varchar, object varchar, source_stream varchar, survey_type varchar, touchpoint varchar, value varchar,
    field varchar, kind varchar, promoter varchar, passive varchar, detractor varchar
);
create table if not exists raw.records (
    source_system varchar, source_stream varchar, load_id varchar, load_seq bigint, row_no bigint, record_id varchar,
    payload varchar, source_version timestamp, is_deleted boolean, extracted_at timestamp
);
"""


@dataclass(frozen=True)
class RunParameters:
    """What a build depends on besides landing; ``published_at`` is UTC, ``as_of_date`` a local date."""

    publication_id: str
    published_at: datetime
    as_of_date: date
    timezone: str
    min_n: int
    code_hash: str
    configuration_hash: str


@dataclass(frozen=True)
class DeclaredRows:
    """What nps.yaml says that the models read as tables, row by row.

    ``source_order``: sources or streams, the preferred first; ``surveys`` and ``sync_fields``: rows of the raw tables
    of these names.
    """

    source_order: Sequence[str] = ()
    surveys: Sequence[Sequence[str | None]] = ()
    sync_fields: Sequence[Sequence[str | None]] = ()


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


def rows_as_dicts(
    connection: duckdb.DuckDBPyConnection, sql: str, parameters: Mapping[str, Any] | None = None
) -> list[dict[str, Any]]:
    """The rows of a query, each as {column: value}."""
    cursor = connection.execute(sql, dict(parameters or {}))
    names = [column[0] for column in cursor.description or ()]
    return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def ingest(home: Home, pinned: Sequence[tuple[Load, Stream, str]], run: RunParameters, declared: DeclaredRows) -> int:
    """Make the raw tables hold exactly the pinned loads; a load already there is not read again.

    Args:
        home: The state directory.
        pinned: Each load with the declaration of its stream and that declaration's hash.
        run: The parameters of this build.
        declared: What nps.yaml says that is read as tables.

    Returns:
        The number of loads that were read.

    Raises:
        LandingError: A Parquet part differs from its manifest.
        WarehouseError: See ``open_work``.
    """
    with open_work(home) as connection:
        _prepare_raw(connection)
        known = dict(connection.execute("select load_id, parquet_rows from raw.loads").fetchall())
        fresh = [load for load, _, _ in pinned if load.manifest.load_id not in known]
        for load in fresh:
            verify(load)
        connection.begin()
        connection.execute(
            "delete from raw.records where load_id not in (select unnest($ids))",
            {"ids": [load.manifest.load_id for load, _, _ in pinned]},
        )
        for load in fresh:
            known[load.manifest.load_id] = _copy_records(connection, load)
        connection.execute("delete from raw.loads")
        for load, stream, fields_hash in pinned:
            connection.execute(
                "insert into raw.loads values (?, ?, ?, ?, ?, ?, ?::timestamptz at time zone 'UTC', ?, ?, ?, ?, ?, ?)",
                _load_row(load, stream, fields_hash, known[load.manifest.load_id]),
            )
        connection.execute("insert into raw.run values (?, ?, ?, ?, ?, ?, ?)", astuple(run))
        for table, rows in {
            "source_order": [[name, place] for place, name in enumerate(declared.source_order)],
            "surveys": declared.surveys,
            "sync_fields": declared.sync_fields,
        }.items():
            for row in rows:
                connection.execute(f"insert into raw.{table} values ({', '.join('?' * len(row))})", list(row))
        connection.commit()
        return len(fresh)


def _prepare_raw(connection: duckdb.DuckDBPyConnection) -> None:
    """Make the raw tables; those of another layout are made anew, for landing has all they hold."""
    layout = hashlib.sha256(_RAW_TABLES.encode()).hexdigest()
    connection.execute("create schema if not exists raw; create table if not exists raw.layout (hash varchar)")
    if connection.execute("select hash from raw.layout").fetchall() != [(layout,)]:
        connection.execute("drop schema raw cascade; create schema raw; create table raw.layout (hash varchar)")
        connection.execute("insert into raw.layout values ($hash)", {"hash": layout})
    connection.execute(_RAW_TABLES)


def _copy_records(connection: duckdb.DuckDBPyConnection, load: Load) -> int:
    if not load.parts:
        return 0
    manifest = load.manifest
    connection.execute(
        """
        insert into raw.records
        select
            $source, $stream, $load_id, $load_seq, row_no, record_id, payload, source_version at time zone 'UTC',
            is_deleted, extracted_at at time zone 'UTC'
        from read_parquet($paths)
        """,
        {
            "source": manifest.source,
            "stream": manifest.stream,
            "load_id": manifest.load_id,
            "load_seq": manifest.load_seq,
            "paths": [str(path) for path in load.parts],
        },
    )
    counted = connection.execute("select count(*) from read_parquet($p)", {"p": [str(path) for path in load.parts]})
    return int(counted.fetchall()[0][0])


def _load_row(load: Load, stream: Stream, fields_hash: str, parquet_rows: int) -> list[Any]:
    manifest = load.manifest
    return [
        manifest.source,
        manifest.stream,
        stream.role,
        manifest.load_id,
        manifest.load_seq,
        manifest.mode,
        manifest.started_at,
        manifest.rows,
        parquet_rows,
        manifest.source_count,
        json.dumps(manifest.cursor_after, sort_keys=True),
        fields_hash,
        list(manifest.replaces),
    ]


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


def work_row_counts(home: Home) -> dict[tuple[str, str], int]:
    """Rows of every table of the working database: (schema, table) -> rows."""
    with open_work(home) as connection:
        tables = _tables(connection)
        return {
            (schema, name): connection.execute(f'select count(*) from "{schema}"."{name}"').fetchall()[0][0]
            for schema, name in tables
        }


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
