"""The charts: numbers in, inline SVG out, each drawn for a wide and for a narrow page. Their look is in theme."""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import altair as alt
from markupsafe import Markup

from nps_pipeline.report import wording
from nps_pipeline.report.facts import Cell, ScoreCount
from nps_pipeline.report.theme import CHART_THEME, light

FULL, HALF, NARROW = 930, 440, 330  # pixels across: the whole card, half of it, a phone
SIGNED = "datum.value === 0 ? '0' : format(datum.value, '+')"
AnyChart = alt.LayerChart | alt.FacetChart | alt.VConcatChart


@dataclass(frozen=True, slots=True)
class Figure:
    """One chart twice, and what it says in words for those who do not see it."""

    text: str
    wide: Markup
    narrow: Markup


@dataclass(frozen=True, slots=True)
class Month:
    """One step of a trend; the cell is None in a month without answers."""

    name: str
    cell: Cell | None

    @property
    def score(self) -> float | None:
        """The NPS, None where it is not shown."""
        return None if self.cell is None else self.cell.nps


def trend(months: Sequence[Month], *, text: str) -> Figure:
    """NPS by month with its interval as a band, over the number of answers; months without an NPS leave a gap."""
    return _figure(text, FULL, lambda width: _trend(months, width))


def distribution(scores: Sequence[ScoreCount], *, wide: int, text: str) -> Figure:
    """The share of each score from 0 to 10 among the answers, coloured by category."""
    return _figure(text, wide, lambda width: _distribution(scores, width))


def comparison(rows: Sequence[tuple[str, Cell]], *, scale: tuple[int, int], text: str) -> Figure:
    """A dot with its interval for each label, in the order given; every cell must have an NPS."""
    return _figure(text, HALF, lambda width: _comparison(rows, scale, width))


def nps_scale(cells: Sequence[Cell]) -> tuple[int, int]:
    """The ends of an NPS scale: the intervals, out to the next ten, at least 40 points, so that noise looks small."""
    values = [value for cell in cells for value in (cell.nps, cell.low, cell.high) if value is not None]
    low, high = 10 * math.floor(min(values) / 10), 10 * math.ceil(max(values) / 10)
    low = max(-100, low - 10 * math.ceil(max(0, 40 - (high - low)) / 20))
    high = min(100, max(high, low + 40))
    return min(low, high - 40), high


def _trend(months: Sequence[Month], width: int) -> AnyChart:
    low, high = nps_scale([month.cell for month in months if month.cell])
    points = [
        {
            "month": month.name,
            "nps": month.score,
            "low": month.cell.low if month.cell else None,
            "high": month.cell.high if month.cell else None,
            # A line and a band join neighbours: a month between two gaps is drawn as a thick rule instead.
            "alone": all(near.score is None for near in months[max(index - 1, 0) : index + 2] if near is not month),
            "answers": month.cell.responses if month.cell else 0,
            "colour": light("withheld" if month.score is None else "volume"),
        }
        for index, month in enumerate(months)
    ]
    step = -(-len(months) // (width // 90))  # a label needs about 90 pixels
    labelled = [month.name for month in months[::-1][::step]]
    most = max(month.cell.responses for month in months if month.cell)
    base = alt.Chart({"values": points}).properties(width=width - 60)
    scale = alt.Scale(domain=[low, high], nice=False)
    blank = alt.X("month:O", sort=None, axis=None)
    axis = _axis(tickCount=5, labelExpr=SIGNED)
    nps = alt.Y("nps:Q", scale=scale, axis=axis)
    ends = {"x": blank, "y": alt.Y("low:Q", scale=scale, axis=axis), "y2": alt.Y2("high:Q")}
    zero = [_zero().encode(y=alt.YDatum(0, scale=scale))] if low < 0 < high else []
    upper = alt.layer(
        *zero,
        base.mark_area().encode(**ends),
        base.mark_rule(strokeWidth=8, opacity=0.16).encode(**ends).transform_filter("datum.alone"),
        base.mark_line().encode(x=blank, y=nps),
        base.mark_point(size=30 if len(months) * 25 < width else 14).encode(x=blank, y=nps),
    ).properties(height=220, title="NPS")
    lower = base.mark_bar().encode(
        x=alt.X("month:O", sort=None, axis=alt.Axis(labelAngle=0, values=labelled, labelOverlap=False)),
        y=alt.Y("answers:Q", scale=alt.Scale(domain=[0, most]), axis=_axis(values=[0, most], format=",.0f")),
        color=alt.Color("colour:N", scale=None),
    )
    return alt.vconcat(upper, lower.properties(height=56, title="Answers"), spacing=14)


def _distribution(scores: Sequence[ScoreCount], width: int) -> AnyChart:
    total = sum(count.answers for count in scores)
    given = {count.score: count for count in scores}
    highest = max(count.answers for count in scores) / total
    bars = [
        {
            "score": score,
            "share": given[score].answers / total if score in given else 0,
            "colour": light(given[score].category if score in given else "line"),
            "text": f"{100 * given[score].answers / total:.0f}%" if score in given else "",
        }
        for score in range(11)
    ]
    base = alt.Chart({"values": bars}).encode(
        x=alt.X("score:O", axis=alt.Axis(labelAngle=0), scale=alt.Scale(paddingInner=0.18)),
        y=alt.Y("share:Q", axis=None, scale=alt.Scale(domain=[0, 1.1 * highest])),
    )
    columns = base.mark_bar().encode(color=alt.Color("colour:N", scale=None))
    texts = base.mark_text(baseline="bottom", dy=-4, fontSize=11, color=light("muted")).encode(text="text:N")
    return alt.layer(columns, texts).properties(width=width - 16, height=190)


def _comparison(rows: Sequence[tuple[str, Cell]], ends: tuple[int, int], width: int) -> AnyChart:
    low, high = ends
    labels = 150 if width > NARROW else 112
    points = [
        {"label": f"{name}\nn {wording.number(cell.responses)}", "nps": cell.nps, "low": cell.low, "high": cell.high}
        for name, cell in rows
    ]
    base = alt.Chart({"values": points}).properties(width=width - labels - 20, height=alt.Step(44))
    scale = alt.Scale(domain=[low, high], nice=False)
    names = alt.Y(
        "label:N",
        sort=None,
        axis=alt.Axis(
            grid=False,
            labelExpr="split(datum.label, '\\n')",
            labelAlign="left",
            labelPadding=labels,
            labelLimit=labels - 40,  # the reader's font may be wider than the one measured here
            labelLineHeight=15,
            labelOffset=-7,  # two lines: their middle, not the first one's, faces the dot
        ),
    )
    axis = _axis(tickCount=4, labelExpr=SIGNED, labelFlush=False)
    zero = [_zero().encode(x=alt.XDatum(0, scale=scale))] if low < 0 < high else []
    return alt.layer(
        *zero,
        base.mark_rule(strokeWidth=6, opacity=0.35, strokeCap="round").encode(
            x=alt.X("low:Q", scale=scale, axis=axis), x2="high:Q", y=names
        ),
        base.mark_point(size=70).encode(x=alt.X("nps:Q", scale=scale, axis=axis), y=names),
    )


def _axis(**options: Any) -> alt.Axis:
    return alt.Axis(grid=True, minExtent=40, maxExtent=40, **options)


def _zero() -> alt.Chart:
    rule: alt.Chart = alt.Chart({"values": [{}]}).mark_rule(color=light("axis"))
    return rule


def _figure(text: str, wide: int, draw: Callable[[int], AnyChart]) -> Figure:
    return Figure(text, _svg(draw(wide)), _svg(draw(NARROW)))


def _svg(chart: AnyChart) -> Markup:
    """Draw with vl-convert, which needs neither browser nor network and escapes all text."""
    drawing = io.StringIO()
    chart.configure(**CHART_THEME).save(drawing, format="svg")
    return Markup(drawing.getvalue())  # noqa: S704
