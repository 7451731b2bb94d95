"""The picture that is the message: where encoders pass the LLM, against the number of labels."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from bench.analysis.atlas.crossings import SetCrossing
from bench.report.charts.drawing import WIDTH, Chart, Points, colour, drawable, inline, sized
from bench.report.charts.names import Spot, place_names

HEIGHT = 400
BEYOND = 2.0
"""How far beyond the last size an open interval is drawn, with a tip."""
SPREAD = 1.05
"""How far the points of two learners on one data set are moved apart, as a factor."""
MARGIN = 1.6
"""By which factor the axes go beyond the outermost points."""


@dataclass(frozen=True, slots=True)
class Scale:
    """A logarithmic axis: its ends, and its length in pixels."""

    low: float
    high: float
    pixels: int

    @classmethod
    def over(cls, values: Sequence[float], pixels: int) -> Scale:
        """Return an axis that holds all values with a margin."""
        return cls(min(values) / MARGIN, max(values) * MARGIN, pixels)

    def place(self, value: float) -> float:
        """Return a value's distance from the low end, in pixels."""
        return self.pixels * math.log(value / self.low) / math.log(self.high / self.low)

    @property
    def ticks(self) -> list[float]:
        """Return the powers of two on the axis."""
        powers = range(math.ceil(math.log2(self.low)), math.floor(math.log2(self.high)) + 1)
        return [2.0**power for power in powers]


def crossing_chart(crossed: Sequence[SetCrossing], width: int = WIDTH) -> Chart:
    """Draw a point with its interval per data set and learner, both axes logarithmic; open intervals end in a tip."""
    import altair as alt

    learners = list(dict.fromkeys(place.crossing.learner for place in crossed))
    points: Points = [_point(place, learners.index(place.crossing.learner)) for place in crossed]
    across = Scale.over([point["labels"] for point in points], width)
    down = Scale.over([point[end] for point in points for end in ("low", "high", "at")], HEIGHT)

    def axis(kind: Any, field: str, scale: Scale, title: str) -> Chart:
        ticks = alt.Axis(values=scale.ticks, format="~g")
        domain = alt.Scale(type="log", base=2, domain=[scale.low, scale.high], nice=False)
        return kind(f"{field}:Q", title=title, scale=domain, axis=ticks)

    passes = "examples per label at which it passes the LLM, log scale"
    base = alt.Chart(inline(points)).encode(
        x=axis(alt.X, "labels", across, "labels of the task, log scale"), color=colour(learners, learners, "learner")
    )
    bars = base.mark_rule(strokeWidth=2).encode(y=axis(alt.Y, "low", down, passes), y2="high:Q")
    tooltip = ["set:N", "learner:N", "crossing:N", "n:Q"]
    dots = base.transform_filter("datum.passed").mark_point(filled=True, size=80, opacity=1)
    tips = base.transform_filter("datum.open").mark_point(shape="triangle-up", filled=True, size=70, opacity=1)
    title = {
        "text": ["How many examples per label", "until an encoder passes the LLM"],
        "subtitle": [
            "95 % intervals; one with a tip is open upwards:",
            "the sizes that were run do not show a crossing",
        ],
    }
    layers = (
        bars
        + dots.encode(y=axis(alt.Y, "at", down, passes), tooltip=tooltip)
        + tips.encode(y=axis(alt.Y, "high", down, passes))
        + _names(list(_spots(points, across, down)), width)
    )
    chart: Chart = sized(layers, title)
    return chart.properties(width=width, height=HEIGHT)


def _point(place: SetCrossing, i: int) -> dict[str, Any]:
    where = place.crossing
    beyond = BEYOND * where.last
    return {
        "set": drawable(place.data_set),
        "learner": drawable(where.learner),
        "labels": place.n_labels * SPREAD**i,
        "at": beyond if where.at is None else where.at,
        "low": min(where.interval.low, beyond),
        "high": min(where.interval.high, beyond),
        "open": not place.is_bounded,
        "passed": where.at is not None,
        "crossing": "not passed" if where.at is None else f"{where.at:.1f}",
        "n": place.n,
    }


def _spots(points: Points, across: Scale, down: Scale) -> Iterator[Spot]:
    """Yield every point in pixels; the first of a data set bears its name."""
    named: set[str] = set()
    for point in points:
        name = "" if point["set"] in named else point["set"]
        named.add(point["set"])
        at, low, high = (HEIGHT - down.place(point[field]) for field in ("at", "low", "high"))
        yield Spot(across.place(point["labels"]), at, name, high, low)


def _names(spots: Sequence[Spot], width: int) -> Chart:
    """Draw the names where they hide nothing."""
    import altair as alt

    boxes = zip(spots, place_names(spots, width, HEIGHT), strict=True)
    places: Points = [
        {"name": spot.name, "x": (box.left + box.right) / 2, "y": (box.top + box.bottom) / 2}
        for spot, box in boxes
        if spot.name
    ]
    at = {name: kind(f"{name}:Q", scale=None, axis=None) for name, kind in (("x", alt.X), ("y", alt.Y))}
    return alt.Chart(inline(places)).mark_text(baseline="middle").encode(text="name:N", **at)
