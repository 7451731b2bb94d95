"""Say which classifier to use by what it costs in all: mistakes, people asked, and, where they have prices, its work.

The row of least cost per message is recommended where it is shown to cost at most the margin more than every other row,
and less than every floor; else test messages are too few. The margin is that share of the mean price of a mistake.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from bench.analysis.clusters import Clusters, clusters_of
from bench.analysis.compare import FLOOR
from bench.analysis.cost import cost_of
from bench.analysis.label_scores import Interval
from bench.analysis.mistake_cost import (
    Costs,
    choose_threshold,
    cost_interval,
    cost_matrix,
    difference_interval,
    highest_price,
    mean_price,
)
from bench.analysis.recommend import none_fits, within
from bench.analysis.rows import Row
from bench.analysis.selection import ERROR
from bench.analysis.shared import shared_records
from bench.analysis.verdict import MARGIN, Limits, Verdict
from bench.config.tables import CostConfig
from classifiers.errors import BenchError
from classifiers.plurals import number_of


@dataclass(frozen=True, slots=True)
class _Race:
    """The rows that keep the limits, what each message costs with each, and what is said of the others.

    `margin` is a share, and `margin_cost` what it comes to per message; `most` is the most that a message can cost.
    `clusters` is the group of each message.
    """

    rows: tuple[Row, ...]
    costs: Costs
    clusters: Clusters | None
    prices: CostConfig
    margin: float
    margin_cost: float
    most: float
    out: tuple[str, ...]

    @property
    def best(self) -> int:
        """Return the row of least cost, floors left out where there is another."""
        candidates = [i for i, row in enumerate(self.rows) if row.backend != FLOOR] or range(len(self.rows))
        return min(candidates, key=lambda i: float(self.costs[i].mean()))

    def behind(self) -> Iterator[tuple[Row, Interval]]:
        """Yield every other row with the interval of what it costs more than the best, corrected for their number."""
        rivals = sum(row.backend != FLOOR for row in self.rows) - 1
        for i, row in enumerate(self.rows):
            if i != self.best:
                level = 1 - (ERROR if row.backend == FLOOR else 2 * ERROR / max(rivals, 1))
                behind = self.costs[i] - self.costs[self.best]
                yield row, difference_interval(behind, self.most, level=level, clusters=self.clusters)

    def is_settled(self, row: Row, interval: Interval) -> bool:
        """Tell whether a row is shown not to be cheaper than the best by the margin; a floor, to cost more."""
        return interval.low > (0 if row.backend == FLOOR else -self.margin_cost)

    def money(self, amount: float) -> str:
        """Return an amount as text."""
        return f"{amount:.3g} {self.prices.currency}"


def recommend_by_cost(
    rows: Sequence[Row], limits: Limits, prices: CostConfig, *, margin: float = MARGIN, is_timed: bool = True
) -> Verdict:
    """Select by cost per message among a run's classifiers; the arguments are those of `recommend`.

    Raises:
        BenchError: if mistakes have no prices, or there is a limit on latency and times cannot be compared.
    """
    if not prices.prices_mistakes:
        raise BenchError("mistakes have no prices: give `wrong` or `person` in the config's [cost] table")
    fit, broken = within(limits, rows, is_timed=is_timed)
    work = {row.name: _work(row, limits, prices, is_timed=is_timed) for row in fit}
    broken |= {name: "has no known cost of answering" for name, cost in work.items() if cost is None}
    fit = [row for row in fit if row.name not in broken]
    if not fit or not fit[0].scores:
        return none_fits(broken, margin)
    if fit[0].scores.takes_several:
        raise BenchError("mistakes have prices only where a message has exactly one label")
    labels = fit[0].scores.labels
    costs = cost_matrix(fit, prices, [choose_threshold(row.validation, prices, labels) for row in fit])
    if not costs.size:
        raise BenchError("the classifiers answered no message in common")
    costs += np.array([[work[row.name] or 0.0] for row in fit])
    out = tuple(f"{name} is out: it {reason}." for name, reason in broken.items())
    margin_cost, most = margin * mean_price(prices, labels), highest_price(prices, labels)
    clusters = clusters_of(shared_records([row.records for row in fit])[0])
    return _verdict(_Race(tuple(fit), costs, clusters, prices, margin, margin_cost, most, out))


def _work(row: Row, limits: Limits, prices: CostConfig, *, is_timed: bool) -> float | None:
    """Return labelling, training and answering per message; 0 without prices, None where times are not known."""
    if not (prices.are_set and is_timed):
        return 0.0
    cost = cost_of(row.resources, prices)
    return cost.total(limits.volume) / limits.volume if cost else None


def _verdict(race: _Race) -> Verdict:
    name, n, mine = race.rows[race.best].name, race.costs.shape[1], race.costs[race.best]
    interval = cost_interval(mine, race.most, clusters=race.clusters)
    figures = f"{race.money(float(mine.mean()))} per message [{interval.low:.3g}, {interval.high:.3g}]"
    behind = list(race.behind())
    unsettled = [row.name for row, interval in behind if not race.is_settled(row, interval)]
    headline = f"Use {name}: it costs least, {figures} on {number_of(n, 'message')}."
    if unsettled:
        headline = f"Too few test messages to decide by cost: there are {n:,}. {name} costs least so far, {figures}."
    sure = tuple(_sure(race, behind))
    asked = (f"More test messages would show whether these cost less than {name}: {', '.join(unsettled)}.",)
    changes = (*(asked if unsettled else ()), *race.out)
    return Verdict(
        classifier=name,
        sentences=(headline, *sure, *changes),
        is_decided=not unsettled,
        best=name,
        margin=race.margin,
        sure=sure,
        changes=changes,
    )


def _sure(race: _Race, behind: Sequence[tuple[Row, Interval]]) -> Iterator[str]:
    name, person = race.rows[race.best].name, race.prices.person
    if expensive := [row.name for row, interval in behind if interval.low > 0]:
        yield f"Measurably more expensive: {', '.join(expensive)}."
    if close := [r.name for r, interval in behind if interval.low <= 0 and race.is_settled(r, interval)]:
        yield f"Shown not to be cheaper than {name} by {race.money(race.margin_cost)}: {', '.join(close)}."
    if person is not None and person < float(race.costs[race.best].mean()):
        yield f"Giving every message to a person would cost less: {race.money(person)}."
