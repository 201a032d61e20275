"""Delimited text: CSV, TSV, semicolons, bars. Reading is streaming: memory is bounded by the largest cell."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import BinaryIO, Final

from connectors.survey_files.encoding import Encoding, detect, lines
from connectors.survey_files.table import HEAD_ROWS, FileRefused, Options, RowCounts

LARGEST_CELL: Final = 64 * 1024 * 1024
"""Characters in one cell; a longer one is a quote that never closes."""

_DELIMITERS: Final = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}
_MOST_ZERO_BYTES: Final = 0.1
_HEAD_LINES, _HEAD_CHARACTERS = 200, 1 << 20
_END: Final = "\x04end of file\x04"


@dataclass(frozen=True)
class DelimitedText:
    """How the rows of one text file are read."""

    name: str
    encoding: Encoding
    delimiter: str
    nul_bytes: int
    head: tuple[tuple[str, ...], ...]
    may_be_cut_off: bool

    @property
    def notes(self) -> Sequence[str]:
        """Encoding, delimiter, zero bytes."""
        told = {
            f"encoding {self.encoding.name}": True,
            f"cells separated by {_DELIMITERS.get(self.delimiter, repr(self.delimiter))}": self.delimiter != ",",
            f"{self.nul_bytes} zero bytes removed": self.nul_bytes,
        }
        return [note for note, applies in told.items() if applies]

    def rows(self, stream: BinaryIO, counts: RowCounts) -> Iterator[list[str]]:
        """Every row. Raises ``FileRefused`` where the text ends inside a quoted cell or a cell is over 64 MB."""
        text: Iterable[str] = lines(stream, self.encoding, counts.repairs)
        if self.nul_bytes:
            text = (line.replace("\0", "") for line in text)
        yield from _rows(text, self.delimiter, self.name)


def open_text(stream: BinaryIO, name: str, options: Options) -> DelimitedText:
    """Find encoding and delimiter of a seekable stream; what the mapping declares wins where it fits."""
    size, nul_bytes, tail = _measured(stream)
    encoding = detect(stream, options.encoding)
    wide = (encoding.codec or "").startswith(("utf-16", "utf-32"))
    if nul_bytes > _MOST_ZERO_BYTES * size and not wide:
        raise FileRefused(f"{name} is not text (many zero bytes); export the answers as CSV (UTF-8).")
    first_lines = [line.replace("\0", "") for line in _first_lines(stream, encoding)]
    delimiter = options.delimiter or _delimiter(first_lines)
    return DelimitedText(
        name=name,
        encoding=encoding,
        delimiter=delimiter,
        nul_bytes=0 if wide else nul_bytes,
        head=tuple(tuple(row) for row in islice(_rows(first_lines, delimiter, None), HEAD_ROWS)),
        may_be_cut_off=not tail.rstrip(b"\0").endswith((b"\n", b"\r")),
    )


def _measured(stream: BinaryIO) -> tuple[int, int, bytes]:
    """The size in bytes, how many of them are zero, and the last few."""
    size, nul_bytes, tail = 0, 0, b""
    stream.seek(0)
    while chunk := stream.read(1 << 20):
        size, nul_bytes, tail = size + len(chunk), nul_bytes + chunk.count(0), chunk[-4:]
    return size, nul_bytes, tail


def _first_lines(stream: BinaryIO, encoding: Encoding) -> list[str]:
    """Lines that hold the first rows: at most 200 of them or 1 MB, whichever ends first."""
    taken, size = [], 0
    for line in islice(lines(stream, encoding), _HEAD_LINES):
        taken.append(line)
        size += len(line)
        if size > _HEAD_CHARACTERS:
            break
    return taken


def _delimiter(first_lines: Sequence[str]) -> str:
    """The delimiter with which most of the first rows have as many columns as each other, then the most columns.

    Not as many as the first row: titles may stand above the header.
    """

    def fit(delimiter: str) -> tuple[int, int]:
        rows = islice(_rows(first_lines, delimiter, None), HEAD_ROWS)
        widths = Counter(len(row) for row in rows if len(row) > 1)
        return max(((rows, width) for width, rows in widths.items()), default=(0, 0))

    return max(_DELIMITERS, key=fit)


def _rows(text: Iterable[str], delimiter: str, name: str | None) -> Iterator[list[str]]:
    """Parse lines into non-blank rows; with a file ``name``, refuse where the text ends inside a quoted cell."""
    csv.field_size_limit(LARGEST_CELL)
    last: list[str] = []
    try:
        for row in csv.reader(_with_end(text) if name else text, delimiter=delimiter):
            if len(last) > 1 or (last and last[0].strip(" \x1a")):
                yield last
            last = row
    except csv.Error:
        if name is None:
            return
        raise FileRefused(
            f"{name} has a cell of more than {LARGEST_CELL // 1024**2} MB, most likely a quote that is never closed. "
            "Nothing of it was kept; export it again."
        ) from None
    if name is None:
        if last:
            yield last
    elif last != [_END]:
        raise FileRefused(
            f"{name} ends inside a quoted cell: it was cut off, or a quote is never closed. Nothing of it was kept; "
            "export it again."
        )


def _with_end(text: Iterable[str]) -> Iterator[str]:
    """The lines, then a marker line: inside an open quote the marker becomes part of a cell instead of a row."""
    yield from text
    yield _END
