"""Accuracy against what it costs: which rows are beaten by no other one in both."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bench.analysis.cost import Cost
from bench.analysis.rows import Row
from bench.analysis.scores import Scores
from bench.config.tables import CostConfig


@dataclass(frozen=True, slots=True)
class TradeoffPoint:
    """A row's cost beside its scores; `is_best` says that none is both cheaper and more accurate."""

    classifier: str
    cost: float
    scores: Scores
    is_best: bool


def tradeoff(rows: Sequence[Row], cost: Callable[[Row], float | None]) -> tuple[TradeoffPoint, ...]:
    """Return the scored rows whose cost is known, in their order."""
    known = [(row.name, figure, row.scores) for row in rows if row.scores and (figure := cost(row)) is not None]
    best = pareto([(figure, scores.accuracy) for _, figure, scores in known])
    return tuple(TradeoffPoint(*point, is_best) for point, is_best in zip(known, best, strict=True))


def for_a_million(cost: Cost | None, prices: CostConfig) -> float | None:
    """Return what a million messages cost, training and labelling included; without prices, the machine hours."""
    if cost is None:
        return None
    return cost.total(1e6) if prices.are_set else cost.hours_per_million


def pareto(points: Sequence[tuple[float, float]]) -> list[bool]:
    """Tell of every (cost, quality) whether no other costs at most as much and is at least as good, one strictly."""

    def beats(a: tuple[float, float], b: tuple[float, float]) -> bool:
        return a[0] <= b[0] and a[1] >= b[1] and a != b

    return [not any(beats(other, point) for other in points) for point in points]
