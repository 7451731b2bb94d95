"""Charts of how good answers are: learning curves, confusion, trust in probabilities, cascades and retries."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bench.analysis.confusions import UNPARSED, most_confused
from bench.analysis.findings import CascadeCurve
from bench.analysis.learning_curve import Group, curves, flat_lines
from bench.analysis.rows import Row
from bench.report.charts.drawing import Chart, Points, colour, dash, drawable, inline, names_of, shape, sized

MAX_MATRIX = 20
MANY = 5
"""Labels above which two matrices stand side by side, not four."""
LABEL_PIXELS = 140
"""What a label's name may take beside a matrix."""


def learning_curve(trained: Sequence[Group]) -> Chart:
    """Draw accuracy over training examples per label, with the spread over seeds, beside flat lines."""
    import altair as alt

    learners = curves(trained)
    points: Points = [
        {
            "classifier": row,
            "messages": group.per_label,
            "accuracy": 100 * group.mean,
            "low": 100 * (group.mean - (group.sd or 0)),
            "high": 100 * (group.mean + (group.sd or 0)),
        }
        for row, points_of_row in learners.items()
        for group in points_of_row
    ]
    flat: Points = [{"classifier": group.row, "accuracy": 100 * group.mean} for group in flat_lines(trained)]
    names = list(dict.fromkeys(group.row for group in trained))
    color = colour(names, names)
    x = alt.X("messages:Q", title="training examples per label, log scale", scale=alt.Scale(type="log", base=2))
    y = alt.Y("accuracy:Q", title="accuracy %", scale=alt.Scale(zero=False))
    lines = alt.Chart(inline(points)).mark_line(point=True).encode(x=x, y=y, color=color, strokeDash=dash(names, names))
    bars = alt.Chart(inline(points)).mark_rule().encode(x=x, y=alt.Y("low:Q"), y2="high:Q", color=color)
    rules = alt.Chart(inline(flat)).mark_rule(strokeDash=[6, 4]).encode(y=y, color=color)
    return sized(lines + bars + (rules if flat else alt.layer()), "Learning curve")


def confusion(rows: Sequence[Row]) -> Chart:
    """Draw the confusion matrices side by side; with many labels only the most confused ones."""
    import altair as alt

    points: Points = []
    scores = [row.scores for row in rows if row.scores]
    order = most_confused([score.confusion for score in scores], scores[0].labels, MAX_MATRIX)
    is_parsed = not any(line[-1] for row in rows if row.scores for line in row.scores.confusion)
    columns = [] if is_parsed else [UNPARSED]
    for row in rows:
        assert row.scores is not None
        names = [*row.scores.labels, UNPARSED]
        for gold, line in zip(row.scores.labels, row.scores.confusion, strict=True):
            points += [
                {"classifier": row.name, "gold": gold, "answer": answer, "messages": n}
                for answer, n in zip(names, line, strict=True)
                if n and gold in order and (answer in order or answer == UNPARSED)
            ]
    drawn = list(map(drawable, order))
    x_scale, y_scale = alt.Scale(domain=[*drawn, *columns]), alt.Scale(domain=drawn)
    x = alt.X("answer:N", scale=x_scale, axis=alt.Axis(labelAngle=-40, labelLimit=LABEL_PIXELS))
    y = alt.Y("gold:N", scale=y_scale, axis=alt.Axis(labelLimit=LABEL_PIXELS))
    base = alt.Chart().encode(x=x, y=y)
    dark = max((point["messages"] for point in points), default=0) / 2
    cells = base.mark_rect().encode(
        color=alt.Color("messages:Q", scale=alt.Scale(scheme="blues"), legend=None),
        tooltip=["classifier:N", "gold:N", "answer:N", "messages:Q"],
    )
    numbers = base.mark_text(fontSize=10).encode(
        text="messages:Q", color=alt.condition(f"datum.messages > {dark}", alt.value("white"), alt.value("black"))
    )
    side = max(120, min(26 * len(order), 520))
    layered = alt.layer(cells, numbers, data=inline(points)).properties(width=side + 30, height=side)
    kinds = list(map(drawable, names_of(rows)))
    faceted: Any = layered.facet(
        facet=alt.Facet("classifier:N", sort=kinds, title=None), columns=4 if len(order) <= MANY else 2
    )
    return faceted.properties(title="Confusion: gold label (row) against answer (column)")


def reliability(rows: Sequence[Row]) -> Chart:
    """Draw the share right over the confidence of answers; a trustworthy classifier lies on the diagonal."""
    import altair as alt

    points: Points = [
        {"classifier": row.name, "confidence": b.confidence, "right": b.accuracy, "messages": b.n}
        for row in rows
        if row.scores and row.scores.probability
        for b in row.scores.probability.bins
    ]
    scale = alt.Scale(domain=[0, 1])
    x = alt.X("confidence:Q", title="confidence (probability of the answer)", scale=scale)
    y = alt.Y("right:Q", title="share of messages right", scale=scale)
    names, listed = names_of(rows), list(dict.fromkeys(point["classifier"] for point in points))
    color = colour(names, listed)
    lines = alt.Chart(inline(points)).mark_line().encode(x=x, y=y, color=color, strokeDash=dash(names, listed))
    dots = (
        alt.Chart(inline(points))
        .mark_point(filled=True, opacity=0.8)
        .encode(
            x=x,
            y=y,
            color=color,
            shape=shape(names, listed),
            size=alt.Size("messages:Q", legend=None),
            tooltip=["classifier:N", "messages:Q", "right:Q"],
        )
    )
    diagonal: Points = [{"confidence": 0, "right": 0}, {"confidence": 1, "right": 1}]
    ideal = alt.Chart(inline(diagonal)).mark_line(strokeDash=[4, 4], color="#8a93a3").encode(x=x, y=y)
    return sized(ideal + lines + dots, "Reliability: does 80 % sure mean 80 % right?")


def coverage(rows: Sequence[Row]) -> Chart:
    """Draw the accuracy of the surest answers over the share of messages that is answered."""
    import altair as alt

    points: Points = [
        {"classifier": row.name, "answered": 100 * c.share, "accuracy": 100 * c.accuracy}
        for row in rows
        if row.scores and row.scores.probability
        for c in row.scores.probability.coverage
    ]
    names, listed = names_of(rows), list(dict.fromkeys(point["classifier"] for point in points))
    chart = (
        alt.Chart(inline(points))
        .mark_line()
        .encode(
            x=alt.X("answered:Q", title="coverage: % of messages answered, surest first"),
            y=alt.Y("accuracy:Q", title="accuracy on these %", scale=alt.Scale(zero=False)),
            color=colour(names, listed),
            strokeDash=dash(names, listed),
        )
    )
    return sized(chart, "Coverage: how much can be answered at which accuracy")


def cascade(curves: Sequence[CascadeCurve]) -> Chart:
    """Draw each cascade's accuracy over the share passed on to its second classifier; the dot is the threshold."""
    import altair as alt

    lines: Points = [
        {"cascade": curve.classifier, "passed": 100 * p.passed_on, "accuracy": 100 * p.accuracy}
        for curve in curves
        for p in curve.points
    ]
    thresholds: Points = [
        {"cascade": curve.classifier, "passed": 100 * curve.passed_on, "accuracy": 100 * curve.accuracy}
        for curve in curves
    ]
    x = alt.X("passed:Q", title="% of messages passed on to the second classifier")
    y = alt.Y("accuracy:Q", title="accuracy %", scale=alt.Scale(zero=False))
    names = [curve.classifier for curve in curves]
    color = colour(names, names, "cascade")
    drawn = alt.Chart(inline(lines)).mark_line().encode(x=x, y=y, color=color)
    dots = alt.Chart(inline(thresholds)).mark_point(filled=True, size=120).encode(x=x, y=y, color=color)
    return sized(drawn + dots, "Cascades: accuracy against what the second classifier costs")


def retry(rows: Sequence[Row]) -> Chart:
    """Draw at which attempt messages first had a valid answer."""
    import altair as alt

    points: Points = []
    for row in rows:
        if row.scores is None or row.max_attempts < 2:
            continue
        counts = {f"attempt {i}": n for i, n in enumerate(row.scores.valid_at, 1)} | {"never": row.scores.never}
        points += [{"classifier": row.name, "first valid": at, "messages": n} for at, n in counts.items()]
    chart = (
        alt.Chart(inline(points))
        .mark_bar()
        .encode(
            y=alt.Y("classifier:N", title=None, sort=None),
            x=alt.X("messages:Q"),
            color=alt.Color("first valid:N", sort=None, scale=alt.Scale(scheme="blues", reverse=True)),
            tooltip=["classifier:N", "first valid:N", "messages:Q"],
        )
    )
    return sized(chart, "Retries: when the first valid answer came").properties(height=alt.Step(34))
