"""Choose how to ask on validation messages, and keep what every try gave.

The search is bounded by tries and messages, so that a slow machine chooses as a fast one does. Examples retrieved per
message make a prompt that is read anew each time, several times the price: they are tried on a few messages, and on all
of them only where they are better than the best shared prompt by more than one standard error (the rule of Breiman et
al. 1984, "Classification and Regression Trees"); they are chosen only where that still holds. The clock is a safety
net only: where it ends the search, nothing is chosen. The test part plays no role. Calibrations of one prompt share
its scores, and batch calibration takes its prior from them, so trying all three costs little more than trying one;
training messages are asked about only for the choice that wins.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
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
from classifiers.wording import number_of

PER_LABEL = 2
SIMILAR = 6
FIRST_MESSAGES = 20
"""How many messages a dear way has to show its worth on."""
PIECE = 16
"""Messages asked about between two looks at the clock."""

_T = TypeVar("_T")
Answer = tuple[str, ...] | None
"""An answer's labels, or None where it was none: that is never right, not even for a message without labels."""
Hits = NDArray[np.float64]
"""1 where an answer was right and 0 where not, shape (messages,)."""

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

    Ties go to the one tried first, `start` coming last. Without anything to try, `start` is the choice. It also is
    where `settings.tune_seconds` ran out: a search cut short would choose by the machine's speed.
    """
    waiting = list(_choices(start, settings))
    if waiting and not messages.validation:
        return Tuned(start, note="not tuned: there are no validation messages to choose on; asked as configured")
    sample = stratified_sample(messages.validation, settings.tune_messages, start.example_seed)
    race = _Race(make, sample, clock, deadline=clock() + settings.tune_seconds)
    entrants = [_Entrant(choice, settings.tune or settings.calibration == "auto") for choice in waiting]
    measures = settings.prompt_variants or settings.example_draws > 1
    dear = [entrant for entrant in entrants if entrant.is_dear and entrant.choice != start and not measures]
    shared = [entrant for entrant in entrants if entrant not in dear]
    try:
        for done, entrant in enumerate(entrants, start=1):
            race.run(entrant, FIRST_MESSAGES if entrant in dear else len(sample))
            listen(Progress(done, len(entrants) + 1))
        for entrant in dear:
            if _is_worth_its_price(entrant, shared, start, race):
                race.run(entrant, len(sample))
    except _OutOfTimeError:
        tried = sum(len(entrant.answers) > 0 for entrant in entrants)
        unfinished = f"{tried} of {number_of(len(entrants), 'prompt')} tried"
        note = f"only {unfinished} within tune_seconds = {settings.tune_seconds:g}"
        note = f"not tuned: {note}; asked as configured" if settings.tune else note
        return Tuned(start, tuple(race.trials(entrants, start)), note, unfinished)
    complete = [entrant for entrant in dear if entrant.n == len(sample)]
    finalists = [*shared, *(entrant for entrant in complete if _is_worth_its_price(entrant, shared, start, race))]
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

    @property
    def is_dear(self) -> bool:
        """Tell a prompt that is read anew for each message, at several times the price, because of its examples."""
        return self.choice.examples == "knn"


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

    def right(self, entrant: _Entrant) -> dict[Choice, Hits]:
        """Return of each choice which of the messages it answered were right."""
        return {
            choice: np.array([a == m.labels for a, m in zip(answers, self.messages, strict=False)], dtype=float)
            for choice, answers in entrant.answers.items()
        }

    def trials(self, entrants: Sequence[_Entrant], selected: Choice) -> Iterator[Trial]:
        """Return what every choice got right of the messages it answered; a prompt's seconds stand at its first one."""
        for entrant in entrants:
            for i, (choice, hits) in enumerate(self.right(entrant).items()):
                seconds = 0.0 if i else entrant.seconds
                accuracy = float(hits.mean()) if len(hits) else 0.0
                yield Trial(choice.describe(), accuracy, entrant.n, seconds, chosen=choice == selected)


def _strategy_of(choice: Choice, entrants: Sequence[_Entrant]) -> Strategy | None:
    """Return the strategy that gave a choice's answers, set to that choice's calibration."""
    strategy = next((entrant.strategy for entrant in entrants if choice in entrant.answers), None)
    if isinstance(strategy, Scorer):
        strategy.calibrate_by(choice.calibration)
    return strategy


def _is_worth_its_price(entrant: _Entrant, shared: Sequence[_Entrant], start: Choice, race: _Race) -> bool:
    """Tell whether a dear entrant is better than the best shared prompt by more than one standard error.

    It is the error that two equal ones would have, and the messages are those that the dear one has answered.
    """
    right = race.right(entrant)
    dearer = right[_most_accurate(right, start)]
    others = {choice: hits for other in shared for choice, hits in race.right(other).items()}
    differences = dearer - others[_most_accurate(others, start)][: len(dearer)]
    return bool(differences.sum() > np.sqrt(np.abs(differences).sum()))


def _best(finalists: Sequence[_Entrant], start: Choice, race: _Race, *, may_change_all: bool) -> Choice:
    """Return the most accurate choice; without `tune` only another calibration may be chosen, variants measure."""
    right = {choice: hits for entrant in finalists for choice, hits in race.right(entrant).items()}
    eligible = {
        c: hits for c, hits in right.items() if may_change_all or replace(c, calibration=start.calibration) == start
    }
    return _most_accurate(eligible, start)


def _most_accurate(right: Mapping[Choice, Hits], start: Choice) -> Choice:
    """Return the choice with the largest share of right answers, ties in the order tried, `start` last."""
    return max(right, key=lambda choice: (right[choice].mean(), choice != start), default=start)
