"""Logistic regression whose strength is tried, never assumed: the head of `linear` and of a frozen encoder.

Where a message may have several labels, every label has a regression of its own (one against the rest).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from classifiers.errors import BenchError
from classifiers.heads.multilabel import Rows, label_matrix
from classifiers.heads.strength import Fit, Outcome, Search, choose, cross_validate, outcome
from classifiers.interface import Listener, Message, Progress, Task, Trial
from classifiers.models.safe_load import read_fitted

Model = Any
"""A fitted scikit-learn classifier, or a pipeline that ends in one, with `predict_proba`."""
Part = tuple[Any, Sequence[Message]]
"""Features, an array with a row per message (dense, sparse or of texts), and the messages."""
Vectorise = Callable[[Any], tuple[Any, Any]]
"""Fits a scikit-learn transformer on features; returns it, and the vectors it makes of them."""


@dataclass(frozen=True, slots=True)
class Fitted:
    """A fitted model, the strengths that were tried for it, and for several labels their thresholds."""

    model: Model
    trials: tuple[Trial, ...] = ()
    thresholds: tuple[float, ...] = ()


def fit_logistic(
    task: Task, parts: tuple[Part, Part], search: Search, *, listen: Listener, vectorise: Vectorise | None = None
) -> Fitted:
    """Fit with the strength that is right most often on validation, or without validation in cross-validation.

    Args:
        task: says whether a message may have several labels.
        parts: training and validation part; the second may have no messages.
        search: what is tried.
        listen: told of every strength that is done.
        vectorise: what turns features into numbers; it sees no message that is held out, in no fold.
    """
    (features, messages), (held_out, validation) = parts
    gold = label_matrix(messages, task.label_names)
    vectorise = vectorise or _as_they_are

    def learner() -> Callable[[float], Model]:
        transformer, vectors = vectorise(features)
        regression = _regression(task, vectors, gold, search)
        return lambda strength: _piped(transformer, regression(strength))

    def prepare(train: Any, others: Any) -> Fit:
        transformer, vectors = vectorise(features[train])
        vectors, unseen = in_span(vectors, transformer.transform(features[others]) if transformer else features[others])
        regression = _regression(task, vectors, gold[train], search)
        return lambda strength: label_probabilities(regression(strength), unseen, task)

    if not validation:
        choice = cross_validate(prepare, messages, gold, search, several=task.takes_several, listen=listen)
        return Fitted(learner()(choice.strength), choice.trials, choice.thresholds)
    fit, target = learner(), label_matrix(validation, task.label_names)
    tried: list[tuple[Outcome, Model]] = []
    for done, strength in enumerate(search.strengths, start=1):
        started = time.monotonic()
        model = fit(strength)
        rows, seconds = label_probabilities(model, held_out, task), time.monotonic() - started
        tried.append((outcome(strength, rows, target, several=task.takes_several, seconds=seconds), model))
        listen(Progress(done, len(search.strengths)))
    choice = choose([result for result, _ in tried], len(validation), "validation")
    model = next(model for result, model in tried if result.strength == choice.strength)
    return Fitted(model, choice.trials, choice.thresholds)


def _as_they_are(features: Any) -> tuple[Any, Any]:
    return None, features


def _piped(transformer: Any, model: Model) -> Model:
    from sklearn.pipeline import make_pipeline

    return make_pipeline(transformer, model) if transformer else model


def _regression(task: Task, vectors: Any, gold: Rows, search: Search) -> Callable[[float], Model]:
    """Return what fits a regression with a C on these vectors."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.multiclass import OneVsRestClassifier

    def fit(strength: float) -> Model:
        model: Model = LogisticRegression(C=strength, max_iter=search.max_iterations, random_state=search.seed)
        if task.takes_several:
            return OneVsRestClassifier(model).fit(vectors, gold)
        return model.fit(vectors, [task.label_names[i] for i in gold.argmax(axis=1)])

    return fit


def in_span(vectors: Any, others: Any) -> tuple[Any, Any]:
    """Return sparse vectors, and others, in as many coordinates as there are vectors, where these are fewer.

    The weights of a regression with an L2 penalty are sums of its vectors (the representer theorem), so it is the same
    one in an orthonormal basis of what they span, and L-BFGS takes the same steps there: with 480 messages of 77 labels
    and 8,263 words and character sequences a fit took 0.1 s of processor time and not 0.6 to 0.9, with probabilities
    equal to 2e-14.
    """
    from scipy.linalg import eigh
    from scipy.sparse import issparse

    if not issparse(vectors) or vectors.shape[0] >= vectors.shape[1]:
        return vectors, others
    products = (vectors @ vectors.T).toarray()
    squares, axes = eigh(products)
    kept = squares > squares[-1] * len(squares) * np.finfo(float).eps
    basis = axes[:, kept] / np.sqrt(squares[kept])
    return products @ basis, (others @ vectors.T) @ basis


def label_probabilities(model: Model, features: Any, task: Task) -> Rows:
    """Return each message's probability of every label, in the task's order; a label never trained on has 0."""
    rows_of_seen = np.asarray(model.predict_proba(features))
    if task.takes_several:
        return rows_of_seen
    rows = np.zeros((len(rows_of_seen), len(task.labels)))
    rows[:, [task.label_names.index(str(name)) for name in model.classes_]] = rows_of_seen
    return rows


def read_head(path: Path, task: Task) -> Model:
    """Read a fitted model that skops wrote.

    Raises:
        BenchError: if the file is none, names types that are not known to be harmless, or holds another thing than a
            classifier of the task's labels.
    """
    model = read_fitted(path)
    names = [str(name) for name in getattr(model, "classes_", ())]
    fits = len(names) == len(task.labels) if task.takes_several else set(names) <= set(task.label_names)
    if not (names and fits and hasattr(model, "predict_proba")):
        raise BenchError(f"{path} holds no classifier of this task's labels; run the benchmark again")
    return model


def n_weights(model: Model) -> int:
    """Count weights and intercepts."""
    parts = [regression for regression in getattr(model, "estimators_", [model]) if hasattr(regression, "coef_")]
    return sum(int(regression.coef_.size + regression.intercept_.size) for regression in parts)
