"""How survey tools write a score from 0 to 10 into a cell. Which column holds it is in ``layout``.

Only forms that say nothing but one whole number count: a number with a label, or out of ten. Everything else stays as
it stands and is quarantined: the first digits of a cell may be half of a score, or another one. A label that is a
month is a score out of ten that a spreadsheet took for a date (``9/10``, shown as ``10-Sep``).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Final

from connectors.survey_files.dates import is_month
from connectors.survey_files.scales import is_other_metric

_MARK: Final = r"[-–—:=|.)\]]"  # noqa: RUF001
_FORMS: Final = tuple(
    re.compile(form)
    for form in (
        r"(\d{1,2})\s*/\s*10",
        rf"(\d{{1,2}})\s*{_MARK}\s*(?P<label>[^\W\d_][^\d]*)",  # 10 - extremely likely, 9: sehr wahrscheinlich
        r"(\d{1,2})\s*[(\[](?P<label>[^\d]*)[)\]]",  # 0 (not at all likely)
        rf"[^\W\d_][^\d]*?\s*{_MARK}\s+(\d{{1,2}})",  # extremely likely - 10
        r"[^\W\d_][^\d]*?\s*[(\[](\d{1,2})[)\]]",  # extremely likely (10)
    )
)


def plain_score(cell: str) -> str:
    """The number of a cell that is a score with a label; any other cell as it stands."""
    text = cell.strip()
    if text.isdecimal():
        return cell
    found = next((match for form in _FORMS if (match := form.fullmatch(text))), None)
    if found is None:
        return cell
    label = found.groupdict().get("label") or ""
    return cell if is_month(label) or is_other_metric(label) else found[1]


def score_reader(places: Sequence[int], choices: Sequence[str]) -> Callable[[Sequence[str]], str]:
    """A function that reads the score of a row.

    Args:
        places: The columns of the question, one or more.
        choices: Where the question has a column for each choice: the score that each stands for. Its cell is filled
            where it was chosen, and must say the same.
    """
    if not choices:
        return lambda row: plain_score(row[places[0]])

    def chosen(row: Sequence[str]) -> str:
        said = [(choice, cell) for place, choice in zip(places, choices, strict=True) if (cell := row[place].strip())]
        return " ".join(choice if plain_score(cell) == choice else f"{choice}: {cell}" for choice, cell in said)

    return chosen
