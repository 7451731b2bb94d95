"""Several seeds of a row and several numbers of training messages: means, spreads and the learning curve.

The question behind the curve is how many labelled messages an encoder needs to pass an LLM that needs
none. Every point is scored on the same test messages, so differences are paired by message.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bench.analysis.clusters import Clusters, clusters_of, mean_error, totals
from bench.analysis.label_scores import Interval, bootstrap_interval, resamples_at_once
from bench.analysis.rows import Row
from bench.analysis.shared import shared_records

RESAMPLES = 2000


@dataclass(frozen=True, slots=True)
class Group:
    """The seeds of one row at one number of training messages; `train_per_label` is None for the whole part.

    `right` says of every seed (first axis) which test messages it got right, in the order of their ids, of those that
    all seeds answered; `clusters` is the group of each message, None where they are independent.
    `per_label` is how many training messages per label it learnt from, on the mean over labels.
    """

    row: str
    train_per_label: int | None
    per_label: float
    right: NDArray[np.bool_]
    clusters: Clusters | None = None

    @property
    def accuracies(self) -> tuple[float, ...]:
        """Return the accuracy of every seed."""
        return tuple(map(float, self.right.mean(axis=1)))

    @property
    def hits(self) -> NDArray[np.float64]:
        """Return the share of seeds that got each test message right."""
        return np.asarray(self.right.mean(axis=0))

    @property
    def mean(self) -> float:
        """Return the mean accuracy over the seeds."""
        return float(np.mean(self.accuracies))

    @property
    def sd(self) -> float | None:
        """Return the standard deviation over the seeds (n - 1), None for one seed."""
        return float(np.std(self.accuracies, ddof=1)) if len(self.accuracies) > 1 else None

    @property
    def interval(self) -> Interval | None:
        """Return the 95 % interval of the mean over seeds and messages, None for one seed.

        New seeds and new messages would both change it. Every resample draws seeds and, independently, messages, or
        groups of them: all seeds answered the same ones (Owen 2007, "The pigeonhole bootstrap").
        """
        return None if len(self.right) < 2 else _pigeonhole(self.right, self.clusters)


def _pigeonhole(right: NDArray[np.bool_], clusters: Clusters | None, *, seed: int = 0) -> Interval:
    """Return the 95 % percentile interval of the mean of a matrix both of whose axes are resampled."""
    sums = np.array([totals(row, clusters)[0] for row in right])
    sizes = totals(right[0], clusters)[1]
    rng, (n_seeds, n) = np.random.default_rng(seed), sums.shape
    means: list[NDArray[np.float64]] = []
    while (left := RESAMPLES - sum(map(len, means))) > 0:
        drawn = min(left, resamples_at_once(n))
        weights = rng.multinomial(n_seeds, [1 / n_seeds] * n_seeds, size=drawn) / n_seeds
        places = rng.integers(0, n, size=(drawn, n))
        means.append(np.take_along_axis(weights @ sums, places, axis=1).sum(axis=1) / sizes[places].sum(axis=1))
    low, high = np.quantile(np.concatenate(means), (0.025, 0.975))
    return Interval(float(low), float(high))


@dataclass(frozen=True, slots=True)
class Gap:
    """Accuracy of a learner minus its rival's at a number of messages per label, with its 95 % interval."""

    per_label: float
    difference: float
    interval: Interval


@dataclass(frozen=True, slots=True)
class Crossing:
    """Where a learner's curve passes a rival's flat line, in training messages per label.

    `at` is None where it never does, and `interval.high` infinite where resampled test messages leave that
    open; `before` is the gap at the last point below the crossing. `first` and `last` are the curve's ends.
    """

    learner: str
    rival: str
    rival_accuracy: float
    at: float | None
    interval: Interval
    before: Gap | None
    first: float
    last: float


def groups(rows: Sequence[Row]) -> list[Group]:
    """Put the scored cells of each row and number of training messages together, in the rows' order."""
    labels = max((len(row.scores.told) for row in rows if row.scores), default=1)
    by_size: dict[tuple[str, int | None], list[Row]] = {}
    for row in rows:
        if row.scores:
            by_size.setdefault((row.config_row, row.train_per_label), []).append(row)
    return [_group(name, size, cells, labels) for (name, size), cells in by_size.items()]


def _group(name: str, size: int | None, cells: Sequence[Row], labels: int) -> Group:
    answers = shared_records([sorted(cell.records, key=lambda record: record.id) for cell in cells])
    right = np.array([[record.is_right for record in records] for records in answers], dtype=bool)
    n_train = cells[0].cell.n_train if cells[0].cell else None
    return Group(name, size, (n_train or 0) / labels, right, clusters_of(answers[0]))


def curves(all_groups: Sequence[Group]) -> dict[str, list[Group]]:
    """Return the rows that were trained on several numbers of messages, fewest first."""
    by_row: dict[str, list[Group]] = {}
    for group in all_groups:
        by_row.setdefault(group.row, []).append(group)
    several = {row: sizes for row, sizes in by_row.items() if any(group.train_per_label for group in sizes)}
    return {row: sorted(sizes, key=lambda group: group.per_label) for row, sizes in several.items()}


def flat_lines(all_groups: Sequence[Group]) -> list[Group]:
    """Return the rows that were run on the whole training part only: an LLM that learns nothing, and floors."""
    learners = curves(all_groups)
    return [group for group in all_groups if group.row not in learners]


def crossing(curve: Sequence[Group], rival: Group, *, seed: int = 0) -> Crossing:
    """Find where a curve first reaches a rival's accuracy, by straight lines over the logarithm of messages.

    The interval resamples test messages, or groups of them (percentile bootstrap, scipy); the seeds' spread is no part
    of it. One message, or one group, cannot be resampled and leaves the place open.
    """
    sizes = [float(group.per_label) for group in curve]
    beyond = 2 * sizes[-1]

    def passed_at(messages: NDArray[np.float64], flat: NDArray[np.float64], *points: NDArray[np.float64]) -> float:
        n = messages.sum()
        size = first_crossing(sizes, [float(p.sum() / n) for p in points], float(flat.sum() / n))
        return beyond if size is None else size

    _, messages = totals(rival.hits, rival.clusters)
    hits = messages, *(totals(group.hits, rival.clusters)[0] for group in (rival, *curve))
    interval = Interval(sizes[0], beyond)
    if len(messages) > 1:
        interval = bootstrap_interval(hits, passed_at, n_resamples=RESAMPLES, seed=seed, paired=True, vectorized=False)
    return crossing_within(curve, rival, interval)


def crossing_within(curve: Sequence[Group], rival: Group, interval: Interval) -> Crossing:
    """Return where a curve passes a rival, with an interval whose ends beyond the last size become infinite."""
    sizes = [float(group.per_label) for group in curve]
    low, high = (math.inf if bound > sizes[-1] else float(bound) for bound in (interval.low, interval.high))
    at = first_crossing(sizes, [group.mean for group in curve], rival.mean)
    below = [group for group in curve if at is None or group.per_label < at]
    before = gap(below[-1], rival) if below else None
    return Crossing(
        curve[0].row, rival.row, rival.mean, at, Interval(low, high), before, first=sizes[0], last=sizes[-1]
    )


def first_crossing(sizes: Sequence[float], accuracies: Sequence[float], level: float) -> float | None:
    """Return the first size at which a piecewise line over log(size) reaches a level, or None."""
    if accuracies[0] >= level:
        return sizes[0]
    for i in range(1, len(sizes)):
        if accuracies[i] >= level:
            share = (level - accuracies[i - 1]) / (accuracies[i] - accuracies[i - 1])
            return float(sizes[i - 1] * (sizes[i] / sizes[i - 1]) ** share)
    return None


def gap(learner: Group, rival: Group) -> Gap:
    """Return the difference in accuracy and its 95 % interval, paired by message (Student's t, by groups)."""
    from scipy.stats import t

    differences = learner.hits - rival.hits
    if not differences.std():
        same = float(differences[0])
        return Gap(learner.per_label, same, Interval(same, same))
    n_groups = len(totals(differences, rival.clusters)[0])
    mean, error = float(differences.mean()), mean_error(differences, rival.clusters)
    width = float(t.ppf(0.975, n_groups - 1)) * error if n_groups > 1 else 1.0
    return Gap(learner.per_label, mean, Interval(max(mean - width, -1.0), min(mean + width, 1.0)))
