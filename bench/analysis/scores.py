"""The metrics of one classifier, derived from its records; one table row per metric.

An unanswered message is a wrong one: nothing is left out of any denominator.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bench.analysis.calibration import ProbabilityScores, probability_scores
from bench.analysis.label_scores import (
    Interval,
    LabelScore,
    hamming_loss,
    label_scores,
    label_sets,
    macro_f1,
    macro_f1_interval,
    micro_f1,
)
from bench.records.types import CellRecord, PredictionRecord
from classifiers.interface import Trial

UNPARSED = "unparsed"
ABOVE_ALL = 1.01
"""A threshold that no probability reaches."""


@dataclass(frozen=True, slots=True)
class Scores:
    """Everything said of one classifier's answers.

    `accuracy` is the share of messages whose labels are exactly the gold ones (with several labels per message:
    subset accuracy). `macro_f1` is the mean over the labels that have test messages. `valid_at` counts the messages
    whose first valid answer came at attempt 1, 2, …; the rest, `never`, have none. `confusion` has a row per gold label
    and a column per predicted one, with *unparsed* as the last column. Where a message may have several labels it is
    empty, and `micro_f1` and `hamming_loss` are given, which with one label per message add nothing.
    """

    n: int
    accuracy: float
    accuracy_interval: Interval
    first_attempt_accuracy: float
    macro_f1: float
    macro_f1_interval: Interval
    parse_failure_rate: float
    first_parse_failure_rate: float
    valid_at: tuple[int, ...]
    never: int
    truncated: int
    per_label: tuple[LabelScore, ...]
    labels: tuple[str, ...]
    confusion: tuple[tuple[int, ...], ...]
    probability: ProbabilityScores | None = None
    micro_f1: float | None = None
    hamming_loss: float | None = None

    @property
    def takes_several(self) -> bool:
        """Tell whether a message may have none or several labels."""
        return self.hamming_loss is not None


def wilson_interval(successes: int, n: int, *, level: float = 0.95) -> Interval:
    """Return the Wilson score interval of a proportion (statsmodels).

    Chosen over the normal approximation because accuracies here sit near 1, where that one
    leaves [0, 1] (Brown, Cai & DasGupta 2001).

    Raises:
        ValueError: if n is 0; "no data" is never a score of 0.
    """
    from statsmodels.stats.proportion import proportion_confint

    if n == 0:
        raise ValueError("no interval without messages")
    low, high = proportion_confint(successes, n, alpha=1 - level, method="wilson")
    return Interval(float(low), float(high))


def score(records: Sequence[PredictionRecord], labels: Sequence[str], *, several: bool = False) -> Scores | None:
    """Score a classifier's answers; None where it has none.

    Args:
        records: the answers.
        labels: the task's labels.
        several: a message may have none or several of them.
    """
    if not records:
        return None
    n = len(records)
    right = sum(record.is_right for record in records)
    gold, answered = (label_sets(sets, labels) for sets in ([r.gold for r in records], [r.predicted for r in records]))
    valid_at = _valid_at(records)
    return Scores(
        n=n,
        accuracy=right / n,
        accuracy_interval=wilson_interval(right, n),
        first_attempt_accuracy=sum(record.is_right_at_first for record in records) / n,
        macro_f1=macro_f1(gold, answered),
        macro_f1_interval=macro_f1_interval(gold, answered),
        parse_failure_rate=sum(not record.valid for record in records) / n,
        first_parse_failure_rate=sum(not record.is_valid_at_first for record in records) / n,
        valid_at=valid_at,
        never=n - sum(valid_at),
        truncated=sum(record.truncated for record in records),
        per_label=label_scores(gold, answered, labels),
        labels=tuple(labels),
        confusion=() if several else _confusion(records, labels),
        probability=None if several else probability_scores(records, labels),
        micro_f1=micro_f1(gold, answered) if several else None,
        hamming_loss=hamming_loss(gold, answered) if several else None,
    )


def _valid_at(records: Sequence[PredictionRecord]) -> tuple[int, ...]:
    most = max(max(len(record.attempts), 1) for record in records)
    counts = [0] * most
    for record in records:
        if record.valid:
            counts[max(len(record.attempts), 1) - 1] += 1
    return tuple(counts)


def _confusion(records: Sequence[PredictionRecord], labels: Sequence[str]) -> tuple[tuple[int, ...], ...]:
    from sklearn.metrics import confusion_matrix

    gold = [record.gold[0] for record in records]
    answers = [record.predicted[0] if record.valid else UNPARSED for record in records]
    matrix = confusion_matrix(gold, answers, labels=[*labels, UNPARSED])
    return tuple(tuple(int(count) for count in row) for row in matrix[: len(labels)])


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the main table: a cell, its answers and their scores (None for a failed cell)."""

    cell: CellRecord
    records: tuple[PredictionRecord, ...]
    scores: Scores | None


def unsure_below(records: Sequence[PredictionRecord], accuracy: float) -> float | None:
    """Return the lowest probability at and above which answers are right often enough.

    Args:
        records: answers to validation messages, never to test messages.
        accuracy: the share of the answers kept that shall be right.

    Returns:
        A threshold for the probability of the answered label; above 1 where no threshold is good enough, None
        where no answer has a probability.
    """
    pairs = [(r.confidence, r.is_right) for r in records if r.confidence is not None]
    if not pairs:
        return None
    best, right = ABOVE_ALL, 0
    ordered = sorted(pairs, reverse=True)
    for n, (probability, is_right) in enumerate(ordered, start=1):
        right += is_right
        is_last_of_its_value = n == len(ordered) or ordered[n][0] < probability
        if is_last_of_its_value and right >= accuracy * n:
            best = probability
    return best


def full_data_rows(rows: Sequence[Row]) -> list[Row]:
    """Return the rows that were trained on the whole training part, not on a few messages per label of it."""
    return [row for row in rows if row.cell.train_per_label is None]


@dataclass(frozen=True, slots=True)
class Spread:
    """How far accuracy on validation moved when one setting alone took its n values."""

    setting: str
    n: int
    low: float
    high: float


def spreads(trials: Sequence[Trial]) -> list[Spread]:
    """Return the spread over every setting that took several values while all others stayed the same."""
    found: dict[tuple[str, str], list[float]] = {}
    for trial in trials:
        for setting in trial.settings:
            others = sorted((k, str(v)) for k, v in trial.settings.items() if k != setting)
            found.setdefault((setting, str(others)), []).append(trial.accuracy)
    return [Spread(setting, len(a), min(a), max(a)) for (setting, _), a in found.items() if len(a) > 1]


@dataclass(frozen=True, slots=True)
class Metric:
    """One column of the main table: its unit, which way is better, and where it comes from.

    `value` gives None where there are no data, which is shown as a dash, never as 0.
    """

    name: str
    unit: str
    higher_is_better: bool | None
    value: Callable[[Row], float | None]


def _of_scores(name: str) -> Callable[[Row], float | None]:
    return lambda row: None if row.scores is None else getattr(row.scores, name)


def _of_cell(name: str) -> Callable[[Row], float | None]:
    return lambda row: getattr(row.cell, name)


def _of_probability(name: str) -> Callable[[Row], float | None]:
    def value(row: Row) -> float | None:
        found = row.scores.probability if row.scores else None
        return None if found is None else float(getattr(found, name))

    return value


def _before_retry(row: Row) -> float | None:
    """Return the accuracy of first attempts, of a classifier that may make several."""
    return row.scores.first_attempt_accuracy if row.scores and row.cell.max_attempts > 1 else None


METRICS: tuple[Metric, ...] = (
    Metric("accuracy", "%", True, _of_scores("accuracy")),
    Metric("first-attempt accuracy", "%", True, _before_retry),
    Metric("parse failures", "%", False, _of_scores("parse_failure_rate")),
    Metric("micro F1", "%", True, _of_scores("micro_f1")),
    Metric("macro F1", "%", True, _of_scores("macro_f1")),
    Metric("Hamming loss", "%", False, _of_scores("hamming_loss")),
    Metric("log loss", "", False, _of_probability("log_loss")),
    Metric("Brier", "", False, _of_probability("brier")),
    Metric("calibration error", "%", False, _of_probability("calibration_error")),
    Metric("coverage at 99 % accuracy", "%", True, _of_probability("coverage_at_target")),
    Metric("p50", "ms", False, lambda row: row.cell.latency_ms.p50 if row.cell.latency_ms else None),
    Metric("p95", "ms", False, lambda row: row.cell.latency_ms.p95 if row.cell.latency_ms else None),
    Metric("throughput", "/s", True, _of_cell("throughput_per_s")),
    Metric("load", "s", False, _of_cell("load_seconds")),
    Metric("fit", "s", False, _of_cell("fit_seconds")),
    Metric("predict", "s", False, _of_cell("predict_seconds")),
    Metric("memory", "B", False, _of_cell("peak_memory_bytes")),
    Metric("parameters", "n", False, _of_cell("n_parameters")),
    Metric("disk", "B", False, _of_cell("bytes_on_disk")),
)
