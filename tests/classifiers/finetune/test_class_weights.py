"""Class weights by hand, and which of two trainings is kept."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from classifiers.finetune.class_weights import class_weights, is_unbalanced, train_both_ways
from classifiers.interface import Epoch, Listener, Progress


def test_class_weights_are_those_of_scikit_learn() -> None:
    from sklearn.utils.class_weight import compute_class_weight

    labels = [0] * 22 + [1] * 2
    weights = class_weights(labels, 2)
    assert weights == [24 / 44, 24 / 4]
    assert weights == pytest.approx(compute_class_weight("balanced", classes=np.array([0, 1]), y=np.array(labels)))
    assert class_weights([0, 0, 1], 2) == [0.75, 1.5]


def test_labels_are_unbalanced_beyond_ten_to_one() -> None:
    assert is_unbalanced([0] * 22 + [1] * 2)
    assert not is_unbalanced([0] * 20 + [1] * 2)


def test_messages_with_several_labels_have_no_class_weights() -> None:
    assert class_weights([[1.0, 0.0]], 2) is None
    assert not is_unbalanced([[1.0, 0.0]])


@pytest.mark.parametrize(("plain", "weighed", "kept"), [(0.9, 0.8, 1.0), (0.8, 0.9, 2.0), (0.9, 0.9, 1.0)])
def test_the_training_that_validation_prefers_is_kept_and_a_tie_goes_without(
    plain: float, weighed: float, kept: float
) -> None:
    model = nn.Linear(1, 1, bias=False)
    nn.init.zeros_(model.weight)
    heard: list[Epoch | Progress] = []

    def fit(weights: list[float] | None, listen: Listener) -> float:
        assert model.weight.item() == 0, "both begin at the same weights"
        nn.init.constant_(model.weight, 2.0 if weights else 1.0)
        listen(Progress(5, 10))
        listen(Epoch(1, train_loss=2.0 if weights else 1.0))
        return weighed if weights else plain

    trials = train_both_ways(model, fit, [0.5, 3.0], heard.append, n_validation=40)  # type: ignore[arg-type]
    assert model.weight.item() == kept
    assert [(trial.accuracy, trial.n) for trial in trials] == [(plain, 40), (weighed, 40)]
    assert [trial.chosen for trial in trials] == [kept == 1.0, kept == 2.0]
    assert heard == [Progress(5, 20), Progress(15, 20), Epoch(1, train_loss=kept)]


def test_weights_that_are_not_trained_are_not_kept_twice() -> None:
    model = nn.Sequential(nn.Linear(1, 1), nn.Linear(1, 1))
    model[0].requires_grad_(False)
    before = model[0].weight

    def fit(weights: list[float] | None, listen: Listener) -> float:
        with torch.no_grad():
            model[1].weight.fill_(7.0 if weights else 3.0)
        return 0.5

    train_both_ways(model, fit, [1.0], lambda event: None, n_validation=1)  # type: ignore[arg-type]
    assert model[0].weight is before
    assert model[1].weight.item() == 3.0
