"""Guesses what the columns of an unknown survey file are, from their names and cells. A person confirms every guess.

Nothing here maps a row: a guess becomes a mapping in nps.yaml, which does.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from connectors.survey_files.columns import fold
from connectors.survey_files.dates import DateEvidence, DateOrderError, DateRule, date_reader, zone_named
from connectors.survey_files.questions import asks_for_a_reason, asks_to_recommend
from connectors.survey_files.scores import plain_score

MOSTLY: Final = 0.8
"""The share of the filled cells that must look like what a column is taken for."""

_HIGHEST: Final = 10
_LONG: Final = 12
"""Characters that free text has on average, at least."""
_EMAIL: Final = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
# Field -> names that say it, the likeliest first; a name counts where it is the whole folded header, or its last word.
_NAMES: Final[dict[str, tuple[str, ...]]] = {
    "id": ("responseid", "response_id", "answerid", "surveyresponseid", "antwortid", "uuid", "id", "token",
           "nr", "no", "number", "nummer", "lfdnr"),
    "score": ("nps", "npsscore", "nps_score", "recommendation", "likelihoodtorecommend", "ltr", "weiterempfehlung",
              "score", "rating", "note", "bewertung", "punktzahl", "puntuación", "punteggio", "cijfer", "nota"),
    "comment": ("comment", "comments", "feedback", "kommentar", "commentaire", "comentario", "commento", "opmerking",
                "verbatim", "reason", "explication", "text", "remark"),
    "email": ("email", "e-mail", "emailaddress", "mail", "respondentemail", "e-mail-adresse"),
    "respondent": ("customerid", "customer_id", "userid", "user_id", "contactid", "respondentid", "kundennummer",
                   "externalid", "clientid"),
    "responded_at": ("respondedat", "responded_at", "submittedat", "submitdate", "completed", "completiontime",
                     "responsedate", "surveydate", "survey_date", "enddate", "createdat", "created_at", "timestamp",
                     "datum", "date", "fecha", "data"),
    "language": ("language", "lang", "locale", "sprache", "langue", "idioma"),
    "channel": ("channel", "kanal", "canal"),
    "touchpoint": ("touchpoint", "journeystage", "kontaktpunkt"),
    "survey": ("survey", "surveyname", "survey_name", "campaign", "umfrage"),
}  # fmt: skip
_UTC: Final = zone_named("UTC")


@dataclass
class ColumnCells:
    """What the cells of one column look like; counts of filled cells."""

    name: str
    filled: int = 0
    scores: int = 0
    emails: int = 0
    characters: int = 0
    highest: int = 0
    distinct: set[int] = field(default_factory=set)
    dates: DateEvidence = field(default_factory=DateEvidence)
    samples: list[str] = field(default_factory=list)

    def add(self, cell: str) -> None:
        """Look at one cell."""
        if not (text := cell.strip()):
            return
        self.filled += 1
        self.characters += len(text)
        self.distinct.add(hash(text))
        self.emails += _EMAIL.fullmatch(text) is not None
        number = plain_score(text)
        if number.strip().isdecimal():
            self.scores += int(number) <= _HIGHEST
            self.highest = max(self.highest, min(int(number), _HIGHEST + 1))
        self.dates.add(text)
        if len(self.samples) < 200:  # noqa: PLR2004 - enough to know a date by
            self.samples.append(text)

    @property
    def holds_scores(self) -> bool:
        """Whether nearly all cells are whole numbers from 0 to 10, and not only the lowest of them."""
        return self.filled > 0 and self.scores >= MOSTLY * self.filled and self.highest <= _HIGHEST

    @property
    def holds_emails(self) -> bool:
        """Whether nearly all cells are addresses."""
        return self.filled > 0 and self.emails >= MOSTLY * self.filled

    @property
    def is_unique(self) -> bool:
        """Whether no cell stands twice."""
        return self.filled > 0 and len(self.distinct) == self.filled

    @property
    def holds_text(self) -> bool:
        """Whether the cells are free text."""
        return self.filled > 0 and self.characters >= _LONG * self.filled and not self.holds_emails

    @property
    def order_is_open(self) -> bool:
        """Whether the cells are dates that can be read with the day or with the month first."""
        try:
            date_reader(DateRule(_UTC), self.dates)
        except DateOrderError:
            return True
        return False

    @property
    def holds_dates(self) -> bool:
        """Whether nearly all cells are dates; numbers alone are none."""
        read, _ = date_reader(DateRule(_UTC, "day_first"), self.dates)
        month_first, _ = date_reader(DateRule(_UTC, "month_first"), self.dates)
        looked = [text for text in self.samples if not text.isdecimal() or len(text) >= _HIGHEST]
        known = sum((read(text) or month_first(text)) is not None for text in looked)
        return bool(self.samples) and known >= MOSTLY * len(self.samples)


def look_at(names: Sequence[str], rows: Iterable[Sequence[str]]) -> list[ColumnCells]:
    """What every column holds, over all rows."""
    columns = [ColumnCells(name) for name in names]
    for row in rows:
        for column, cell in zip(columns, row, strict=False):
            column.add(cell)
    return columns


def guesses(columns: Sequence[ColumnCells]) -> dict[str, list[str]]:
    """For each field of a mapping, the columns that may be it, the likeliest first; no column for two fields."""
    fits: dict[str, Callable[[ColumnCells], bool]] = {
        "score": lambda one: one.holds_scores,
        "email": lambda one: one.holds_emails,
        "responded_at": lambda one: one.holds_dates,
        "comment": lambda one: one.holds_text and not one.holds_dates,
        "id": lambda one: one.is_unique and not one.holds_dates and not one.holds_emails,
    }
    taken, found = set[str](), dict[str, list[str]]()
    for key in ("score", "email", "responded_at", "id", "comment", "respondent", "language", "channel", "touchpoint",
                "survey"):  # fmt: skip
        holds = fits.get(key, _is_filled)
        ranked = sorted(
            (-_trust(key, column.name), place, column.name)
            for place, column in enumerate(columns)
            if column.name not in taken
            and holds(column)
            and (_trust(key, column.name) or key in ("email", "responded_at", "score"))
        )
        found[key] = [name for _, _, name in ranked]
        taken.update(found[key][:1])
    return found


def _trust(key: str, name: str) -> int:
    """How much a column's name speaks for a field; 0: not at all."""
    if (key == "score" and asks_to_recommend(name)) or (key == "comment" and asks_for_a_reason(name)):
        return 100
    known = _NAMES[key]
    folded, last = fold(name), fold(re.split(r"[\s_.\-]+", name.strip())[-1]) if name.strip() else ""
    for points, word in ((50, folded), (25, last)):
        if word in known:
            return points - known.index(word)
    return 0


def order_question(column: ColumnCells) -> bool:
    """Whether a person must say if the day or the month comes first."""
    return column.holds_dates and column.order_is_open


def scale_is_doubtful(column: ColumnCells) -> bool:
    """Whether the scores could be on a scale from 1 to 5: none is higher than 5."""
    return 0 < column.highest <= 5 and Counter(column.samples)["0"] == 0  # noqa: PLR2004 - the scale of stars


def _is_filled(column: ColumnCells) -> bool:
    return column.filled > 0
