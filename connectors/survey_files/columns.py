"""The columns of a file from its header rows: names, ids, questions. What they mean is in ``layout``."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import tzinfo

from connectors.survey_files.dates import zone_in_header, zone_named
from connectors.survey_files.profiles import PROFILES, Profile
from connectors.survey_files.questions import asks_to_recommend, plain
from connectors.survey_files.table import Rows, column_names

_ANSWER_LABELS = ("response", "open-ended response")


@dataclass(frozen=True)
class FileColumn:
    """One column: its unique name, every id it goes by (folded), its question, the time zone that its header states."""

    name: str
    ids: frozenset[str]
    question: str
    label: str = ""
    zone: tzinfo | None = None


def fold(text: str) -> str:
    """A column id as it is compared: without HTML tags, blanks and case."""
    return "".join(plain(text).split()).casefold()


def recognise(head: Rows) -> Profile | None:
    """The first built-in profile whose columns stand in the first rows of a file, also below titles."""
    places = range(len(head))
    return next((one for at in places for one in PROFILES.values() if is_export_of(one, head[at:])), None)


def is_export_of(profile: Profile, head: Rows) -> bool:
    """Whether the first rows are those of a profile's tool, judged by ids and never by localised labels."""
    present = {fold(_import_id(cell)[0]) for row in profile.id_rows if row <= len(head) for cell in head[row - 1]}
    if not all(any(fold(name) in present for name in names) for names in profile.recognised_by):
        return False
    if profile.first_column and fold(head[0][0]) not in map(fold, profile.recognised_by[0]):
        return False
    return not profile.is_asked or any(asks_to_recommend(cell) for cell in head[0])


def header_place(head: Rows, mapped: Sequence[str], profile: Profile | None) -> int | None:
    """How many rows, such as titles, stand above the header; None where no row fits.

    Args:
        head: The first rows of a file.
        mapped: The columns that a mapping names, none where there is no mapping.
        profile: The profile that reads the file, if one does.
    """

    def is_header(place: int) -> bool:
        if profile is not None:
            return is_export_of(profile, head[place:])
        present = {fold(cell) for cell in head[place]}
        return bool(mapped) and all(fold(name) in present for name in mapped)

    return next((place for place in range(len(head)) if is_header(place)), None)


def header_row_count(head: Rows, profile: Profile | None) -> int:
    """How many of the first rows are header: the profile's number, less where the answers begin earlier."""
    if profile is None:
        return 1
    if profile.row_id is None:
        return profile.header_rows
    wanted = {
        fold(name)
        for key, alternatives in profile.columns.items()
        if key == "response_id"
        for names in alternatives
        for name in names
    }
    places = {
        place
        for row in profile.id_rows
        if row <= len(head)
        for place, cell in enumerate(head[row - 1])
        if fold(_import_id(cell)[0]) in wanted
    }
    for number, row in enumerate(head[1 : profile.header_rows], 1):
        if any(place < len(row) and re.fullmatch(profile.row_id, row[place].strip()) for place in places):
            return number
    return min(profile.header_rows, len(head))


def file_columns(header: Rows, profile: Profile | None) -> tuple[FileColumn, ...]:
    """Build the columns from the header rows; trailing columns that no header row names are left out."""
    width = max(_width(row) for row in header)
    rows = [[*row, *[""] * (width - len(row))][:width] for row in header]
    first = _filled(rows[0]) if profile and profile.joined_header else rows[0]
    labels = rows[1] if len(rows) > 1 else [""] * width
    questions = (
        first if profile is None or profile.question_row == 1 else rows[min(profile.question_row, len(rows)) - 1]
    )
    id_rows = [rows[row - 1] for row in (profile.id_rows if profile else (1,)) if row <= len(rows)]
    if profile and profile.joined_header:
        names = column_names([_joined(first, labels, place) for place in range(width)])
    else:
        names = column_names([name.strip() or label.strip() for name, label in zip(first, labels, strict=True)])
    columns = []
    for place, name in enumerate(names):
        named = [_import_id(row[place]) for row in id_rows]
        stated = next((zone for _, zone in named if zone), None)
        columns.append(
            FileColumn(
                name=name,
                ids=frozenset({fold(name), *(fold(text) for text, _ in named if text)}),
                question=plain(questions[place]),
                label=labels[place].strip(),
                zone=stated or zone_in_header(first[place]),
            )
        )
    return tuple(columns)


def place_of(columns: Sequence[FileColumn], name: str) -> int | None:
    """Position of the column with this name, else of the only column that goes by this id; None where there is none."""
    for place, column in enumerate(columns):
        if column.name == name.strip():
            return place
    places = [place for place, column in enumerate(columns) if fold(name) in column.ids]
    return places[0] if len(places) == 1 else None


def _width(row: Sequence[str]) -> int:
    return max((place for place, cell in enumerate(row, 1) if cell.strip()), default=0)


def _filled(row: Sequence[str]) -> list[str]:
    """A header row in which a question stands only over its first column, repeated over the others."""
    filled: list[str] = []
    for cell in row:
        filled.append(cell if cell.strip() or not filled else filled[-1])
    return filled


def _joined(questions: Sequence[str], labels: Sequence[str], place: int) -> str:
    question, label = questions[place].strip(), labels[place].strip()
    starts = place == 0 or questions[place - 1].strip() != question
    return question if not label or (starts and label.casefold() in _ANSWER_LABELS) else f"{question} - {label}"


def _import_id(cell: str) -> tuple[str, tzinfo | None]:
    """The id in a header cell; Qualtrics writes ``{"ImportId": "endDate", "timeZone": "Europe/Paris"}``."""
    if not cell.lstrip().startswith('{"ImportId"'):
        return cell, None
    try:
        stated = json.loads(cell)
        zone = stated.get("timeZone")
        return str(stated["ImportId"]), zone_named(zone) if isinstance(zone, str) else None
    except (ValueError, KeyError, RecursionError):
        return cell, None
