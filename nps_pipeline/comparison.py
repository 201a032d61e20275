"""Comparison: what of a pull is new against what was landed before. Where loads lie is known in ``landing``."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import duckdb

from connectors.base import Mode
from nps_pipeline.manifest import LISTINGS

_CONFIG: dict[str, Any] = {"memory_limit": "128MB", "threads": 2}
_IDS = 10_000  # ids of records that are in memory at a time
_TABLES = """
create table landed_parts (path varchar, load_seq bigint);
create table latest (
    record_id varchar, source_version timestamptz, is_deleted boolean, payload_hash blob, filename varchar,
    row_no bigint
);
create table absent as from latest;
create table unlisted as select filename, row_no from latest;
create table reread as select row_no, is_deleted from latest;
"""
_LATEST = """
insert into {name}
select old.record_id, old.source_version, old.is_deleted, old.payload_hash, old.filename, old.row_no
from (
    select record_id, source_version, is_deleted, row_no, filename, {hashed} as payload_hash
    from read_parquet($paths, filename = true)
    where record_id {chosen} (select record_id from served)
) as old
inner join landed_parts on landed_parts.path = old.filename
qualify row_number() over (
    partition by old.record_id
    order by old.source_version desc nulls last, landed_parts.load_seq desc, old.row_no desc
) = 1
"""
# A row that follows another version of the same age in its own load must land, or that one would stay the latest.
_REREAD = """
insert into reread
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
where is_reread
"""
_LIVE = """
select count(*) from (
    select is_deleted from read_parquet($paths, filename = true)
    qualify row_number() over (
        partition by record_id order by source_version desc nulls last, filename desc, row_no desc
    ) = 1
) where not is_deleted
"""
_DELETES = """
select
    old.record_id, old.payload, old.source_version, true,
    (select count(*) from served) - 1 + row_number() over (order by old.record_id), now()
from read_parquet([{paths}], filename = true) as old
inner join unlisted using (filename, row_no)
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
    spill = part.with_name("spill")
    with duckdb.connect(":memory:", config={**_CONFIG, "temp_directory": str(spill)}) as connection:
        connection.execute(f"set TimeZone = 'UTC'; {_TABLES}")
        _read_served(connection, part, rows, is_first=not landed)
        if keep:
            served = "select record_id, source_version, is_deleted, row_no from served"
            connection.execute(f"copy ({served}) to {_literal(keep)} (format parquet)")
        if landed:
            paths = {"paths": [str(path) for path, _ in landed]}
            connection.executemany("insert into landed_parts values (?, ?)", [(str(path), seq) for path, seq in landed])
            connection.execute(_LATEST.format(name="latest", hashed="unhex(sha256(payload))", chosen="in"), paths)
            connection.execute(_REREAD)
            if mode in LISTINGS:
                connection.execute(_LATEST.format(name="absent", hashed="null", chosen="not in"), paths)
            if mode == "reconcile":
                _find_unlisted(connection, gone)
        comparison = _counted(connection, pulled_until)
        if comparison.reread or comparison.unlisted or _has_more(connection, part, rows):
            _rewrite(connection, part, rows, [path for path, _ in landed] if comparison.unlisted else [])
    shutil.rmtree(spill, ignore_errors=True)
    return comparison


def live_among(kept: Sequence[Path]) -> int:
    """How many records are live in what was served: files of ``compare`` in the order in which they came."""
    with TemporaryDirectory(dir=kept[0].parent) as spill:
        config = {**_CONFIG, "temp_directory": spill}
        with duckdb.connect(":memory:", config=config) as connection:
            return _number(connection, _LIVE, {"paths": [str(path) for path in kept]})


def _number(connection: duckdb.DuckDBPyConnection, query: str, values: Mapping[str, Any]) -> int:
    ((number,),) = connection.execute(query, values).fetchall()
    return int(number)


def _read_served(connection: duckdb.DuckDBPyConnection, part: Path, rows: int, *, is_first: bool) -> None:
    """Make the table ``served``. Payloads are compared by their hash, so that none is held in memory.

    The first load of a stream is compared with nothing: its payloads are not read.
    """
    hashed = "null::blob" if is_first else "unhex(sha256(payload))"
    connection.execute(
        f"""
        create table served as
        select record_id, source_version, is_deleted, row_no, {hashed} as payload_hash
        from read_parquet($part) where row_no < $rows
        """,
        {"part": str(part), "rows": rows},
    )


def _has_more(connection: duckdb.DuckDBPyConnection, part: Path, rows: int) -> bool:
    return _number(connection, "select count(*) from read_parquet($part)", {"part": str(part)}) > rows


def _find_unlisted(connection: duckdb.DuckDBPyConnection, gone: Callable[[Sequence[str]], Collection[str]]) -> None:
    """Make the table ``unlisted`` of the records that are to be landed as deleted."""
    absent = connection.cursor().execute("select record_id from absent where not is_deleted order by record_id")
    while ids := [record_id for (record_id,) in absent.fetchmany(_IDS)]:
        connection.execute(
            "insert into unlisted select filename, row_no from absent where record_id in (select unnest($gone))",
            {"gone": sorted(gone(ids))},
        )


def _counted(connection: duckdb.DuckDBPyConnection, pulled_until: datetime | None) -> Comparison:
    (counts,) = connection.execute(
        """
        select
            (select count(*) from reread),
            (select count(*) from reread where is_deleted),
            (select count(*) from unlisted),
            (
                select count(*) from (
                    select is_deleted from served
                    qualify row_number() over (
                        partition by record_id order by source_version desc nulls last, row_no desc
                    ) = 1
                ) where not is_deleted
            ),
            (select count(*) from latest where not is_deleted) + (select count(*) from absent where not is_deleted),
            (
                select count(*) from served
                where source_version < $pulled_until and row_no not in (select row_no from reread)
            )
        """,
        {"pulled_until": pulled_until},
    ).fetchall()
    return Comparison(*counts)


def _rewrite(connection: duckdb.DuckDBPyConnection, part: Path, rows: int, landed: Sequence[Path]) -> None:
    """Leave the rows that were not landed before, and add the deletes behind them."""
    kept = part.with_name("kept.parquet")
    deletes = f"union all {_DELETES.format(paths=', '.join(map(_literal, landed)))}" if landed else ""
    connection.execute(
        f"""
        copy (
            select record_id, payload, source_version, is_deleted, row_no, extracted_at
            from read_parquet({_literal(part)})
            where row_no < {rows} and row_no not in (select row_no from reread)
            {deletes}
        ) to {_literal(kept)} (format parquet, compression zstd, row_group_size 5000)
        """
    )
    kept.replace(part)


def _literal(path: Path) -> str:
    return "'" + str(path).replace("'", "''") + "'"
