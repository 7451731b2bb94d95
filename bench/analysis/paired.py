"""Differences in accuracy on the same messages: score test and interval of Tango 1998, and sample sizes for them.

Only the messages on which exactly one of two classifiers is right say anything about their difference. A bootstrap of
them calls two classifiers that agree on ten messages equal beyond doubt; the score interval stays honest there.
statsmodels and scipy have it for independent proportions only.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from bench.analysis.clusters import INDEPENDENT, Clusters, Design, design_of
from bench.analysis.label_scores import Interval

LEVEL = 0.05
POWER = 0.8
NEAR_ONE = 1 - 1e-9
"""The largest difference at which the statistic can be computed."""
Relation = Literal["better", "equivalent", "not worse", "worse", "undecided"]


@dataclass(frozen=True, slots=True)
class PairedCounts:
    """Of n messages put to both: how many only the first got right, and how many only the second.

    `design` says how much less than independent messages these say of the difference.
    """

    n: int
    only_first: int
    only_second: int
    design: Design = INDEPENDENT

    @property
    def difference(self) -> float:
        """Return the first's accuracy minus the second's."""
        return (self.only_first - self.only_second) / self.n

    @property
    def shares(self) -> tuple[float, float]:
        """Return the shares of messages that only the first, and only the second, got right."""
        return self.only_first / self.n, self.only_second / self.n

    @classmethod
    def of(cls, first: NDArray[np.bool_], second: NDArray[np.bool_], clusters: Clusters | None = None) -> PairedCounts:
        """Count from two arrays that say of every message whether it was answered right."""
        design = design_of(first.astype(int) - second.astype(int), clusters)
        return cls(len(first), int((first & ~second).sum()), int((second & ~first).sum()), design)


def score_statistic(counts: PairedCounts, difference: float) -> float:
    """Return Tango's z of the hypothesis that the true difference is that much; above 0 where more was observed."""
    n, b, c = counts.n, counts.only_first, counts.only_second
    variance = _variance(b / n, c / n, difference)
    return math.sqrt(n / counts.design.effect) * (counts.difference - difference) / math.sqrt(max(variance, 1e-300))


def _variance(only_first: float, only_second: float, difference: float) -> float:
    """Return the variance of one message's difference, estimated under the hypothesis (Tango 1998, Stat. Med. 17:891).

    The first two are shares of all messages, b and c.
    """
    return 2 * share_of_second(only_first, only_second, difference) + difference * (1 - difference)


def share_of_second(only_first: float, only_second: float, difference: float) -> float:
    """Return the share that only the second gets right, where the difference is given: the most likely one.

    It is the larger root of 2 q² + ((2 - b + c) d - b - c) q - c d (1 - d), with the shares b and c that were observed.
    """
    linear = -only_first - only_second + (2 - only_first + only_second) * difference
    constant = -only_second * difference * (1 - difference)
    return (math.sqrt(max(linear**2 - 8 * constant, 0.0)) - linear) / 4


def paired_interval(counts: PairedCounts, *, level: float = 1 - LEVEL) -> Interval:
    """Return the differences that Tango's score test does not reject.

    Raises:
        ValueError: if n is 0.
    """
    from scipy.optimize import brentq

    if counts.n == 0:
        raise ValueError("no interval without messages")
    z, observed = counts.design.critical(level), counts.difference
    low, high = -1.0, 1.0
    if observed > -NEAR_ONE and score_statistic(counts, -NEAR_ONE) > z:
        low = float(brentq(lambda d: score_statistic(counts, d) - z, -NEAR_ONE, min(observed, NEAR_ONE)))
    if observed < NEAR_ONE and score_statistic(counts, NEAR_ONE) < -z:
        high = float(brentq(lambda d: score_statistic(counts, d) + z, max(observed, -NEAR_ONE), NEAR_ONE))
    return Interval(low, high)


def is_not_worse(counts: PairedCounts, margin: float, *, level: float = 1 - LEVEL) -> bool:
    """Tell whether the first is shown to be at most `margin` (a share) less accurate than the second.

    It is where the lower end of `paired_interval` lies above -margin.
    """
    return score_statistic(counts, -margin) > counts.design.critical(level)


def differ_p_value(counts: PairedCounts) -> float:
    """Return the p-value of the hypothesis that both are right equally often.

    It is that of McNemar's exact test (statsmodels), and of the score test for messages in groups; one group shows
    nothing.
    """
    from scipy.stats import t
    from statsmodels.stats.contingency_tables import mcnemar

    if counts.design.n_groups is None:
        return float(mcnemar([[0, counts.only_first], [counts.only_second, 0]], exact=True).pvalue)
    degrees = counts.design.n_groups - 1
    return float(2 * t.sf(abs(score_statistic(counts, 0.0)), degrees)) if degrees else 1.0


def relation(interval: Interval, margin: float) -> Relation:
    """Say how the first stands to the second by the interval of their difference; `margin` is a share."""
    if interval.low > 0:
        return "better"
    if interval.low > -margin:
        return "equivalent" if interval.high < margin else "not worse"
    return "worse" if interval.high < 0 else "undecided"


def needed_to_differ(only_first: float, only_second: float, *, level: float = LEVEL, effect: float = 1.0) -> int | None:
    """Return how many messages McNemar's test needs to tell two classifiers apart at 80 % power.

    The arguments are shares of all messages; `level` is the two-sided one of significance, after any correction, and
    `effect` the design effect. The sample size is that of Connor 1987 (Biometrics 43:207); None where the shares are
    equal.
    """
    from scipy.stats import norm

    difference, differing = abs(only_first - only_second), only_first + only_second
    if not difference:
        return None
    alpha, beta = float(norm.ppf(1 - level / 2)), float(norm.ppf(POWER))
    root = alpha * math.sqrt(differing) + beta * math.sqrt(differing - difference**2)
    return math.ceil(effect * (root / difference) ** 2)


def needed_to_be_not_worse(
    only_first: float, only_second: float, margin: float, *, level: float = LEVEL, effect: float = 1.0
) -> int | None:
    """Return how many messages would show at 80 % power that the first is not worse than the margin.

    The sample size of the score test (Nam 1997, Biometrics 53:1422) if both shares are as given, times the design
    effect; None where the first is worse by the margin or more, which no number of messages would change.
    """
    from scipy.stats import norm

    ahead = only_first - only_second + margin
    if ahead <= 0:
        return None
    alpha, beta = float(norm.ppf(1 - level / 2)), float(norm.ppf(POWER))
    expected = only_first + only_second - (only_first - only_second) ** 2
    root = alpha * math.sqrt(_variance(only_first, only_second, -margin)) + beta * math.sqrt(expected)
    return math.ceil(effect * (root / ahead) ** 2)
