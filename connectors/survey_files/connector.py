"""Survey files as a source: which mapping or profile reads a file, and its records in pages. It looks for no files."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import partial
from pathlib import Path
from typing import Final

from connectors.base import Page, Record, Stream
from connectors.errors import ConfigError
from connectors.survey_files.columns import header_place, header_row_count, recognise
from connectors.survey_files.dates import DateEvidence, DateOrderError, DateReader, date_reader, zone_named
from connectors.survey_files.layout import Layout, mapped_columns, resolve, shown, shown_header
from connectors.survey_files.mapping import FileMapping, content_hash, mapping_hash
from connectors.survey_files.profiles import PROFILES, Profile
from connectors.survey_files.reader import SourceFile, open_source
from connectors.survey_files.records import FILE_FIELDS, records
from connectors.survey_files.row_count import refuse_other_count
from connectors.survey_files.scan import data_rows, scan
from connectors.survey_files.table import FileRefused, Options, RowCounts, Rows, column_names

SOURCE: Final = "files"

_PAGE_CHARACTERS: Final = 64 * 1024 * 1024


@dataclass(frozen=True)
class SurveyFile:
    """One file that was understood: its identity, its stream, and its records page by page.

    ``bytes`` is its size; ``mapping_hash`` covers all that makes its records but the bytes themselves, so compare it
    only with that of another SurveyFile; ``replaces`` names the files whose rows this one replaces; ``notes`` are
    sentences without any cell values.
    """

    name: str
    sha256: str
    bytes: int
    stream: Stream
    mapping_hash: str
    replaces: tuple[str, ...]
    notes: tuple[str, ...]
    data_rows: int
    _source: SourceFile = field(repr=False)
    _layout: Layout = field(repr=False)
    _readers: Mapping[str, DateReader] = field(repr=False)

    def pages(self, size: int = 5000) -> Iterator[Page]:
        """Yield the records in file order, at most ``size`` a page; the first page bears the cost of the whole file.

        Raises ``FileRefused`` where the file changed since it was opened.
        """
        rows = data_rows(self._source, self._layout, RowCounts())
        cost = self.bytes
        for page in _paged(records(rows, self._layout, self._readers, self.sha256), size):
            yield Page(records=page, bytes=cost)
            cost = 0


def open_survey_file(path: Path, mappings: Sequence[FileMapping], default_timezone: str) -> SurveyFile:
    """Understand a survey file: by the first mapping whose ``match`` fits its name, else by a profile that knows it.

    Reads the whole file: its encoding, its rows, the order of day and month in its dates. ``default_timezone`` (IANA)
    is for times that state none. Raises ``FileRefused`` with what to do, ``ConfigError`` for an unknown time zone.
    """
    try:
        zone_named(default_timezone)
    except KeyError:
        raise ConfigError(
            f"'{default_timezone}' is not a time zone; write an IANA name such as Europe/Paris."
        ) from None
    mapping = next((mapping for mapping in mappings if _matches(path.name, mapping.match)), None)
    options = Options(mapping.encoding, mapping.delimiter, mapping.sheet) if mapping else Options()
    source = open_source(path, options, partial(_is_known, mapping))
    profile = _profile(source, mapping)
    layout = resolve(path.name, source.table.head, mapping, profile, default_timezone)
    seen = scan(source, layout)
    refuse_other_count(path, seen.counts.rows)
    readers, date_notes = _date_readers(path.name, layout, seen.dates)
    declared = (
        {"mapping": mapping_hash(mapping)} if mapping else {"profile": profile.model_dump_json() if profile else ""}
    )
    zones = {key: str(rule.zone) for key, (_, rule) in layout.dates.items()}
    name = mapping.name if mapping else profile.name if profile else ""
    return SurveyFile(
        name=path.name,
        sha256=source.sha256,
        bytes=source.size,
        stream=Stream(source=SOURCE, name=name, role="response", fields=FILE_FIELDS),
        mapping_hash=content_hash({**declared, "zones": zones, "constants": dict(layout.constants)}),
        replaces=_replaced(path.name, mapping),
        notes=(*layout.notes, *_reading_notes(source, seen.counts), *date_notes, *_excluded_notes(seen.excluded)),
        data_rows=seen.counts.rows,
        _source=source,
        _layout=layout,
        _readers=readers,
    )


def _is_known(mapping: FileMapping | None, head: Rows) -> bool:
    """Whether the first rows are of a table that the mapping reads, or a profile where there is no mapping."""
    if mapping is None:
        return recognise(head) is not None
    profile = PROFILES[mapping.profile] if mapping.profile else None
    return header_place(head, mapped_columns(mapping), profile) is not None


def _matches(name: str, pattern: str) -> bool:
    return fnmatchcase(_comparable(name), _comparable(pattern))


def same_name(one: str, other: str) -> bool:
    """Whether two file names mean the same file: without regard to case and to how accents are encoded."""
    return _comparable(one) == _comparable(other)


def _comparable(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()


def _replaced(name: str, mapping: FileMapping | None) -> tuple[str, ...]:
    stated = mapping.replaces if mapping else {}
    return tuple(old for new, old in stated.items() if same_name(new, name))


def _profile(source: SourceFile, mapping: FileMapping | None) -> Profile | None:
    """The profile that reads a file; None where a mapping alone does. Refuses what neither fits."""
    name, head = source.path.name, source.table.head
    known = recognise(head)
    if mapping is None:
        if known is None:
            raise FileRefused(_unknown(source))
        return known
    if mapping.profile:
        declared = PROFILES[mapping.profile]
        if header_place(head, (), declared) is None:
            raise FileRefused(
                f"{name} matches the mapping '{mapping.name}' in nps.yaml, but it is no {declared.title} export "
                f"({shown_header(column_names(head[0]))}). Correct match or profile there."
            )
        return declared
    if known and header_row_count(head[header_place(head, (), known) or 0 :], known) > 1:
        raise FileRefused(
            f"{name} is a {known.title} export with several header rows, but the mapping '{mapping.name}' in nps.yaml "
            f"does not say so. Add profile: {known.name} to it."
        )
    return None


def _unknown(source: SourceFile) -> str:
    stem = "".join(char if char.isascii() and char.isalnum() else "_" for char in source.path.stem.lower()).strip("_")
    slug = stem if stem[:1].isalpha() else "my_survey"
    return (
        f"{source.path.name}: no mapping in nps.yaml is for it and no built-in profile knows it "
        f"({shown_header(column_names(source.table.head[0]))}). "
        f'Say what its columns are, under sources.files: {{name: {slug}, match: "{source.path.name}", id: COLUMN, '
        "score: COLUMN, scale: [0, 10], comment: COLUMN, responded_at: COLUMN, survey_type: relational}. "
        "Without ids write exports: cumulative or exports: separate instead of id. `nps map` asks and writes it."
    )


def _date_readers(
    file_name: str, layout: Layout, evidence: Mapping[str, DateEvidence]
) -> tuple[dict[str, DateReader], list[str]]:
    readers, notes = {}, []
    for key, (place, rule) in layout.dates.items():
        column = shown([layout.names[place]])
        try:
            readers[key], note = date_reader(rule, evidence[key])
        except DateOrderError as error:
            raise FileRefused(
                f"{file_name}: in column {column} {error}. In nps.yaml: {key}: {{column: {column}, format: ...}}."
            ) from None
        notes.append(
            f"{key} from column {column}, zone {rule.zone} where a cell states none" + (f"; {note}" if note else "")
        )
    return readers, notes


def _reading_notes(source: SourceFile, counts: RowCounts) -> list[str]:
    repairs = counts.repairs
    noted = {
        f"{repairs.runs} byte runs repaired, {repairs.doubtful} of them doubtful": repairs.runs or repairs.doubtful,
        f"{counts.short} rows shorter than the header: missing cells are empty": counts.short,
        f"{counts.long} rows longer than the header: extra cells kept as column_N": counts.long,
    }
    return [*source.table.notes, *(note for note, applies in noted.items() if applies)]


def _excluded_notes(excluded: Mapping[str, int]) -> list[str]:
    return [f"{rows} rows excluded as {reason}" for reason, rows in sorted(excluded.items())]


def _paged(stream: Iterable[Record], size: int) -> Iterator[list[Record]]:
    """Pages of at most ``size`` records and about 64 MB of payload."""
    page: list[Record] = []
    characters = 0
    for record in stream:
        page.append(record)
        characters += len(record.payload)
        if len(page) >= size or characters > _PAGE_CHARACTERS:
            yield page
            page, characters = [], 0
    if page:
        yield page
