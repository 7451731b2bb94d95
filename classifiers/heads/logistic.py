"""Logistic regression whose strength is tried, never assumed: the head of `linear` and of a frozen encoder.

Where a message may have several labels, every label has a regression of its own (one against the rest).
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from classifiers.heads.multilabel import Rows, label_matrix
from classifiers.heads.strength import Outcome, choose, cross_validate, outcome
from classifiers.interface import Listener, Message, Progress, Task, Trial

Model = Any
"""A fitted scikit-learn classifier with `predict_proba`."""
Part = tuple[Any, Sequence[Message]]
"""Features, a matrix with a row per message (dense or sparse), and the messages."""


@dataclass(frozen=True, slots=True)
class Fitted:
    """A fitted model and the strengths that were tried for it."""

    model: Model
    trials: tuple[Trial, ...] = ()


def fit_logistic(
    task: Task,
    parts: tuple[Part, Part],
    strengths: Sequence[float],
    *,
    max_iterations: int,
    seed: int,
    listen: Listener,
) -> Fitted:
    """Fit with the strength that is right most often on validation, or without validation in cross-validation.

    Args:
        task: says whether a message may have several labels.
        parts: training and validation part; the second may have no messages.
        strengths: inverse regularisation strengths C.
        max_iterations: of the solver.
        seed: of the solver and of the folds.
        listen: told of every strength that is done.
    """
    (features, messages), (held_out, validation) = parts
    gold = label_matrix(messages, task.label_names)

    def fitted(strength: float, places: Any = slice(None)) -> Model:
        return _fit(task, features[places], gold[places], strength, (max_iterations, seed))

    def held_out_rows(strength: float, train: Any, others: Any) -> Rows:
        return label_probabilities(fitted(strength, train), features[others], task)

    if not validation:
        choice = cross_validate(held_out_rows, messages, gold, strengths, seed=seed, listen=listen)
        return Fitted(fitted(choice.strength), choice.trials)
    tried: list[tuple[Outcome, Model]] = []
    for done, strength in enumerate(strengths, start=1):
        started = time.monotonic()
        model = fitted(strength)
        rows = label_probabilities(model, held_out, task)
        target, seconds = label_matrix(validation, task.label_names), time.monotonic() - started
        tried.append((outcome(strength, rows, target, several=task.takes_several, seconds=seconds), model))
        listen(Progress(done, len(strengths)))
    choice = choose([result for result, _ in tried], len(validation), "validation")
    return Fitted(next(model for result, model in tried if result.strength == choice.strength), choice.trials)


def _fit(task: Task, features: Any, gold: Rows, strength: float, solver: tuple[int, int]) -> Model:
    """Fit one model; `solver` is its number of iterations and its seed."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.multiclass import OneVsRestClassifier

    model: Model = LogisticRegression(C=strength, max_iter=solver[0], random_state=solver[1])
    if task.takes_several:
        return OneVsRestClassifier(model).fit(features, gold)
    return model.fit(features, [task.label_names[i] for i in gold.argmax(axis=1)])


def label_probabilities(model: Model, features: Any, task: Task) -> Rows:
    """Return each message's probability of every label, in the task's order; a label never trained on has 0."""
    rows_of_seen = np.asarray(model.predict_proba(features))
    if task.takes_several:
        return rows_of_seen
    rows = np.zeros((len(rows_of_seen), len(task.labels)))
    rows[:, [task.label_names.index(str(name)) for name in model.classes_]] = rows_of_seen
    return rows


def n_weights(model: Model) -> int:
    """Count weights and intercepts."""
    parts = [regression for regression in getattr(model, "estimators_", [model]) if hasattr(regression, "coef_")]
    return sum(int(regression.coef_.size + regression.intercept_.size) for regression in parts)
