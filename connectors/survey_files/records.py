"""Rows to records: the mapped fields, the cells as they stood, the record's identity. It runs once per row: lean."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from datetime import datetime
from typing import Any, Final

from connectors.base import Record
from connectors.survey_files.dates import DateReader, utc_text
from connectors.survey_files.layout import Layout, RowExclusion
from connectors.survey_files.scores import plain_score
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
Mapped = dict[str, Any]
Step = Callable[[Row, Mapped], None]
"""Reads one field of a row and puts it into the mapped fields."""

_NOTHING: Final[Mapping[str, AbstractSet[str]]] = {"comment": {"na"}}
"""Cells that stand for nothing in a field, whatever the tool, without case."""

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
            counts.long += len(row) > width
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
    names, width = layout.names, len(layout.names)
    steps = _steps(layout, readers)
    version_of = _version(layout, readers)
    hashed_id = _hashed_id(names, file_sha256 if layout.separate else "")
    constants, id_places = dict(layout.constants), layout.columns.get("response_id", ())
    for row in rows:
        mapped: Mapped = constants.copy()
        for step in steps:
            step(row, mapped)
        cells = dict(zip(names, row, strict=False))
        if len(row) > width:
            cells |= {f"column_{place}": cell for place, cell in enumerate(row[width:], width + 1)}
        record_id = " ".join(filter(None, (row[at].strip() for at in id_places)))
        payload = _encode({"mapped": mapped, "cells": cells})
        yield Record(record_id or hashed_id(row), payload, version_of(row))


def _steps(layout: Layout, readers: Mapping[str, DateReader]) -> list[Step]:
    steps = [
        _score(key, places[0]) if key == "score" else _text(key, places, layout.placeholders | _NOTHING.get(key, set()))
        for key, places in layout.columns.items()
    ]
    if "responded_at" in layout.dates:
        steps.append(_responded_at(layout.dates["responded_at"][0], readers["responded_at"]))
    if "invited_at" in layout.dates:
        steps.append(_invited_at(layout.dates["invited_at"][0], readers["invited_at"]))
    if layout.excluded_file or layout.exclusions:
        steps.append(_excluded(exclusion_of(layout)))
    return steps


def _text(key: str, places: tuple[int, ...], nothing: AbstractSet[str]) -> Step:
    def step(row: Row, mapped: Mapped) -> None:
        cells = (row[at].strip() for at in places)
        if text := " ".join(cell for cell in cells if cell and cell.casefold() not in nothing):
            mapped[key] = text

    return step


def _score(key: str, at: int) -> Step:
    def step(row: Row, mapped: Mapped) -> None:
        mapped[key] = plain_score(row[at])

    return step


def _responded_at(at: int, read: DateReader) -> Step:
    def step(row: Row, mapped: Mapped) -> None:
        if not (text := row[at].strip()):
            return
        if (instant := read(text)) is None:
            mapped["responded_at_unreadable"] = True
        else:
            mapped["responded_at"] = utc_text(instant)
            mapped["responded_at_basis"] = "source"

    return step


def _invited_at(at: int, read: DateReader) -> Step:
    def step(row: Row, mapped: Mapped) -> None:
        if (text := row[at].strip()) and (instant := read(text)):
            mapped["invited_at"] = utc_text(instant)

    return step


def _excluded(reason_of: Callable[[Row], str | None]) -> Step:
    def step(row: Row, mapped: Mapped) -> None:
        if (reason := reason_of(row)) is not None:
            mapped["excluded"] = reason

    return step


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
