"""Deciding which of several labels a message has, from one probability per label.

Each label is a decision of its own, with a threshold of its own: at 0.5 a rare label is hardly ever given, though
giving it more often would be right more often than wrong. The thresholds are chosen on validation messages.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from classifiers.interface import Message, Task

DEFAULT_THRESHOLD = 0.5
MIN_MESSAGES = 3
"""Validation messages that must have a label, and that must lack it, before its threshold is moved."""

Rows = NDArray[np.float64]
"""A row per message and a column per label."""


def label_matrix(messages: Sequence[Message], names: Sequence[str]) -> Rows:
    """Write messages' labels as 0 and 1, shape (messages, labels)."""
    return np.array([[float(name in m.labels) for name in names] for m in messages]).reshape(-1, len(names))


def tune_thresholds(probabilities: Rows, gold: Rows) -> tuple[float, ...]:
    """Return for every label the threshold of highest F1 (scikit-learn's curve), 0.5 where messages are too few."""
    return tuple(map(_best_threshold, probabilities.T, gold.T))


def _best_threshold(probabilities: NDArray[np.float64], gold: NDArray[np.float64]) -> float:
    from sklearn.metrics import precision_recall_curve

    n = int(gold.sum())
    if min(n, len(gold) - n) < MIN_MESSAGES:
        return DEFAULT_THRESHOLD
    precision, recall, thresholds = precision_recall_curve(gold, probabilities)
    f1 = 2 * precision * recall / np.maximum(precision + recall, 1e-9)
    best = np.flatnonzero(f1[:-1] >= f1[:-1].max() - 1e-9)
    # halfway to the next lower probability: the curve's thresholds are themselves probabilities of single messages
    nearest = best[np.argmin(np.abs(thresholds[best] - DEFAULT_THRESHOLD))]
    below = thresholds[nearest - 1] if nearest else 0.0
    return float((thresholds[nearest] + below) / 2)


def thresholds_for(task: Task, tuned: Sequence[float]) -> tuple[float, ...]:
    """Return every label's threshold, those that were tuned or else 0.5; none where a message has exactly one label."""
    if not task.takes_several:
        return ()
    return tuple(tuned) or (DEFAULT_THRESHOLD,) * len(task.labels)


def decide(row: Sequence[float], task: Task, tuned: Sequence[float]) -> tuple[str, ...]:
    """Return the labels of a message by the probability of every label.

    The likeliest one; or where a message may have several, all that reach their threshold (`thresholds_for`), the
    likeliest of them where they are more than the task allows.
    """
    names = task.label_names
    if not task.takes_several:
        return (names[max(range(len(row)), key=row.__getitem__)],)
    taken = [i for i, (p, bound) in enumerate(zip(row, thresholds_for(task, tuned), strict=True)) if p >= bound]
    kept = sorted(taken, key=lambda i: -row[i])[: task.max_labels]
    return tuple(names[i] for i in sorted(kept))
