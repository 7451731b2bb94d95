"""The search for a way of asking: bounded by tries and messages, so that no clock has a say in the choice."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from classifiers.interface import Message, Prediction, silent
from classifiers.llm.prompting.score import Decided, Scored, Scorer
from classifiers.llm.prompting.settings import Choice, LlamaCppSettings
from classifiers.llm.prompting.strategy import Strategy
from classifiers.llm.tuning import Tuned, TuningMessages, declared_choices, tune

ANSWERS = ("a", "b", "neither")
VALIDATION = [Message(str(i), f"text {i}", ("a" if i < 70 else "b",)) for i in range(100)]
START = Choice("generate")
SCORED, FIXED, GENERATED, KNN = declared_choices(START)
SHARES = {START: 0.5, SCORED: 0.4, FIXED: 0.8, GENERATED: 0.9, KNN: 0.3}


class Clock:
    """Time that passes only while messages are answered; it also counts those."""

    def __init__(self, seconds_per_message: float) -> None:
        self.seconds_per_message, self.now = seconds_per_message, 0.0
        self.asked: Counter[Choice] = Counter()

    def __call__(self) -> float:
        return self.now


class Scripted(Strategy):
    """A strategy that is right on a known share of the messages."""

    def __init__(self, choice: Choice, clock: Clock) -> None:
        self.choice, self.clock, self.times_ready = choice, clock, 0

    def make_ready(self) -> None:
        self.times_ready += 1

    def predict(self, texts: Sequence[str], *, seed: int = 0) -> list[Prediction]:
        return [Prediction((ANSWERS[int(code)],)) for (code,) in self.codes(texts)]

    def codes(self, texts: Sequence[str]) -> NDArray[np.float64]:
        self.clock.asked[self.choice] += len(texts)
        self.clock.now += self.clock.seconds_per_message * len(texts)
        places = [int(text.split()[1]) for text in texts]
        right = 100 * SHARES[self.choice]
        return np.array([[float(place >= 70) if 10 * (place % 10) + place // 10 < right else 2.0] for place in places])


class ScriptedScorer(Scripted, Scorer):
    """The same with scores, which have one calibration."""

    calibrations = ("none",)

    def score(self, texts: Sequence[str]) -> Scored:
        return Scored(self.codes(texts), [()] * len(texts))

    def prior(self, calibration: str) -> None:
        assert calibration == "none"

    def answers(self, scores: NDArray[np.float64], prior: object) -> list[Decided]:
        return [Decided((ANSWERS[int(row[0])],), row) for row in scores]


def scripted(choice: Choice, clock: Clock) -> Strategy:
    return (ScriptedScorer if choice.gives_scores else Scripted)(choice, clock)


def search(clock: Clock, validation: Sequence[Message] = VALIDATION, **settings: object) -> Tuned:
    options = LlamaCppSettings.model_validate({"tune": True, **settings})
    messages = TuningMessages(VALIDATION, validation)
    return tune(START, lambda choice: scripted(choice, clock), messages, options, silent, clock)


def test_every_shared_prompt_is_tried_on_60_messages_and_retrieved_examples_on_20() -> None:
    clock = Clock(1.0)
    tuned = search(clock)
    assert tuned.choice == GENERATED
    assert clock.asked == {START: 60, GENERATED: 60, FIXED: 60, SCORED: 60, KNN: 20}
    assert [(trial.n, trial.chosen) for trial in tuned.trials] == [
        (60, False),
        (60, False),
        (60, False),
        (60, True),
        (20, False),
    ]
    assert tuned.trials[3].accuracy == pytest.approx(0.9, abs=0.05)
    assert tuned.trials[3].seconds == 60
    assert tuned.note == ""
    assert isinstance(tuned.strategy, Scripted), "what answered in the search goes on, with all it has learnt"
    assert (tuned.strategy.choice, tuned.strategy.times_ready) == (GENERATED, 1)


@pytest.mark.parametrize(
    ("retrieved", "n", "chosen"),
    [(0.9, 20, GENERATED), (0.92, 20, GENERATED), (1.0, 100, KNN)],
    ids=["as good", "by less than an error", "better"],
)
def test_retrieved_examples_have_to_be_worth_their_price(
    monkeypatch: pytest.MonkeyPatch, retrieved: float, n: int, chosen: Choice
) -> None:
    """Ten in a hundred are many times the error of equals, sqrt(10); one or none of twenty is within it."""
    monkeypatch.setitem(SHARES, KNN, retrieved)
    clock = Clock(1.0)
    assert search(clock, tune_messages=100).choice == chosen
    assert clock.asked[KNN] == n


def test_a_slow_machine_chooses_what_a_fast_one_does() -> None:
    fast, slow = search(Clock(0.001)), search(Clock(12.0))
    assert fast.choice == slow.choice == GENERATED
    assert [replace(t, seconds=0) for t in fast.trials] == [replace(t, seconds=0) for t in slow.trials]


def test_a_search_cut_short_by_the_clock_chooses_nothing_and_says_so() -> None:
    tuned = search(Clock(1.0), tune_seconds=130)
    assert tuned.choice == START
    assert tuned.note == "not tuned: only 2 of 5 prompts tried within tune_seconds = 130; asked as configured"
    assert tuned.unfinished == "2 of 5 prompts tried"
    assert [trial.chosen for trial in tuned.trials] == [True, False]


def test_without_validation_messages_a_row_says_that_it_is_not_tuned() -> None:
    tuned = search(Clock(1.0), validation=())
    assert tuned.choice == START
    assert "no validation messages" in tuned.note
    assert search(Clock(1.0), validation=(), tune=False).note == "", "nothing was to be tuned"


def test_the_sample_is_stratified() -> None:
    """Of 70 a and 30 b, an answer that is always a is right on 14 of 20 and 42 of 60."""
    assert Counter(m.label for m in _asked(20)) == {"a": 14, "b": 6}
    assert Counter(m.label for m in _asked(60)) == {"a": 42, "b": 18}


def _asked(n: int) -> list[Message]:
    seen: list[str] = []

    class Listening(Scripted):
        def codes(self, texts: Sequence[str]) -> NDArray[np.float64]:
            seen.extend(texts)
            return super().codes(texts)

    clock = Clock(0.0)
    options = LlamaCppSettings(calibration="auto", tune_messages=n)
    messages = TuningMessages(VALIDATION, VALIDATION)
    tune(START, lambda choice: Listening(choice, clock), messages, options, silent, clock)
    return [VALIDATION[int(text.split()[1])] for text in seen]
