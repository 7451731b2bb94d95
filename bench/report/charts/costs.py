"""Charts of what a classifier costs: accuracy against time and money, and bars of speed, memory and size."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from bench.analysis.findings import Findings
from bench.analysis.metrics import METRICS
from bench.analysis.rows import Row
from bench.analysis.tradeoff import TradeoffPoint
from bench.report.charts.drawing import HEIGHT, WIDTH, Chart, Points, colour, drawable, inline, names_of, shape, sized
from bench.report.charts.names import Spot, place_names
from bench.report.tables.layout import shortened_name
from bench.report.text import cell_text, heading

SMALLEST = 0.01
"""What a cost is drawn at that a logarithmic scale could not show."""
PANEL = 190
LONGEST_NAME = 28
MEANING = ("bars: 95 % intervals", "dashed: none is both cheaper and more accurate")
LEADER = 12.0
"""Pixels between a point and its name above which a line joins the two."""


def tradeoff(worked_out: Findings, width: int = WIDTH) -> Chart:
    """Draw accuracy against the time for one message."""
    axis = _Axis(worked_out.by_latency, "ms per message (p50), log scale", width)
    return _against(axis, _scored_names(worked_out), "Accuracy against latency")


def cost_tradeoff(worked_out: Findings, width: int = WIDTH) -> Chart:
    """Draw accuracy against what a million messages cost, training and labelling included where prices are known."""
    prices = worked_out.prices
    priced = f"{prices.currency} per million messages, training included, log scale"
    unit = priced if prices.are_set else "machine hours per million messages, log scale"
    return _against(_Axis(worked_out.by_cost, unit, width), _scored_names(worked_out), "Accuracy against cost")


def _scored_names(worked_out: Findings) -> list[str]:
    return names_of([row for row in worked_out.rows if row.scores])


@dataclass(frozen=True, slots=True)
class _Axis:
    """What accuracy is drawn over: each row's figure, its unit, and how wide that is in pixels."""

    points: Sequence[TradeoffPoint]
    unit: str
    width: int


@dataclass(frozen=True, slots=True)
class Scales:
    """The ends of both axes, so that places in pixels are known before anything is drawn."""

    left: float
    right: float
    bottom: float
    top: float
    width: int

    @classmethod
    def of(cls, points: Points, width: int) -> Scales:
        """Return the scales that hold all points and their intervals."""
        costs = [point["cost"] for point in points] or [1.0]
        low = min((point["low"] for point in points), default=0.0)
        high = max((point["high"] for point in points), default=100.0)
        return cls(min(costs) / 2, max(costs) * 2, max(low - 4, 0.0), min(high + 4, 104.0), width)

    def x(self, cost: float) -> float:
        """Return a cost's place in pixels."""
        return self.width * math.log(cost / self.left) / math.log(self.right / self.left)

    def y(self, accuracy: float) -> float:
        """Return an accuracy's place in pixels."""
        return HEIGHT * (self.top - accuracy) / (self.top - self.bottom)

    @property
    def ticks(self) -> list[float]:
        """Return the powers of ten on the cost axis, with 2 and 5 of each where there are few."""
        powers = range(math.floor(math.log10(self.left)), math.ceil(math.log10(self.right)) + 1)
        steps = (1,) if self.right / self.left > 1000 else (1, 2, 5)
        values = [float(f"{step}e{power}") for power in powers for step in steps]
        return [value for value in values if self.left <= value <= self.right]


def _against(costs: _Axis, names: Sequence[str], title: str) -> Chart:
    """Draw accuracy over a cost; the line joins the classifiers none is better than in both."""
    import altair as alt

    points: Points = [
        {
            "classifier": point.classifier,
            "cost": max(point.cost, SMALLEST),
            "accuracy": 100 * point.scores.accuracy,
            "low": 100 * point.scores.accuracy_interval.low,
            "high": 100 * point.scores.accuracy_interval.high,
            "front": point.is_best,
        }
        for point in costs.points
    ]
    scales = Scales.of(points, costs.width)
    axis = alt.Axis(values=scales.ticks, format="~g", grid=False)
    scale = alt.Scale(type="log", domain=[scales.left, scales.right], nice=False)
    x = alt.X("cost:Q", title=drawable(costs.unit), scale=scale, axis=axis)
    y_scale = alt.Scale(domain=[scales.bottom, scales.top], nice=False)
    y = alt.Y("accuracy:Q", title="accuracy %", scale=y_scale)
    color = colour(names)
    base = alt.Chart(inline(points)).encode(x=x)
    front = base.transform_filter("datum.front").mark_line(strokeDash=[4, 4], color="#8a93a3").encode(y=y)
    bars = base.mark_rule(strokeWidth=1.5, opacity=0.55).encode(
        y=alt.Y("low:Q", title="accuracy %", scale=y_scale), y2="high:Q", color=color
    )
    tooltip = ["classifier:N", alt.Tooltip("accuracy:Q", format=".1f"), alt.Tooltip("cost:Q", format=".3g")]
    dots = base.mark_point(filled=True, size=90, opacity=1)
    dots = dots.encode(y=y, color=color, shape=shape(names), tooltip=tooltip)
    named: Any = alt.TitleParams(title, subtitle=["; ".join(MEANING)] if costs.width == WIDTH else list(MEANING))
    return sized(front + bars + dots + _names(points, scales), named).properties(width=costs.width)


def _names(points: Points, scales: Scales) -> Chart:
    """Draw the points' names beside them, and a line to those that found no place there."""
    import altair as alt

    spots = [
        Spot(
            scales.x(p["cost"]),
            scales.y(p["accuracy"]),
            shortened_name(p["classifier"], LONGEST_NAME),
            scales.y(p["high"]),
            scales.y(p["low"]),
            bool(p["front"]),
        )
        for p in points
    ]
    places: Points = []
    for spot, box in zip(spots, place_names(spots, scales.width, HEIGHT), strict=True):
        x, y = (box.left + box.right) / 2, (box.top + box.bottom) / 2
        edge = min(max(spot.x, box.left), box.right), min(max(spot.y, box.top), box.bottom)
        far = math.dist((spot.x, spot.y), edge) > LEADER
        ends = {"x2": edge[0], "y2": edge[1]}
        places.append({"name": spot.name, "x": x, "y": y, "x1": spot.x, "y1": spot.y, **ends, "far": far})

    def at(kind: Any, field: str) -> Any:
        return kind(f"{field}:Q", scale=None, axis=None)

    base = alt.Chart(inline(places))
    texts = base.mark_text(baseline="middle").encode(x=at(alt.X, "x"), y=at(alt.Y, "y"), text="name:N")
    leaders = base.transform_filter("datum.far").mark_rule(opacity=0.7)
    return leaders.encode(x=at(alt.X, "x1"), y=at(alt.Y, "y1"), x2="x2:Q", y2="y2:Q") + texts


BARS = ("p50", "predict", "fit", "serving memory", "disk")
"""The metrics drawn as bars, by their names in METRICS."""


def bars(rows: Sequence[Row]) -> Chart:
    """Draw speed, memory and size side by side, a panel per metric with its own scale."""
    import altair as alt

    names = names_of(rows)
    panels = []
    for metric in (m for m in METRICS if m.name in BARS):
        points: Points = [
            {"classifier": row.name, "value": value, "text": cell_text(metric, row)}
            for row in rows
            if (value := metric.value(row)) is not None
        ]
        if not points:
            continue
        axis = alt.Axis(labels=False, ticks=False, grid=False)
        most = 1.45 * max(point["value"] for point in points)
        base = alt.Chart(inline(points)).encode(
            y=alt.Y("classifier:N", sort=list(map(drawable, names)), title=None),
            x=alt.X("value:Q", title=heading(metric), axis=axis, scale=alt.Scale(domain=[0, most or 1], nice=False)),
        )
        words = base.mark_text(align="left", dx=3).encode(text="text:N")
        drawn = base.mark_bar().encode(color=colour(names)) + words
        panels.append(drawn.properties(width=PANEL, height=alt.Step(22)))
    chart: Any = alt.concat(*panels, columns=2)
    return chart.properties(title="Speed, memory and size")
