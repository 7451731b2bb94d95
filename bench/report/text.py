"""Say figures as people read them; a missing one is a dash, never 0."""

from __future__ import annotations

from collections.abc import Sequence

from bench.analysis.label_scores import Interval
from bench.analysis.metrics import METRICS, Metric
from bench.analysis.out_of_scope import Share
from bench.analysis.rows import Row
from bench.report.sanitize import one_line
from classifiers.plurals import number_of

DASH = "–"
SMALLEST = 0.01


def share(value: float | None) -> str:
    """Return a share as a percentage with one decimal."""
    return DASH if value is None else f"{100 * value:.1f}"


def size(value: float | None) -> str:
    """Return bytes in decimal units."""
    if value is None:
        return DASH
    for unit in ("B", "kB", "MB"):
        if value < 1000:
            return f"{value:.0f} {unit}"
        value /= 1000
    return f"{value:.2f} GB"


def count(value: float | None) -> str:
    """Return a large count in thousands, millions or billions."""
    if value is None:
        return DASH
    for limit, unit in ((1e9, "B"), (1e6, "M"), (1e3, "k")):
        if value >= limit:
            return f"{value / limit:.3g} {unit}"
    return f"{value:.0f}"


def number(value: float | None) -> str:
    """Return a figure with three significant digits; what is too small to matter is below 0.01."""
    if value is None:
        return DASH
    if 0 < value < SMALLEST:
        return f"< {SMALLEST}"
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def times(ratio: float | None) -> str:
    """Return a ratio with two decimals; a dash where it was not measured."""
    return f"{ratio:.2f} ×" if ratio else DASH


def with_interval(value: float, interval: Interval) -> str:
    """Return a share as a percentage, its interval behind it in brackets."""
    return f"{share(value)} {brackets(interval)}"


def counted(part: Share) -> str:
    """Return a share of counted messages with its interval; a dash of none."""
    return DASH if part.value is None or part.interval is None else with_interval(part.value, part.interval)


def brackets(interval: Interval) -> str:
    """Return an interval of shares in percent."""
    return f"[{share(interval.low)}, {share(interval.high)}]"


def signed(interval: Interval) -> str:
    """Return an interval of differences in points."""
    return f"[{100 * interval.low:+.1f}, {100 * interval.high:+.1f}]"


def label_text(labels: Sequence[str]) -> str:
    """Return a message's labels as text."""
    return ", ".join(labels) or "no label"


def shortened(text: str, most: int) -> str:
    """Return a text on one line, cut to that many signs."""
    line = one_line(text)
    return line if len(line) <= most else line[:most] + "…"


def money(value: float | None) -> str:
    """Return an amount with two decimals."""
    return DASH if value is None else f"{value:,.2f}"


FORMS = {"%": share, "B": size, "n": count}


def cell_text(metric: Metric, row: Row, *, bracketed: bool = True) -> str:
    """Return a metric's text, its interval behind it in brackets where it has one."""
    text = FORMS.get(metric.unit, number)(metric.value(row))
    interval = metric.interval(row) if bracketed else None
    return f"{text} {brackets(interval)}" if interval else text


def takes_text(row: Row) -> str:
    """Say what a classifier takes: time, memory and labelled messages, those that are known."""
    taken = row.resources
    parts = [
        f"{number(taken.latency_ms.p50)} ms per message" if taken.latency_ms else "",
        f"{number(taken.throughput_per_s)} messages per second in batches" if taken.throughput_per_s else "",
        f"{size(taken.memory_bytes)} of memory to serve" if taken.memory_bytes else "",
        number_of(taken.n_labelled, "labelled message") if taken.n_labelled is not None else "",
    ]
    text = ", ".join(filter(None, parts))
    return f"{text[:1].upper()}{text[1:]}." if text else ""


def heading(metric: Metric) -> str:
    """Return a column's head: name, unit and an arrow for the better way."""
    arrow = {True: " ↑", False: " ↓", None: ""}[metric.higher_is_better]
    unit = f" {metric.unit}" if metric.unit not in ("", "B", "n") else ""
    return f"{metric.name}{unit}{arrow}"


def best_rows(metric: Metric, rows: list[Row]) -> set[str]:
    """Return the classifiers that are best in a column, to be set in bold; none where way or data lack."""
    values = {row.name: v for row in rows if (v := metric.value(row)) is not None}
    if metric.higher_is_better is None or len(values) < 2:
        return set()
    best = (max if metric.higher_is_better else min)(values.values())
    return {name for name, value in values.items() if value == best}


def shown_metrics(rows: list[Row], names: tuple[str, ...]) -> list[Metric]:
    """Return the metrics of these names that any row has a figure for."""
    return [m for m in METRICS if m.name in names and any(m.value(row) is not None for row in rows)]


SUMMARY = ("accuracy", "p50", "throughput", "serving memory")
QUALITY = (
    "accuracy",
    "design effect",
    "first-attempt accuracy",
    "parse failures",
    "micro F1",
    "macro F1",
    "Hamming loss",
)
PROBABILITY = (
    "log loss",
    "Brier",
    "calibration error",
    "recalibrated error",
    "coverage at 99 % accuracy",
    "accuracy kept",
)
TIMES = ("p50", "p95", "throughput", "load", "fit", "predict")
SIZES = ("serving memory", "peak memory", "parameters", "disk")
