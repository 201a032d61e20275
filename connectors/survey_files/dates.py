"""Date cells to UTC instants: one reader per column, its day and month order decided over the whole column.

Nothing is ever "now". A date without a time is midnight in its zone. A local time that a clock change repeats is its
first occurrence; one that a clock change skips is read with the offset that held before it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, timezone, tzinfo
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo

DAY_FIRST: Final = "day_first"
MONTH_FIRST: Final = "month_first"
UNIX_SECONDS: Final = "unix_seconds"
UNIX_MILLIS: Final = "unix_millis"
NAMED_FORMATS: Final = (DAY_FIRST, MONTH_FIRST, UNIX_SECONDS, UNIX_MILLIS)

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MONTHS: Final = 12
_HALF_DAY: Final = 12
_NAMED_OFFSETS: Final = {"MEZ": 1, "MESZ": 2, "OEZ": 2, "OESZ": 3, "WEZ": 0, "WESZ": 1}
"""Hours that Google Forms writes in German; EST and BST mean several zones, and CET is written in summer too."""
_OFFSET: Final = rf"Z|UTC|GMT|(?:UTC|GMT)?[+-]\d{{1,2}}(?::?\d\d)?|{'|'.join(_NAMED_OFFSETS)}"
_TIME: Final = (
    r"(?:(?:T|,?\s+(?:um\s+|à\s+)?)(?P<hour>\d{1,2}):(?P<minute>\d\d)"
    r"(?::(?P<second>\d\d)(?:[.,](?P<fraction>\d{1,6})\d*)?)?"
    r"(?:\s*(?:(?P<half>[AaPp])\.?\s?[Mm]\.?|(?P<german_half>vorm|nachm)\.|Uhr))?)?"
    rf"\s*(?P<offset>{_OFFSET})?"
)
_YEAR_FIRST: Final = re.compile(
    rf"(?P<year>\d{{4}})(?P<mark>[./-])(?P<month>\d{{1,2}})(?P=mark)(?P<day>\d{{1,2}}){_TIME}", re.ASCII
)
# A year of two digits only after a point or slash: "24-11-17" could be anything.
_YEAR_LAST: Final = re.compile(
    rf"(?P<one>\d{{1,2}})(?P<mark>[./-])(?P<two>\d{{1,2}})(?P=mark)(?P<year>\d{{4}}|(?<=[./])\d\d){_TIME}", re.ASCII
)
_WORD: Final = r"[^\W\d_]+"
_DAY_NAMED: Final = re.compile(
    rf"(?:{_WORD}\.?,?\s+)?(?P<day>\d{{1,2}})(?:\.|er)?(?:\s+de)?[\s-]+(?P<name>{_WORD})\.?(?:\s+de)?,?[\s-]+(?P<year>\d{{4}}){_TIME}"
)
_NAMED_DAY: Final = re.compile(
    rf"(?:{_WORD}\.?,?\s+)?(?P<name>{_WORD})\.?\s+(?P<day>\d{{1,2}})(?:st|nd|rd|th)?,?\s+(?P<year>\d{{4}}){_TIME}"
)
_MONTH_NAMES: Final = (  # English, German, French, Spanish, Italian, Dutch, Portuguese, Swedish, Danish, Norwegian
    "january jan januar jänner janvier janv enero ene gennaio gen januari janeiro",
    "february feb februar februari février févr febrero febbraio fevereiro fev",
    "march mar märz mär mrz mars marzo maart mrt março marts",
    "april apr avril avr abril abr aprile",
    "may mai mayo maggio mag mei maio maj",
    "june jun juni juin junio giugno giu junho",
    "july jul juli juillet juil julio luglio lug julho",
    "august aug août aout agosto ago augustus augusti",
    "september sep sept septembre septiembre settembre set setembro",
    "october oct oktober okt octobre octubre ottobre ott outubro out",
    "november nov novembre noviembre novembro",
    "december dec dezember dez décembre déc diciembre dic dicembre dezembro desember des",
)
_MONTH_OF: Final = {name: number for number, names in enumerate(_MONTH_NAMES, 1) for name in names.split()}
_UNIX_DIGITS: Final = {10: 1, 13: 1000}
"""Digits of a Unix time since 2001 -> its units per second."""
_THIS_CENTURY: Final = 2000
_LARGEST_OFFSET: Final = 14
"""Hours; a larger number after the sign is hours and minutes."""
_HALF_OF: Final = {"vorm": "a", "nachm": "p"}
_BLANKS: Final = str.maketrans("\u00a0\u202f\u2009", "   ")
_ZONE_IN_HEADER: Final = re.compile(rf"\(\s*({_OFFSET})\s*\)")

DateReader = Callable[[str], datetime | None]


class DateOrderError(Exception):
    """The dates of a column cannot be read without an answer from a person; the text ends with what to write."""


@dataclass(frozen=True)
class DateRule:
    """What is known about a date column before its cells are read.

    ``format`` is a strptime format or one of NAMED_FORMATS; ``usual_order`` is what the tool usually writes, used only
    where the column itself leaves the order open.
    """

    zone: tzinfo
    format: str | None = None
    usual_order: str | None = None


@dataclass
class DateEvidence:
    """What the cells of one column say about the order of day and month."""

    day_first: int = 0
    month_first: int = 0
    open: int = 0
    dotted: int = 0

    def add(self, cell: str) -> None:
        """Look at one cell; cells in year-first form say nothing and need nothing."""
        if not cell or cell[4:5] == "-":
            return
        match = _YEAR_LAST.fullmatch(_plain(cell))
        if match is None:
            return
        one, two = int(match["one"]), int(match["two"])
        if one > _MONTHS:
            self.day_first += 1
        elif two > _MONTHS:
            self.month_first += 1
        elif one != two:
            self.open += 1
            self.dotted += match["mark"] == "."


def date_reader(rule: DateRule, evidence: DateEvidence) -> tuple[DateReader, str | None]:
    """Build the reader of one column: text -> UTC instant or None if unreadable; and a note where a habit decided.

    Raises ``DateOrderError`` where day and month stay open, or where the column holds both orders.
    """
    if rule.format is None:
        order, note = _order(rule, evidence)
        return _cached(_Stamp(rule.zone, order)), note
    if rule.format in (DAY_FIRST, MONTH_FIRST):
        return _cached(_Stamp(rule.zone, rule.format)), None
    if rule.format in (UNIX_SECONDS, UNIX_MILLIS):
        return _cached(_Unix(1 if rule.format == UNIX_SECONDS else 1000)), None
    return _cached(_Format(rule.zone, rule.format)), None


def constant_instant(value: date | datetime, zone: tzinfo) -> datetime:
    """A date or time stated in the mapping as a UTC instant."""
    if not isinstance(value, datetime):
        value = datetime.combine(value, time())
    return _instant(value, zone)


def zone_in_header(header: str) -> tzinfo | None:
    """The zone that a column header states in brackets, as in "Submit Date (UTC)"."""
    match = _ZONE_IN_HEADER.search(header)
    return _offset(match[1]) if match else None


def zone_named(name: str) -> tzinfo:
    """The zone with this IANA name ("Europe/Paris"); "Z" is UTC. Raises ``KeyError`` for an unknown name."""
    try:
        return UTC if name in ("Z", "UTC") else ZoneInfo(name)
    except (ValueError, OSError) as error:
        raise KeyError(name) from error


def is_month(text: str) -> bool:
    """Whether a text is the name of a month, or short for one."""
    return text.strip().removesuffix(".").casefold() in _MONTH_OF


def utc_text(instant: datetime) -> str:
    """An instant as "YYYY-MM-DD HH:MM:SS.ffffff" in UTC."""
    return datetime.combine(instant, instant.time()).isoformat(" ", "microseconds")


def _order(rule: DateRule, evidence: DateEvidence) -> tuple[str, str | None]:
    if evidence.day_first and evidence.month_first:
        raise DateOrderError(
            f"{evidence.day_first} dates only fit day/month and {evidence.month_first} only month/day. "
            "Export it again with one date format, or split it"
        )
    if evidence.day_first or evidence.month_first:
        return (DAY_FIRST if evidence.day_first else MONTH_FIRST), None
    if evidence.open == evidence.dotted:
        return DAY_FIRST, None
    if rule.usual_order:
        return (
            rule.usual_order,
            f"day and month fit both ways; read {rule.usual_order.replace('_', ' ')} as this tool writes",
        )
    raise DateOrderError(
        "day and month cannot be told apart (no number is above 12). "
        f"Which comes first? Say so with format: {DAY_FIRST} or format: {MONTH_FIRST}"
    )


def _plain(cell: str) -> str:
    """A cell without outer blanks and with one kind of blank; JavaScript writes a narrow one before AM and PM."""
    text = cell.strip()
    return text if text.isascii() else text.translate(_BLANKS)


def _cached(read: DateReader) -> DateReader:
    return lru_cache(maxsize=1 << 16)(read)


def _instant(moment: datetime, zone: tzinfo) -> datetime:
    # combine() is four times as fast as replace(), and this runs for every row.
    return (moment if moment.tzinfo else datetime.combine(moment, moment.time(), zone)).astimezone(UTC)


def _offset(text: str) -> tzinfo:
    digits = text.removeprefix("UTC").removeprefix("GMT")
    if digits in ("", "Z"):
        return UTC
    if digits in _NAMED_OFFSETS:
        return timezone(timedelta(hours=_NAMED_OFFSETS[digits]))
    number = int(digits[1:].replace(":", ""))
    hours, minutes = divmod(number, 100) if number > _LARGEST_OFFSET else (number, 0)
    offset = timedelta(hours=hours, minutes=minutes)
    return timezone(-offset if digits[0] == "-" else offset)


@dataclass(frozen=True)
class _Stamp:
    """ISO forms; otherwise numbers in the column's order, with the zone of the value where it states one."""

    zone: tzinfo
    order: str

    def __call__(self, text: str) -> datetime | None:
        text = _plain(text)
        if text.isdecimal():
            per_second = _UNIX_DIGITS.get(len(text))
            return _Unix(per_second)(text) if per_second else None
        try:
            if text[4:5] == "-":
                return _instant(datetime.fromisoformat(text), self.zone)
        except (ValueError, OverflowError):
            pass  # not ISO after all ("2024-01-15 10:00 UTC"): the general form below reads it or not
        try:
            return self._numbers(text)
        except (ValueError, OverflowError):
            return None

    def _numbers(self, text: str) -> datetime | None:
        if match := _YEAR_FIRST.fullmatch(text):
            year, month, day = int(match["year"]), int(match["month"]), int(match["day"])
        elif match := _YEAR_LAST.fullmatch(text):
            day, month = int(match["one"]), int(match["two"])
            if self.order == MONTH_FIRST:
                day, month = month, day
            year = int(match["year"])
            year += 0 if match["year"][2:] else _THIS_CENTURY
        elif (match := _DAY_NAMED.fullmatch(text) or _NAMED_DAY.fullmatch(text)) and match[
            "name"
        ].casefold() in _MONTH_OF:
            year, month, day = int(match["year"]), _MONTH_OF[match["name"].casefold()], int(match["day"])
        else:
            return None
        zone = _offset(match["offset"]) if match["offset"] else self.zone
        half = match["half"] or _HALF_OF.get(match["german_half"] or "")
        clock = _hour(match["hour"], half), int(match["minute"] or 0), int(match["second"] or 0)
        microsecond = int((match["fraction"] or "").ljust(6, "0"))
        return datetime(year, month, day, *clock, microsecond, tzinfo=zone).astimezone(UTC)


def _hour(hour: str | None, half: str | None) -> int:
    number = int(hour or 0)
    if half is None:
        return number
    if not 1 <= number <= _HALF_DAY:
        raise ValueError("no such hour on a twelve-hour clock")
    return number % _HALF_DAY + (_HALF_DAY if half in "Pp" else 0)


@dataclass(frozen=True)
class _Unix:
    per_second: int

    def __call__(self, text: str) -> datetime | None:
        try:
            return _EPOCH + timedelta(seconds=float(text) / self.per_second)
        except (ValueError, OverflowError):
            return None


@dataclass(frozen=True)
class _Format:
    zone: tzinfo
    format: str

    def __call__(self, text: str) -> datetime | None:
        try:
            moment = datetime.strptime(text.strip(), self.format)  # noqa: DTZ007 - the next line gives it its zone
            return _instant(moment, self.zone)
        except (ValueError, OverflowError):
            return None
