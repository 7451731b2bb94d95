"""What all charts share: a type for their data, sizes, and how data and title are put in."""

from __future__ import annotations

from typing import Any

WIDTH, HEIGHT = 560, 320

Points = list[dict[str, Any]]
Chart = Any
"""An Altair chart: alone, layered or faceted, which are types without a common one."""


def inline(points: Points) -> Any:
    """Give data that is written into the specification."""
    import altair as alt

    make: Any = alt.Data
    return make(values=points)


def sized(chart: Any, title: str) -> Any:
    """Give a chart the usual size and a title."""
    return chart.properties(width=WIDTH, height=HEIGHT, title=title)
