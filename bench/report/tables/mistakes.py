"""The table of what mistakes cost, where they have prices."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from bench.analysis.label_scores import Interval
from bench.analysis.mistake_cost import MistakeCost
from bench.config.tables import CostConfig
from bench.report.tables.table import Table, Topic
from bench.report.text import DASH, share
from classifiers.plurals import number_of


def mistake_table(costs: Sequence[MistakeCost], prices: CostConfig) -> Table:
    """Return the cost of mistakes per message, and what goes to a person where that has a price."""
    asks = prices.person is not None
    body = tuple(
        (
            cost.classifier,
            f"{cost.per_message:.3f} {_brackets(cost.interval)}",
            *((f"{cost.unaided:.3f}", share(cost.to_person), _threshold(cost)) if asks else ()),
            f"{cost.difference:+.3f} {_brackets(cost.difference_interval, '+')}" if cost.difference else DASH,
        )
        for cost in costs
    )
    cheapest = min(cost.per_message for cost in costs)
    bold = frozenset((i, 1) for i, cost in enumerate(costs) if cost.per_message == cheapest and len(costs) > 1)
    with_person = ("if it answers all ↓", "to a person %", "if less sure than") if asks else ()
    head = ("classifier", f"{prices.currency} per message ↓", *with_person, "more than the cheapest")
    return Table("Cost of mistakes", head, body, bold, tuple(_notes(costs, prices)), topic=Topic.COST, is_main=True)


def _brackets(interval: Interval, sign: str = "") -> str:
    return f"[{interval.low:{sign}.3f}, {interval.high:{sign}.3f}]"


def _threshold(cost: MistakeCost) -> str:
    """Return the threshold; one above 1 is never reached, so that a person gets everything."""
    if cost.threshold is None:
        return DASH
    return "> 1" if cost.threshold > 1 else f"{cost.threshold:.3f}"


def _notes(costs: Sequence[MistakeCost], prices: CostConfig) -> Iterator[str]:
    yield "A wrong answer costs what the config's [cost] table says under wrong, and 1 where it says nothing."
    if prices.person is None:
        yield "A parse failure counts as the most expensive mistake that its message allows."
    else:
        n = max(cost.n_validation for cost in costs)
        yield (
            f"A person costs {prices.person:g} per message and gets parse failures and the answers that are less sure "
            f"than the threshold, the one of least cost on up to {number_of(n, 'validation message')}."
        )
    yield (
        f"Brackets are 95 % intervals by bootstrap over the {number_of(costs[0].n, 'test message')} that all rows "
        "answered; "
        "differences are paired by message."
    )
