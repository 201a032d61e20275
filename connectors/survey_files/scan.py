"""One look at all rows of a file before any is mapped: what only the whole file says, and why it may be refused."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Final

from connectors.survey_files.dates import DateEvidence
from connectors.survey_files.layout import Layout, shown
from connectors.survey_files.reader import SourceFile
from connectors.survey_files.records import exclusion_of, fitted_rows
from connectors.survey_files.scales import Neighbours
from connectors.survey_files.scores import score_reader
from connectors.survey_files.table import FileRefused, RowCounts

ENOUGH_ANSWERS: Final = 10
"""So many answers from 1 to 5, and none outside, are those to a question with five stars."""

_STARS: Final = frozenset("12345")
_ROUNDED: Final = re.compile(r"\d(?:[.,]\d+)?[eE]\+?\d+")


@dataclass
class Scan:
    """Rows counted, excluded ones by reason, what the dates say about their order, ids that are damaged, answers."""

    counts: RowCounts = field(default_factory=RowCounts)
    excluded: Counter[str] = field(default_factory=Counter)
    dates: dict[str, DateEvidence] = field(default_factory=dict)
    rounded: int = 0
    answers: Counter[str] = field(default_factory=Counter)


def scan(source: SourceFile, layout: Layout) -> Scan:
    """Look at every row. Raises ``FileRefused`` where the file as a whole cannot be trusted."""
    found = Scan(dates={key: DateEvidence() for key in layout.dates})
    dates = [(place, found.dates[key].add) for key, (place, _) in layout.dates.items()]
    ids = layout.columns.get("response_id", ())
    places = layout.columns.get("score", ())
    score_of = score_reader(places, layout.choices) if places else lambda _: ""
    neighbours, excluded_by = _neighbours(layout), exclusion_of(layout)
    for row in data_rows(source, layout, found.counts):
        found.rounded += any("+" in row[place] and _ROUNDED.fullmatch(row[place].strip()) is not None for place in ids)
        if (reason := excluded_by(row)) is not None:
            found.excluded[reason] += 1
        elif score := score_of(row).strip():
            neighbours.add(row)
            if layout.scale_is_assumed:
                found.answers[score] += 1
        for place, look_at in dates:
            look_at(row[place])
    _refuse_untrusted(source, layout, found)
    for column, cells in neighbours.other_metrics():
        raise FileRefused(
            f"{source.path.name}: column {shown([column])} says that rows with a score are of another metric, or on "
            f"another scale, than NPS ({', '.join(cells)}). Say in nps.yaml which rows do not count, in a mapping for "
            f'this file: exclude: [{{column: "{column}", values: [{", ".join(cells)}], reason: other_metric}}].'
        )
    return found


def _neighbours(layout: Layout) -> Neighbours:
    """The columns that could name metrics, but for those whose answer somebody has given: rules that exclude rows."""
    places = [at for key in ("response_id", "score", "comment") for at in layout.columns.get(key, ())]
    return Neighbours(layout.names, {*places, *(rule.position for rule in layout.exclusions)})


def data_rows(source: SourceFile, layout: Layout, counts: RowCounts) -> Iterator[list[str]]:
    """The rows below the header, none shorter than it."""
    rows = islice(source.raw_rows(counts), layout.header_rows, None)
    return fitted_rows(rows, len(layout.names), counts)


def _refuse_untrusted(source: SourceFile, layout: Layout, found: Scan) -> None:
    name, counts = source.path.name, found.counts
    if counts.rows == 0:
        raise FileRefused(f"{name} has a header but no rows. Export it again.")
    if counts.short == 1 and counts.last_short == counts.rows and source.table.may_be_cut_off:
        raise FileRefused(
            f"{name}: its last row has fewer cells than the header and no line end, so the file was cut off. "
            "Nothing of it was kept; export it again."
        )
    if counts.escaped:
        raise FileRefused(
            f"{name}: {counts.escaped} rows have more cells than the header, and backslashes: for a quote in a cell "
            'it writes \\" where CSV has "", so that cells are shifted. Nothing of it was kept; export it again with '
            "doubled quotes."
        )
    if found.rounded:
        raise FileRefused(
            f"{name}: {found.rounded} response ids in column {shown([layout.names[layout.columns['response_id'][0]]])} "
            "were rounded by a spreadsheet (they are written like 1.2E+11), so that two answers can have the same. "
            "Nothing of it was kept; export it again and do not open it in a spreadsheet before."
        )
    answers = {text: times for text, times in found.answers.items() if text.isdecimal()}
    if sum(answers.values()) >= ENOUGH_ANSWERS and _STARS.issuperset(answers):
        raise FileRefused(
            f"{name}: all answers in column {shown([layout.names[layout.columns['score'][0]]])} are from 1 to 5, and "
            "nothing says that its scale is another. Say in nps.yaml which it is: a mapping for this file with "
            "scale: [0, 10] or scale: [1, 5]. `nps map` writes one."
        )
