"""How far a classifier's probabilities can be trusted, and how much it can answer at a wanted accuracy.

The confidence of an answer is the probability of the label it names. An unparsed answer has none; it is
wrong at confidence 0 and counts in every figure.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bench.analysis.thresholds import Selective, selective
from bench.records.types import PredictionRecord

BINS = 10
WANTED = 0.99
MAX_POINTS = 200
LEAST = 1e-12
"""The probability that one of 0 counts as: its logarithm is wanted."""
TEMPERATURES = (-3.0, 3.0)
"""Between which powers of e the temperature lies."""


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
    """Quality of probabilities; `coverage` goes from the surest answer alone to all, in 200 points at most.

    `log_loss` and `brier` are of the messages whose label the classifier was told of. `temperature` divides the logits;
    it is fitted on validation, and `recalibrated_error` is the calibration error with it. `selective` is what is left
    of 99 % accuracy on validation. These three are None where no validation message was answered with probabilities.
    """

    log_loss: float
    brier: float
    calibration_error: float
    bins: tuple[Bin, ...]
    coverage: tuple[Coverage, ...]
    temperature: float | None = None
    recalibrated_error: float | None = None
    selective: Selective | None = None


def probability_scores(
    records: Sequence[PredictionRecord], told: Sequence[str], validation: Sequence[PredictionRecord] = ()
) -> ProbabilityScores | None:
    """Score the probabilities of single-label answers; None where any valid answer comes without.

    Log loss and Brier score (summed over labels, 0 to 2) are scikit-learn's; the expected calibration error
    is that of Guo et al. 2017 with ten bins of equal width.

    Args:
        records: answers to test messages.
        told: the labels that the classifier was told of. A message of another one is answered wrong, at whatever
            confidence; it has no part in log loss and Brier score, which would count a probability of 0 for it.
        validation: answers to validation messages.
    """
    from sklearn.metrics import brier_score_loss, log_loss

    scored = [record for record in records if record.gold[0] in told]
    if not scored or len(told) < 2 or any(r.valid and r.probabilities is None for r in records):
        return None
    names = sorted(told)  # scikit-learn takes columns in sorted order
    rows, gold = _matrix(scored, names), [record.gold[0] for record in scored]
    confidence = np.array([r.confidence or 0.0 for r in records])
    right = np.array([r.is_right for r in records], dtype=float)
    degree = temperature(validation, names)
    return ProbabilityScores(
        log_loss=float(log_loss(gold, rows, labels=names)),
        brier=float(brier_score_loss(gold, rows, labels=names, scale_by_half=False)),
        calibration_error=_calibration_error(bins := _bins(confidence, right)),
        bins=bins,
        coverage=_thinned(_coverage(confidence, right)),
        temperature=degree,
        recalibrated_error=None if degree is None else _recalibrated_error(records, names, degree),
        selective=selective(validation, records, WANTED),
    )


def _matrix(records: Sequence[PredictionRecord], names: Sequence[str]) -> NDArray[np.float64]:
    """Return probabilities, shape (messages, labels), each row adding up to 1; an answer without any is uniform."""
    rows = np.array([[(record.probabilities or {}).get(name, 0.0) for name in names] for record in records])
    rows[~rows.any(axis=1)] = 1.0
    return np.asarray(rows / rows.sum(axis=1, keepdims=True))


def temperature(validation: Sequence[PredictionRecord], told: Sequence[str]) -> float | None:
    """Return the temperature with the least log loss on validation (Guo et al. 2017); None without probabilities."""
    from scipy.optimize import minimize_scalar

    usable = [r for r in validation if r.valid and r.probabilities is not None and r.gold[0] in told]
    if not usable:
        return None
    logits, gold = np.log(np.maximum(_matrix(usable, told), LEAST)), [told.index(r.gold[0]) for r in usable]

    def loss(exponent: float) -> float:
        return -float(np.log(np.maximum(_softened(logits, math.exp(exponent))[range(len(gold)), gold], LEAST)).mean())

    return float(math.exp(minimize_scalar(loss, bounds=TEMPERATURES, method="bounded").x))


def _softened(logits: NDArray[np.float64], degree: float) -> NDArray[np.float64]:
    from scipy.special import softmax

    return np.asarray(softmax(logits / degree, axis=1))


def _recalibrated_error(records: Sequence[PredictionRecord], told: Sequence[str], degree: float) -> float:
    """Return the calibration error once probabilities have a temperature.

    An unparsed answer keeps its 0, and one with a label that classifiers are not told of keeps its confidence: a file
    of somebody's answers may hold such.
    """
    rows = _softened(np.log(np.maximum(_matrix(records, told), LEAST)), degree)
    confidence = np.array([record.confidence or 0.0 for record in records])
    for i, record in enumerate(records):
        if record.valid and record.predicted[0] in told:
            confidence[i] = rows[i, told.index(record.predicted[0])]
    return _calibration_error(_bins(confidence, np.array([r.is_right for r in records], dtype=float)))


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
