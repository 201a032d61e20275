"""Ingest: the pinned loads and what nps.yaml declares become the raw tables that dbt reads."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from connectors.base import Stream
from connectors.values import latest_moment
from nps_pipeline.home import Home
from nps_pipeline.landing import Load, verify
from nps_pipeline.warehouse import Connection, copy_published, open_work

_RAW_TABLES = """
create table if not exists raw.loads (
    source_system varchar, source_stream varchar, role varchar, load_id varchar, load_seq bigint, mode varchar,
    started_at timestamp, finished_at timestamp, manifest_rows bigint, reread_rows bigint, parquet_rows bigint,
    live_records bigint, live_before bigint, source_count bigint, cursor_after varchar, cursor_at timestamp,
    fields_hash varchar, replaces varchar[], is_shrink_accepted boolean
);
create or replace table raw.run (
    publication_id varchar, published_at timestamp, as_of_date date, timezone varchar, min_n integer,
    shrink_floor double, people_per_address integer, keys_per_customer integer, default_country varchar,
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
create or replace table raw.previous_identities (
    customer_id varchar, source_system varchar, source_stream varchar, source_record_id varchar
);
create or replace table raw.previous_history (
    customer_id varchar, became_customer_id varchar, change varchar, records bigint, publication_id varchar,
    published_at timestamp
);
create table if not exists raw.records (
    source_system varchar, source_stream varchar, load_id varchar, load_seq bigint, row_no bigint, record_id varchar,
    payload varchar, source_version timestamp, is_deleted boolean, extracted_at timestamp
);
"""
# The raw tables that are filled from the publication before this one, and its tables.
_CARRIED = {"raw.previous_identities": "customer_identities", "raw.previous_history": "customer_id_history"}


@dataclass(frozen=True)
class RunParameters:
    """What a build depends on besides landing; ``published_at`` is UTC, ``as_of_date`` a local date."""

    publication_id: str
    published_at: datetime
    as_of_date: date
    timezone: str
    min_n: int
    shrink_floor: float
    people_per_address: int
    keys_per_customer: int
    default_country: str | None
    code_hash: str
    configuration_hash: str


@dataclass(frozen=True)
class DeclaredRows:
    """What nps.yaml says that the models read as tables, row by row.

    ``source_order``: sources or streams, the preferred first; ``surveys`` and ``sync_fields``: rows of the raw tables
    of these names; ``accepted_shrinks``: ids of the full pulls that a person accepted.
    """

    source_order: Sequence[str] = ()
    surveys: Sequence[Sequence[str | None]] = ()
    sync_fields: Sequence[Sequence[str | None]] = ()
    accepted_shrinks: frozenset[str] = frozenset()


def ingest(
    home: Home,
    pinned: Sequence[tuple[Load, Stream, str]],
    run: RunParameters,
    declared: DeclaredRows,
    previous: Path | None = None,
) -> int:
    """Make the raw tables hold exactly the pinned loads; a load already there is not read again.

    Args:
        home: The state directory.
        pinned: Each load with the declaration of its stream and that declaration's hash.
        run: The parameters of this build.
        declared: What nps.yaml says that is read as tables.
        previous: The mart that readers have now: whose ids its records had, and what became of earlier ids.

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
            facts = _load_row(load, stream, fields_hash, known[load.manifest.load_id])
            facts["is_shrink_accepted"] = load.manifest.load_id in declared.accepted_shrinks
            connection.execute(f"insert into raw.loads by name select {_named(facts)}", facts)
        connection.execute(f"insert into raw.run by name select {_named(asdict(run))}", asdict(run))
        for table, rows in {
            "source_order": [[name, place] for place, name in enumerate(declared.source_order)],
            "surveys": declared.surveys,
            "sync_fields": declared.sync_fields,
        }.items():
            for row in rows:
                connection.execute(f"insert into raw.{table} values ({', '.join('?' * len(row))})", list(row))
        connection.commit()
        if previous is not None:
            copy_published(connection, previous, _CARRIED)
        return len(fresh)


def _prepare_raw(connection: Connection) -> None:
    """Make the raw tables; those of another layout are made anew, for landing has all they hold."""
    layout = hashlib.sha256(_RAW_TABLES.encode()).hexdigest()
    connection.execute("create schema if not exists raw; create table if not exists raw.layout (hash varchar)")
    if connection.execute("select hash from raw.layout").fetchall() != [(layout,)]:
        connection.execute("drop schema raw cascade; create schema raw; create table raw.layout (hash varchar)")
        connection.execute("insert into raw.layout values ($hash)", {"hash": layout})
    connection.execute(_RAW_TABLES)


def _copy_records(connection: Connection, load: Load) -> int:
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


def _named(row: Mapping[str, Any]) -> str:
    """The select list that gives each parameter the name of its column."""
    return ", ".join(f"${name} as {name}" for name in row)


def _load_row(load: Load, stream: Stream, fields_hash: str, parquet_rows: int) -> dict[str, Any]:
    manifest = load.manifest
    return {
        "source_system": manifest.source,
        "source_stream": manifest.stream,
        "role": stream.role,
        "load_id": manifest.load_id,
        "load_seq": manifest.load_seq,
        "mode": manifest.mode,
        "started_at": _utc(datetime.fromisoformat(manifest.started_at)),
        "finished_at": _utc(datetime.fromisoformat(manifest.finished_at)),
        "manifest_rows": manifest.rows,
        "reread_rows": manifest.reread_rows,
        "parquet_rows": parquet_rows,
        "live_records": manifest.live_records,
        "live_before": manifest.live_before,
        "source_count": manifest.source_count,
        "cursor_after": json.dumps(manifest.cursor_after, sort_keys=True),
        "cursor_at": _utc(latest) if (latest := latest_moment(manifest.cursor_after)) else None,
        "fields_hash": fields_hash,
        "replaces": list(manifest.replaces),
    }


def _utc(moment: datetime) -> datetime:
    """As the database has times: UTC, without saying so."""
    return moment.astimezone(UTC).replace(tzinfo=None)
