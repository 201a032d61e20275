"""Draft: the rows of a load, written into a part and taken out of it again. What of them lands is not decided here."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import accumulate
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from connectors.base import Budget, Page, Record
from connectors.errors import ConnectorError

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_INSTANT = pa.timestamp("us", tz="UTC")
_PART_FIELDS: list[pa.Field[Any]] = [
    pa.field("record_id", pa.string()),
    pa.field("payload", pa.string()),
    pa.field("source_version", _INSTANT),
    pa.field("is_deleted", pa.bool_()),
    pa.field("row_no", pa.int64()),
    pa.field("extracted_at", _INSTANT),
]
_PART_SCHEMA = pa.schema(_PART_FIELDS)
# What is held in memory besides a page before it is written.
ROW_GROUP, CHARACTERS = 5_000, 4_000_000


@dataclass(frozen=True)
class Draft:
    """What pages brought: rows, cost, and the cursor of the last page that had one.

    ``is_drained`` says that the pages came to their end. Where ``error`` ended them, the draft is what came up to the
    last page with a cursor; the part may hold rows behind it.
    """

    rows: int = 0
    deleted_rows: int = 0
    requests: int = 0
    bytes: int = 0
    cursor: Mapping[str, Any] = field(default_factory=dict)
    budget: Budget | None = None
    is_drained: bool = False
    error: ConnectorError | None = None

    def and_then(self, page: Page) -> Draft:
        """The draft with one page more."""
        return Draft(
            rows=self.rows + len(page.records),
            deleted_rows=self.deleted_rows + sum(record.is_deleted for record in page.records),
            requests=self.requests + page.requests,
            bytes=self.bytes + page.bytes,
            cursor=page.cursor or self.cursor,
            budget=page.budget or self.budget,
        )


def write_part(part: Path, pages: Iterator[Page], extracted_at: datetime, every: int | None) -> Draft:
    """Write pages into a new part: all there are, or those up to the first one with a cursor after enough records.

    Args:
        part: The Parquet file.
        pages: What is left of a pull; where the draft is not drained and has no error, they go on.
        extracted_at: When the load began.
        every: How many records are enough; None: only all there are will do, so that nothing stands behind an error.
    """
    draft, safe, waiting, written, size = Draft(), Draft(), list[Record](), 0, 0
    with pq.ParquetWriter(part, _PART_SCHEMA, compression="zstd") as writer:
        try:
            for page in pages:
                draft = draft.and_then(page)
                waiting += page.records
                size += sum(len(record.payload) for record in page.records)
                if len(waiting) >= ROW_GROUP or size >= CHARACTERS:
                    writer.write_batch(_batch(waiting, written, extracted_at))
                    waiting, written, size = [], draft.rows, 0
                if page.cursor and every is not None:
                    safe = draft
                    if draft.rows >= every:
                        break
            else:
                draft = replace(draft, is_drained=True)
        except ConnectorError as error:
            draft = replace(safe, error=error)
        if waiting:
            writer.write_batch(_batch(waiting, written, extracted_at))
    return draft


def rewrite(part: Path, kept: bytearray, deletes: Iterable[tuple[Path, bytearray]]) -> None:
    """Leave rows out of a part, and add a delete for rows of other parts behind them.

    Args:
        part: The Parquet file, in the place of which another one comes.
        kept: For each row_no whether its row stays.
        deletes: Other parts, each with the rows of which a delete is added, by row_no.
    """
    new, row_no, now = part.with_name("kept.parquet"), len(kept), datetime.now(UTC)
    with pq.ParquetWriter(new, _PART_SCHEMA, compression="zstd") as writer:
        for batch in _chosen(part, kept):
            writer.write_batch(pa.RecordBatch.from_arrays(batch.columns, schema=_PART_SCHEMA))
        for path, rows in deletes:
            for batch in _chosen(path, rows):
                writer.write_batch(_deleted(batch, row_no, now))
                row_no += batch.num_rows
    new.replace(part)


def _chosen(part: Path, chosen: bytearray) -> Iterator[pa.RecordBatch]:
    """The chosen rows, one row group in memory at a time."""
    with pq.ParquetFile(part) as file:
        for number in range(file.num_row_groups):
            row_nos: list[Any] = (
                file.read_row_group(number, columns=["row_no"], use_threads=False).column(0).to_pylist()
            )
            is_chosen = [row_no < len(chosen) and bool(chosen[row_no]) for row_no in row_nos]
            if any(is_chosen):
                mask: pa.Array[Any] = pa.Array.from_buffers(pa.bool_(), len(row_nos), [None, _bits(is_chosen)])
                rows = file.read_row_group(number, columns=_PART_SCHEMA.names, use_threads=False).filter(mask)
                yield from rows.combine_chunks().to_batches()


def _deleted(batch: pa.RecordBatch, first_row_no: int, now: datetime) -> pa.RecordBatch:
    rows = batch.num_rows
    record_id, payload, source_version = (batch.column(name) for name in _PART_SCHEMA.names[:3])
    return pa.RecordBatch.from_arrays(
        [
            record_id,
            payload,
            source_version,
            pa.Array.from_buffers(pa.bool_(), rows, [None, _bits([True] * rows)]),
            _numbers(pa.int64(), range(first_row_no, first_row_no + rows)),
            _numbers(_INSTANT, [_microseconds(now)] * rows),
        ],
        schema=_PART_SCHEMA,
    )


def _batch(records: Sequence[Record], first_row_no: int, extracted_at: datetime) -> pa.RecordBatch:
    """Rows as Arrow holds them, from buffers: ``pa.array`` imports pandas, which takes more memory than the rows."""
    versions = [record.source_version for record in records]
    return pa.RecordBatch.from_arrays(
        [
            _texts([record.record_id for record in records]),
            _texts([record.payload for record in records]),
            _numbers(_INSTANT, [_microseconds(one) if one else 0 for one in versions], [bool(one) for one in versions]),
            pa.Array.from_buffers(pa.bool_(), len(records), [None, _bits([record.is_deleted for record in records])]),
            _numbers(pa.int64(), range(first_row_no, first_row_no + len(records))),
            _numbers(_INSTANT, [_microseconds(extracted_at)] * len(records)),
        ],
        schema=_PART_SCHEMA,
    )


def _texts(values: Sequence[str]) -> pa.Array[Any]:
    encoded = [value.encode() for value in values]
    ends = array("i", accumulate(map(len, encoded), initial=0))
    return pa.Array.from_buffers(pa.string(), len(values), [None, pa.py_buffer(ends), pa.py_buffer(b"".join(encoded))])


def _numbers(kind: pa.DataType, values: Sequence[int], known: Sequence[bool] = ()) -> pa.Array[Any]:
    """``known`` says which of the values there are; without it, all."""
    bits = None if all(known) else _bits(known)
    return pa.Array.from_buffers(kind, len(values), [bits, pa.py_buffer(array("q", values))])


def _bits(values: Sequence[bool]) -> pa.Buffer:
    number = int("".join("1" if value else "0" for value in reversed(values)) or "0", 2)
    return pa.py_buffer(number.to_bytes(len(values) // 8 + 1, "little"))


def _microseconds(moment: datetime) -> int:
    return (moment - _EPOCH) // timedelta(microseconds=1)
