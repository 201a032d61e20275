"""Survey tools whose exports are known: one YAML file per tool in this folder. Code that applies them is in ``layout``.

Every file says in its first lines what its facts were seen in; what could not be checked against an export says so.
"""

from __future__ import annotations

from importlib.resources import files
from typing import Annotated, Any, Final, Literal

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field


def _one_or_several(value: Any) -> Any:
    return (value,) if isinstance(value, str) else value


Names = Annotated[tuple[str, ...], BeforeValidator(_one_or_several)]


class _Declaration(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Exclusion(_Declaration):
    """Rows that are no answers, by one column: its cell is one of ``values``, none of ``unless``, or below a number."""

    column: str
    reason: Literal["partial", "test", "bogus", "other_metric", "not_nps"]
    values: tuple[str, ...] = ()
    unless: tuple[str, ...] = ()
    below: float | None = None


class Profile(_Declaration):
    """How the exports of one survey tool look. Column ids are compared without case, blanks and HTML tags.

    ``recognised_by`` names columns that are always there: of each entry at least one, and the first entry in the first
    column where ``first_column``. A tool whose own columns many files have is recognised only where a recommend
    question ``is_asked``.

    ``columns`` gives column ids per conformed field, best first; several in one entry are joined with blanks. A tool
    numbers its answers per survey or for all: the ``response_id`` names as many columns as make it unique.

    ``header_rows`` is how many there are at most; ``id_rows`` and ``question_row`` count from 1. Where ``row_id`` is
    given, the header ends before the first row whose response id has this form: people delete header rows.
    ``group_suffix`` ends the id of the column beside a recommend question, ``derived`` those of columns without
    answers. ``open_labels`` mark free text, by the label in the second header row or by the end of an id.
    ``joined_header``: a question stands over the first of its columns only. ``usual_order`` of day and month, where a
    column leaves it open; ``date_formats`` per conformed field, where the tool writes one that no cell tells.

    ``other_metric`` names what the tool asks for where that is never NPS. ``cumulative``: every export repeats all
    earlier answers; only for tools without response ids. ``placeholders`` are cells that stand for nothing,
    ``undated`` those that stand for no date.
    """

    name: str
    title: str
    tool: str
    recognised_by: tuple[Names, ...]
    columns: dict[str, tuple[Names, ...]] = Field(default_factory=dict)
    first_column: bool = False
    is_asked: bool = False
    header_rows: int = 1
    id_rows: tuple[int, ...] = (1,)
    question_row: int = 1
    exclusions: tuple[Exclusion, ...] = ()
    metadata: tuple[str, ...] = ()
    row_id: str | None = None
    group_suffix: str | None = None
    derived: tuple[str, ...] = ()
    open_labels: tuple[str, ...] = ()
    joined_header: bool = False
    usual_order: Literal["day_first", "month_first"] | None = None
    date_formats: dict[str, str] = Field(default_factory=dict)
    other_metric: str | None = None
    cumulative: bool = False
    placeholders: tuple[str, ...] = ()
    undated: tuple[str, ...] = ()


def _declared() -> dict[str, Profile]:
    """Every profile of this folder; those that name more columns are tried first, for they are the narrower ones."""
    paths = [path for path in files(__name__).iterdir() if path.name.endswith(".yaml")]
    found = [_read(path.name.removesuffix(".yaml"), yaml.safe_load(path.read_text("utf-8"))) for path in paths]
    narrow_first = sorted(found, key=lambda one: (one.is_asked, -len(one.recognised_by), one.name))
    return {profile.name: profile for profile in narrow_first}


def _read(name: str, declared: dict[str, Any]) -> Profile:
    return Profile(**{"name": name, "tool": name, **declared})


PROFILES: Final[dict[str, Profile]] = _declared()
"""Built-in profiles by name, in the order in which they are tried."""
