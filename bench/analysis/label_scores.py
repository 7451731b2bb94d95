"""Scores by label: precision, recall and F1 of each, and their means over labels.

Gold labels and answers are compared as sets, written as two Boolean matrices with a row per message and a column per
label. A message with one label is the set of one, so that single-label and multi-label tasks are scored alike; an
answer that could not be read is the empty row.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.analysis.clusters import Clusters

RESAMPLES = 1000
MAX_DRAWN = 10_000_000
"""Most messages in all resamples held at one time: 80 MB of numbers."""

Sets = NDArray[np.bool_]
"""Which labels (columns) a message (row) has."""


@dataclass(frozen=True, slots=True)
class Interval:
    """A confidence interval of a share."""

    low: float
    high: float


@dataclass(frozen=True, slots=True)
class LabelScore:
    """Precision, recall and F1 of one label; `support` counts its gold messages."""

    label: str
    precision: float
    recall: float
    f1: float
    support: int


def label_sets(labels_by_message: Sequence[Collection[str]], labels: Sequence[str]) -> Sets:
    """Write label sets as a matrix, shape (messages, labels)."""
    return np.array([[name in gold for name in labels] for gold in labels_by_message], dtype=bool)


def label_scores(gold: Sets, answered: Sets, labels: Sequence[str]) -> tuple[LabelScore, ...]:
    """Score every label (scikit-learn); what was never answered or never gold has 0."""
    from sklearn.metrics import precision_recall_fscore_support

    columns = precision_recall_fscore_support(gold, answered, zero_division=0)
    rows = zip(labels, *columns, strict=True)
    return tuple(LabelScore(name, float(p), float(r), float(f), int(s)) for name, p, r, f, s in rows)


def macro_f1(gold: Sets, answered: Sets) -> float:
    """Return the mean F1 over the labels that have gold messages (scikit-learn)."""
    from sklearn.metrics import f1_score

    present = np.flatnonzero(gold.any(axis=0))
    return float(f1_score(gold, answered, labels=present, average="macro", zero_division=0)) if len(present) else 0.0


def micro_f1(gold: Sets, answered: Sets) -> float:
    """Return the F1 of all decisions over all labels together (scikit-learn)."""
    from sklearn.metrics import f1_score

    return float(f1_score(gold, answered, average="micro", zero_division=0))


def hamming_loss(gold: Sets, answered: Sets) -> float:
    """Return the share of (message, label) decisions that are wrong (scikit-learn)."""
    from sklearn import metrics

    return float(metrics.hamming_loss(gold, answered))


def resamples_at_once(n_messages: int) -> int:
    """Return how many bootstrap resamples to draw at a time: all would be gigabytes where messages are many."""
    return max(1, MAX_DRAWN // n_messages)


def bootstrap_interval(
    samples: Sequence[Any], statistic: Callable[..., Any], *, n_resamples: int, seed: int, **options: Any
) -> Interval:
    """Return the 95 % percentile bootstrap interval of a statistic (scipy), in memory that does not grow with messages.

    `samples` have one value per message, or per group of them, each; `options` are scipy's `paired` and `vectorized`.
    """
    from scipy.stats import bootstrap

    interval = bootstrap(
        samples,
        statistic,
        n_resamples=n_resamples,
        batch=resamples_at_once(len(samples[0])),
        method="percentile",
        rng=np.random.default_rng(seed),
        **options,
    ).confidence_interval
    return Interval(float(interval.low), float(interval.high))


def macro_f1_interval(gold: Sets, answered: Sets, clusters: Clusters | None = None, *, seed: int = 0) -> Interval:
    """Return the 95 % percentile bootstrap interval of macro F1 over messages, or over groups of them (scipy)."""
    from scipy.sparse import csr_array

    counted = csr_array(np.hstack([gold & answered, gold, answered]).astype(np.int32))
    if clusters is not None:
        ones = np.ones(len(clusters), np.int32)
        counted = csr_array((ones, (clusters, np.arange(len(clusters))))) @ counted
    n = counted.shape[0]
    if n < 2:
        return Interval(0.0, 1.0)

    def resampled(places: Any, axis: int) -> Any:
        # a sparse product counts all resamples at once; scikit-learn takes one at a time. A label that a resample
        # holds no message of has no F1 there; as 0 it would pull every interval down
        rows = places.reshape(-1, n)
        ones = np.ones(rows.size, np.int32)
        times = csr_array((ones, rows.ravel(), np.arange(0, rows.size + 1, n)), shape=(len(rows), n))
        hits, golds, answers = np.split((times @ counted).toarray(), 3, axis=1)
        present = golds > 0
        values = np.where(present, 2 * hits / np.maximum(golds + answers, 1), 0.0)
        return (values.sum(axis=1) / np.maximum(present.sum(axis=1), 1)).reshape(places.shape[:-1])

    return bootstrap_interval((np.arange(n),), resampled, n_resamples=RESAMPLES, seed=seed)
