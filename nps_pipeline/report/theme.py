"""The look of the report, in one place: its palette in light and dark, and the theme of its charts."""

from __future__ import annotations

from typing import Any

# Name -> (light, dark). The charts are drawn in the light colours; the style sheet maps each to its dark one, so every
# light colour is a different one. Text has a contrast of at least 4.5 on card and paper, marks of at least 3.
PALETTE = {
    "paper": ("#f6f5f2", "#14171a"),
    "card": ("#ffffff", "#1c2024"),
    "ink": ("#22272c", "#e9e7e3"),
    "muted": ("#5a626a", "#a7adb3"),
    "line": ("#e3e0da", "#343a40"),
    "axis": ("#c9c5bd", "#4b525a"),
    "accent": ("#2f4a68", "#9dbbdc"),
    "promoter": ("#23786f", "#5ab5a9"),
    "passive": ("#98917f", "#8b877c"),
    "detractor": ("#c4533a", "#e88d75"),
    "volume": ("#8593a4", "#6f7f91"),
    "withheld": ("#dad6cd", "#3d444b"),
}
FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"


def light(name: str) -> str:
    """The light colour of a palette name, as charts are drawn in it."""
    return PALETTE[name][0]


# https://vega.github.io/vega-lite/docs/config.html
CHART_THEME: dict[str, Any] = {
    "aria": False,  # the page gives each chart one text of its own
    "background": "transparent",
    "font": FONT,
    "padding": {"left": 2, "right": 6, "top": 4, "bottom": 4},
    "view": {"stroke": None},
    "axis": {
        "domain": False,
        "ticks": False,
        "gridColor": light("line"),
        "labelColor": light("muted"),
        "labelFontSize": 12,
        "labelPadding": 8,
        "title": None,
    },
    "title": {
        "anchor": "start",
        "frame": "group",
        "color": light("muted"),
        "fontSize": 12,
        "fontWeight": "normal",
        "offset": 10,
    },
    "area": {"color": light("accent"), "opacity": 0.16},
    "line": {"color": light("accent"), "strokeWidth": 2},
    "point": {"color": light("accent"), "filled": True, "opacity": 1},
    "rule": {"color": light("accent")},
    "text": {"color": light("ink"), "fontSize": 12},
}
