"""Several metrics under one header: a column beside the score that names them, or their scales. It decides nothing."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final

from connectors.survey_files.columns import fold

_MOST_VALUES: Final = 12
"""A column with more different cells names no metrics."""
_LONGEST: Final = 40

_NPS: Final = frozenset({"nps", "netpromoter", "netpromoterscore"})
# fmt: off
_OTHER: Final = frozenset((
    "csat", "csat5", "csat7", "customersatisfaction", "customersatisfactionscore", "satisfaction", "zufriedenheit",
    "kundenzufriedenheit", "ces", "ces5", "ces7", "customereffort", "customereffortscore", "effort", "enps",
    "employeenps", "pmf", "smiley", "smileys", "emoji", "thumbs", "thumbsupdown", "star", "stars", "starrating",
    "5star", "5stars", "fivestar", "fivestars", "sterne", "étoiles", "estrellas", "stelle", "sterren",
))
_SCALE_NAMES: Final = frozenset((
    "scale", "ratingscale", "scale_max", "scalemax", "max_score", "maxscore", "score_max", "scoremax", "maximumscore",
    "maxpoints", "outof", "skala", "échelle", "echelle", "escala", "scala", "schaal",
))
# fmt: on
_SCALE: Final = re.compile(r"(?:(\d{1,3})\D{1,8})?(\d{1,3})")
_NPS_SCALES: Final = ((None, "10"), ("0", "10"))
_SIGNS: Final = re.compile(r"[\W_]+")


def is_other_metric(text: str) -> bool:
    """Whether a text is the name of another metric than NPS."""
    return _SIGNS.sub("", text.casefold()) in _OTHER


class Neighbours:
    """The different cells of every column beside the score that has only a few of them."""

    def __init__(self, names: Sequence[str], known: set[int]) -> None:
        """Watch all columns but those at the ``known`` places, whose meaning was declared."""
        self._names = names
        self._watched = {place: set[str]() for place in range(len(names)) if place not in known}
        self._each = list(self._watched.items())

    def add(self, row: Sequence[str]) -> None:
        """Look at one row that has a score."""
        for place, seen in self._each:
            if row[place] not in seen:
                self._add(place, row[place])

    def _add(self, place: int, cell: str) -> None:
        seen = self._watched[place]
        seen.add(cell)
        if len(seen) > _MOST_VALUES or len(cell) > _LONGEST:
            del self._watched[place]
            self._each = list(self._watched.items())

    def other_metrics(self) -> Iterator[tuple[str, list[str]]]:
        """Each column that says that rows are of another metric or on another scale, and the cells that do."""
        for place, seen in self._watched.items():
            cells = sorted(text for cell in seen if (text := cell.strip()))
            if fold(self._names[place]) in _SCALE_NAMES:
                scales = {cell: match.groups() for cell in cells if (match := _SCALE.fullmatch(cell))}
                other = [cell for cell, scale in scales.items() if scale not in _NPS_SCALES]
            else:
                metrics = {cell: _SIGNS.sub("", cell.casefold()) for cell in cells}
                if not set(metrics.values()) <= _OTHER | _NPS:
                    continue
                other = [cell for cell, metric in metrics.items() if metric in _OTHER]
            if other:
                yield self._names[place], other
