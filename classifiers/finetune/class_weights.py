"""Class weights: what they are, and whether validation prefers a training with them.

Weights by how rare a label is help some unbalanced sets and harm others (docs/encoder-recipe.md), so `auto` tries.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from classifiers.interface import Epoch, Listener, Progress, Trial

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

UNBALANCED = 10
"""How many times as frequent as the rarest label the commonest must be for `auto` class weights."""


def is_unbalanced(labels: Sequence[int] | Sequence[Sequence[float]]) -> bool:
    """Tell whether the commonest label is over `UNBALANCED` times as frequent as the rarest that occurs."""
    counts = Counter(labels).values() if labels and isinstance(labels[0], int) else [1]
    return max(counts) > UNBALANCED * min(counts)


def class_weights(labels: Sequence[int] | Sequence[Sequence[float]], n_labels: int) -> list[float] | None:
    """Return one weight per label, n / (labels × count) as scikit-learn's `balanced`.

    None where a message may have several labels, whose thresholds serve that end, or probabilities for targets.
    """
    if not labels or not isinstance(labels[0], int):
        return None
    counts = [max(labels.count(i), 1) for i in range(n_labels)]
    return [len(labels) / (n_labels * count) for count in counts]


def train_both_ways(
    model: PreTrainedModel,
    fit: Callable[[list[float] | None, Listener], float],
    balanced: list[float] | None,
    listen: Listener,
    *,
    n_validation: int,
) -> tuple[Trial, Trial]:
    """Train from the same weights without and with class weights, and leave the model as validation prefers it.

    Equal accuracies go without. `fit` trains the model and returns the accuracy of its best epoch; `listen` hears of
    the epochs of the training that is kept. `n_validation` is how many messages an accuracy is of.
    """
    start = _trained_weights(model)
    plain, weighed = _Half(listen, 0), _Half(listen, 1)
    clock = time.perf_counter()
    without = fit(None, plain)
    middle = time.perf_counter()
    kept = _trained_weights(model)
    _put_back(model, start)
    having = fit(balanced, weighed)
    seconds = middle - clock, time.perf_counter() - middle
    is_better = having > without
    if not is_better:
        _put_back(model, kept)
    for epoch in (weighed if is_better else plain).epochs:
        listen(epoch)
    return (
        Trial({"class_weights": "none"}, without, n_validation, seconds[0], chosen=not is_better),
        Trial({"class_weights": "balanced"}, having, n_validation, seconds[1], chosen=is_better),
    )


class _Half:
    """Tells of steps as half of all steps, and keeps what it hears of epochs."""

    def __init__(self, listen: Listener, number: int) -> None:
        self.listen = listen
        self.number = number
        self.epochs: list[Epoch] = []

    def __call__(self, event: Progress | Epoch) -> None:
        if isinstance(event, Epoch):
            self.epochs.append(event)
        else:
            self.listen(Progress(self.number * event.total + event.done, 2 * event.total))


def _trained_weights(model: PreTrainedModel) -> dict[str, torch.Tensor]:
    return {name: weight.detach().clone() for name, weight in model.named_parameters() if weight.requires_grad}


def _put_back(model: PreTrainedModel, weights: dict[str, torch.Tensor]) -> None:
    for name, weight in model.named_parameters():
        if name in weights:
            weight.data.copy_(weights[name])
