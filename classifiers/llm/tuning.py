"""Choose how to ask on validation messages, within a budget, and keep what every try gave.

The test part plays no role here. Calibrations of one prompt share its scores, so trying all three
costs little more than trying one.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

import numpy as np

from classifiers.interface import Listener, Message, Progress, Trial
from classifiers.llm.prompting.asker import Asker
from classifiers.llm.prompting.prompt import prompt_templates
from classifiers.llm.prompting.settings import Choice, LlamaCppSettings

PER_LABEL = 2
SIMILAR = 6
PIECE = 16
"""Messages asked about between two looks at the clock."""

Answer = tuple[str, ...] | None
"""An answer's labels, or None where it was none: that is never right, not even for a message without labels."""

MakeAsker = Callable[[Choice], Asker]


@dataclass(frozen=True, slots=True)
class Tuned:
    """The best choice and every try, in the order tried."""

    choice: Choice
    trials: tuple[Trial, ...]


def declared_choices(start: Choice) -> list[Choice]:
    """Give the choices that `tune` tries, the cheapest first; a score stands for all its calibrations."""
    scored = replace(start, mode="score", examples="none", n_examples=0, calibration="none")
    return [
        scored,
        replace(scored, examples="fixed", n_examples=PER_LABEL),
        replace(start, mode="generate", examples="fixed", n_examples=PER_LABEL, calibration="none"),
        replace(scored, examples="knn", n_examples=SIMILAR),
    ]


def tune(
    start: Choice,
    make: MakeAsker,
    train: Sequence[Message],
    validation: Sequence[Message],
    settings: LlamaCppSettings,
    listen: Listener,
) -> Tuned:
    """Try what the settings ask for and give the choice that was right most often on validation.

    Ties go to the one tried first, `start` coming last. A try the budget runs out on is broken off and does
    not count. Without anything to try, `start` is the choice.
    """
    messages = _draw(validation, settings.tune_messages, start.example_seed)
    waiting = list(_choices(start, settings)) if messages else []
    with_calibrations = settings.tune or settings.calibration == "auto"
    race = _Race(make, train, messages, deadline=time.monotonic() + settings.tune_seconds)
    trials: list[tuple[Choice, Trial]] = []
    with suppress(_OutOfTimeError):
        for done, choice in enumerate(waiting, start=1):
            trials.extend(race.run(choice, with_calibrations=with_calibrations))
            listen(Progress(done, len(waiting)))
    # variants measure a spread; only tuning and `auto` calibration may change the choice
    eligible = [pair for pair in trials if settings.tune or _differs_in_calibration_only(pair[0], start)]
    chosen = max(eligible, key=lambda pair: (pair[1].accuracy, pair[0] != start))[0] if eligible else start
    return Tuned(chosen, tuple(trial for _, trial in trials))


def _choices(start: Choice, settings: LlamaCppSettings) -> Iterator[Choice]:
    tried = [start]
    if settings.tune:
        tried += declared_choices(start)
    if settings.prompt_variants:
        tried += [replace(start, prompt_template=name) for name in prompt_templates()]
    if settings.example_draws > 1:
        tried += [replace(start, example_seed=start.example_seed + i) for i in range(settings.example_draws)]
    compares = len(tried) > 1 or settings.calibration == "auto"
    yield from dict.fromkeys(tried if compares else ())


class _OutOfTimeError(Exception):
    """The budget is spent."""


@dataclass(frozen=True, slots=True)
class _Race:
    """Puts the same validation messages to one choice after another until the deadline."""

    make: MakeAsker
    train: Sequence[Message]
    messages: Sequence[Message]
    deadline: float

    def run(self, choice: Choice, *, with_calibrations: bool) -> Iterator[tuple[Choice, Trial]]:
        """Give what a choice scores, a score also with every calibration; raises _OutOfTimeError."""
        started = time.monotonic()
        asker = self.make(choice)
        if choice.mode != "score" or not with_calibrations:
            predictions = [p for texts in self._pieces() for p in asker.predict(texts)]
            yield choice, self._trial(choice, [p.labels if p.valid else None for p in predictions], started)
            return
        scores = np.concatenate([asker.scores(texts) for texts in self._pieces()])
        for calibration in asker.calibrations:
            self._check_time()
            answers: list[Answer] = [
                labels for labels, _ in asker.answers(scores, asker.find_prior(calibration, self.train))
            ]
            variant = replace(choice, calibration=calibration)
            yield variant, self._trial(variant, answers, started)
            started = time.monotonic()

    def _pieces(self) -> Iterator[list[str]]:
        texts = [message.text for message in self.messages]
        for start in range(0, len(texts), PIECE):
            self._check_time()
            yield texts[start : start + PIECE]

    def _check_time(self) -> None:
        if time.monotonic() > self.deadline:
            raise _OutOfTimeError

    def _trial(self, choice: Choice, answers: Sequence[Answer], started: float) -> Trial:
        right = sum(answer == message.labels for answer, message in zip(answers, self.messages, strict=True))
        n = len(self.messages)
        return Trial(choice.describe(), right / n, n, time.monotonic() - started)


def _differs_in_calibration_only(choice: Choice, start: Choice) -> bool:
    return replace(choice, calibration=start.calibration) == start


def _draw(messages: Sequence[Message], n: int, seed: int) -> list[Message]:
    """Draw n messages evenly over the labels, so that a small draw misses none."""
    chance = random.Random(seed)
    by_label: dict[tuple[str, ...], list[Message]] = {}
    for message in chance.sample(list(messages), len(messages)):
        by_label.setdefault(message.labels, []).append(message)
    turns = [own[i] for i in range(len(messages)) for own in by_label.values() if i < len(own)]
    return turns[:n]
