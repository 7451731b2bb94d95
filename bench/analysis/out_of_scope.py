"""Messages that belong nowhere: how many a classifier turns away, and how many of those it should not have.

The protocol of clinc150 (Larson et al. 2019) and HINT3 (Arora et al. 2020): accuracy on the messages that belong
somewhere, and recall and precision of turning away. A classifier turns a message away by answering `oos_label`: as a
label it has learnt, or, by a cascade with `other`, where it is not sure enough.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bench.analysis.label_scores import Interval
from bench.analysis.scores import wilson_interval
from bench.records.types import PredictionRecord


@dataclass(frozen=True, slots=True)
class Share:
    """`n` of which `right` are right; their share has a Wilson interval."""

    right: int
    n: int

    @property
    def value(self) -> float | None:
        """Return the share, None of nothing."""
        return self.right / self.n if self.n else None

    @property
    def interval(self) -> Interval | None:
        """Return the 95 % interval, None of nothing."""
        return wilson_interval(self.right, self.n) if self.n else None


@dataclass(frozen=True, slots=True)
class Rejection:
    """How a classifier does on messages that belong somewhere, and at turning away those that do not."""

    in_scope_accuracy: Share
    recall: Share
    precision: Share


def rejection(records: Sequence[PredictionRecord], other: str) -> Rejection:
    """Count a classifier's answers; `other` is the label of messages that belong nowhere."""
    inside = [record for record in records if record.gold != (other,)]
    outside = [record for record in records if record.gold == (other,)]
    turned_away = [record for record in records if record.valid and record.predicted == (other,)]
    return Rejection(
        in_scope_accuracy=Share(sum(record.is_right for record in inside), len(inside)),
        recall=Share(sum(record.is_right for record in outside), len(outside)),
        precision=Share(sum(record.is_right for record in turned_away), len(turned_away)),
    )
