"""CSV for spreadsheets: what a person opens there is text, never a formula. What rows mean is known elsewhere."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

# What a spreadsheet takes for the beginning of a formula, also in the wide forms of East Asian keyboards; and the
# apostrophe itself, so that taking one away always gives the text back.
_EXECUTED: Final = tuple("=+-@\t\r\n'\uff1d\uff0b\uff0d\uff20\uff07")


def neutral(value: Any) -> str:
    """A value as text that no spreadsheet executes: an apostrophe goes before whatever could begin a formula."""
    text = "" if value is None else str(value)
    is_risky = text.startswith(_EXECUTED) or text.lstrip().startswith(_EXECUTED)
    return f"'{text}" if is_risky else text


def as_csv(rows: Iterable[Mapping[str, Any]], columns: Sequence[str]) -> str:
    """Rows as CSV with a heading, lines ended as RFC 4180 says."""
    written = io.StringIO(newline="")
    lines = csv.writer(written)
    lines.writerow(columns)
    lines.writerows([neutral(row.get(column)) for column in columns] for row in rows)
    return written.getvalue()


def write_csv(path: Path, text: str) -> None:
    """Write a file whole or not at all, as UTF-8 with the mark by which spreadsheets tell it.

    Raises:
        OSError: The folder is missing or may not be written.
    """
    partial = path.with_name(f".{path.name}.tmp")
    partial.write_text(text, encoding="utf-8-sig", newline="")
    partial.replace(path)
