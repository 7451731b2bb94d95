"""Confidence thresholds that are chosen on answers to validation messages, never on test messages.

The best-looking threshold of a few hundred validation messages promises too much: it is the luckiest of many. So what
is promised to a user is a threshold whose accuracy is shown, at 95 % confidence, by an exact bound and a sequence of
tests that stops at the first failure (fixed-sequence testing, Angelopoulos et al. 2021, "Learn then Test").
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.analysis.clusters import Design, clusters_of, design_of
from bench.records.types import PredictionRecord

ABOVE_ALL = 1.01
"""A threshold that no probability reaches."""
ERROR = 0.05
"""The chance that a promised accuracy is not kept on new messages."""


@dataclass(frozen=True, slots=True)
class _Surest:
    """For every threshold from the highest down: how many answers reach it, and how many of those are right.

    `designs` say how much these answers say, and `least` how much they would if all answers of a group were alike,
    which does not depend on what is right.
    """

    thresholds: NDArray[np.float64]
    n: NDArray[np.int64]
    right: NDArray[np.int64]
    designs: Sequence[Design]
    least: Sequence[Design]

    def effective(self, level: float) -> NDArray[np.float64]:
        """Return for every threshold what share of its answers says as much, were they independent."""
        return np.array([design.effective(level) for design in self.designs])

    def least_effective(self, level: float) -> NDArray[np.float64]:
        """Return the least that this share can be."""
        return np.array([design.effective(level) for design in self.least])


def _surest(records: Sequence[PredictionRecord]) -> _Surest | None:
    sure = [record for record in records if record.confidence is not None]
    if not sure:
        return None
    sure.sort(key=lambda record: (record.confidence or 0.0, record.is_right), reverse=True)
    confidence = np.array([record.confidence for record in sure])
    hits = np.array([record.is_right for record in sure])
    ends = np.flatnonzero(np.append(confidence[1:] < confidence[:-1], True))  # answers of one probability go together
    clusters = clusters_of(sure)

    def designs(values: NDArray[Any]) -> list[Design]:
        # groups are numbered in order of appearance, so that the first messages have the first numbers
        return [design_of(values[: end + 1], None if clusters is None else clusters[: end + 1]) for end in ends]

    return _Surest(confidence[ends], ends + 1, np.cumsum(hits)[ends], designs(hits), designs(np.ones(len(hits))))


def accuracy_bound(right: NDArray[Any], n: NDArray[Any], error: float = ERROR) -> NDArray[np.float64]:
    """Return the one-sided lower bound of an accuracy (Clopper & Pearson 1934, statsmodels).

    Of messages in groups the numbers are those of as many independent ones as say as much (Korn & Graubard 1998).
    """
    from statsmodels.stats.proportion import proportion_confint

    some = np.maximum(n, 1e-9)  # one group says nothing
    return np.asarray(proportion_confint(right, some, alpha=2 * error, method="beta")[0])


def min_answers(accuracy: float, error: float = ERROR) -> int | None:
    """Return how many answers, all right, show an accuracy: 59 for 95 %, 299 for 99 %; None where no number does."""
    return math.ceil(math.log(error) / math.log(accuracy)) if accuracy < 1 else None


def unsure_below(records: Sequence[PredictionRecord], accuracy: float) -> float | None:
    """Return the lowest probability at and above which an accuracy is shown at 95 % confidence.

    The tests begin where few answers can show it, and again at the surest half, each with half the error: what the few
    surest answers are too few to show, half of all may. Messages of one group count as one where the tests begin, and
    as what their answers show after that.

    Args:
        records: answers to validation messages, never to test messages.
        accuracy: the share of the answers kept that shall be right, on new messages too.

    Returns:
        A threshold for the probability of the answered label; above 1 where no threshold is good enough, None
        where no answer has a probability.
    """
    surest = _surest(records)
    if surest is None:
        return None
    whole = surest.least_effective(1 - ERROR)[-1]
    half, few = len(records) // 2 * whole, min_answers(accuracy, ERROR / 2)
    if few is None:
        return ABOVE_ALL
    begins = [few, half] if half > few else [min_answers(accuracy) or few]
    return min(_last_shown(surest, accuracy, begin, ERROR / len(begins)) for begin in begins)


def _last_shown(surest: _Surest, accuracy: float, begin: float, error: float) -> float:
    """Return the last threshold before the first that is not shown, from `begin` answers on."""
    level = 1 - 2 * error
    says = surest.effective(level)
    shown = accuracy_bound(surest.right * says, surest.n * says, error) >= accuracy
    tested = np.flatnonzero(surest.n * surest.least_effective(level) >= begin)
    failures = np.flatnonzero(~shown[tested])
    passed = tested[: failures[0]] if len(failures) else tested
    return float(surest.thresholds[passed[-1]]) if len(passed) else ABOVE_ALL


@dataclass(frozen=True, slots=True)
class Selective:
    """Answering only above a threshold chosen on validation: what share of the test messages, how many of them right.

    `accuracy` is what was asked for; on validation at least that share of the answers kept was right.
    """

    accuracy: float
    threshold: float
    n: int
    answered: int
    right: int

    @property
    def coverage(self) -> float:
        """Return the share of test messages that is answered."""
        return self.answered / self.n

    @property
    def kept(self) -> float | None:
        """Return the share of those answers that is right; None of nothing."""
        return self.right / self.answered if self.answered else None


def selective(
    validation: Sequence[PredictionRecord], test: Sequence[PredictionRecord], accuracy: float
) -> Selective | None:
    """Choose the lowest threshold that reached an accuracy on validation, and see what it gives on test.

    It has no margin, unlike `unsure_below`: 99 % would need 299 right answers to be shown. What came of it on test is
    there to be looked at. None where no validation answer has a probability.
    """
    surest = _surest(validation)
    if surest is None:
        return None
    enough = np.flatnonzero(surest.right >= accuracy * surest.n)
    threshold = float(surest.thresholds[enough[-1]]) if len(enough) else ABOVE_ALL
    answers = [record for record in test if record.confidence is not None and record.confidence >= threshold]
    return Selective(accuracy, threshold, len(test), len(answers), sum(record.is_right for record in answers))
