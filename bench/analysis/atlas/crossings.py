"""At how many examples per label a learner passes a language model that was shown none, with an interval.

The curve is straight between its sizes over the logarithm of examples per label, and the crossing is the first place
where it reaches the rival's accuracy. Each of 2,000 resamples draws test messages, the same ones for all points and the
rival, and independently training seeds, the same ones for all sizes, since the draws of one seed are nested (Owen 2007,
"The pigeonhole bootstrap"). The interval is that of the middle 95 % of the crossings.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bench.analysis.atlas.points import asked, best_llm, curve, fine_tuned_row, group, learners
from bench.analysis.label_scores import Interval
from bench.analysis.learning_curve import RESAMPLES, Crossing, Group, crossing_within, first_crossing
from bench.records.atlas import AtlasCell, AtlasScores


@dataclass(frozen=True, slots=True)
class SetCrossing:
    """A crossing on one data set: `n` test messages that learner and rival both answered, and the learner's seeds.

    `n_seeds` is the fewest of any size; with one, the interval is that of other test messages alone.
    """

    data_set: str
    n_labels: int
    n: int
    n_seeds: int
    crossing: Crossing

    @property
    def is_bounded(self) -> bool:
        """Tell whether the interval has an upper end."""
        return math.isfinite(self.crossing.interval.high)


def crossings(atlas: Sequence[AtlasScores]) -> list[SetCrossing]:
    """Return where each learner passes the best prompted row that used no labels, data set by data set."""
    made = []
    for scores in atlas:
        rival = best_llm(scores)
        if rival is not None:
            made += [set_crossing(scores, row, rival) for row in learners(scores)]
    return made


def headline(atlas: Sequence[AtlasScores], every: Sequence[SetCrossing]) -> list[SetCrossing]:
    """Return the crossings of the atlas's fine-tuned encoder."""
    row = fine_tuned_row(atlas)
    return [crossing for crossing in every if crossing.crossing.learner == row]


def set_crossing(scores: AtlasScores, row: str, rival: AtlasCell) -> SetCrossing:
    """Return where one row passes a rival, on the test messages that both answered."""
    where = asked(rival)
    points = curve(scores, row, where)
    crossed = crossing(points, group([rival], scores.n_labels, where))
    seeds = min(len(point.right) for point in points)
    return SetCrossing(scores.data_set, scores.n_labels, int(where.sum()), seeds, crossed)


def crossing(points: Sequence[Group], rival: Group, *, seed: int = 0) -> Crossing:
    """Return where a curve passes a flat line; `interval.high` is infinite where resamples leave that open."""
    sizes = [float(point.per_label) for point in points]
    curves, levels = _resampled(points, rival, np.random.default_rng(seed))
    places = [first_crossing(sizes, row, level) for row, level in zip(curves, levels, strict=True)]
    beyond = np.array([2 * sizes[-1] if place is None else place for place in places])
    low, high = (float(end) for end in np.quantile(beyond, (0.025, 0.975), method="inverted_cdf"))
    return crossing_within(points, rival, Interval(low, high))


def _resampled(
    points: Sequence[Group], rival: Group, rng: np.random.Generator
) -> tuple[list[list[float]], list[float]]:
    """Return resampled curves, an accuracy per size, and the rival's accuracy on the same resampled messages."""
    n = len(rival.hits)
    weights = rng.multinomial(n, np.full(n, 1 / n), size=RESAMPLES) / n
    n_seeds = max(len(point.right) for point in points)
    drawn = rng.integers(0, n_seeds, size=(RESAMPLES, n_seeds))
    columns: list[NDArray[np.float64]] = []
    for point in points:
        by_seed = weights @ point.right.T.astype(float)
        same = len(point.right) == n_seeds
        seeds = drawn if same else rng.integers(0, len(point.right), size=(RESAMPLES, len(point.right)))
        columns.append(np.take_along_axis(by_seed, seeds, axis=1).mean(axis=1))
    return np.array(columns).T.tolist(), (weights @ rival.hits.astype(float)).tolist()
