"""Out-of-scope messages: how many of them a classifier rejects, and how many others it rejects wrongly.

The protocol of clinc150 (Larson et al. 2019) and HINT3 (Arora et al. 2020): accuracy on in-scope
messages, and recall and precision of rejection. A classifier rejects a message by answering `oos_label`: as a label it
has learnt, or, by a cascade with `other`, where its confidence is below the threshold.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bench.analysis.clusters import INDEPENDENT, Design, right_design
from bench.analysis.label_scores import Interval
from bench.analysis.scores import wilson_interval
from bench.records.types import PredictionRecord


@dataclass(frozen=True, slots=True)
class Share:
    """`n` of which `right` are right; their share has a Wilson interval, for messages of that design."""

    right: int
    n: int
    design: Design = INDEPENDENT

    @property
    def value(self) -> float | None:
        """Return the share, None of nothing."""
        return self.right / self.n if self.n else None

    @property
    def interval(self) -> Interval | None:
        """Return the 95 % interval, None of nothing."""
        return wilson_interval(self.right, self.n, design=self.design) if self.n else None


@dataclass(frozen=True, slots=True)
class Rejection:
    """How a classifier does on in-scope messages, and at rejecting out-of-scope ones."""

    in_scope_accuracy: Share
    recall: Share
    precision: Share


def rejection(records: Sequence[PredictionRecord], other: str) -> Rejection:
    """Count a classifier's answers; `other` is the label of out-of-scope messages."""
    inside = [record for record in records if record.gold != (other,)]
    outside = [record for record in records if record.gold == (other,)]
    turned_away = [record for record in records if record.valid and record.predicted == (other,)]
    return Rejection(_share(inside), _share(outside), _share(turned_away))


def _share(records: Sequence[PredictionRecord]) -> Share:
    right = sum(record.is_right for record in records)
    return Share(right, len(records), right_design(records) if records else INDEPENDENT)
