"""Rows to records: the mapped fields, the cells as they stood, the record's identity. It runs once per row: lean."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from datetime import datetime
from typing import Final

from connectors.base import Record
from connectors.survey_files.dates import DateReader, utc_text
from connectors.survey_files.layout import Layout, RowExclusion
from connectors.survey_files.scores import score_reader
from connectors.survey_files.table import RowCounts

FILE_FIELDS: Final[Mapping[str, str]] = {
    name: f"$.mapped.{name}"
    for name in (
        "response_id", "response_id_scope", "score", "scale_min", "scale_max", "comment", "language", "responded_at",
        "responded_at_basis", "responded_at_unreadable", "invited_at", "survey", "survey_is_declared", "survey_type",
        "channel", "touchpoint", "respondent_id", "email", "display_name", "excluded",
    )
}  # fmt: skip
"""Conformed field -> JSON path in the payload; a field that a row does not have is absent there."""

Row = list[str]
Step = Callable[[Row], str]
"""Reads one field of a row: a member of a JSON object with the comma before it, or nothing."""

_NOTHING: Final[Mapping[str, AbstractSet[str]]] = {"comment": {"NA"}}
"""Cells that stand for nothing in a field, whatever the tool, as they are written: "na" may be what a person typed."""

_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), check_circular=False).encode
_quoted = json.encoder.encode_basestring


def fitted_rows(rows: Iterable[Row], width: int, counts: RowCounts) -> Iterator[Row]:
    """Rows with at least ``width`` cells: missing ones are empty, blank ones beyond it are dropped; both counted."""
    for row in rows:
        counts.rows += 1
        if len(row) < width:
            counts.short += 1
            counts.last_short = counts.rows
            row.extend([""] * (width - len(row)))
        elif len(row) > width:
            while len(row) > width and not row[-1].strip():
                row.pop()
            if len(row) > width:
                counts.long += 1
                counts.escaped += any("\\" in cell for cell in row)
        yield row


def exclusion_of(layout: Layout) -> Callable[[Row], str | None]:
    """A function that tells why a row is excluded, None for an answer; the first rule that applies decides."""
    if layout.excluded_file or not layout.exclusions:
        return lambda _: layout.excluded_file
    rules = [(rule.position, _test(rule), rule.reason) for rule in layout.exclusions]

    def reason(row: Row) -> str | None:
        for position, applies, why in rules:
            if applies(row[position].strip().casefold()):
                return why
        return None

    return reason


def records(
    rows: Iterable[Row], layout: Layout, readers: Mapping[str, DateReader], file_sha256: str
) -> Iterator[Record]:
    """Map fitted rows to records; ``readers`` has one for each date column of the layout.

    The record_id is the tool's id. Without an id column, or where its cell is empty, it is the sha256 of the row's
    non-empty cells (sorted by column name: neither order nor a new empty column changes it) and "#k" for the k-th
    identical row of this file. Unless the mapping states cumulative exports, the file's own sha256 is part of that
    hash: two people's equal rows in two files are two answers.
    """
    steps = _steps(layout, readers)
    version_of = _version(layout, readers)
    hashed_id = _hashed_id(layout.names, file_sha256 if layout.separate else "")
    own_id = _joined(layout.columns.get("response_id", ()))
    mapped, cells = '{"mapped":' + _encode(dict(layout.constants)).removesuffix("}"), _cells(layout.names)
    for row in rows:
        payload = f'{mapped}{"".join([step(row) for step in steps])}}},"cells":{cells(row)}}}'
        yield Record(own_id(row) or hashed_id(row), payload, version_of(row))


def _cells(names: Sequence[str]) -> Callable[[Row], str]:
    """A function that writes the cells of a row as a JSON object."""
    width = len(names)
    members = ",".join(f"{_quoted(name)}:".replace("%", "%%") + "%s" for name in names)
    template = f"{{{members}}}"

    def cells(row: Row) -> str:
        if len(row) == width:
            return template % tuple(map(_quoted, row))
        more = {f"column_{place}": cell for place, cell in enumerate(row[width:], width + 1)}
        return _encode({**dict(zip(names, row, strict=False)), **more})

    return cells


def _steps(layout: Layout, readers: Mapping[str, DateReader]) -> list[Step]:
    steps = [
        _score(key, score_reader(places, layout.choices)) if key == "score" else _text(key, places, layout.placeholders)
        for key, places in layout.columns.items()
    ]
    if "responded_at" in layout.dates:
        steps.append(_responded_at(layout.dates["responded_at"][0], readers["responded_at"], {"", *layout.undated}))
    if "invited_at" in layout.dates:
        steps.append(_invited_at(layout.dates["invited_at"][0], readers["invited_at"]))
    if layout.excluded_file or layout.exclusions:
        steps.append(_excluded(exclusion_of(layout)))
    return steps


def _joined(places: tuple[int, ...], nothing: AbstractSet[str] = frozenset()) -> Callable[[Row], str]:
    """A function that joins the cells at some places with blanks, without those that stand for nothing."""

    def one(row: Row) -> str:
        text = row[first].strip()
        return "" if text.casefold() in nothing else text

    first = places[0] if places else 0
    if len(places) == 1:
        return one if nothing else lambda row: row[first].strip()
    return lambda row: " ".join(text for at in places if (text := row[at].strip()) and text.casefold() not in nothing)


def _text(key: str, places: tuple[int, ...], nothing: AbstractSet[str]) -> Step:
    read, member, empty = _joined(places, nothing), _member(key), {"", *_NOTHING.get(key, ())}
    return lambda row: member + _quoted(text) if (text := read(row)) not in empty else ""


def _score(key: str, read: Callable[[Row], str]) -> Step:
    member = _member(key)
    return lambda row: member + _quoted(read(row))


def _responded_at(at: int, read: DateReader, nothing: AbstractSet[str]) -> Step:
    member, basis = _member("responded_at"), f"{_member('responded_at_basis')}{_quoted('source')}"
    unreadable = f"{_member('responded_at_unreadable')}true"

    def step(row: Row) -> str:
        if (text := row[at].strip()) in nothing:
            return ""
        if (instant := read(text)) is None:
            return unreadable
        return f'{member}"{utc_text(instant)}"{basis}'

    return step


def _invited_at(at: int, read: DateReader) -> Step:
    member = _member("invited_at")

    def step(row: Row) -> str:
        instant = read(text) if (text := row[at].strip()) else None
        return f'{member}"{utc_text(instant)}"' if instant else ""

    return step


def _excluded(reason_of: Callable[[Row], str | None]) -> Step:
    member = _member("excluded")
    return lambda row: member + _quoted(reason) if (reason := reason_of(row)) is not None else ""


def _member(key: str) -> str:
    return f",{_quoted(key)}:"


def _version(layout: Layout, readers: Mapping[str, DateReader]) -> Callable[[Row], datetime | None]:
    if "updated_at" not in layout.dates:
        return lambda _: None
    at, read = layout.dates["updated_at"][0], readers["updated_at"]
    return lambda row: read(text) if (text := row[at].strip()) else None


def _hashed_id(names: Sequence[str], salt: str) -> Callable[[Row], str]:
    ordered = [
        (place, f"{_quoted(name)}:") for name, place in sorted((name, place) for place, name in enumerate(names))
    ]
    # Eight bytes of a digest tell rows apart well enough, and a million of them fit into memory.
    seen: Counter[bytes] = Counter()

    def hashed_id(row: Row) -> str:
        cells = [name + _quoted(text) for place, name in ordered if (text := row[place].strip())]
        cells += [_quoted(text) for cell in row[len(ordered) :] if (text := cell.strip())]
        digest = hashlib.sha256(f"{salt}{{{','.join(cells)}}}".encode())
        key = digest.digest()[:8]
        seen[key] += 1
        return f"{digest.hexdigest()}#{seen[key]}"

    return hashed_id


def _test(rule: RowExclusion) -> Callable[[str], bool]:
    if (limit := rule.below) is not None:
        return lambda cell: _is_below(cell, limit)
    if rule.unless:
        return lambda cell: cell not in rule.unless
    return lambda cell: cell in rule.values


def _is_below(cell: str, limit: float) -> bool:
    try:
        return float(cell.removesuffix("%")) < limit
    except ValueError:
        return False
