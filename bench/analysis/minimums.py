"""Absolute limits for a release: a classifier keeps one where the interval's lower end does, not the figure alone.

90 % right of 50 messages may be 79 % on the next ones. What is measured above a limit and not shown to be above it is
told apart from what lies below: the first asks for more test messages, the second for a better classifier.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from bench.analysis.label_scores import Interval
from bench.analysis.rows import Row
from bench.analysis.scores import Scores
from classifiers.errors import BenchError, check_known

MinimumMetric = Literal["accuracy", "macro F1"]
Outcome = Literal["kept", "missed", "not shown"]


@dataclass(frozen=True, slots=True)
class Minimum:
    """One classifier's score beside the least it must have; `interval` is the 95 % interval of the score."""

    classifier: str
    metric: MinimumMetric
    minimum: float
    value: float
    interval: Interval
    n: int

    @property
    def outcome(self) -> Outcome:
        """Say `kept` where the interval lies above, `missed` where the figure lies below, else `not shown`."""
        if self.value < self.minimum:
            return "missed"
        return "kept" if self.interval.low >= self.minimum else "not shown"


def minimums(rows: Sequence[Row], wanted: Mapping[MinimumMetric, float], names: Sequence[str]) -> list[Minimum]:
    """Return how every named classifier stands to every limit.

    Raises:
        BenchError: if a limit is no share, no classifier is named, or a named one has no scores.
    """
    for metric, minimum in wanted.items():
        if not 0 < minimum <= 1:
            raise BenchError(f"the least {metric} {minimum:g} is no share; give one above 0 and at most 1, such as 0.9")
    if wanted and not names:
        raise BenchError("a limit needs the classifiers that it is for: --of NAME,NAME")
    scores = {row.name: row.scores for row in rows}
    check_known(names, scores, what="classifier")
    if failed := [name for name in names if scores[name] is None]:
        raise BenchError(f"'{failed[0]}' has no scores: it failed; bench report tells why")
    return [
        _minimum(name, metric, wanted[metric], scored)
        for name in names
        for metric in get_args(MinimumMetric)
        if metric in wanted and (scored := scores[name]) is not None
    ]


def _minimum(name: str, metric: MinimumMetric, minimum: float, scores: Scores) -> Minimum:
    if metric == "accuracy":
        return Minimum(name, metric, minimum, scores.accuracy, scores.accuracy_interval, scores.n)
    return Minimum(name, metric, minimum, scores.macro_f1, scores.macro_f1_interval, scores.n)
