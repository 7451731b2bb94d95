"""Charts of what a classifier costs: accuracy against time and money, and bars of speed, memory and size."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bench.analysis.cost import cost_of
from bench.analysis.scores import METRICS, Row
from bench.config.tables import CostConfig
from bench.report.charts.drawing import Chart, Points, inline, sized
from bench.report.text import cell_text, heading

SMALLEST = 0.01
"""What a cost is drawn at that a logarithmic scale could not show."""
PANEL = 190
NEAR_POINTS, NEAR_RATIO = 4.0, 3.0
"""How near in accuracy, and in cost, two classifiers' names would lie on each other."""


def tradeoff(rows: Sequence[Row]) -> Chart:
    """Draw accuracy against the time for one message."""
    taken = [(row, row.cell.latency_ms.p50) for row in rows if row.cell.latency_ms]
    return _against(taken, "milliseconds for one message (p50)", "Accuracy against latency")


def cost_tradeoff(rows: Sequence[Row], prices: CostConfig) -> Chart:
    """Draw accuracy against what a million messages cost, training and labelling included where prices are known."""
    costs = [(row, cost) for row in rows if (cost := cost_of(row.cell, prices))]
    if prices.are_set:
        taken = [(row, cost.total(1e6)) for row, cost in costs]
        return _against(taken, f"{prices.currency} for a million messages, training included", "Accuracy against cost")
    taken = [(row, cost.hours_per_million) for row, cost in costs]
    return _against(taken, "machine hours for a million messages", "Accuracy against cost")


def _against(taken: Sequence[tuple[Row, float]], unit: str, title: str) -> Chart:
    """Draw accuracy over a cost; the line joins the classifiers none is better than in both."""
    import altair as alt

    points: Points = [
        {
            "classifier": row.cell.classifier,
            "cost": max(cost, SMALLEST),
            "accuracy": 100 * row.scores.accuracy,
            "low": 100 * row.scores.accuracy_interval.low,
            "high": 100 * row.scores.accuracy_interval.high,
        }
        for row, cost in taken
        if row.scores
    ]
    places = [(point["cost"], point["accuracy"]) for point in points]
    for point, is_best, is_below in zip(points, pareto(places), below(places), strict=True):
        point["front"], point["below"] = is_best, is_below
    base = alt.Chart(inline(points)).encode(x=alt.X("cost:Q", title=unit, scale=alt.Scale(type="log")))
    y = alt.Y("accuracy:Q", title="accuracy %", scale=alt.Scale(zero=False))
    color = alt.Color("classifier:N", sort=None, legend=None)
    front = base.transform_filter("datum.front").mark_line(strokeDash=[4, 4], color="gray").encode(y=y)
    bars = base.mark_rule().encode(y=alt.Y("low:Q", title="accuracy %"), y2="high:Q", color=color)
    dots = base.mark_point(filled=True, size=90).encode(
        y=y,
        color=color,
        tooltip=["classifier:N", "accuracy:Q", "cost:Q"],
    )
    names = {"y": y, "text": "classifier:N", "color": color}
    above = base.transform_filter("!datum.below").mark_text(align="left", dx=8, dy=-6).encode(**names)
    under = base.transform_filter("datum.below").mark_text(align="left", dx=8, dy=10).encode(**names)
    return sized(front + bars + dots + above + under, title)


BARS = ("p50", "predict", "fit", "memory", "disk")
"""The metrics drawn as bars, by their names in METRICS."""


def bars(rows: Sequence[Row]) -> Chart:
    """Draw speed, memory and size side by side, a panel a metric with a scale of its own."""
    import altair as alt

    panels = []
    for metric in (m for m in METRICS if m.name in BARS):
        points: Points = [
            {"classifier": row.cell.classifier, "value": value, "text": cell_text(metric, row)}
            for row in rows
            if (value := metric.value(row)) is not None
        ]
        if not points:
            continue
        axis = alt.Axis(labels=False, ticks=False, grid=False)
        base = alt.Chart(inline(points)).encode(
            y=alt.Y("classifier:N", sort=None, title=None),
            x=alt.X("value:Q", title=heading(metric), axis=axis),
        )
        words = base.mark_text(align="left", dx=3).encode(text="text:N")
        drawn = base.mark_bar().encode(color=alt.Color("classifier:N", sort=None, legend=None)) + words
        panels.append(drawn.properties(width=PANEL, height=alt.Step(22)))
    chart: Any = alt.concat(*panels, columns=2)
    return chart.properties(title="Speed, memory and size")


def below(points: Sequence[tuple[float, float]]) -> list[bool]:
    """Tell of every (cost, quality) whether a better one is so near that its name must stand under it."""

    def hides(i: int, j: int) -> bool:
        (cost, quality), (other, better) = points[i], points[j]
        near = abs(better - quality) < NEAR_POINTS and max(cost, other) < NEAR_RATIO * min(cost, other)
        return near and (better, j) > (quality, i)

    return [any(hides(i, j) for j in range(len(points))) for i in range(len(points))]


def pareto(points: Sequence[tuple[float, float]]) -> list[bool]:
    """Tell of every (cost, quality) whether no other costs at most as much and is at least as good, one strictly."""

    def beats(a: tuple[float, float], b: tuple[float, float]) -> bool:
        return a[0] <= b[0] and a[1] >= b[1] and a != b

    return [not any(beats(other, point) for other in points) for point in points]
