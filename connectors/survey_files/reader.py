"""A survey file on disk: opened safely, its format found from its bytes. How a format is read is in its own module."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

from connectors.survey_files.delimited import open_text
from connectors.survey_files.json_rows import open_json
from connectors.survey_files.parquet import open_parquet
from connectors.survey_files.table import FileRefused, IsHeader, Options, RowCounts, Table
from connectors.survey_files.workbook import open_workbook

_CHUNK: Final = 1 << 20
_LOOKED_AT: Final = 4096
_CONTROL: Final = bytes(set(range(1, 32)) - set(b"\t\n\v\f\r\x1a\x1b"))
_MOST_CONTROL: Final = 0.1

ZIP, GZIP, PARQUET = b"PK\x03\x04", b"\x1f\x8b", b"PAR1"
_UNREADABLE: Final[tuple[tuple[bytes, str], ...]] = (
    (b"PK\x05\x06", "is an empty zip archive; put the file of answers into the inbox"),
    (GZIP, "is compressed with gzip twice; unpack it and put the file inside into the inbox"),
    (
        b"\xd0\xcf\x11\xe0",
        "is an old or a protected Excel workbook; save it as .xlsx without a password, or as CSV (UTF-8)",
    ),
    (b"%PDF", "is a PDF document; export the answers as CSV (UTF-8)"),
    (b"SQLite format 3", "is a database; export the table of answers as CSV (UTF-8)"),
    (b"<!doctype html", "is a web page, often a login page saved by mistake; export the answers as CSV again"),
    (b"<html", "is a web page, often a login page saved by mistake; export the answers as CSV again"),
    (b"<?xml", "is XML; export the answers as CSV (UTF-8)"),
)


@dataclass(frozen=True)
class SourceFile:
    """A regular file on disk whose bytes were looked at once: its identity, and the table that it holds."""

    path: Path
    sha256: str
    size: int
    modified_ns: int
    table: Table

    def raw_rows(self, counts: RowCounts) -> Iterator[list[str]]:
        """Yield every non-blank row of the file, header rows included, as they stand.

        Raises ``FileRefused`` where it cannot be read to its end, or changed since it was opened.
        """
        with opened(self.path) as stream:
            yield from self.table.rows(stream, counts)
            self._unchanged(stream)

    def _unchanged(self, stream: BinaryIO) -> None:
        now = os.fstat(stream.fileno())
        if (now.st_size, now.st_mtime_ns) != (self.size, self.modified_ns):
            raise FileRefused(
                f"{self.path.name} changed while it was read; nothing of it was kept. Run again once it is complete."
            )


def open_source(path: Path, options: Options = Options(), is_header: IsHeader = lambda _: False) -> SourceFile:  # noqa: B008 - both are immutable
    """Look at a file and find how it is read; refuse what is no file of rows.

    Args:
        path: The file.
        options: What the mapping declares about reading it.
        is_header: Tells a known table from others, where a workbook has several sheets.

    Raises:
        FileRefused: It cannot be read; the sentence names the file and what to do.
    """
    with opened(path) as stream:
        status = os.fstat(stream.fileno())
        sha256, head = _fingerprint(stream)
        table = _table(stream, path.name, head, options, is_header)
    if not table.head:
        raise FileRefused(f"{path.name} is empty: it has no rows. Export it again.")
    return SourceFile(path, sha256, status.st_size, status.st_mtime_ns, table)


def _table(stream: BinaryIO, name: str, head: bytes, options: Options, is_header: IsHeader) -> Table:
    if head.startswith(ZIP):
        return open_workbook(stream, name, options, is_header)
    if head.startswith(PARQUET):
        return open_parquet(stream, name)
    _refuse_not_text(name, head)
    if is_json(head):
        return open_json(stream, name)
    return open_text(stream, name, options)


def is_json(head: bytes) -> bool:
    """Whether a file begins as JSON does; UTF-16 too. A CSV header that begins with a brace is none."""
    text = head.lstrip(b"\xef\xbb\xbf\xff\xfe \t\r\n\0").replace(b"\0", b"")
    return text[:1] in (b"{", b"[") and text[1:].lstrip()[:1] in (b'"', b"{", b"[", b"}", b"]")


def opened(path: Path) -> BinaryIO:
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
        raise FileRefused(f"{path.name} is not a regular file; put a file of answers into the inbox.")
    return os.fdopen(descriptor, "rb")


def _fingerprint(stream: BinaryIO) -> tuple[str, bytes]:
    """The sha256 of the bytes, and the first few of them."""
    digest, head = hashlib.sha256(), b""
    while chunk := stream.read(_CHUNK):
        digest.update(chunk)
        head = head or chunk[:_LOOKED_AT]
    return digest.hexdigest(), head


def _refuse_not_text(name: str, head: bytes) -> None:
    if not head:
        raise FileRefused(f"{name} is empty (0 bytes). Export it again.")
    for magic, sentence in _UNREADABLE:
        if head.lstrip(b"\xef\xbb\xbf \t\r\n")[: len(magic)].lower() == magic.lower():
            raise FileRefused(f"{name} {sentence}.")
    if len(head) - len(head.translate(None, _CONTROL)) > _MOST_CONTROL * len(head):
        raise FileRefused(f"{name} is not text; export the answers as CSV (UTF-8).")
