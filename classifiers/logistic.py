"""Logistic regression whose strength is chosen on validation: the head of `linear` and of a frozen encoder."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from classifiers.interface import Listener, Progress

if TYPE_CHECKING:
    from sklearn.linear_model import LogisticRegression


def fit_logistic(
    train: tuple[Any, Sequence[str]],
    validation: tuple[Any, Sequence[str]],
    strengths: Sequence[float],
    *,
    max_iterations: int,
    seed: int,
    listen: Listener,
) -> LogisticRegression:
    """Fit one model a strength and give the one that is right most often on validation; ties to the first.

    Args:
        train: features, a matrix with a row a message (dense or sparse), and the messages' labels.
        validation: the same; without messages the first strength is taken untried.
        strengths: inverse regularisation strengths C.
        max_iterations: of the solver.
        seed: of the solver.
        listen: told of every strength that is done.
    """
    from sklearn.linear_model import LogisticRegression

    features, labels = validation
    tried: list[tuple[float, LogisticRegression]] = []
    for done, strength in enumerate(strengths if labels else strengths[:1], start=1):
        model = LogisticRegression(C=strength, max_iter=max_iterations, random_state=seed).fit(*train)
        tried.append((float(model.score(features, labels)) if labels else 0.0, model))
        listen(Progress(done, len(strengths)))
    return max(tried, key=lambda pair: pair[0])[1]
