"""What mistakes cost: a price per wrong answer, and the threshold below which a person had better answer.

Prices are the config's `[cost] wrong` and `person`. A mistake that has no price there costs 1. An answer that cannot be
parsed goes to a person where that has a price; else it counts as the dearest mistake that its message allows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import permutations

import numpy as np
from numpy.typing import NDArray

from bench.analysis.clusters import Clusters, clusters_of, totals
from bench.analysis.label_scores import RESAMPLES, Interval, bootstrap_interval
from bench.analysis.rows import Row
from bench.analysis.shared import shared_records
from bench.analysis.thresholds import ABOVE_ALL
from bench.config.tables import CostConfig
from bench.records.types import PredictionRecord

Costs = NDArray[np.float64]
Records = Sequence[PredictionRecord]


@dataclass(frozen=True, slots=True)
class MistakeCost:
    """What a classifier's mistakes cost per message, over n messages, in the config's currency, with its 95 % interval.

    Answers less sure than `threshold` go to a person; it was chosen on `n_validation` messages and is None where
    nothing goes by it. `to_person` is the share of test messages that a person gets, those without an answer
    included, and `unaided` the cost if the classifier's answers were all taken. `difference` is to the cheapest row,
    paired by message.
    """

    classifier: str
    n: int
    per_message: float
    interval: Interval
    to_person: float
    unaided: float
    threshold: float | None
    n_validation: int
    difference: float
    difference_interval: Interval


def price_of(prices: CostConfig, gold: str, answer: str) -> float:
    """Return the price of an answer; 0 for the right one."""
    return 0.0 if gold == answer else prices.wrong.get(gold, {}).get(answer, 1.0)


def mean_price(prices: CostConfig, labels: Sequence[str]) -> float:
    """Return the mean price of a mistake over all pairs of labels."""
    return float(np.mean([price_of(prices, gold, answer) for gold, answer in permutations(labels, 2)] or [1.0]))


def highest_price(prices: CostConfig, labels: Sequence[str]) -> float:
    """Return the most that one message can cost."""
    known = [price_of(prices, gold, answer) for gold, answer in permutations(labels, 2)]
    return max([*known, prices.person or 0.0])


def message_costs(records: Records, prices: CostConfig, labels: Sequence[str], threshold: float | None) -> Costs:
    """Return what each message costs; with a threshold, answers less sure than that go to a person."""
    return np.array([_cost(record, prices, labels, threshold) for record in records])


def _cost(record: PredictionRecord, prices: CostConfig, labels: Sequence[str], threshold: float | None) -> float:
    (gold,) = record.gold
    if prices.person is not None and goes_to_person(record, threshold):
        return prices.person
    if record.valid:
        return price_of(prices, gold, record.predicted[0])
    return max((price_of(prices, gold, label) for label in labels), default=0.0)


def goes_to_person(record: PredictionRecord, threshold: float | None) -> bool:
    """Tell whether a person answers: nothing could be parsed, or the answer is less sure than the threshold."""
    return not record.valid or (threshold is not None and (record.confidence or 0.0) < threshold)


def choose_threshold(validation: Records, prices: CostConfig, labels: Sequence[str]) -> float | None:
    """Return the threshold of least cost on validation, of several the lowest; None where none can be chosen.

    It can be where a person has a price and the answers have probabilities. `ABOVE_ALL` sends everything to a person.
    """
    if prices.person is None or all(record.confidence is None for record in validation):
        return None
    thresholds = sorted({record.confidence for record in validation if record.confidence is not None})
    means = {t: message_costs(validation, prices, labels, t).mean() for t in (0.0, *thresholds, ABOVE_ALL)}
    return min(means, key=lambda threshold: (round(float(means[threshold]), 12), threshold))


def mistake_costs(rows: Sequence[Row], prices: CostConfig) -> tuple[MistakeCost, ...]:
    """Return what the mistakes of all scored rows cost on the messages that all of them answered."""
    scored = [row for row in rows if row.scores]
    if not scored or scored[0].scores is None or scored[0].scores.takes_several:
        return ()
    answers = shared_records([row.records for row in scored])
    if not answers[0]:
        return ()
    labels, clusters = scored[0].scores.labels, clusters_of(answers[0])
    thresholds = [choose_threshold(row.validation, prices, labels) for row in scored]
    costs = cost_matrix(scored, prices, thresholds)
    unaided = cost_matrix(scored, prices, [None] * len(scored))
    cheapest, most = costs[int(costs.mean(axis=1).argmin())], highest_price(prices, labels)
    return tuple(
        MistakeCost(
            classifier=row.name,
            n=len(records),
            per_message=float(costs[i].mean()),
            interval=cost_interval(costs[i], most, clusters=clusters),
            to_person=_to_person(records, thresholds[i]) if prices.person is not None else 0.0,
            unaided=float(unaided[i].mean()),
            threshold=thresholds[i],
            n_validation=len(row.validation),
            difference=float((costs[i] - cheapest).mean()),
            difference_interval=difference_interval(costs[i] - cheapest, most, clusters=clusters),
        )
        for i, (row, records) in enumerate(zip(scored, answers, strict=True))
    )


def cost_matrix(rows: Sequence[Row], prices: CostConfig, thresholds: Sequence[float | None]) -> Costs:
    """Return the cost of each message (second axis) that all rows (first axis) answered."""
    assert rows[0].scores
    labels = rows[0].scores.labels
    answered = zip(shared_records([row.records for row in rows]), thresholds, strict=True)
    return np.array([message_costs(records, prices, labels, threshold) for records, threshold in answered])


def _to_person(records: Records, threshold: float | None) -> float:
    return sum(goes_to_person(record, threshold) for record in records) / len(records)


def cost_interval(costs: Costs, most: float, *, level: float = 0.95, clusters: Clusters | None = None) -> Interval:
    """Return the bootstrap interval of a mean cost, over messages or over groups of them.

    One message that costs nothing and one that costs the most are added, as Wilson's interval in effect does: ten
    messages without a mistake do not show that there are none.
    """
    return _bootstrap(costs, (0.0, most), level, clusters)


def difference_interval(
    differences: Costs, most: float, *, level: float = 0.95, clusters: Clusters | None = None
) -> Interval:
    """Return the bootstrap interval of a mean difference in cost, paired by message, over messages or their groups.

    A message on which each one alone makes the dearest mistake is added on both sides (Bonett & Price 2012 do so for
    accuracies): two classifiers that agree on ten messages are not equal beyond doubt.
    """
    return _bootstrap(differences, (most, -most), level, clusters)


def _bootstrap(values: Costs, added: tuple[float, float], level: float, clusters: Clusters | None) -> Interval:
    """Return the interval of a mean with two messages added; in place of these two groups of mean size."""
    sums, sizes = totals(values, clusters)
    size = sizes.mean()
    samples = np.append(sums, size * np.array(added)), np.append(sizes, [size, size])
    return bootstrap_interval(
        samples, _ratio, n_resamples=RESAMPLES, seed=0, paired=True, vectorized=True, confidence_level=level
    )


def _ratio(sums: Costs, sizes: Costs, axis: int) -> Costs:
    return np.asarray(sums.sum(axis=axis) / sizes.sum(axis=axis))
