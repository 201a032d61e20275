"""A survey file as a table of text cells: what every format yields, and how files are refused. It reads no format."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import BinaryIO, Final, Protocol

from connectors.errors import RecordError
from connectors.survey_files.encoding import Repairs

HEAD_ROWS: Final = 20
"""So many rows of a file are looked at before it is understood: what stands above the header, header, first answers."""

Rows = Sequence[Sequence[str]]
IsHeader = Callable[[Rows], bool]
"""Whether a file that begins with these rows is one that a mapping or a profile reads."""


class FileRefused(RecordError):  # noqa: N818 - it is an outcome that a run reports, not a fault
    """A file that cannot be read or understood as it is; the sentence says why and what to do. Other files go on."""


@dataclass
class RowCounts:
    """What one pass met: rows in all, shorter and longer than the header, the number of the last short one.

    ``escaped`` of the longer ones have a backslash, which may stand before a quote that was meant for the text.
    """

    rows: int = 0
    short: int = 0
    long: int = 0
    escaped: int = 0
    last_short: int = 0
    repairs: Repairs = field(default_factory=Repairs)


@dataclass(frozen=True)
class Options:
    """What a mapping declares about reading its files; None lets the file decide."""

    encoding: str | None = None
    delimiter: str | None = None
    sheet: str | None = None


class Table(Protocol):
    """The cells of one file, in one format."""

    @property
    def head(self) -> Rows:
        """Its first ``HEAD_ROWS`` rows, fewer where there are no more."""

    @property
    def notes(self) -> Sequence[str]:
        """How it is read, for a person; no cell values."""

    @property
    def may_be_cut_off(self) -> bool:
        """Whether its last row could be a part of a row."""

    def rows(self, stream: BinaryIO, counts: RowCounts) -> Iterator[list[str]]:
        """Every row that is not blank, header rows included. Raises ``FileRefused`` where it cannot be read on."""


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
