"""Choose how to ask on validation messages, and keep what every try gave.

The search is bounded by tries and messages, so that a slow machine chooses as a fast one does: every way is tried on
a few messages, then the plain one and the most accurate others on all (successive halving). The clock is a safety
net only: where it ends the search, nothing is chosen. The test part plays no role. Calibrations of one prompt share
its scores, and batch calibration takes its prior from them, so trying all three costs little more than trying one;
training messages are asked about only for the choice that wins.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from classifiers.interface import Listener, Message, Progress, Trial
from classifiers.llm.prompting.calibration import prior_of
from classifiers.llm.prompting.prompt import prompt_templates
from classifiers.llm.prompting.score import Scorer
from classifiers.llm.prompting.settings import Choice, LlamaCppSettings
from classifiers.llm.prompting.strategy import Strategy
from classifiers.sampling import stratified_sample

PER_LABEL = 2
SIMILAR = 6
FIRST_MESSAGES = 20
FINALISTS = 2
"""How many ways besides the plain one are tried on all messages."""
PIECE = 16
"""Messages asked about between two looks at the clock."""

_T = TypeVar("_T")
Answer = tuple[str, ...] | None
"""An answer's labels, or None where it was none: that is never right, not even for a message without labels."""

MakeStrategy = Callable[[Choice], Strategy]


@dataclass(frozen=True, slots=True)
class Tuned:
    """The way of asking to use, every try in the order tried, and what the reader must know of the search.

    `unfinished` says how far a search came that time cut short.
    `strategy` is the one that answered in the search, with what it has learnt of priors; None where none did.
    """

    choice: Choice
    trials: tuple[Trial, ...] = ()
    note: str = ""
    unfinished: str = ""
    strategy: Strategy | None = None


def declared_choices(start: Choice) -> list[Choice]:
    """Return the choices that `tune` tries, the cheapest first; a score stands for all its calibrations."""
    scored = replace(start, mode="score", examples="none", n_examples=0, calibration="none")
    return [
        scored,
        replace(scored, examples="fixed", n_examples=PER_LABEL),
        replace(start, mode="generate", examples="fixed", n_examples=PER_LABEL, calibration="none"),
        replace(scored, examples="knn", n_examples=SIMILAR),
    ]


@dataclass(frozen=True, slots=True)
class TuningMessages:
    """The messages a search may look at."""

    train: Sequence[Message]
    validation: Sequence[Message]


def tune(
    start: Choice,
    make: MakeStrategy,
    messages: TuningMessages,
    settings: LlamaCppSettings,
    listen: Listener,
    clock: Callable[[], float] = time.monotonic,
) -> Tuned:
    """Try what the settings ask for and return the choice that was right most often on validation.

    Retrieved examples, the dearest way, are chosen only where they are better by more than a standard error.
    Ties go to the one tried first, `start` coming last. Without anything to try, `start` is the choice. It also is
    where `settings.tune_seconds` ran out: a search cut short would choose by the machine's speed.
    """
    waiting = list(_choices(start, settings))
    if waiting and not messages.validation:
        return Tuned(start, note="not tuned: there are no validation messages to choose on; asked as configured")
    sample = stratified_sample(messages.validation, settings.tune_messages, start.example_seed)
    race = _Race(make, sample, clock, deadline=clock() + settings.tune_seconds)
    entrants = [_Entrant(choice, settings.tune or settings.calibration == "auto") for choice in waiting]
    halves = settings.tune and not (settings.prompt_variants or settings.example_draws > 1)
    try:
        for done, entrant in enumerate(entrants, start=1):
            race.run(entrant, FIRST_MESSAGES if halves else len(sample))
            listen(Progress(done, len(entrants) + 1))
        finalists = _finalists(entrants, start, sample) if halves else entrants
        for entrant in finalists:
            race.run(entrant, len(sample))
    except _OutOfTimeError:
        tried = sum(len(entrant.answers) > 0 for entrant in entrants)
        unfinished = f"{tried} of {len(entrants)} prompts tried"
        note = f"only {unfinished} within tune_seconds = {settings.tune_seconds:g}"
        note = f"not tuned: {note}; asked as configured" if settings.tune else note
        return Tuned(start, tuple(race.trials(entrants, start)), note, unfinished)
    best = _best(finalists, start, race, may_change_all=settings.tune)
    return Tuned(best, tuple(race.trials(entrants, best)), strategy=_strategy_of(best, finalists))


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
    """The safety net of time is reached."""


@dataclass(slots=True)
class _Entrant:
    """One prompt in the race: its answers so far, by the choice they belong to (a score's calibrations are several)."""

    choice: Choice
    with_calibrations: bool
    strategy: Strategy | None = None
    answers: dict[Choice, list[Answer]] = field(default_factory=dict)
    scores: NDArray[np.float64] | None = None
    seconds: float = 0.0

    @property
    def n(self) -> int:
        """Return how many messages it has answered."""
        return len(next(iter(self.answers.values()), ()))

    def accuracies(self, messages: Sequence[Message]) -> dict[Choice, float]:
        """Return how many of the messages it answered so far were right, per choice."""
        return {
            choice: sum(a == m.labels for a, m in zip(answers, messages, strict=False)) / max(len(answers), 1)
            for choice, answers in self.answers.items()
        }


@dataclass(frozen=True, slots=True)
class _Race:
    """Puts the same validation messages to one entrant after another until the deadline."""

    make: MakeStrategy
    messages: Sequence[Message]
    clock: Callable[[], float]
    deadline: float

    def run(self, entrant: _Entrant, n: int) -> None:
        """Let an entrant answer the first n messages, less those it has answered; raises _OutOfTimeError."""
        waiting = [message.text for message in self.messages[entrant.n : n]]
        if not waiting:
            return
        self._check_time()
        started = self.clock()
        if entrant.strategy is None:
            entrant.strategy = self.make(entrant.choice)
        entrant.strategy.make_ready()
        pieces = [waiting[i : i + PIECE] for i in range(0, len(waiting), PIECE)]
        if isinstance(entrant.strategy, Scorer) and entrant.with_calibrations:
            self._score(entrant, entrant.strategy, pieces)
        else:
            predictions = [p for texts in pieces for p in self._in_time(entrant.strategy.predict, texts)]
            entrant.answers.setdefault(entrant.choice, []).extend(p.labels if p.valid else None for p in predictions)
        entrant.seconds += self.clock() - started

    def _score(self, entrant: _Entrant, scorer: Scorer, pieces: Sequence[Sequence[str]]) -> None:
        new = np.concatenate([self._in_time(scorer.score, texts).values for texts in pieces])
        entrant.scores = new if entrant.scores is None else np.concatenate([entrant.scores, new])
        for calibration in scorer.calibrations:
            self._check_time()
            prior = prior_of(entrant.scores) if calibration == "batch" else scorer.prior(calibration)
            decided = scorer.answers(entrant.scores, prior)
            entrant.answers[replace(entrant.choice, calibration=calibration)] = [d.labels for d in decided]

    def _in_time(self, ask: Callable[[Sequence[str]], _T], texts: Sequence[str]) -> _T:
        self._check_time()
        return ask(texts)

    def _check_time(self) -> None:
        if self.clock() > self.deadline:
            raise _OutOfTimeError

    def trials(self, entrants: Sequence[_Entrant], selected: Choice) -> Iterator[Trial]:
        """Return what every choice got right of the messages it answered; a prompt's seconds stand at its first one."""
        for entrant in entrants:
            for i, (choice, accuracy) in enumerate(entrant.accuracies(self.messages).items()):
                seconds = 0.0 if i else entrant.seconds
                yield Trial(choice.describe(), accuracy, entrant.n, seconds, chosen=choice == selected)


def _finalists(entrants: Sequence[_Entrant], start: Choice, messages: Sequence[Message]) -> list[_Entrant]:
    """Return the plain entrant and the most accurate others so far, ties in the order tried."""
    plain = [entrant for entrant in entrants if entrant.choice == start]
    others = [entrant for entrant in entrants if entrant.choice != start]
    others.sort(key=lambda entrant: -max(entrant.accuracies(messages).values()))
    return [*plain, *others[:FINALISTS]]


def _strategy_of(choice: Choice, entrants: Sequence[_Entrant]) -> Strategy | None:
    """Return the strategy that gave a choice's answers, set to that choice's calibration."""
    strategy = next((entrant.strategy for entrant in entrants if choice in entrant.answers), None)
    if isinstance(strategy, Scorer):
        strategy.calibrate_by(choice.calibration)
    return strategy


def _best(finalists: Sequence[_Entrant], start: Choice, race: _Race, *, may_change_all: bool) -> Choice:
    """Return the most accurate choice; without `tune` only another calibration may be chosen, variants measure.

    Examples retrieved per message make a prompt that is read anew each time, several times the price. They have to be
    more accurate than the best shared prompt by more than one standard error (Breiman et al. 1984).
    """
    answers = {choice: given for entrant in finalists for choice, given in entrant.answers.items()}
    right = {
        choice: np.array([a == m.labels for a, m in zip(given, race.messages, strict=False)], dtype=float)
        for choice, given in answers.items()
        if may_change_all or replace(choice, calibration=start.calibration) == start
    }

    def most_accurate(choices: Iterable[Choice]) -> Choice:
        return max(choices, key=lambda choice: (right[choice].mean(), choice != start), default=start)

    best = most_accurate(right)
    shared = [choice for choice in right if choice.examples != "knn"]
    if best.examples != "knn" or not shared:
        return best
    cheaper = most_accurate(shared)
    return cheaper if _within_one_error(right[best] - right[cheaper]) else best


def _within_one_error(differences: NDArray[np.float64]) -> bool:
    """Tell whether a sum of paired differences of 1, 0 and -1 is within the standard error that equals would have."""
    return bool(differences.sum() <= np.sqrt(np.abs(differences).sum()))
