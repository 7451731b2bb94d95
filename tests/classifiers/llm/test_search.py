"""The search for a way of asking: bounded by tries and messages, so that no clock has a say in the choice."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from classifiers.interface import Label, Message, Prediction, Task, silent
from classifiers.llm.prompting.calibration import calibrate, may_be_likeliest, prior_of
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


def test_every_shared_prompt_is_tried_on_60_messages_and_retrieved_examples_while_they_may_win() -> None:
    clock = Clock(1.0)
    tuned = search(clock)
    assert tuned.choice == GENERATED
    assert clock.asked == {START: 60, GENERATED: 60, FIXED: 60, SCORED: 60, KNN: 2}
    assert [(trial.n, trial.chosen) for trial in tuned.trials] == [
        (60, False),
        (60, False),
        (60, False),
        (60, True),
        (2, False),
    ]
    assert tuned.trials[3].accuracy == pytest.approx(0.9, abs=0.05)
    assert tuned.trials[3].seconds == 60
    assert tuned.note == ""
    assert isinstance(tuned.strategy, Scripted), "what answered in the search goes on, with all it has learnt"
    assert (tuned.strategy.choice, tuned.strategy.times_ready) == (GENERATED, 1)


@pytest.mark.parametrize(
    ("retrieved", "n", "chosen"),
    [(0.9, 2, GENERATED), (0.92, 2, GENERATED), (1.0, 100, KNN)],
    ids=["as good", "by less than an error", "better"],
)
def test_retrieved_examples_have_to_be_worth_their_price(
    monkeypatch: pytest.MonkeyPatch, retrieved: float, n: int, chosen: Choice
) -> None:
    """Ten in a hundred are many errors of equals, sqrt(10); one or two in twenty, all there is to gain, are not."""
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


class RandomScorer(Scorer):
    """A model that gives every message random scores, which lean to the right label as much as its choice does."""

    calibrations = ("none", "batch")

    def __init__(self, choice: Choice, seed: int) -> None:
        self.choice, self.asked, self._priors = choice, 0, {"none": None}
        self.asking: Any = SimpleNamespace(task=Task("t", (Label("a"), Label("b"))))
        rng = np.random.default_rng([seed, len(choice.mode), choice.n_examples])
        lean = np.array([[1.0, 0] if m.label == "a" else [0, 1.0] for m in VALIDATION])
        self._scores = rng.normal(size=lean.shape) + rng.uniform(0, 3) * lean + [rng.normal(), 0]

    def make_ready(self) -> None:
        """Nothing is held."""

    def score(self, texts: Sequence[str]) -> Scored:
        self.asked += len(texts)
        return Scored(self._scores[[int(text.split()[1]) for text in texts]], [()] * len(texts))


def test_retrieved_examples_that_cannot_win_any_more_are_left_without_changing_a_choice(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Against a search that looks only once all 20, or 60, are answered: as it was before."""
    asked: dict[int, list[int]] = {}
    chosen: dict[int, list[Choice]] = {}
    for look in (2, 1000):
        monkeypatch.setattr("classifiers.llm.tuning.LOOK", look)
        for seed in range(150):
            made: dict[Choice, RandomScorer] = {}
            options = LlamaCppSettings(tune=True, mode="score")
            messages, start = TuningMessages(VALIDATION, VALIDATION), Choice("score")
            make = lambda choice, made=made, seed=seed: made.setdefault(choice, RandomScorer(choice, seed))  # noqa: E731
            chosen.setdefault(look, []).append(tune(start, make, messages, options, silent).choice)
            asked.setdefault(look, []).append(next(s.asked for c, s in made.items() if c.examples == "knn"))
    assert chosen[2] == chosen[1000]
    assert sum(choice.examples == "knn" for choice in chosen[2]) > 10
    assert all(few <= many for few, many in zip(asked[2], asked[1000], strict=True))
    assert sum(asked[2]) < 0.75 * sum(asked[1000])


def test_labels_that_batch_calibration_may_yet_give_are_all_it_gives() -> None:
    rng = np.random.default_rng(0)
    scores = np.log(rng.dirichlet([0.3] * 3, size=40))
    is_open = may_be_likeliest(scores, 10)
    for _ in range(500):
        more = np.log(rng.dirichlet([0.1] * 3, size=10))
        decided = calibrate(scores, prior_of(np.concatenate([scores, more]))).argmax(axis=1)
        assert is_open[np.arange(40), decided].all()
    assert 40 < is_open.sum() < 100, "most labels are out of the question"
    settled = may_be_likeliest(scores, 0)
    assert (settled.argmax(axis=1) == calibrate(scores, prior_of(scores)).argmax(axis=1)).all()
    assert settled.sum() == 40
