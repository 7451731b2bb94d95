"""Accuracy against cost: what is beaten in both, and what a million messages come to."""

from __future__ import annotations

from dataclasses import replace

from samples import hits, with_cell

from bench.analysis.cost import Cost
from bench.analysis.tradeoff import for_a_million, pareto, tradeoff
from bench.config.tables import CostConfig
from bench.records.types import Latency


def test_the_front_holds_what_nothing_beats_in_both() -> None:
    assert pareto([(1, 50), (2, 90), (3, 80), (2, 90), (4, 95)]) == [True, True, False, True, True]


def test_rows_without_answers_or_a_known_cost_are_no_points() -> None:
    fast = with_cell(hits("fast", [True, False]), latency_ms=Latency(1.0, 2.0, 10))
    slow = with_cell(hits("slow", [True, False]), latency_ms=Latency(5.0, 9.0, 10))
    untimed, failed = hits("untimed", [True, True]), replace(slow, name="failed", scores=None)
    points = tradeoff(
        [slow, untimed, fast, failed], lambda row: row.resources.latency_ms.p50 if row.resources.latency_ms else None
    )
    assert [(p.classifier, p.cost, p.scores.accuracy, p.is_best) for p in points] == [
        ("slow", 5.0, 0.5, False),
        ("fast", 1.0, 0.5, True),
    ]


def test_a_million_messages_cost_money_where_there_are_prices_and_else_hours() -> None:
    cost = Cost(labelling=10.0, training=2.0, per_million=30.0, hours_per_million=7.0)
    assert for_a_million(cost, CostConfig(machine_per_hour=1.0)) == 42.0
    assert for_a_million(cost, CostConfig()) == 7.0
    assert for_a_million(None, CostConfig()) is None
