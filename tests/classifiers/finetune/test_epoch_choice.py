"""The kept epoch is the latest one that validation cannot tell from the best."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from classifiers.finetune.epoch_choice import EpochChoice, latest_within_error


def evaluated(right: int, n: int = 100) -> SimpleNamespace:
    """What the library's Trainer hands over for n messages of which so many are right."""
    logits = np.array([[1.0, 0.0]] * right + [[0.0, 1.0]] * (n - right))
    return SimpleNamespace(predictions=logits, label_ids=np.zeros(n, dtype=int))


def test_the_latest_epoch_within_a_standard_error_of_the_best_ranks_highest() -> None:
    choice = EpochChoice(several=False)
    given = [choice(evaluated(right)) for right in (80, 90, 88, 86, 87)]
    assert [one["accuracy"] for one in given] == pytest.approx([0.80, 0.90, 0.88, 0.86, 0.87])
    # the standard error of 90 of 100 is 0.03: 88 and 87 are within it, 86 is not
    assert [one["rank"] for one in given] == [1, 2, 3, 0, 5]


def test_the_epoch_named_afterwards_is_the_one_that_training_keeps() -> None:
    accuracies = (0.80, 0.90, 0.88, 0.86, 0.87, 0.80)
    choice = EpochChoice(several=False)
    ranks = [choice(evaluated(round(100 * accuracy)))["rank"] for accuracy in accuracies]
    assert latest_within_error(accuracies, 100) == ranks.index(max(ranks)) == 4


def test_a_perfect_epoch_is_left_for_none_that_is_not() -> None:
    choice = EpochChoice(several=False)
    assert [choice(evaluated(right))["rank"] for right in (100, 99, 100)] == [1, 0, 3]


def test_of_several_labels_all_must_be_right() -> None:
    choice = EpochChoice(several=True)
    logits = np.array([[1.0, -1.0], [1.0, 1.0]])
    given = choice(SimpleNamespace(predictions=logits, label_ids=np.array([[1, 0], [1, 0]])))
    assert given == {"accuracy": 0.5, "rank": 1.0}
