"""The page: the facts arranged into sections and put through the template. No SQL and no drawing here."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Literal

import jinja2

from nps_pipeline.report import charts, wording
from nps_pipeline.report.charts import FULL, HALF, Figure, Month
from nps_pipeline.report.facts import ALL, Cell, Facts, ScoreCount, read_facts
from nps_pipeline.report.theme import FONT, PALETTE

Comments = Literal["shown", "hidden"]

WINDOWS = (("rolling_90d", "Last 90 days"), ("rolling_365d", "Last 365 days"), ("all_time", "All time"))
# The order of the page, and what each asks; a survey type that is not named here comes last, without a description.
SURVEY_TYPES = {
    "relational": "How customers feel about the relationship as a whole. The latest answer of each customer counts.",
    "transactional": "How one contact or purchase went. Every answer counts.",
    "unclassified": "Answers whose survey is not marked as relational or transactional. Kept apart from both.",
}
MONTHS_DRAWN = 36
LABELS_DRAWN = 15


@dataclass(frozen=True, slots=True)
class Window:
    """One headline: the NPS of a period that ends at the as-of date; no cell where nobody answered in it."""

    title: str
    cell: Cell | None


@dataclass(frozen=True, slots=True)
class Split:
    """The all-time NPS by one dimension: those with an NPS from high to low, then those without."""

    dimension: str
    rows: list[tuple[str, Cell]]
    figure: Figure | None
    undrawn: int


@dataclass(frozen=True, slots=True)
class SurveySection:
    """All that the page shows of one survey type."""

    code: str
    about: str
    windows: list[Window]
    months: list[Month]
    earlier_months: int
    trend: Figure | None
    scores: list[ScoreCount]
    distribution: Figure
    splits: list[Split]
    rates: list[Cell]


def render_report(mart: Path, *, comments: Comments) -> str:
    """Write the report of one publication as one self-contained HTML page.

    The same file gives the same page, byte for byte. It loads nothing from anywhere, runs no script, and holds customer
    data only as comments, where ``comments`` is "shown".

    Args:
        mart: the closed DuckDB file of the publication, opened read-only and closed again.
        comments: "shown" quotes the latest ones; "hidden" does not even read them.

    Raises:
        ReportError: the file, one of its tables or its publication row is missing.
    """
    facts = read_facts(mart, with_comments=comments == "shown")
    return _template().render(
        facts=facts,
        surveys=list(_surveys(facts)),
        comments=comments,
        served=sum(account.served for account in facts.accounts),
        unexplained=[account for account in facts.accounts if account.unexplained],
    )


def _surveys(facts: Facts) -> Iterator[SurveySection]:
    present = {count.survey_type for count in facts.scores}
    known = [code for code in SURVEY_TYPES if code in present]
    codes = known + sorted(present.difference(known))
    wide = HALF if len(codes) > 1 else FULL
    for code in codes:
        yield _survey(
            code,
            [cell for cell in facts.cells if cell.survey_type == code],
            [count for count in facts.scores if count.survey_type == code],
            wide=wide,
        )


def _survey(code: str, cells: list[Cell], scores: list[ScoreCount], *, wide: int) -> SurveySection:
    totals = [cell for cell in cells if cell.channel == cell.touchpoint == ALL]
    latest = {cell.grain: cell for cell in totals}
    all_months = _months([cell for cell in totals if cell.grain == "month"])
    months = all_months[-MONTHS_DRAWN:]
    ever = [cell for cell in cells if cell.grain == "all_time"]
    splits = {
        "channel": [cell for cell in ever if cell.touchpoint == ALL != cell.channel],
        "touchpoint": [cell for cell in ever if cell.channel == ALL != cell.touchpoint],
    }
    return SurveySection(
        code=code,
        about=SURVEY_TYPES.get(code, ""),
        windows=[Window(title, latest.get(grain)) for grain, title in WINDOWS],
        months=months,
        earlier_months=len(all_months) - len(months),
        trend=_trend(code, months),
        scores=scores,
        distribution=_distribution(code, scores, wide=wide),
        splits=[_split(dimension, code, of_one, beside=ever) for dimension, of_one in splits.items()],
        rates=[cell for cell in ever if cell.touchpoint == ALL and cell.response_rate is not None],
    )


def _months(cells: list[Cell]) -> list[Month]:
    """Every month from the first to the last with answers, also those in between without any."""
    found = {cell.period_start: cell for cell in cells if cell.responses}
    if not found:
        return []
    return [Month(wording.month(start), found.get(start)) for start in _month_starts(min(found), max(found))]


def _month_starts(first: date, last: date) -> Iterator[date]:
    for index in range(12 * first.year + first.month - 1, 12 * last.year + last.month):
        yield date(index // 12, index % 12 + 1, 1)


def _trend(code: str, months: list[Month]) -> Figure | None:
    shown = [(month.name, month.score) for month in months if month.score is not None]
    if len(shown) < 2:  # noqa: PLR2004
        return None
    (first, first_score), (last, last_score) = shown[0], shown[-1]
    text = (
        f"Line chart of the {wording.label(code).lower()} NPS by month with its 95% interval: "
        f"{wording.nps(first_score)} in {first}, {wording.nps(last_score)} in {last}. "
        f"{len(months) - len(shown)} of {len(months)} months are gaps."
    )
    return charts.trend(months, text=text)


def _distribution(code: str, scores: list[ScoreCount], *, wide: int) -> Figure:
    counts = ", ".join(f"{count.score}: {wording.number(count.answers)}" for count in scores)
    text = f"Bar chart of the {wording.label(code).lower()} answers by score. {counts}."
    return charts.distribution(scores, wide=wide, text=text)


def _split(dimension: str, code: str, cells: list[Cell], *, beside: list[Cell]) -> Split:
    """One dimension, drawn on the scale of all cells it stands ``beside``, so that the charts compare."""

    def place(row: tuple[str, Cell]) -> tuple[bool, float, str]:
        name, cell = row
        return cell.nps is None, -cell.responses if cell.nps is None else -cell.nps, name

    named = [(wording.label(getattr(cell, dimension)), cell) for cell in cells if cell.responses]
    rows = sorted(named, key=place)
    scored = [row for row in rows if row[1].nps is not None]
    largest = sorted(scored, key=lambda row: -row[1].responses)[:LABELS_DRAWN]
    drawn = [row for row in scored if row in largest]
    ranking = ", ".join(f"{name} {wording.nps(cell.nps or 0)}" for name, cell in drawn)
    text = f"Dot chart of the {wording.label(code).lower()} NPS by {dimension} with 95% intervals. {ranking}."
    figure = charts.comparison(drawn, scale=charts.nps_scale(beside), text=text) if len(drawn) > 1 else None
    return Split(dimension, rows, figure, len(scored) - len(drawn))


def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("nps_pipeline.report", "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    formats: list[Callable[..., str]] = [
        wording.number,
        wording.nps,
        wording.interval,
        wording.percent,
        wording.label,
        wording.day,
        wording.month,
        wording.moment,
        wording.plural,
    ]
    environment.filters.update({function.__name__: function for function in formats})
    environment.globals.update(palette=PALETTE, font=FONT, all=ALL)
    return environment.get_template("page.html.j2")
