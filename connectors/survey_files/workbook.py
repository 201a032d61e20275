"""Excel workbooks: the one sheet of answers, its cells as text. Which sheet that is, the first rows of all of them say.

Numbers and dates come as a spreadsheet stores them: a whole number has no point, a date is ``2026-03-01 14:05:00``.
"""

from __future__ import annotations

import warnings
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime, time
from decimal import Decimal
from itertools import islice
from typing import Any, BinaryIO, Final

import openpyxl
from defusedxml.common import DefusedXmlException
from openpyxl.styles import numbers

from connectors.survey_files.table import HEAD_ROWS, FileRefused, IsHeader, Options, RowCounts
from connectors.values import storable

LARGEST_UNPACKED: Final = 2 * 1024**3
"""Bytes of XML in a workbook; Excel's largest sheets of answers have a fraction of it."""

_MOST_COMPRESSED: Final = 500
"""Times that a part may grow when it is unpacked, beyond ``_SMALL``; XML of answers grows tenfold to fiftyfold."""
_SMALL: Final = 16 * 1024**2
_EXACT: Final = 2**53
_ENTITIES: Final = (
    "defines XML entities, which no spreadsheet program writes and which can be a bomb. Nothing of it was kept; do not "
    "open it, and ask who sent it."
)
_DAMAGED: Final = (
    "is a damaged or protected Excel workbook. Nothing of it was kept; save it anew without a password, or export it "
    "as CSV (UTF-8)."
)
# openpyxl lets through whatever a damaged or locked file makes zipfile and the XML parser raise.
_BROKEN: Final = (
    zipfile.BadZipFile, zlib.error, RuntimeError, SyntaxError, KeyError, ValueError, TypeError, IndexError,
    EOFError, OSError,
)  # fmt: skip


@dataclass(frozen=True)
class Workbook:
    """One sheet of a workbook."""

    name: str
    sheet: str
    head: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...]
    may_be_cut_off: bool = False

    def rows(self, stream: BinaryIO, counts: RowCounts) -> Iterator[list[str]]:  # noqa: ARG002 - nothing to repair
        """Every row with a cell that is not empty. Raises ``FileRefused`` where the workbook is damaged."""
        with _opened(stream, self.name) as book:
            yield from _rows(book[self.sheet], has_percents=_has_percents(book))


def open_workbook(stream: BinaryIO, name: str, options: Options, is_header: IsHeader) -> Workbook:
    """Find the sheet of answers: the declared one, else the only one with a table, else the only one that is known."""
    _refuse_bombs(stream, name)
    with _opened(stream, name) as book:
        sheets = {
            sheet.title: tuple(tuple(row) for row in islice(_rows(sheet, has_percents=_has_percents(book)), HEAD_ROWS))
            for sheet in book.worksheets
            if sheet.sheet_state == "visible" or sheet.title == options.sheet
        }
        hidden = len(book.worksheets) - len(sheets)
    chosen = _chosen(name, sheets, options.sheet, is_header)
    notes = [f"Excel sheet {chosen!r}"] + ([f"{hidden} hidden sheets left aside"] if hidden else [])
    return Workbook(name, chosen, sheets[chosen], tuple(notes))


def _chosen(name: str, sheets: dict[str, Any], declared: str | None, is_header: IsHeader) -> str:
    shown = ", ".join(repr(sheet) for sheet in sheets)
    if declared is not None:
        if declared not in sheets:
            raise FileRefused(f"{name} has no sheet {declared!r}, which nps.yaml names; its sheets are: {shown}.")
        return declared
    tables = [sheet for sheet, head in sheets.items() if len(head) > 1 and max(map(len, head)) > 1]
    known = [sheet for sheet in tables if is_header(sheets[sheet])]
    for found in (tables, known):
        if len(found) == 1:
            return found[0]
    if not tables:
        raise FileRefused(f"{name} has no sheet with a header and rows of answers. Export it again.")
    raise FileRefused(
        f"{name} has {len(tables)} sheets that may hold the answers: {shown}. Say which one in nps.yaml: a mapping "
        "with sheet: NAME."
    )


@contextmanager
def _opened(stream: BinaryIO, name: str) -> Iterator[Any]:
    stream.seek(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of styles and extensions, which do not concern the cells
        try:
            book = openpyxl.load_workbook(stream, read_only=True, data_only=True, keep_links=False)
            yield book
        except FileRefused:
            raise
        except _BROKEN as error:
            raise FileRefused(f"{name} {_ENTITIES if _is_bomb(error) else _DAMAGED}") from None


def _is_bomb(error: BaseException | None) -> bool:
    """Whether entities were refused; openpyxl passes that on as the cause of an error of its own."""
    if error is None or isinstance(error, DefusedXmlException):
        return error is not None
    return _is_bomb(error.__cause__ or error.__context__)


def _has_percents(book: Any) -> bool:
    """Whether a cell could be shown as a percentage. Nearly no workbook has any, and values alone are read faster."""
    # openpyxl has no public list of the formats that a workbook uses.
    used = [numbers.builtin_format_code(style.numFmtId) or "" for style in book._cell_styles]  # noqa: SLF001
    return any("%" in text for text in (*book._number_formats, *used))  # noqa: SLF001


def _rows(sheet: Any, *, has_percents: bool) -> Iterator[list[str]]:
    sheet.reset_dimensions()  # some tools write a wrong one, and openpyxl would believe it
    read = _shown if has_percents else _text
    for row in sheet.iter_rows(values_only=not has_percents):
        cells = [read(value) for value in row]
        if any(cells):
            yield cells


def _shown(cell: Any) -> str:
    """A percentage as a person sees it: 100 % is stored as 1, and no score."""
    if isinstance(cell.value, int | float) and "%" in (cell.number_format or ""):
        return f"{_text(float(f'{cell.value * 100:.12g}'))}%"
    return _text(cell.value)


def _text(value: object) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "TRUE" if value else "FALSE"
        case float():
            return _number(value)
        case datetime():
            return value.isoformat(" ", "milliseconds" if value.microsecond else "seconds")
        case date() | time():
            return value.isoformat()
        case _:
            return storable(str(value))


def _number(value: float) -> str:
    """A number without exponent; one that is too large to be exact keeps it, so that nobody takes it for an id."""
    if abs(value) >= _EXACT:
        return f"{value:.16E}"
    return str(int(value)) if value.is_integer() else f"{Decimal(repr(value)):f}"


def _refuse_bombs(stream: BinaryIO, name: str) -> None:
    """Refuse a workbook whose parts grow to much more than any sheet of answers; the stated sizes bound the reading."""
    try:
        parts: Sequence[zipfile.ZipInfo] = zipfile.ZipFile(stream).infolist()
    except _BROKEN:
        raise FileRefused(f"{name} {_DAMAGED}") from None
    if not any(part.filename.startswith("xl/") for part in parts):
        raise FileRefused(
            f"{name} is a zip archive that holds no Excel workbook (.xlsx); export the answers as CSV (UTF-8)."
        )
    large = sum(part.file_size for part in parts) > LARGEST_UNPACKED
    if large or any(part.file_size > max(_SMALL, _MOST_COMPRESSED * part.compress_size) for part in parts):
        raise FileRefused(
            f"{name} unpacks to far more than a sheet of answers can be: it may be a zip bomb. Nothing of it was kept; "
            "export the answers as CSV (UTF-8)."
        )
