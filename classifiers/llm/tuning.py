"""Choose how to ask on validation messages, within a budget, and keep what every try gave.

The test part plays no role here. Calibrations of one prompt share its scores, so trying all three
costs little more than trying one.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from classifiers.interface import Listener, Message, Progress, Trial
from classifiers.llm.asker import Asker
from classifiers.llm.calibration import Calibration, calibrate
from classifiers.llm.prompt import wordings
from classifiers.llm.settings import Choice, LlamaCppSettings

CALIBRATIONS: tuple[Calibration, ...] = ("none", "contextual", "batch")
PER_LABEL = 2
SIMILAR = 6

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
        replace(scored, examples="per_label", n_examples=PER_LABEL),
        replace(start, mode="generate", examples="per_label", n_examples=PER_LABEL, calibration="none"),
        replace(scored, examples="similar", n_examples=SIMILAR),
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

    Ties go to the one tried first, the cheaper. Without anything to try, `start` is the choice.
    """
    messages = _draw(validation, settings.tune_messages, start.example_seed)
    waiting = list(_choices(start, settings)) if messages else []
    deadline = time.monotonic() + settings.tune_seconds
    trials: list[tuple[Choice, Trial]] = []
    for done, choice in enumerate(waiting):
        if trials and time.monotonic() > deadline:
            break
        trials += _try(choice, make, train, messages, with_calibrations=settings.tune or settings.calibration == "auto")
        listen(Progress(done + 1, len(waiting)))
    # variants measure a spread; only tuning and `auto` calibration may change the choice
    eligible = [pair for pair in trials if settings.tune or _differs_in_calibration_only(pair[0], start)]
    chosen = max(eligible, key=lambda pair: pair[1].accuracy)[0] if eligible else start
    return Tuned(chosen, tuple(trial for _, trial in trials))


def _choices(start: Choice, settings: LlamaCppSettings) -> Iterator[Choice]:
    tried = [start] if settings.calibration == "auto" or settings.prompt_variants or settings.example_draws > 1 else []
    if settings.tune:
        tried += declared_choices(start)
    if settings.prompt_variants:
        tried += [replace(start, wording=name) for name in wordings()]
    if settings.example_draws > 1:
        tried += [replace(start, example_seed=start.example_seed + i) for i in range(settings.example_draws)]
    yield from dict.fromkeys(tried)


def _try(
    choice: Choice, make: MakeAsker, train: Sequence[Message], messages: Sequence[Message], *, with_calibrations: bool
) -> list[tuple[Choice, Trial]]:
    started = time.monotonic()
    asker = make(choice)
    gold = [message.labels for message in messages]
    texts = [message.text for message in messages]
    if choice.mode != "score" or not with_calibrations:
        answers = [prediction.labels for prediction in asker.predict(texts)]
        return [(choice, _trial(choice, answers, gold, started))]
    scores = asker.scores(texts)
    found = []
    for calibration in CALIBRATIONS:
        rows = calibrate(scores, asker.find_prior(calibration, train))
        answers = [(asker.task.label_names[i],) for i in np.argmax(rows, axis=1)]
        variant = replace(choice, calibration=calibration)
        found.append((variant, _trial(variant, answers, gold, started)))
        started = time.monotonic()
    return found


def _trial(
    choice: Choice, answers: Sequence[tuple[str, ...]], gold: Sequence[tuple[str, ...]], started: float
) -> Trial:
    right = sum(a == g for a, g in zip(answers, gold, strict=True))
    return Trial(choice.describe(), right / len(gold), len(gold), time.monotonic() - started)


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
