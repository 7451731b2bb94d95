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
    """The colours of a chart: `series` has one per classifier, in the table's order."""

    ink: str
    faint: str
    grid: str
    paper: str
    series: tuple[str, ...]


# The hues of Okabe & Ito (2008), which colour-blind readers can tell apart, darkened or lightened until each has a
# contrast of 4.5 or more (WCAG 2.2, text) with the paper; their yellow on white has 1.3.
LIGHT = Theme(
    ink="#1c2330", faint="#5b6474", grid="#e3e7ee", paper="#ffffff",
    series=("#0065a3", "#b04a00", "#00704f", "#9c3d7a", "#4a4f5a", "#7a5a00", "#1f7390", "#8a1f1f"),
)  # fmt: skip
DARK = Theme(
    ink="#e4e8ef", faint="#9aa4b5", grid="#323a47", paper="#14181f",
    series=("#6cb6f0", "#f0934a", "#3ec79a", "#e296c6", "#c3c9d4", "#f0e442", "#7fd4f0", "#ff8a80"),
)  # fmt: skip
DASHES = ([1, 0], [6, 3], [2, 2])
"""Lines of classifiers beyond the palette's colours are dashed: the colours begin again."""


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


def colour(names: Sequence[str], field: str = "classifier", *, legend: bool = True) -> Any:
    """Return the encoding that gives each classifier the same colour in every chart."""
    import altair as alt

    shown: dict[str, Any] = {} if legend else {"legend": None}
    return alt.Color(f"{field}:N", scale=alt.Scale(domain=list(map(drawable, names))), title=None, **shown)


def dash(names: Sequence[str], field: str = "classifier") -> Any:
    """Return the encoding that tells lines of the same colour apart."""
    import altair as alt

    n = len(LIGHT.series)
    dashes = [DASHES[min(i // n, len(DASHES) - 1)] for i in range(len(names))]
    scale = alt.Scale(domain=list(map(drawable, names)), range=dashes)
    return alt.StrokeDash(f"{field}:N", scale=scale, title=None)


def sized(chart: Any, title: Any) -> Any:
    """Return a chart of the usual size with a title."""
    return chart.properties(width=WIDTH, height=HEIGHT, title=title)
