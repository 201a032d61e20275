"""Which column of a file is what: columns, a profile and a mapping resolved into one layout. ``records`` maps the rows.

The recommend question of a profile's file counts only with evidence for its scale: Qualtrics' group column beside it,
or its wording. The comment is the column after the score if it asks for a reason or is the only open question, else
there is none.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import tzinfo
from difflib import get_close_matches
from typing import Final

from connectors.survey_files.columns import FileColumn, file_columns, fold, header_place, header_row_count, place_of
from connectors.survey_files.dates import DateRule, constant_instant, utc_text, zone_named
from connectors.survey_files.mapping import DateColumn, DateConstant, FileMapping, FromColumn
from connectors.survey_files.profiles import Profile
from connectors.survey_files.questions import asks_for_a_reason, asks_to_recommend, stated_scale
from connectors.survey_files.scores import plain_score
from connectors.survey_files.table import FileRefused, Rows

NPS_SCALE: Final = (0, 10)
_SHOWN_COLUMNS: Final = 40
_SHOWN_CHARACTERS: Final = 60
_SHOWN_END: Final = 24
"""What several columns of one question differ in stands at the end of their names."""

# Conformed field -> key of the mapping whose plain string is a column.
_COLUMN_KEYS: Final = {
    "response_id": "id",
    "score": "score",
    "comment": "comment",
    "email": "email",
    "respondent_id": "respondent",
    "display_name": "display_name",
}
# Keys whose plain string is a constant.
_TEXT_KEYS: Final = ("language", "survey", "survey_type", "channel", "touchpoint")
_DATE_KEYS: Final = ("responded_at", "invited_at", "updated_at")


@dataclass(frozen=True)
class RowExclusion:
    """Rows that are no answers, by the cell at a position: one of ``values``, none of ``unless``, or below a number."""

    position: int
    reason: str
    values: frozenset[str] = frozenset()
    unless: frozenset[str] = frozenset()
    below: float | None = None


@dataclass(frozen=True)
class Layout:
    """Everything that mapping the rows of one file needs. Positions count from 0; several are joined with blanks.

    ``choices`` are the scores that the columns of a question with a column per choice stand for; else there are none.
    """

    names: tuple[str, ...]
    header_rows: int
    columns: Mapping[str, tuple[int, ...]]
    dates: Mapping[str, tuple[int, DateRule]]
    constants: Mapping[str, str | int | bool]
    exclusions: tuple[RowExclusion, ...]
    choices: tuple[str, ...]
    scale_is_assumed: bool
    excluded_file: str | None
    separate: bool
    placeholders: frozenset[str]
    undated: frozenset[str]
    notes: tuple[str, ...]


def resolve(
    file_name: str, head: Rows, mapping: FileMapping | None, profile: Profile | None, default_timezone: str
) -> Layout:
    """Resolve a file's first rows, its mapping and its profile (at least one of the two); the mapping wins.

    Raises ``FileRefused`` where the mapping names columns that are not there, or where two recommend questions compete.
    """
    above = header_place(head, mapped_columns(mapping) if mapping else (), profile) or 0
    head = head[above:]
    header_rows = header_row_count(head, profile)
    columns = file_columns(head[:header_rows], profile)
    found = _profile_places(columns, profile) if profile else {}
    mapped = _mapped_places(file_name, columns, mapping) if mapping else {}
    notes = [f"recognised as {profile.title}, {header_rows} header row{'s' * (header_rows > 1)}"] if profile else []
    notes += [f"{above} rows above the header left aside"] if above else []
    excluded_file, scale, choices = None, mapping.scale if mapping else None, tuple[str, ...]()

    if profile and profile.other_metric:
        excluded_file = "other_metric"
        notes.append(f"{profile.title} asks for {profile.other_metric}: every row is excluded as other_metric")
    elif profile and "score" in found and "score" not in mapped:
        scale = scale or NPS_SCALE
        notes.append(f"score: column {shown([columns[found['score'][0]].name])}")
    elif profile and "score" not in mapped:
        score, how = _recommend_question(file_name, columns, profile)
        notes.append(how)
        if not score:
            excluded_file = "not_nps"
        else:
            found["score"], choices = score, _choices(columns, score)
            is_grouped = score[0] in _beside_group_columns(columns, profile)
            offered = (min(map(int, choices)), max(map(int, choices))) if choices else None
            scale = scale or offered or stated_scale(columns[score[0]].question) or (NPS_SCALE if is_grouped else None)
    found |= mapped
    if profile and "score" in found and "comment" not in found:
        comment = _comment_place(columns, profile, found["score"])
        found |= {"comment": (comment,)} if comment is not None else {}

    constants = _constants(mapping, profile, default_timezone)
    scale_is_assumed = "score" in found and scale is None
    scale = scale or NPS_SCALE
    if excluded_file is None and scale != NPS_SCALE:
        excluded_file = "other_metric"
        notes.append(
            f"the scale is {scale[0]} to {scale[1]}: another metric than NPS, every row is excluded as other_metric"
        )
    return Layout(
        names=tuple(column.name for column in columns),
        header_rows=above + header_rows,
        columns={key: places for key, places in found.items() if key not in _DATE_KEYS and key not in constants},
        dates=_dates(columns, found, mapping, profile, default_timezone),
        constants=constants | ({"scale_min": scale[0], "scale_max": scale[1]} if "score" in found else {}),
        exclusions=tuple(_exclusions(columns, mapping, profile)),
        choices=choices,
        scale_is_assumed=scale_is_assumed,
        excluded_file=excluded_file,
        separate=not _is_cumulative(mapping, profile),
        placeholders=_cell_values(profile.placeholders if profile else ()),
        undated=_cell_values(profile.undated if profile else ()),
        notes=tuple(notes),
    )


def shown_header(names: Sequence[str]) -> str:
    """What a file's column names are, for a sentence; names that look like answers are not repeated."""
    if any("@" in name or name.replace(".", "").isdecimal() for name in names):
        return "its first row holds numbers or addresses, so it may be answers instead of column names"
    return f"its columns are: {shown(names)}"


def shown(names: Iterable[str]) -> str:
    """Column names for a sentence: shortened in their middle, addresses in them left out, not more than 40."""
    listed = ["(a name with an address)" if "@" in name else _shortened(name) for name in names]
    rest = len(listed) - _SHOWN_COLUMNS
    return ", ".join(listed[:_SHOWN_COLUMNS]) + (f" and {rest} more" if rest > 0 else "")


def _shortened(name: str) -> str:
    if len(name) <= _SHOWN_CHARACTERS:
        return name
    return f"{name[: _SHOWN_CHARACTERS - _SHOWN_END - 1]}…{name[-_SHOWN_END:]}"


def _profile_places(columns: Sequence[FileColumn], profile: Profile) -> dict[str, tuple[int, ...]]:
    found = {}
    for key, alternatives in profile.columns.items():
        for names in alternatives:
            places = [place_of(columns, name) for name in names]
            if None not in places:
                found[key] = tuple(place for place in places if place is not None)
                break
    return found


def mapped_columns(mapping: FileMapping) -> list[str]:
    """Every column that a mapping names."""
    return [*_mapped_names(mapping).values(), *(rule.column for rule in mapping.exclude)]


def _mapped_names(mapping: FileMapping) -> dict[str, str]:
    """Conformed field -> the column that a mapping names for it."""
    wanted = {field: getattr(mapping, key) for field, key in _COLUMN_KEYS.items() if getattr(mapping, key)}
    for key in _DATE_KEYS:
        stated = getattr(mapping, key)
        if stated and not isinstance(stated, DateConstant):
            wanted[key] = stated.column if isinstance(stated, DateColumn) else stated
    return wanted | {key: value.column for key in _TEXT_KEYS if isinstance(value := getattr(mapping, key), FromColumn)}


def _mapped_places(file_name: str, columns: Sequence[FileColumn], mapping: FileMapping) -> dict[str, tuple[int, ...]]:
    wanted = _mapped_names(mapping)
    missing = sorted({name for name in mapped_columns(mapping) if place_of(columns, name) is None})
    if missing:
        raise FileRefused(_missing(file_name, missing, columns, mapping.name))
    if score := wanted.get("score"):
        again = [column.name for column in columns if fold(score) in column.ids and column.name.startswith(f"{score}_")]
        if again:
            raise FileRefused(
                f"{file_name} has {1 + len(again)} columns named {shown([score])}, and nothing says which of them "
                f"holds the score. Take the others out of the file, or name in nps.yaml a later one: {shown(again)}."
            )
    return {key: (place,) for key, name in wanted.items() if (place := place_of(columns, name)) is not None}


def _missing(file_name: str, missing: Sequence[str], columns: Sequence[FileColumn], mapping_name: str) -> str:
    there = [column.name for column in columns]
    close = [match[0] for name in missing if (match := get_close_matches(name, there, 1))]
    hint = f" Did you mean {shown(close)}?" if close else ""
    return (
        f"{file_name} has no column {shown(missing)}, which the mapping '{mapping_name}' in nps.yaml names; "
        f"{shown_header(there)}.{hint}"
    )


def _recommend_question(file_name: str, columns: Sequence[FileColumn], profile: Profile) -> tuple[tuple[int, ...], str]:
    """Positions of the one recommend question with evidence for its scale, none where there is none; and a note."""
    grouped = set(_beside_group_columns(columns, profile))
    worded = {place for place in _question_places(columns, profile) if asks_to_recommend(columns[place].question)}
    found = grouped | worded
    if len(found) > 1:
        found = {
            place for place in found if place in grouped or not asks_for_a_reason(columns[place].question)
        } or found
    if len(found) > 1 and not _choices(columns, sorted(found)):
        raise FileRefused(
            f"{file_name} has {len(found)} recommend questions: "
            f"{shown(columns[place].name for place in sorted(found))}. "
            f"Say in nps.yaml which one counts: a mapping with profile: {profile.name} and score: COLUMN."
        )
    if not found:
        return (), (
            "no recommend question found: every row is kept and excluded as not_nps. If one column is such a question, "
            f"name it in nps.yaml: a mapping with profile: {profile.name} and score: COLUMN"
        )
    places = tuple(sorted(found))
    evidence = "its NPS group column" if places[0] in grouped else "its wording"
    named = f"{len(places)} columns from" if len(places) > 1 else "column"
    return places, f"recommend question: {named} {shown([columns[places[0]].name])}, known by {evidence}"


def _choices(columns: Sequence[FileColumn], places: Sequence[int]) -> tuple[str, ...]:
    """The scores that columns stand for which are the choices of one question; none where they are anything else."""
    choices = tuple(plain_score(columns[place].label).strip() for place in places)
    is_one = len({columns[place].question for place in places}) == 1 < len({*choices}) == len(places)
    return choices if is_one and all(choice.isdecimal() for choice in choices) else ()


def _beside_group_columns(columns: Sequence[FileColumn], profile: Profile) -> Iterable[int]:
    if not profile.group_suffix:
        return
    suffix = fold(profile.group_suffix)
    for column in columns:
        for name in column.ids:
            place = place_of(columns, name.removesuffix(suffix)) if name.endswith(suffix) else None
            if place is not None:
                yield place


def _question_places(columns: Sequence[FileColumn], profile: Profile) -> list[int]:
    """Columns that hold an answer to a question: neither the tool's own columns, nor derived ones, nor open text."""
    metadata = {fold(name) for name in profile.metadata}
    return [
        place
        for place, column in enumerate(columns)
        if not column.ids & metadata and not _is_derived(column, profile) and not _is_open(column, profile)
    ]


def _is_derived(column: FileColumn, profile: Profile) -> bool:
    return any(name.endswith(fold(suffix)) for suffix in profile.derived for name in column.ids)


def _is_open(column: FileColumn, profile: Profile) -> bool:
    marks = [fold(mark) for mark in profile.open_labels]
    return fold(column.label) in marks or any(name.endswith(mark) for mark in marks for name in column.ids)


def _comment_place(columns: Sequence[FileColumn], profile: Profile, score: Sequence[int]) -> int | None:
    """The column after the score if it asks for a reason or is the only open question, else None."""
    metadata = {fold(name) for name in profile.metadata}
    answers = [
        place
        for place, column in enumerate(columns)
        if place not in score and not column.ids & metadata and not _is_derived(column, profile)
    ]
    following = next((place for place in answers if place > score[-1]), None)
    if following is None:
        return None
    open_questions = (
        [place for place in answers if _is_open(columns[place], profile)] if profile.open_labels else answers
    )
    asked = asks_for_a_reason(columns[following].question) or open_questions == [following]
    return following if asked else None


def _dates(
    columns: Sequence[FileColumn],
    found: Mapping[str, tuple[int, ...]],
    mapping: FileMapping | None,
    profile: Profile | None,
    default_timezone: str,
) -> dict[str, tuple[int, DateRule]]:
    dates = {}
    for key in _DATE_KEYS:
        stated = getattr(mapping, key) if mapping else None
        if isinstance(stated, DateConstant) or key not in found:
            continue
        place = found[key][0]
        declared = stated if isinstance(stated, DateColumn) else DateColumn(column=columns[place].name)
        zone = _zone(declared.timezone) or columns[place].zone or zone_named(default_timezone)
        usual = (profile.date_formats.get(key), profile.usual_order) if profile else (None, None)
        dates[key] = (place, DateRule(zone, declared.format or usual[0], usual[1]))
    return dates


def _is_cumulative(mapping: FileMapping | None, profile: Profile | None) -> bool:
    if mapping and mapping.exports:
        return mapping.exports == "cumulative"
    return profile is not None and profile.cumulative


def _zone(name: str | None) -> tzinfo | None:
    return zone_named(name) if name else None


def _constants(
    mapping: FileMapping | None, profile: Profile | None, default_timezone: str
) -> dict[str, str | int | bool]:
    if mapping is None:
        return {"response_id_scope": profile.tool} if profile else {}
    constants: dict[str, str | int | bool] = {
        "response_id_scope": mapping.tool or (profile.tool if profile else mapping.name)
    }
    constants |= {key: value for key in _TEXT_KEYS if isinstance(value := getattr(mapping, key), str)}
    if "survey" in constants:
        constants["survey_is_declared"] = True
    if isinstance(stated := mapping.responded_at, DateConstant):
        zone = zone_named(stated.timezone or default_timezone)
        constants |= {
            "responded_at": utc_text(constant_instant(stated.constant, zone)),
            "responded_at_basis": "declared",
        }
    return constants


def _exclusions(
    columns: Sequence[FileColumn], mapping: FileMapping | None, profile: Profile | None
) -> Iterable[RowExclusion]:
    for rule in mapping.exclude if mapping else ():
        place = place_of(columns, rule.column)
        if place is not None:
            yield RowExclusion(place, rule.reason, values=_cell_values(rule.values))
    for known in profile.exclusions if profile else ():
        place = place_of(columns, known.column)
        if place is not None:
            yield RowExclusion(place, known.reason, _cell_values(known.values), _cell_values(known.unless), known.below)


def _cell_values(values: Iterable[str]) -> frozenset[str]:
    return frozenset(value.strip().casefold() for value in values)
