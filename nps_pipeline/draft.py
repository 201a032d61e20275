"""Draft: the rows of a load as the source serves them, written into a part. What of them lands is not decided here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from connectors.base import Budget, Page, Record
from connectors.errors import ConnectorError

_PART_FIELDS: list[pa.Field[Any]] = [
    pa.field("record_id", pa.string()),
    pa.field("payload", pa.string()),
    pa.field("source_version", pa.timestamp("us", tz="UTC")),
    pa.field("is_deleted", pa.bool_()),
    pa.field("row_no", pa.int64()),
    pa.field("extracted_at", pa.timestamp("us", tz="UTC")),
]
_PART_SCHEMA = pa.schema(_PART_FIELDS)
ROW_GROUP = 5_000  # rows; as many are held in memory besides those of a page


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
    draft, safe, waiting, written = Draft(), Draft(), list[Record](), 0
    with pq.ParquetWriter(part, _PART_SCHEMA, compression="zstd") as writer:
        try:
            for page in pages:
                draft = draft.and_then(page)
                waiting += page.records
                if len(waiting) >= ROW_GROUP:
                    writer.write_batch(_batch(waiting, written, extracted_at))
                    waiting, written = [], draft.rows
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


def _batch(records: Sequence[Record], first_row_no: int, extracted_at: datetime) -> pa.RecordBatch:
    return pa.RecordBatch.from_arrays(
        [
            pa.array([record.record_id for record in records], pa.string()),
            pa.array([record.payload for record in records], pa.string()),
            pa.array([record.source_version for record in records], pa.timestamp("us", tz="UTC")),
            pa.array([record.is_deleted for record in records], pa.bool_()),
            pa.array(range(first_row_no, first_row_no + len(records)), pa.int64()),
            pa.repeat(pa.scalar(extracted_at, pa.timestamp("us", tz="UTC")), len(records)),
        ],
        schema=_PART_SCHEMA,
    )
