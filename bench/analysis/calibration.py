"""How far a classifier's probabilities can be trusted, and how much it can answer at a wanted accuracy.

The confidence of an answer is the probability of the label it names. An unparsed answer has none; it is
wrong at confidence 0 and counts in every figure.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bench.records.types import PredictionRecord

BINS = 10
WANTED = 0.99
MAX_POINTS = 200


@dataclass(frozen=True, slots=True)
class Bin:
    """The answers whose confidence lies in one tenth of 0 to 1: how many, mean confidence, share right."""

    n: int
    confidence: float
    accuracy: float


@dataclass(frozen=True, slots=True)
class Coverage:
    """The accuracy of the most confident answers when that share of all messages is answered."""

    share: float
    accuracy: float


@dataclass(frozen=True, slots=True)
class ProbabilityScores:
    """Quality of probabilities; `coverage` goes from the most confident answer alone to all, in at most 200 points.

    `coverage_at_target` is the largest share of messages that can be answered with 99 % of the answers
    right, 0 where not even the most confident are.
    """

    log_loss: float
    brier: float
    calibration_error: float
    coverage_at_target: float
    bins: tuple[Bin, ...]
    coverage: tuple[Coverage, ...]


def probability_scores(records: Sequence[PredictionRecord], labels: Sequence[str]) -> ProbabilityScores | None:
    """Score the probabilities of single-label answers; None where any valid answer comes without.

    Log loss and Brier score (summed over labels, 0 to 2) are scikit-learn's; the expected calibration error
    is that of Guo et al. 2017 with ten bins of equal width.
    """
    from sklearn.metrics import brier_score_loss, log_loss

    if not records or any(r.valid and r.probabilities is None for r in records) or len(labels) < 2:
        return None
    uniform = dict.fromkeys(labels, 1 / len(labels))
    rows = np.array([[(r.probabilities or uniform).get(name, 0.0) for name in labels] for r in records])
    rows = rows / rows.sum(axis=1, keepdims=True)
    gold = [r.gold[0] for r in records]
    order = sorted(range(len(labels)), key=lambda i: labels[i])  # scikit-learn takes columns in sorted order
    names, rows = [labels[i] for i in order], rows[:, order]
    confidence = np.array([r.confidence or 0.0 for r in records])
    right = np.array([r.is_right for r in records], dtype=float)
    coverage = _coverage(confidence, right)
    return ProbabilityScores(
        log_loss=float(log_loss(gold, rows, labels=names)),
        brier=float(brier_score_loss(gold, rows, labels=names, scale_by_half=False)),
        calibration_error=_calibration_error(bins := _bins(confidence, right)),
        coverage_at_target=max((c.share for c in coverage if c.accuracy >= WANTED), default=0.0),
        bins=bins,
        coverage=_thinned(coverage),
    )


def _bins(confidence: NDArray[np.float64], right: NDArray[np.float64]) -> tuple[Bin, ...]:
    place = np.clip((confidence * BINS).astype(int), 0, BINS - 1)
    in_bins = [place == i for i in range(BINS)]
    return tuple(Bin(int(c.sum()), float(confidence[c].mean()), float(right[c].mean())) for c in in_bins if c.any())


def _calibration_error(bins: Sequence[Bin]) -> float:
    n = sum(part.n for part in bins)
    return sum(part.n / n * abs(part.accuracy - part.confidence) for part in bins)


def _coverage(confidence: NDArray[np.float64], right: NDArray[np.float64]) -> tuple[Coverage, ...]:
    """Return one point per distinct confidence: answers of equal confidence are answered or left together."""
    order = np.argsort(-confidence, kind="stable")
    sure, hits = confidence[order], np.cumsum(right[order])
    n = len(order)
    ends = [i for i in range(n) if i == n - 1 or sure[i + 1] < sure[i]]
    return tuple(Coverage((i + 1) / n, float(hits[i] / (i + 1))) for i in ends)


def _thinned(points: Sequence[Coverage]) -> tuple[Coverage, ...]:
    """Keep the points of a curve that a drawing can tell apart, the last one always."""
    if len(points) <= MAX_POINTS:
        return tuple(points)
    places = np.linspace(0, len(points) - 1, MAX_POINTS).round().astype(int)
    return tuple(points[i] for i in places)
