"""The scores of one classifier, derived from its records.

An unanswered message is a wrong one: nothing is left out of any denominator. A score is worked out when it is first
asked for: a list of runs needs one accuracy of each row, and not its bootstrap intervals.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

from bench.analysis.calibration import ProbabilityScores, probability_scores
from bench.analysis.clusters import INDEPENDENT, Clusters, Design, clusters_of, right_design
from bench.analysis.confusions import Confusion, confusions_of
from bench.analysis.label_scores import (
    Interval,
    LabelScore,
    Sets,
    hamming_loss,
    label_scores,
    label_sets,
    macro_f1,
    macro_f1_interval,
    micro_f1,
)
from bench.analysis.sequential import share_interval
from bench.records.types import PredictionRecord


@dataclass(frozen=True)
class Scores:
    """Everything said of one classifier's answers to a task with these labels; there is at least one answer.

    `takes_several` tells whether a message may have none or several labels. `untold` is a label that no classifier was
    told of, empty where there is none, and `validation` are answers to validation messages. `always_valid` says
    that answering stopped once enough was known, so that an interval must hold whenever that was.
    """

    records: tuple[PredictionRecord, ...]
    labels: tuple[str, ...]
    takes_several: bool = False
    untold: str = ""
    validation: tuple[PredictionRecord, ...] = ()
    always_valid: bool = False

    @property
    def told(self) -> tuple[str, ...]:
        """Return the labels that the classifier was told of."""
        return tuple(label for label in self.labels if label != self.untold)

    @property
    def n(self) -> int:
        """Return how many messages were put to the classifier."""
        return len(self.records)

    @cached_property
    def n_right(self) -> int:
        """Return how many messages were answered with exactly their gold labels."""
        return sum(record.is_right for record in self.records)

    @property
    def accuracy(self) -> float:
        """Return the share of messages whose labels are exactly the gold ones (several labels: subset accuracy)."""
        return self.n_right / self.n

    @cached_property
    def accuracy_interval(self) -> Interval:
        """Return the 95 % Wilson interval of the accuracy, or an always-valid one."""
        if self.always_valid:
            return share_interval(self.n_right, self.n)
        return wilson_interval(self.n_right, self.n, design=self.design)

    @cached_property
    def clusters(self) -> Clusters | None:
        """Return the group of each message; None where none have one in common."""
        return clusters_of(self.records)

    @cached_property
    def design(self) -> Design:
        """Return how much less than independent messages these say of the accuracy."""
        return right_design(self.records)

    @property
    def first_attempt_accuracy(self) -> float:
        """Return the share of messages whose first attempt was right."""
        return sum(record.is_right_at_first for record in self.records) / self.n

    @property
    def parse_failure_rate(self) -> float:
        """Return the share of messages without a valid answer."""
        return sum(not record.valid for record in self.records) / self.n

    @property
    def first_parse_failure_rate(self) -> float:
        """Return the share of messages whose first attempt was no valid answer."""
        return sum(not record.is_valid_at_first for record in self.records) / self.n

    @cached_property
    def valid_at(self) -> tuple[int, ...]:
        """Return how many messages had their first valid answer at each attempt, the first one first."""
        counts = [0] * max(max(len(record.attempts), 1) for record in self.records)
        for record in self.records:
            if record.valid:
                counts[max(len(record.attempts), 1) - 1] += 1
        return tuple(counts)

    @property
    def never(self) -> int:
        """Return how many messages had no valid answer."""
        return self.n - sum(self.valid_at)

    @property
    def truncated(self) -> int:
        """Return how many messages were too long and were cut."""
        return sum(record.truncated for record in self.records)

    @cached_property
    def _gold(self) -> Sets:
        return label_sets([record.gold for record in self.records], self.labels)

    @cached_property
    def _answered(self) -> Sets:
        return label_sets([record.predicted for record in self.records], self.labels)

    @cached_property
    def macro_f1(self) -> float:
        """Return the mean F1 over the labels that have test messages."""
        return macro_f1(self._gold, self._answered)

    @cached_property
    def macro_f1_interval(self) -> Interval:
        """Return the 95 % bootstrap interval of macro F1, over messages or over their groups."""
        return macro_f1_interval(self._gold, self._answered, self.clusters)

    @cached_property
    def per_label(self) -> tuple[LabelScore, ...]:
        """Return precision, recall and F1 of every label."""
        return label_scores(self._gold, self._answered, self.labels)

    @cached_property
    def confusion(self) -> Confusion:
        """Return a row per gold label and a column per predicted one, *unparsed* as the last; empty for several."""
        return () if self.takes_several else confusions_of(self.records, self.labels)

    @cached_property
    def probability(self) -> ProbabilityScores | None:
        """Return the scores of the probabilities; None where there are none, or several labels."""
        return None if self.takes_several else probability_scores(self.records, self.told, self.validation)

    @cached_property
    def micro_f1(self) -> float | None:
        """Return the F1 of all decisions together; None with one label per message, where it is the accuracy."""
        return micro_f1(self._gold, self._answered) if self.takes_several else None

    @cached_property
    def hamming_loss(self) -> float | None:
        """Return the share of decisions that are wrong; None with one label per message."""
        return hamming_loss(self._gold, self._answered) if self.takes_several else None

    def as_json(self) -> dict[str, Any]:
        """Return all figures for machines."""
        return {
            "n": self.n,
            "accuracy": self.accuracy,
            "accuracy_interval": asdict(self.accuracy_interval),
            "first_attempt_accuracy": self.first_attempt_accuracy,
            "macro_f1": self.macro_f1,
            "macro_f1_interval": asdict(self.macro_f1_interval),
            "parse_failure_rate": self.parse_failure_rate,
            "first_parse_failure_rate": self.first_parse_failure_rate,
            "valid_at": self.valid_at,
            "never": self.never,
            "truncated": self.truncated,
            "per_label": [asdict(label) for label in self.per_label],
            "labels": self.labels,
            "confusion": self.confusion,
            "probability": asdict(self.probability) if self.probability else None,
            "micro_f1": self.micro_f1,
            "hamming_loss": self.hamming_loss,
            **({"n_groups": self.design.n_groups, "design_effect": self.design.effect} if self.design.n_groups else {}),
        }


def wilson_interval(successes: int, n: int, *, level: float = 0.95, design: Design = INDEPENDENT) -> Interval:
    """Return the Wilson score interval of a proportion (statsmodels), for as many messages as say as much alone.

    Chosen over the normal approximation because accuracies here sit near 1, where that one
    leaves [0, 1] (Brown, Cai & DasGupta 2001).

    Raises:
        ValueError: if n is 0; "no data" is never a score of 0.
    """
    from statsmodels.stats.proportion import proportion_confint

    if n == 0:
        raise ValueError("no interval without messages")
    scale = design.effective(level)
    if not scale:
        return Interval(0.0, 1.0)
    low, high = proportion_confint(successes * scale, n * scale, alpha=1 - level, method="wilson")
    return Interval(float(low), float(high))


def score(
    records: Sequence[PredictionRecord],
    labels: Sequence[str],
    *,
    several: bool = False,
    untold: str = "",
    validation: Sequence[PredictionRecord] = (),
    always_valid: bool = False,
) -> Scores | None:
    """Return the scores of a classifier's answers; None where it has none.

    Args:
        records: the answers.
        labels: the task's labels.
        several: a message may have none or several of them.
        untold: that of the labels which no classifier was told of.
        validation: answers to validation messages.
        always_valid: the answers stopped once enough was known.
    """
    if not records:
        return None
    return Scores(tuple(records), tuple(labels), several, untold, tuple(validation), always_valid)
