"""Parquet: columns of any type as text cells, a batch of rows in memory at a time."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any, BinaryIO, Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from connectors.survey_files.table import HEAD_ROWS, FileRefused, RowCounts

_BATCH: Final = 10_000


@dataclass(frozen=True)
class ParquetRows:
    """The rows of one file."""

    name: str
    head: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...] = ("Parquet",)
    may_be_cut_off: bool = False

    def rows(self, stream: BinaryIO, counts: RowCounts) -> Iterator[list[str]]:  # noqa: ARG002 - nothing to repair
        """The column names, then every row. Raises ``FileRefused`` where the file is damaged."""
        return _rows(stream, self.name)


def open_parquet(stream: BinaryIO, name: str) -> ParquetRows:
    """Look at the first rows. Raises ``FileRefused`` where the file is damaged."""
    return ParquetRows(name, tuple(tuple(row) for row in islice(_rows(stream, name), HEAD_ROWS)))


def _rows(stream: BinaryIO, name: str) -> Iterator[list[str]]:
    stream.seek(0)
    try:
        with pq.ParquetFile(stream, memory_map=False) as file:
            yield list(file.schema_arrow.names)
            for batch in file.iter_batches(batch_size=_BATCH):
                yield from map(list, zip(*(_texts(column) for column in batch.columns), strict=True))
    except (pa.ArrowException, OSError, UnicodeDecodeError):
        raise FileRefused(f"{name} is a damaged Parquet file. Nothing of it was kept; export it again.") from None


def _texts(column: Any) -> list[str]:
    if pa.types.is_nested(column.type):
        return ["" if one is None else json.dumps(one, ensure_ascii=False, default=str) for one in column.to_pylist()]
    texts: list[str] = pc.fill_null(pc.cast(column, pa.string()), "").to_pylist()
    return texts
