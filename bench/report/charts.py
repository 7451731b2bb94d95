"""The report's charts, as Vega-Lite specifications made with Altair; saved as PNG and SVG without a browser."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.cascade import points
from bench.config import CostConfig
from bench.cost import cost_of
from bench.curve import Group, curves, flat_lines, groups
from bench.report.format import cell_text, heading
from bench.report.sections import Report
from bench.scores import METRICS, UNPARSED, Row, whole_rows

FORMATS = ("png", "svg")
PIXELS = 2
SMALLEST = 0.01
"""What a cost is drawn at that a logarithmic scale could not show."""
PANEL = 190
WIDTH, HEIGHT = 560, 320
LARGEST_MATRIX = 20

Points = list[dict[str, Any]]
Chart = Any
"""An Altair chart: alone, layered or faceted, which are types without a common one."""


def charts(report: Report) -> Iterator[tuple[str, Chart]]:
    """Give the charts a run has data for, each with its name, the most important first."""
    scored = [row for row in whole_rows(report.rows) if row.scores]
    found = groups(report.rows)
    if report.is_timed and any(row.cell.latency_ms for row in scored):
        yield "tradeoff", tradeoff(scored)
    if report.is_timed and any(row.cell.throughput_per_s for row in scored):
        yield "cost", cost_tradeoff(scored, report.prices)
        yield "bars", bars(scored)
    if curves(found):
        yield "curve", learning_curve(found)
    if any(row.scores.confusion for row in scored if row.scores):
        yield "confusion", confusion(scored)
    if any(row.scores.probability for row in scored if row.scores):
        yield "reliability", reliability(scored)
        yield "coverage", coverage(scored)
    if any("passed on" in row.cell.facts for row in scored):
        yield "cascade", cascade(scored)
    if any(row.cell.max_attempts > 1 for row in scored):
        yield "retry", retry(scored)


def save_charts(folder: Path, drawn: Mapping[str, Chart]) -> None:
    """Write every chart into a folder as PNG and SVG, each through a sibling that is renamed when it is whole."""
    folder.mkdir(exist_ok=True)
    for name, chart in drawn.items():
        for kind in FORMATS:
            beside = folder / f".{name}.new.{kind}"
            chart.save(str(beside), scale_factor=PIXELS if kind == "png" else 1)
            beside.replace(folder / f"{name}.{kind}")


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
    best = pareto([(point["cost"], point["accuracy"]) for point in points])
    for point, is_best in zip(points, best, strict=True):
        point["front"] = is_best
    base = alt.Chart(_data(points)).encode(x=alt.X("cost:Q", title=unit, scale=alt.Scale(type="log")))
    y = alt.Y("accuracy:Q", title="accuracy %", scale=alt.Scale(zero=False))
    color = alt.Color("classifier:N", sort=None, legend=None)
    front = base.transform_filter("datum.front").mark_line(strokeDash=[4, 4], color="gray").encode(y=y)
    bars = base.mark_rule().encode(y=alt.Y("low:Q", title="accuracy %"), y2="high:Q", color=color)
    dots = base.mark_point(filled=True, size=90).encode(
        y=y,
        color=color,
        tooltip=["classifier:N", "accuracy:Q", "cost:Q"],
    )
    names = base.mark_text(align="left", dx=8, dy=-6).encode(y=y, text="classifier:N", color=color)
    return _sized(front + bars + dots + names, title)


BARS = ("throughput", "p50", "fit", "memory", "disk")
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
        base = alt.Chart(_data(points)).encode(
            y=alt.Y("classifier:N", sort=None, title=None),
            x=alt.X("value:Q", title=heading(metric), axis=axis),
        )
        words = base.mark_text(align="left", dx=3).encode(text="text:N")
        drawn = base.mark_bar().encode(color=alt.Color("classifier:N", sort=None, legend=None)) + words
        panels.append(drawn.properties(width=PANEL, height=alt.Step(22)))
    chart: Any = alt.concat(*panels, columns=2)
    return chart.properties(title="Speed, memory and size")


def pareto(points: Sequence[tuple[float, float]]) -> list[bool]:
    """Tell of every (cost, quality) whether no other costs at most as much and is at least as good, one strictly."""

    def beats(a: tuple[float, float], b: tuple[float, float]) -> bool:
        return a[0] <= b[0] and a[1] >= b[1] and a != b

    return [not any(beats(other, point) for other in points) for point in points]


def learning_curve(found: Sequence[Group]) -> Chart:
    """Draw accuracy over training messages a label, with the spread over seeds, beside flat lines."""
    import altair as alt

    learners = curves(found)
    points: Points = [
        {
            "classifier": row,
            "messages": group.per_label,
            "accuracy": 100 * group.mean,
            "low": 100 * (group.mean - (group.sd or 0)),
            "high": 100 * (group.mean + (group.sd or 0)),
        }
        for row, own in learners.items()
        for group in own
    ]
    flat: Points = [{"classifier": group.row, "accuracy": 100 * group.mean} for group in flat_lines(found)]
    color = alt.Color("classifier:N", sort=[*learners, *(line["classifier"] for line in flat)], title=None)
    x = alt.X("messages:Q", title="training messages a label", scale=alt.Scale(type="log", base=2))
    y = alt.Y("accuracy:Q", title="accuracy %", scale=alt.Scale(zero=False))
    lines = alt.Chart(_data(points)).mark_line(point=True).encode(x=x, y=y, color=color)
    bars = alt.Chart(_data(points)).mark_rule().encode(x=x, y=alt.Y("low:Q"), y2="high:Q", color=color)
    rules = alt.Chart(_data(flat)).mark_rule(strokeDash=[6, 4]).encode(y=y, color=color)
    return _sized(lines + bars + (rules if flat else alt.layer()), "Learning curve")


def confusion(rows: Sequence[Row]) -> Chart:
    """Draw the confusion matrices side by side; with many labels only the most confused ones."""
    import altair as alt

    points: Points = []
    order = _confused(rows)
    for row in rows:
        assert row.scores is not None
        names = [*row.scores.labels, UNPARSED]
        for gold, line in zip(row.scores.labels, row.scores.confusion, strict=True):
            points += [
                {"classifier": row.cell.classifier, "gold": gold, "answer": answer, "messages": n}
                for answer, n in zip(names, line, strict=True)
                if gold in order and (answer in order or answer == UNPARSED)
            ]
    x = alt.X("answer:N", sort=[*order, UNPARSED], axis=alt.Axis(labelAngle=-40))
    y = alt.Y("gold:N", sort=order)
    base = alt.Chart().encode(x=x, y=y)
    cells = base.mark_rect().encode(
        color=alt.Color("messages:Q", scale=alt.Scale(scheme="blues"), legend=None),
        tooltip=["classifier:N", "gold:N", "answer:N", "messages:Q"],
    )
    numbers = base.mark_text(fontSize=10).encode(
        text="messages:Q", color=alt.condition("datum.messages > 40", alt.value("white"), alt.value("black"))
    )
    side = max(120, min(26 * len(order), 520))
    layered = alt.layer(cells, numbers, data=_data(points)).properties(width=side + 30, height=side)
    kinds = [row.cell.classifier for row in rows]
    faceted: Any = layered.facet(facet=alt.Facet("classifier:N", sort=kinds, title=None), columns=3)
    return faceted.properties(title="Confusion: gold label (row) against answer (column)")


def _confused(rows: Sequence[Row]) -> list[str]:
    """Give the labels to draw, in the task's order: all, or the ones with most errors over all classifiers."""
    scores = [row.scores for row in rows if row.scores]
    labels = list(scores[0].labels)
    if len(labels) <= LARGEST_MATRIX:
        return labels
    errors = dict.fromkeys(labels, 0)
    for one in scores:
        for i, (name, line) in enumerate(zip(one.labels, one.confusion, strict=True)):
            errors[name] += sum(line) - line[i]
    worst = sorted(labels, key=lambda name: -errors[name])[:LARGEST_MATRIX]
    return [name for name in labels if name in worst]


def reliability(rows: Sequence[Row]) -> Chart:
    """Draw the share right over the confidence of answers; a trustworthy classifier lies on the diagonal."""
    import altair as alt

    points: Points = [
        {"classifier": row.cell.classifier, "confidence": b.confidence, "right": b.accuracy, "messages": b.n}
        for row in rows
        if row.scores and row.scores.probability
        for b in row.scores.probability.bins
    ]
    scale = alt.Scale(domain=[0, 1])
    x, y = alt.X("confidence:Q", scale=scale), alt.Y("right:Q", title="share right", scale=scale)
    color = alt.Color("classifier:N", sort=None, title=None)
    lines = alt.Chart(_data(points)).mark_line().encode(x=x, y=y, color=color)
    dots = (
        alt.Chart(_data(points))
        .mark_circle()
        .encode(
            x=x,
            y=y,
            color=color,
            size=alt.Size("messages:Q", legend=None),
            tooltip=["classifier:N", "messages:Q", "right:Q"],
        )
    )
    diagonal: Points = [{"confidence": 0, "right": 0}, {"confidence": 1, "right": 1}]
    ideal = alt.Chart(_data(diagonal)).mark_line(strokeDash=[4, 4], color="gray").encode(x=x, y=y)
    return _sized(ideal + lines + dots, "Reliability: does 80 % sure mean 80 % right?")


def coverage(rows: Sequence[Row]) -> Chart:
    """Draw the accuracy of the surest answers over the share of messages that is answered."""
    import altair as alt

    points: Points = [
        {"classifier": row.cell.classifier, "answered": 100 * c.share, "accuracy": 100 * c.accuracy}
        for row in rows
        if row.scores and row.scores.probability
        for c in row.scores.probability.coverage
    ]
    chart = (
        alt.Chart(_data(points))
        .mark_line()
        .encode(
            x=alt.X("answered:Q", title="messages answered %, surest first"),
            y=alt.Y("accuracy:Q", title="accuracy of these %", scale=alt.Scale(zero=False)),
            color=alt.Color("classifier:N", sort=None, title=None),
        )
    )
    return _sized(chart, "How much can be answered at which accuracy")


def cascade(rows: Sequence[Row]) -> Chart:
    """Draw each cascade's accuracy over the share passed on to its second classifier; the dot is the chosen bound."""
    import altair as alt

    by_name = {row.cell.classifier: row for row in rows}
    lines: Points = []
    chosen: Points = []
    for row in rows:
        facts = row.cell.facts
        if "passed on" not in facts or row.scores is None:
            continue
        name = row.cell.classifier
        pair = (by_name[str(facts["first"])].records, by_name[str(facts["second"])].records)
        lines += [{"cascade": name, "passed": 100 * p.passed_on, "accuracy": 100 * p.accuracy} for p in points(*pair)]
        chosen.append(
            {"cascade": name, "passed": 100 * float(facts["passed on"]), "accuracy": 100 * row.scores.accuracy}
        )
    x = alt.X("passed:Q", title="messages passed on to the second %")
    y = alt.Y("accuracy:Q", title="accuracy %", scale=alt.Scale(zero=False))
    color = alt.Color("cascade:N", sort=None, title=None)
    curve = alt.Chart(_data(lines)).mark_line().encode(x=x, y=y, color=color)
    dots = alt.Chart(_data(chosen)).mark_point(filled=True, size=120).encode(x=x, y=y, color=color)
    return _sized(curve + dots, "Cascades: accuracy against what the second classifier costs")


def retry(rows: Sequence[Row]) -> Chart:
    """Draw at which attempt messages first had a valid answer."""
    import altair as alt

    points: Points = []
    for row in rows:
        if row.scores is None or row.cell.max_attempts < 2:
            continue
        counts = {f"attempt {i}": n for i, n in enumerate(row.scores.valid_at, 1)} | {"never": row.scores.never}
        points += [{"classifier": row.cell.classifier, "first valid": at, "messages": n} for at, n in counts.items()]
    chart = (
        alt.Chart(_data(points))
        .mark_bar()
        .encode(
            y=alt.Y("classifier:N", title=None, sort=None),
            x=alt.X("messages:Q"),
            color=alt.Color("first valid:N", sort=None, scale=alt.Scale(scheme="blues", reverse=True)),
            tooltip=["classifier:N", "first valid:N", "messages:Q"],
        )
    )
    return _sized(chart, "Retry: when the first valid answer came").properties(height=alt.Step(34))


def _data(points: Points) -> Any:
    import altair as alt

    make: Any = alt.Data
    return make(values=points)


def _sized(chart: Any, title: str) -> Any:
    return chart.properties(width=WIDTH, height=HEIGHT, title=title)
