"""Votes of the nearest messages: by hand, and with a real encoder."""

from __future__ import annotations

import hashlib
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from classifiers.interface import Message, Task
from classifiers.knn import Knn, KnnSettings, Neighbours, nearest, vote
from classifiers.testing import check_classifier

GOLD = np.eye(3)[[0, 0, 1, 2]]


def on_circle(*degrees: float) -> np.ndarray:
    angles = np.radians(degrees)
    return np.column_stack([np.cos(angles), np.sin(angles)]).astype(np.float32)


def test_the_nearest_come_in_order_and_never_the_one_left_out() -> None:
    vectors = on_circle(0, 10, 30, 100)
    near = nearest(on_circle(12), vectors, 3)
    assert near.places.tolist() == [[1, 0, 2]]
    assert near.similarities[0] == pytest.approx(np.cos(np.radians([2, 12, 18])), abs=1e-6)
    without = nearest(vectors, vectors, 1, groups=(np.arange(4), np.arange(4)))
    assert without.places.tolist() == [[1], [0], [1], [2]]
    groups = np.array([0, 0, 1, 2])
    assert nearest(vectors, vectors, 1, groups=(groups, groups)).places.tolist() == [[2], [2], [1], [2]]


def test_votes_count_alike_or_by_their_distance() -> None:
    near = Neighbours(np.array([[2, 0, 1]]), np.array([[0.9, 0.8, 0.8]], np.float32))
    assert vote(near, GOLD, 3, "equal")[0] == pytest.approx([2 / 3, 1 / 3, 0], abs=1e-6)
    weight = np.exp(-0.1 / 0.05)
    assert vote(near, GOLD, 3, 0.05)[0] == pytest.approx([2 * weight, 1, 0] / (1 + 2 * weight), abs=1e-6)
    assert vote(near, GOLD, 2, "equal")[0].argmax() == 1, "of as many votes the nearest one's label comes first"


def fitted(
    task: Task, vectors: np.ndarray, labels: list[tuple[str, ...]], *, groups: str = "", **settings: object
) -> Knn:
    """A classifier whose embeddings are given instead of made; `groups` has a letter per message."""
    letters = groups or [""] * len(labels)
    messages = [Message(str(i), str(i), names, group=letters[i]) for i, names in enumerate(labels)]

    class Given(Knn):
        network = SimpleNamespace(device="cpu", precision="float32", n_parameters=0)  # type: ignore[assignment]

        def embed(self, texts: object, *, prefix: object = None) -> object:  # type: ignore[override]
            from classifiers.embedding import Embedded

            return Embedded(vectors, (1,) * len(vectors), (False,) * len(vectors))

    classifier = Given(KnnSettings.model_validate(settings))
    classifier.fit(task, messages, ())
    return classifier


def test_k_is_chosen_by_leaving_one_out(task: Task) -> None:
    # a wrong label stands beside every point, so that one neighbour is always wrong and three are right
    vectors = on_circle(0, 1, 2.1, 3.3, 90, 91, 92.1, 93.3)
    names = task.label_names
    labels = [(names[i],) for i in (0, 0, 0, 0, 1, 1, 1, 1)]
    assert fitted(task, vectors, labels).fitted.choice.k <= 3
    noisy = [(names[i],) for i in (0, 1, 0, 0, 1, 0, 1, 1)]
    classifier = fitted(task, vectors, noisy, k=(1, 3), weights=("equal",))
    accuracy = {trial.settings["k"]: trial.accuracy for trial in classifier.details().trials}
    assert accuracy == {1: 2 / 8, 3: 6 / 8}
    assert classifier.fitted.choice.k == 3
    assert classifier.details().n_labelled == 8
    # at 0 degrees the votes are 2 of 3, evened out by what was right when left out
    row = classifier.probabilities(on_circle(0))[0]
    even = classifier.fitted.choice.even
    assert row == pytest.approx([(1 - even) * 2 / 3 + even / 3, (1 - even) / 3 + even / 3, even / 3], abs=1e-6)
    assert row.sum() == pytest.approx(1)


def test_messages_of_one_group_are_left_out_together(task: Task) -> None:
    # two customers per label, each with messages of one place: whoever is left out alone finds its own customer's
    vectors = on_circle(0, 1, 50, 51, 90, 91, 40, 41)
    names = task.label_names
    labels = [(names[i],) for i in (0, 0, 0, 0, 1, 1, 1, 1)]
    settings = {"k": (1,), "weights": ("equal",)}
    (alone,) = fitted(task, vectors, labels, **settings).fitted.trials
    assert (alone.accuracy, alone.settings["tried_on"]) == (1.0, "leave-one-out cross-validation")
    (grouped,) = fitted(task, vectors, labels, groups="aabbccdd", **settings).fitted.trials
    # without its own customer's each message's nearest is at 40 or 50 degrees, of the other label
    assert (grouped.accuracy, grouped.settings["tried_on"]) == (0.0, "leave-one-group-out cross-validation")
    (one_each,) = fitted(task, vectors, labels, groups="abcdefgh", **settings).fitted.trials
    assert one_each == alone
    # with one customer of six messages only two of others are left for some
    assert [t.settings["k"] for t in fitted(task, vectors, labels, groups="aaaaaabb", k=(1, 2, 3)).fitted.trials][
        -1
    ] == 2


def test_one_training_message_answers_everything(task: Task) -> None:
    classifier = fitted(task, on_circle(0), [(task.label_names[2],)])
    assert classifier.details().trials == ()
    assert classifier.probabilities(on_circle(50))[0].argmax() == 2


def test_several_labels_are_shares_of_their_own(task: Task) -> None:
    several = Task(task.name, task.labels, max_labels=2)
    a, b, _ = task.label_names
    labels = [(a,), (a,), (a, b), (a, b), (), ()]
    classifier = fitted(several, on_circle(0, 1, 40, 41, 90, 91), labels, k=(1,))
    assert classifier.details().trials[0].accuracy == 1
    for angle, expected in ((0.4, (a,)), (40.4, (a, b)), (90.4, ())):
        row = classifier.probabilities(on_circle(angle))[0]
        assert classifier.prediction(row.tolist()).labels == expected


def test_it_keeps_the_contract(minilm: Path) -> None:
    check_classifier(lambda: Knn(KnnSettings(model=(str(minilm),)), threads=2))


def test_the_weights_that_run_are_named_before_they_are_loaded(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    for weights in (b"old", b"new"):
        (tmp_path / "model.safetensors").write_bytes(weights)
        (file,) = Knn(KnnSettings(model=(str(tmp_path),))).model_files()
        assert (file.name, file.sha256) == ("model.safetensors", hashlib.sha256(weights).hexdigest())
