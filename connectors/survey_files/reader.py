"""A survey file as rows of text cells: CSV, TSV, semicolons. What the columns mean is in ``columns`` and ``layout``.

Reading is streaming: memory is bounded by the largest cell, not by the file.
"""

from __future__ import annotations

import csv
import errno
import hashlib
import os
import stat
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import BinaryIO, Final

from connectors.errors import RecordError
from connectors.survey_files.encoding import Encoding, Repairs, detect, lines

LARGEST_CELL: Final = 64 * 1024 * 1024
"""Characters in one cell; a longer one is a quote that never closes."""

_HEAD_ROWS: Final = 20
_CHUNK: Final = 1 << 20
_DELIMITERS: Final = (",", ";", "\t", "|")
_END: Final = "\x04end of file\x04"
_CONTROL: Final = bytes(set(range(1, 32)) - set(b"\t\n\v\f\r\x1a\x1b"))

_NOT_TEXT: Final[tuple[tuple[bytes, str], ...]] = (
    (b"PK\x03\x04", "is a zip archive; unpack it and put the CSV file inside into the inbox"),
    (b"\x1f\x8b", "is compressed with gzip; unpack it and put the CSV file into the inbox"),
    (b"\xd0\xcf\x11\xe0", "is an old Excel workbook; open it and export the sheet as CSV (UTF-8)"),
    (b"PAR1", "is a Parquet file; export it as CSV (UTF-8)"),
    (b"%PDF", "is a PDF document; export the answers as CSV (UTF-8)"),
    (b"SQLite format 3", "is a database; export the table of answers as CSV (UTF-8)"),
    (b"<!doctype html", "is a web page, often a login page saved by mistake; export the answers as CSV again"),
    (b"<html", "is a web page, often a login page saved by mistake; export the answers as CSV again"),
)
_EXCEL: Final = "is an Excel workbook; export it as CSV (in Excel: Save as, CSV UTF-8)"
_NOT_CSV_NAMES: Final = {
    ".xlsx": _EXCEL,
    ".xlsm": _EXCEL,
    ".xls": _EXCEL,
    ".ods": "is a spreadsheet; export it as CSV (UTF-8)",
    ".json": "is JSON; export it as CSV (UTF-8)",
    ".jsonl": "is JSON; export it as CSV (UTF-8)",
    ".parquet": "is a Parquet file; export it as CSV (UTF-8)",
}


class FileRefused(RecordError):  # noqa: N818 - it is an outcome that a run reports, not a fault
    """A file that cannot be read or understood as it is; the sentence says why and what to do. Other files go on."""


@dataclass
class RowCounts:
    """What one pass met: rows in all, shorter and longer than the header, the number of the last short one."""

    rows: int = 0
    short: int = 0
    long: int = 0
    last_short: int = 0
    repairs: Repairs = field(default_factory=Repairs)


@dataclass(frozen=True)
class SourceFile:
    """A regular file on disk whose bytes were looked at once: identity, encoding, delimiter and its first rows."""

    path: Path
    sha256: str
    size: int
    modified_ns: int
    nul_bytes: int
    encoding: Encoding
    delimiter: str
    head: tuple[tuple[str, ...], ...]
    ends_with_line: bool

    def raw_rows(self, counts: RowCounts) -> Iterator[list[str]]:
        """Yield every non-blank row of the file, header rows included, as they stand.

        Raises ``FileRefused`` where the file ends inside a quoted cell, holds a cell of over 64 MB, or changed since it
        was opened.
        """
        with _opened(self.path) as stream:
            text: Iterable[str] = lines(stream, self.encoding, counts.repairs)
            if self.nul_bytes:
                text = (line.replace("\0", "") for line in text)
            yield from _rows(text, self.delimiter, self.path.name)
            self._unchanged(stream)

    def _unchanged(self, stream: BinaryIO) -> None:
        now = os.fstat(stream.fileno())
        if (now.st_size, now.st_mtime_ns) != (self.size, self.modified_ns):
            raise FileRefused(
                f"{self.path.name} changed while it was read; nothing of it was kept. Run again once it is complete."
            )


def open_source(path: Path, encoding: str | None = None, delimiter: str | None = None) -> SourceFile:
    """Look at a file: refuse what is not a regular text file with rows, find its encoding and delimiter.

    ``encoding`` and ``delimiter`` are what the mapping declares; None lets the bytes and the first rows decide.
    Raises ``FileRefused`` with a sentence that names the file.
    """
    name = path.name
    with _opened(path) as stream:
        status = os.fstat(stream.fileno())
        sha256, nul_bytes, head, tail = _fingerprint(stream)
        _refuse_not_text(name, head)
        found = detect(stream, encoding)
        wide = (found.codec or "").startswith(("utf-16", "utf-32"))
        if nul_bytes > 0.1 * status.st_size and not wide:
            raise FileRefused(f"{name} is not text (many zero bytes); export the answers as CSV (UTF-8).")
        first_lines = [line.replace("\0", "") for line in _first_lines(stream, found)]
    delimiter = delimiter or _delimiter(first_lines)
    rows = tuple(tuple(row) for row in islice(_rows(first_lines, delimiter, None), _HEAD_ROWS))
    if not rows:
        raise FileRefused(f"{name} is empty: it has no rows. Export it again.")
    return SourceFile(
        path=path,
        sha256=sha256,
        size=status.st_size,
        modified_ns=status.st_mtime_ns,
        nul_bytes=0 if wide else nul_bytes,
        encoding=found,
        delimiter=delimiter,
        head=rows,
        ends_with_line=tail.rstrip(b"\0").endswith((b"\n", b"\r")),
    )


def column_names(header: Sequence[str]) -> tuple[str, ...]:
    """Unique column names: trailing empty ones dropped, an empty one is ``column_N``, a repeated one gets ``_2``."""
    stripped = [" ".join(name.split()) for name in header]
    while stripped and not stripped[-1]:
        stripped.pop()
    named = [name or f"column_{position}" for position, name in enumerate(stripped, 1)]
    taken, seen, unique = set(named), Counter[str](), list[str]()
    for name in named:
        seen[name] += 1
        suffix = seen[name]
        while suffix > 1 and f"{name}_{suffix}" in taken:
            suffix += 1
        unique.append(name if suffix == 1 else f"{name}_{suffix}")
        taken.add(unique[-1])
    return tuple(unique)


def _opened(path: Path) -> BinaryIO:
    """Open a regular file without following a link; a pipe or device is refused before it can block."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise FileRefused(f"{path.name} is a symbolic link; put the file itself into the inbox.") from None
        raise FileRefused(
            f"{path.name} cannot be opened ({os.strerror(error.errno or 0)}); check its permissions."
        ) from None
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise FileRefused(f"{path.name} is not a regular file; put a CSV file into the inbox.")
    return os.fdopen(descriptor, "rb")


def _fingerprint(stream: BinaryIO) -> tuple[str, int, bytes, bytes]:
    """The sha256 of the bytes, the number of zero bytes, the first 4096 bytes and the last few."""
    digest, nul_bytes, head, tail = hashlib.sha256(), 0, b"", b""
    while chunk := stream.read(_CHUNK):
        digest.update(chunk)
        nul_bytes += chunk.count(0)
        head, tail = head or chunk[:4096], chunk[-4:]
    return digest.hexdigest(), nul_bytes, head, tail


def _refuse_not_text(name: str, head: bytes) -> None:
    if not head:
        raise FileRefused(f"{name} is empty (0 bytes). Export it again.")
    for magic, sentence in _NOT_TEXT:
        if head[: len(magic)].lower() == magic.lower():
            by_name = _NOT_CSV_NAMES.get(Path(name).suffix.lower())
            workbook = b"xl/" in head or b"[Content_Types].xml" in head
            raise FileRefused(f"{name} {by_name or (_EXCEL if workbook else sentence)}.")
    if len(head) - len(head.translate(None, _CONTROL)) > 0.1 * len(head):
        raise FileRefused(f"{name} is not text; export the answers as CSV (UTF-8).")
    if head.lstrip(b"\xef\xbb\xbf \t\r\n")[:2] in (b'{"', b"{\n", b"[{", b"[\n", b"{}", b"[]"):
        raise FileRefused(f"{name} is JSON; export it as CSV (UTF-8).")


def _first_lines(stream: BinaryIO, encoding: Encoding) -> list[str]:
    """Lines that hold the first rows: at most 200 of them or 1 MB, whichever ends first."""
    taken, size = [], 0
    for line in islice(lines(stream, encoding), 200):
        taken.append(line)
        size += len(line)
        if size > _CHUNK:
            break
    return taken


def _delimiter(first_lines: Sequence[str]) -> str:
    """The delimiter with which most of the first rows have as many columns as the first row, then the most columns."""

    def fit(delimiter: str) -> tuple[int, int]:
        widths = [len(row) for row in islice(_rows(first_lines, delimiter, None), _HEAD_ROWS)]
        same = sum(width == widths[0] for width in widths) if widths and widths[0] > 1 else 0
        return same, widths[0] if widths else 0

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
