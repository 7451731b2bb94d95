"""The conformance kit passes what keeps its promises and names the promise that is broken."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import count
from typing import Any

import pytest

from classifiers.interface import Prediction, Settings
from classifiers.linear import Linear
from classifiers.majority import Majority
from classifiers.testing import HOSTILE, MESSAGES, TASK, check_classifier


@pytest.mark.parametrize("make", [Majority, Linear])
def test_backends_without_weights_pass(make: type[Any]) -> None:
    check_classifier(make)


class TooFew(Majority):
    def predict(self, texts: Sequence[str]) -> Iterator[Prediction]:
        return iter(list(super().predict(texts))[1:])


class Invents(Majority):
    def predict(self, texts: Sequence[str]) -> Iterator[Prediction]:
        return (Prediction(("Complaint",)) for _ in texts)


class Wavers(Majority):
    calls = count()

    def predict(self, texts: Sequence[str]) -> Iterator[Prediction]:
        return (Prediction((TASK.label_names[next(self.calls) % 3],)) for _ in texts)


class Overflows(Majority):
    def predict(self, texts: Sequence[str]) -> Iterator[Prediction]:
        return (Prediction(self.answer, probabilities=dict.fromkeys(TASK.label_names, 0.5)) for _ in texts)


class Forgets(Majority):
    def load_from(self, folder: Any, task: Any) -> None:
        self.answer, self.shares = (TASK.label_names[2],), dict.fromkeys(TASK.label_names, 1 / 3)


class Refuses(Majority):
    def supports(self, task: Any) -> str:
        return "it is Monday"


@pytest.mark.parametrize(
    ("make", "promise"),
    [
        (TooFew, f"{5 + len(HOSTILE) - 1} predictions for {5 + len(HOSTILE)} texts"),
        (Invents, "no labels of the task"),
        (Wavers, "the same question must get the same answer"),
        (Overflows, "probabilities add up to 1"),
        (Forgets, "must answer as before"),
        (Refuses, "it is Monday"),
        (lambda: Settings(), "derives from"),
    ],
)
def test_a_broken_promise_is_named(make: Any, promise: str) -> None:
    with pytest.raises((AssertionError, AttributeError), match=promise):
        check_classifier(make)


def test_the_messages_inside_hold_every_label_alike() -> None:
    assert {name: sum(m.label == name for m in MESSAGES) for name in TASK.label_names} == dict.fromkeys(
        TASK.label_names, 8
    )
