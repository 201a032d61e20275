"""Comparison: what of a pull is new against what was landed before. Where loads lie is known in ``landing``.

Records are compared in groups, so that memory is bounded however many there are. Values stand in the SQL as literals:
at its first parameter DuckDB imports pandas, which takes more memory than the comparison.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Any

import duckdb

from connectors.base import Mode
from nps_pipeline.draft import rewrite
from nps_pipeline.manifest import LISTINGS

# Without its cache of files, DuckDB takes what it needs and not all that it may.
_CONFIG: dict[str, Any] = {"memory_limit": "128MB", "threads": 2, "enable_external_file_cache": False}
_GROUP = 50_000  # rows that are compared at a time
_ROWS = 10_000  # of a result that are in memory at a time
_TABLES = """
create table landed_parts (part_no integer, path varchar, load_seq bigint);
create table reread (row_no bigint, is_deleted boolean);
create table unlisted (part_no integer, row_no bigint);
"""
# Rows without their payloads, which are compared by their hash.
_SERVED_KEYS = """
select record_id, source_version, is_deleted, row_no, unhex(sha256(payload)) as payload_hash
from read_parquet({part}) where row_no < {rows}
"""
_LANDED_KEYS = """
select
    old.record_id, old.source_version, old.is_deleted, old.row_no, old.payload_hash, landed_parts.part_no,
    landed_parts.load_seq
from (
    select record_id, source_version, is_deleted, row_no, filename, unhex(sha256(payload)) as payload_hash
    from read_parquet([{landed}], filename = true) where {chosen}
) as old
inner join landed_parts on landed_parts.path = old.filename
"""
_OF_SERVED = "record_id in (select record_id from read_parquet({served}))"
_NO_KEYS = "select *, 0 as part_no, 0 as load_seq from read_parquet({served}) where false"
_GROUP_OF = """
create or replace table served as select * from read_parquet({served}) where {in_group};
create or replace table latest as
select record_id, source_version, is_deleted, payload_hash, part_no, row_no
from read_parquet({landed}) where {in_group}
qualify row_number() over (
    partition by record_id order by source_version desc nulls last, load_seq desc, row_no desc
) = 1
"""
# A row that follows another version of the same age in its own load must land, or that one would stay the latest.
_REREAD = """
create or replace table again as
select row_no, is_deleted
from (
    select
        served.row_no,
        served.is_deleted,
        bool_and(served.is_deleted = latest.is_deleted and served.payload_hash = latest.payload_hash) over (
            partition by served.record_id order by served.row_no rows unbounded preceding
        ) as is_reread
    from served
    inner join latest
        on latest.record_id = served.record_id
        and latest.source_version is not distinct from served.source_version
)
where is_reread;
insert into reread from again
"""
_COUNTS = """
select
    (
        select count(*) from (
            select is_deleted from served
            qualify row_number() over (
                partition by record_id order by source_version desc nulls last, row_no desc
            ) = 1
        ) where not is_deleted
    ),
    (select count(*) from latest where not is_deleted),
    (select count(*) from served where source_version < {until} and row_no not in (select row_no from again))
"""
_LIVE = """
select count(*) from (
    select is_deleted from read_parquet([{kept}], filename = true) where {in_group}
    qualify row_number() over (
        partition by record_id order by source_version desc nulls last, filename desc, row_no desc
    ) = 1
) where not is_deleted
"""


@dataclass(frozen=True)
class Comparison:
    """What a pull served, in rows, and what was made of it.

    ``reread`` were landed before, ``reread_deletes`` of them are deletes; ``unlisted`` were live and are not listed any
    more. ``live`` are the records that it lists as live, ``live_before`` those that were landed as live before,
    ``late`` its new rows that an earlier pull should have had.
    """

    reread: int = 0
    reread_deletes: int = 0
    unlisted: int = 0
    live: int = 0
    live_before: int = 0
    late: int = 0


def compare(
    part: Path,
    rows: int,
    landed: Sequence[tuple[Path, int]],
    *,
    mode: Mode,
    pulled_until: datetime | None,
    gone: Callable[[Sequence[str]], Collection[str]],
    keep: Path | None = None,
) -> Comparison:
    """Rewrite a part so that it holds only what is new; in a reconcile also a delete of every record not listed.

    A delete repeats the last version that was landed, with its time: should the record be listed again, the later load
    makes it live.

    Args:
        part: What was served, a Parquet file beside which there is room for scratch files.
        rows: How many of its rows count; those behind them are left out.
        landed: The parts of the loads that count, each with the load_seq of its load.
        mode: Of the pull.
        pulled_until: What changed before had been pulled before.
        gone: Which of the records that were not listed are not live; a list can miss one that changes meanwhile.
        keep: Where to write what was served, without payloads, for ``live_among``.

    Raises:
        duckdb.Error: A landed part is damaged.
    """
    scratch = part.with_name("comparison")
    scratch.mkdir()
    served, old = keep or scratch / "served.parquet", scratch / "landed.parquet"
    until = f"timestamptz {_text(pulled_until.isoformat())}" if pulled_until else "null"
    with _connected(scratch) as connection:
        connection.execute(_TABLES)
        _write_keys(connection, served, _SERVED_KEYS.format(part=_text(part), rows=rows))
        _write_keys(connection, old, _landed_keys(connection, served, landed, mode))
        live = live_before = late = 0
        for in_group in _groups(connection, served, old):
            connection.execute(_GROUP_OF.format(served=_text(served), landed=_text(old), in_group=in_group))
            connection.execute(_REREAD)
            if mode == "reconcile":
                _find_unlisted(connection, gone)
            counts = _row(connection, _COUNTS.format(until=until))
            live, live_before, late = live + counts[0], live_before + counts[1], late + counts[2]
        reread, reread_deletes = _row(connection, "select count(*), count(*) filter (is_deleted) from reread")
        (unlisted,) = _row(connection, "select count(*) from unlisted")
        if reread or unlisted or _number_of_rows(connection, part) > rows:
            rewrite(part, _kept(connection, rows), _unlisted(connection, [path for path, _ in landed]))
    shutil.rmtree(scratch)
    return Comparison(reread, reread_deletes, unlisted, live, live_before, late)


def live_among(kept: Sequence[Path]) -> int:
    """How many records are live in what was served: files of ``compare`` in the order in which they came."""
    with _connected(kept[0].with_name("spill")) as connection:
        groups = _groups(connection, *kept)
        return sum(_row(connection, _LIVE.format(kept=_texts(kept), in_group=one))[0] for one in groups)


def _connected(folder: Path) -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect(":memory:", config={**_CONFIG, "temp_directory": str(folder)})
    connection.execute("set TimeZone = 'UTC'; set enable_progress_bar = false")
    return connection


def _landed_keys(
    connection: duckdb.DuckDBPyConnection, served: Path, landed: Sequence[tuple[Path, int]], mode: Mode
) -> str:
    """The query for all that was landed with a listing, else for the versions of what was served."""
    if not landed:
        return _NO_KEYS.format(served=_text(served))
    for number, (path, load_seq) in enumerate(landed):
        connection.execute(f"insert into landed_parts values ({number}, {_text(path)}, {load_seq})")
    chosen = "true" if mode in LISTINGS else _OF_SERVED.format(served=_text(served))
    return _LANDED_KEYS.format(landed=_texts(path for path, _ in landed), chosen=chosen)


def _write_keys(connection: duckdb.DuckDBPyConnection, path: Path, query: str) -> None:
    connection.execute(f"copy ({query}) to {_text(path)} (format parquet, row_group_size 20000)")


def _groups(connection: duckdb.DuckDBPyConnection, *keys: Path) -> list[str]:
    """Conditions on a record, of which each is in one group; as many as it takes that none of them is too big."""
    groups = 1 + sum(_number_of_rows(connection, path) for path in keys) // _GROUP
    return [f"hash(record_id) % {groups} = {number}" for number in range(groups)]


def _number_of_rows(connection: duckdb.DuckDBPyConnection, path: Path) -> int:
    return _row(connection, f"select count(*) from read_parquet({_text(path)})")[0]


def _find_unlisted(connection: duckdb.DuckDBPyConnection, gone: Callable[[Sequence[str]], Collection[str]]) -> None:
    """Add to the table ``unlisted`` the records that are to be landed as deleted."""
    listed = "record_id in (select record_id from served)"
    absent = _all(connection, f"select record_id from latest where not is_deleted and not {listed} order by record_id")
    while ids := [record_id for (record_id,) in islice(absent, _ROWS)]:
        if found := gone(ids):
            connection.execute(
                "insert into unlisted select part_no, row_no from latest where record_id in "
                f"(select unnest(from_json({_text(json.dumps(sorted(found)))}, '[\"varchar\"]')))"
            )


def _kept(connection: duckdb.DuckDBPyConnection, rows: int) -> bytearray:
    """For each row that was served, whether it was not landed before."""
    kept = bytearray(b"\1") * rows
    for (row_no,) in _all(connection, "select row_no from reread"):
        kept[row_no] = 0
    return kept


def _unlisted(connection: duckdb.DuckDBPyConnection, landed: Sequence[Path]) -> Iterator[tuple[Path, bytearray]]:
    """Each landed part of which records are not listed any more, and for each of its rows whether it is one of them."""
    sizes = "select part_no, max(row_no) + 1 from unlisted group by part_no order by part_no"
    for part_no, size in connection.execute(sizes).fetchall():
        chosen = bytearray(size)
        for (row_no,) in _all(connection, f"select row_no from unlisted where part_no = {part_no}"):
            chosen[row_no] = 1
        yield landed[part_no], chosen


def _all(connection: duckdb.DuckDBPyConnection, query: str) -> Iterator[tuple[Any, ...]]:
    """The rows of a query, few in memory at a time; other queries may be asked meanwhile."""
    cursor = connection.cursor().execute(query)
    while some := cursor.fetchmany(_ROWS):
        yield from some


def _row(connection: duckdb.DuckDBPyConnection, query: str) -> list[int]:
    (row,) = connection.execute(query).fetchall()
    return list(row)


def _text(value: object) -> str:
    return "'" + str(value).replace("'", "''") + "'"


def _texts(values: Iterable[object]) -> str:
    return ", ".join(map(_text, values))
