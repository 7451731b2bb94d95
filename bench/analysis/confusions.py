"""Which labels are taken for which."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bench.records.types import PredictionRecord

UNPARSED = "unparsed"
"""What stands for an answer that is no label; a label may have this name too, so that places count and not names."""
Confusion = tuple[tuple[int, ...], ...]
"""Messages by gold label (row) and answered one (column), in the task's order, unparsed answers in the last column."""


@dataclass(frozen=True, slots=True)
class Mistake:
    """Of how many messages with this gold label the answer was another one."""

    gold: str
    answer: str
    n: int


def confusions_of(records: Sequence[PredictionRecord], labels: Sequence[str]) -> Confusion:
    """Count single-label answers by gold label and answer (scikit-learn)."""
    from sklearn.metrics import confusion_matrix

    place = {label: i for i, label in enumerate(labels)}
    gold = [place[record.gold[0]] for record in records]
    answers = [place[record.predicted[0]] if record.valid else len(labels) for record in records]
    counts = confusion_matrix(gold, answers, labels=range(len(labels) + 1))
    return tuple(tuple(line) for line in counts[:-1].tolist())


def largest_mistakes(confusion: Confusion, labels: Sequence[str], most: int) -> list[Mistake]:
    """Return the most frequent mistakes, the most frequent first."""
    names = [*labels, UNPARSED]
    mistakes = [
        Mistake(labels[i], names[j], n) for i, line in enumerate(confusion) for j, n in enumerate(line) if n and i != j
    ]
    return sorted(mistakes, key=lambda mistake: (mistake.n, mistake.gold, mistake.answer), reverse=True)[:most]


def most_confused(confusions: Sequence[Confusion], labels: Sequence[str], max_labels: int) -> list[str]:
    """Return the labels with the most mistakes over all classifiers, in the task's order; all where they are few."""
    errors = sum(np.array(confusion)[:, :-1] * ~np.eye(len(labels), dtype=bool) for confusion in confusions)
    unparsed = sum(np.array(confusion)[:, -1] for confusion in confusions)
    worst = np.argsort(-(np.asarray(errors).sum(axis=1) + unparsed), kind="stable")[:max_labels]
    return [label for i, label in enumerate(labels) if i in worst]
