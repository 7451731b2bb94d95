"""Say which classifier to use, by rules and measured figures alone; no prose is made up.

1. Rows that break a limit are out.
2. Among the rest, those that McNemar's test (Holm-corrected) cannot tell from the most accurate are equals.
3. Of the equals the cheapest is chosen: by cost where prices are given, else by time for a message in batches.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from bench.analysis.compare import Pair
from bench.analysis.cost import break_even, cost_of
from bench.analysis.scores import Row
from bench.config.tables import CostConfig

LEVEL = 0.05


@dataclass(frozen=True, slots=True)
class Limits:
    """What must hold of a classifier; None is no limit. `volume` is messages in all, for the cost."""

    latency_ms: float | None = None
    memory_gb: float | None = None
    labels: int | None = None
    volume: float = 1e6


@dataclass(frozen=True, slots=True)
class Verdict:
    """The classifier to use, None where none meets the limits, and the sentences that say why.

    `sure`, `costs` and `changes` are those of the sentences that say how sure that is, what it costs, and what would
    change it.
    """

    classifier: str | None
    sentences: tuple[str, ...]
    sure: tuple[str, ...] = ()
    costs: tuple[str, ...] = ()
    changes: tuple[str, ...] = ()


def recommend(rows: Sequence[Row], pairs: Sequence[Pair], limits: Limits, prices: CostConfig) -> Verdict:
    """Choose among a run's classifiers."""
    scored = _first_seeds([row for row in rows if row.scores])
    broken = {row.cell.classifier: why for row in scored if (why := _breaks(row, limits))}
    fit = [row for row in scored if row.cell.classifier not in broken]
    if not fit:
        reasons = "; ".join(f"{name} {why}" for name, why in broken.items()) or "no classifier has answers"
        return Verdict(None, (f"None meets the limits: {reasons}.",))
    best = max(fit, key=_accuracy)
    equals = [row for row in fit if row is best or not _differs(row, best, pairs)]
    chosen = min(equals, key=lambda row: _price(row, limits, prices))
    use, *sure = _why(chosen, best, equals, fit, pairs)
    costs = tuple(_cost(chosen, equals, limits, prices))
    changes = (*_doubts(chosen, fit, pairs), *(f"{name} is out: it {why}." for name, why in broken.items()))
    return Verdict(chosen.cell.classifier, (use, *sure, *costs, *changes), tuple(sure), costs, changes)


def _first_seeds(rows: Sequence[Row]) -> list[Row]:
    """Give one row a row of the config: what is chosen is a way of classifying, not a lucky seed."""
    return list({row.cell.row or row.cell.classifier: row for row in reversed(rows)}.values())[::-1]


def _accuracy(row: Row) -> float:
    return row.scores.accuracy if row.scores else 0.0


def _breaks(row: Row, limits: Limits) -> str | None:
    """Give the limit a row breaks, with its figure; what was not measured breaks a limit on it."""
    cell = row.cell
    latency = cell.latency_ms.p50 if cell.latency_ms else math.inf
    memory = (cell.predict_memory_bytes or cell.peak_memory_bytes or math.inf) / 1e9
    if limits.latency_ms is not None and latency > limits.latency_ms:
        return f"takes {latency:,.1f} ms a message, over the limit of {limits.latency_ms:g}"
    if limits.memory_gb is not None and memory > limits.memory_gb:
        return f"needs {memory:.2f} GB, over the limit of {limits.memory_gb:g}"
    if limits.labels is not None and (cell.n_labelled is None or cell.n_labelled > limits.labels):
        used = "an unknown number of" if cell.n_labelled is None else f"{cell.n_labelled:,}"
        return f"used {used} labelled messages, over the {limits.labels:,} there are"
    return None


def _pair(a: Row, b: Row, pairs: Sequence[Pair]) -> Pair | None:
    names = {a.cell.classifier, b.cell.classifier}
    return next((pair for pair in pairs if {pair.first, pair.second} == names), None)


def _differs(a: Row, b: Row, pairs: Sequence[Pair]) -> bool:
    found = _pair(a, b, pairs)
    return found is None or found.holm_p_value < LEVEL


def _price(row: Row, limits: Limits, prices: CostConfig) -> tuple[float, float]:
    cost = cost_of(row.cell, prices)
    if cost is None:
        return math.inf, 0.0
    return cost.total(limits.volume), cost.hours_per_million


def _percent(row: Row) -> str:
    assert row.scores is not None
    interval = row.scores.accuracy_interval
    return f"{100 * row.scores.accuracy:.1f} % right [{100 * interval.low:.1f}, {100 * interval.high:.1f}]"


def _why(chosen: Row, best: Row, equals: Sequence[Row], fit: Sequence[Row], pairs: Sequence[Pair]) -> Iterator[str]:
    yield f"Use {chosen.cell.classifier}: {_percent(chosen)} on {chosen.scores.n if chosen.scores else 0} messages."
    if chosen is not best and (pair := _pair(chosen, best, pairs)):
        points = 100 * abs(pair.difference)
        speed = (chosen.cell.throughput_per_s or 0) / (best.cell.throughput_per_s or 1)
        yield (
            f"{best.cell.classifier} is {points:.1f} points ahead, which may be chance (Holm p = "
            f"{pair.holm_p_value:.2g}); {chosen.cell.classifier} answers {_times(speed)} times as fast."
        )
    same = [row.cell.classifier for row in equals if row is not chosen and row is not best]
    if same:
        yield f"These cannot be told from the most accurate either: {', '.join(same)}."
    worse = [row.cell.classifier for row in fit if row not in equals]
    if worse:
        yield f"Measurably less accurate: {', '.join(worse)}."


def _times(ratio: float) -> str:
    return f"{ratio:,.0f}" if ratio >= 10 else f"{ratio:.1f}"


def _cost(chosen: Row, equals: Sequence[Row], limits: Limits, prices: CostConfig) -> Iterator[str]:
    if not prices.are_set:
        return
    mine = cost_of(chosen.cell, prices)
    if mine is None:
        return
    unit = prices.currency
    yield (
        f"It costs {mine.total(limits.volume):,.2f} {unit} for {limits.volume:,.0f} messages: labelling "
        f"{mine.labelling:,.2f}, training {mine.training:,.2f}, answering {mine.per_million:,.2f} a million."
    )
    for row in equals:
        other = cost_of(row.cell, prices)
        if row is chosen or other is None or not (volume := break_even(mine, other)):
            continue
        a, b = (chosen, row) if mine.per_million < other.per_million else (row, chosen)
        yield f"Above {volume:,.0f} messages {a.cell.classifier} is cheaper than {b.cell.classifier}, below it dearer."


def _doubts(chosen: Row, fit: Sequence[Row], pairs: Sequence[Pair]) -> Iterator[str]:
    """Say what would change the answer: more test messages, and how many."""
    for row in fit:
        pair = _pair(chosen, row, pairs)
        if row is chosen or pair is None or pair.holm_p_value < LEVEL or not pair.needed_n:
            continue
        if _accuracy(row) > _accuracy(chosen):
            yield (
                f"If {row.cell.classifier} is really better by {100 * abs(pair.difference):.1f} points, about "
                f"{pair.needed_n:,} test messages would show it; there are {pair.n:,}."
            )
