"""Logistic regression whose strength is chosen on validation: the head of `linear` and of a frozen encoder.

Where a message may have several labels, every label has a regression of its own (one against the rest).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from classifiers.heads.multilabel import Rows, label_matrix
from classifiers.interface import Listener, Message, Progress, Task

Model = Any
"""A fitted scikit-learn classifier with `predict_proba`."""
Part = tuple[Any, Sequence[Message]]
"""Features, a matrix with a row a message (dense or sparse), and the messages."""


def fit_logistic(
    task: Task,
    parts: tuple[Part, Part],
    strengths: Sequence[float],
    *,
    max_iterations: int,
    seed: int,
    listen: Listener,
) -> Model:
    """Fit one model a strength and give the one that is right most often on validation; ties to the first.

    Args:
        task: says whether a message may have several labels.
        parts: training and validation part; without validation messages the first strength is taken untried.
        strengths: inverse regularisation strengths C.
        max_iterations: of the solver.
        seed: of the solver.
        listen: told of every strength that is done.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.multiclass import OneVsRestClassifier

    def target(messages: Sequence[Message]) -> Any:
        return label_matrix(messages, task.label_names) if task.takes_several else [m.label for m in messages]

    train, (features, held_out) = parts
    tried: list[tuple[float, Model]] = []
    for done, strength in enumerate(strengths if held_out else strengths[:1], start=1):
        model: Model = LogisticRegression(C=strength, max_iter=max_iterations, random_state=seed)
        model = OneVsRestClassifier(model) if task.takes_several else model
        model.fit(train[0], target(train[1]))
        tried.append((float(model.score(features, target(held_out))) if held_out else 0.0, model))
        listen(Progress(done, len(strengths)))
    return max(tried, key=lambda pair: pair[0])[1]


def label_probabilities(model: Model, features: Any, task: Task) -> Rows:
    """Give each message's probability of every label, in the task's order; a label never trained on has 0."""
    found = np.asarray(model.predict_proba(features))
    if task.takes_several:
        return found
    rows = np.zeros((len(found), len(task.labels)))
    rows[:, [task.label_names.index(str(name)) for name in model.classes_]] = found
    return rows


def n_weights(model: Model) -> int:
    """Count weights and intercepts."""
    parts = [one for one in getattr(model, "estimators_", [model]) if hasattr(one, "coef_")]
    return sum(int(one.coef_.size + one.intercept_.size) for one in parts)
