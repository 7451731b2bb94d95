"""What all charts share: data made safe to draw, sizes, one palette, and the look in light and in dark."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from bench.analysis.rows import Row
from bench.report.sanitize import one_line

WIDTH, HEIGHT = 560, 320

Points = list[dict[str, Any]]
Chart = Any
"""An Altair chart: alone, layered or faceted, which are types without a common one."""


@dataclass(frozen=True, slots=True)
class Theme:
    """The colours of a chart: `series` has one per classifier, in the table's order; then they begin again."""

    ink: str
    faint: str
    grid: str
    paper: str
    series: tuple[str, ...]


HUES = 6
"""How many of a theme's colours differ in hue; the next ones are the same hues in another lightness."""
# Hues after Okabe & Ito (2008), their lightness found by random search: each has a contrast of 3 or more with the paper
# (WCAG 2.2, graphics), and any two lie 11 or more apart in CIELAB for red-blind, green-blind and all other readers, two
# of the same six 18.
LIGHT = Theme(
    ink="#1c2330", faint="#5b6474", grid="#e3e7ee", paper="#ffffff",
    series=("#1a6fb3", "#ab5c04", "#3e7440", "#7e247f", "#434547", "#574607",
            "#3f89e8", "#c77919", "#619b6a", "#b87eb9", "#747b7f", "#8c7233"),
)  # fmt: skip
DARK = Theme(
    ink="#e4e8ef", faint="#9aa4b5", grid="#323a47", paper="#14181f",
    series=("#87bbf8", "#f6a76e", "#b2e0b0", "#e39dbd", "#eef0f4", "#e8c944",
            "#3b96e9", "#ea8728", "#68b189", "#a94e9e", "#727376", "#827328"),
)  # fmt: skip
DASHES = ([1, 0], [6, 3], [2, 2])
"""Lines of six classifiers are whole, those of the next six dashed, then dotted: no two of 36 look alike."""
SHAPES = ("circle", "square", "triangle-up")
"""The points of the same sixes."""


def config(theme: Theme) -> dict[str, Any]:
    """Return the look of a chart as Vega-Lite configuration."""
    return {
        "background": theme.paper,
        "font": "system-ui, sans-serif",
        "padding": 8,
        "view": {"stroke": None},
        "axis": {
            "labelColor": theme.ink, "titleColor": theme.ink, "gridColor": theme.grid, "domainColor": theme.faint,
            "tickColor": theme.faint, "labelFontSize": 12, "titleFontSize": 12, "titleFontWeight": "normal",
        },
        "legend": {
            "labelColor": theme.ink, "titleColor": theme.ink, "orient": "bottom", "columns": 3, "labelFontSize": 12,
            "labelLimit": 220, "symbolStrokeWidth": 2,
        },
        "header": {"labelColor": theme.ink, "titleColor": theme.ink, "labelFontSize": 12},
        "title": {
            "color": theme.ink, "fontSize": 14, "subtitleColor": theme.faint, "subtitleFontSize": 12, "anchor": "start",
            "offset": 10,
        },
        "text": {"color": theme.ink, "fontSize": 11},
        "rule": {"color": theme.faint},
        "range": {"category": list(theme.series)},
    }  # fmt: skip


def drawable(text: str) -> str:
    """Return a text that the drawing library takes: a control sign in a label ends the whole process there."""
    return one_line(text).encode("utf-8", "replace").decode()


def inline(points: Points) -> Any:
    """Return data that is written into the specification, its texts made drawable."""
    import altair as alt

    make: Any = alt.Data
    return make(values=[{k: drawable(v) if isinstance(v, str) else v for k, v in p.items()} for p in points])


def names_of(rows: Sequence[Row]) -> list[str]:
    """Return the classifiers that the colours are dealt to, in the table's order."""
    return [row.name for row in rows]


def colour(names: Sequence[str], listed: Sequence[str] = (), field: str = "classifier") -> Any:
    """Return the encoding that gives each classifier the same colour in every chart; the legend has those `listed`."""
    import altair as alt

    return alt.Color(f"{field}:N", scale=alt.Scale(domain=list(map(drawable, names))), **_legend(listed))


def dash(names: Sequence[str], listed: Sequence[str] = (), field: str = "classifier") -> Any:
    """Return the encoding that tells lines of the same hue apart."""
    import altair as alt

    return alt.StrokeDash(f"{field}:N", scale=_by_sixes(names, DASHES), **_legend(listed))


def shape(names: Sequence[str], listed: Sequence[str] = (), field: str = "classifier") -> Any:
    """Return the encoding that tells points of the same hue apart."""
    import altair as alt

    return alt.Shape(f"{field}:N", scale=_by_sixes(names, SHAPES), **_legend(listed))


def _by_sixes(names: Sequence[str], looks: Sequence[Any]) -> Any:
    """Return the scale that changes the look where the hues begin again."""
    import altair as alt

    looks_of_names = [looks[i // HUES % len(looks)] for i in range(len(names))]
    return alt.Scale(domain=list(map(drawable, names)), range=looks_of_names)


def _legend(listed: Sequence[str]) -> dict[str, Any]:
    """Return the legend's keywords, equal ones for all encodings, so that they share one legend."""
    import altair as alt

    return {"title": None, "legend": alt.Legend(values=list(map(drawable, listed))) if listed else None}


def sized(chart: Any, title: Any) -> Any:
    """Return a chart of the usual size with a title."""
    return chart.properties(width=WIDTH, height=HEIGHT, title=title)
