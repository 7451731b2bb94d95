"""Choose how to ask on validation messages, and keep what every try gave.

The search is bounded by tries and messages, so that a slow machine chooses as a fast one does. Examples retrieved per
message make a prompt that is read anew each time, several times the price: they are tried on a few messages, and on all
of them only where they are better than the best shared prompt by more than one standard error (the rule of Breiman et
al. 1984, "Classification and Regression Trees"); they are chosen only where that still holds. They are asked no further
once they cannot come to be, whatever the answers still to come: that leaves the choice as it is. The clock is a safety
net only: where it ends the search, nothing is chosen. The test part plays no role. Calibrations of one prompt share
its scores, and batch calibration takes its prior from them, so trying all three costs little more than trying one;
training messages are asked about only for the choice that wins.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from classifiers.interface import Listener, Message, Prediction, Progress, Trial
from classifiers.llm.prompting.prompt import prompt_templates
from classifiers.llm.prompting.score import Scored, ScoredText, Scorer
from classifiers.llm.prompting.settings import Choice, LlamaCppSettings
from classifiers.llm.prompting.strategy import Strategy
from classifiers.llm.race import Entrant, Hits, MakeStrategy, OutOfTimeError, Race
from classifiers.plurals import number_of
from classifiers.sampling import stratified_sample

PER_LABEL = 2
SIMILAR = 6
FIRST_MESSAGES = 20
"""How many messages a dear way has to show its worth on."""
LOOK = 2
"""Messages that a dear way answers between two looks at whether it can still be worth its price."""


@dataclass(frozen=True, slots=True)
class Tuned:
    """The way of asking to use, every try in the order tried, and what the reader must know of the search.

    `unfinished` says how far a search came that time cut short.
    `strategy` is the one that answered in the search, with what it has learnt of priors; None where none did.
    `scored` are the scores that it gave to `texts`, `seconds` those that each of them took.
    """

    choice: Choice
    trials: tuple[Trial, ...] = ()
    note: str = ""
    unfinished: str = ""
    strategy: Strategy | None = None
    texts: Sequence[str] = ()
    scored: Sequence[Scored] = ()
    seconds: float = 0.0

    def answers(self) -> dict[str, Prediction]:
        """Return what the chosen way answers to the messages it has scored, by text, with its prior of today."""
        if not isinstance(self.strategy, Scorer):
            return {}
        predictions = [p for scored in self.scored for p in self.strategy.predictions(scored, self.seconds)]
        return dict(zip(self.texts, predictions, strict=False))


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
    race = Race(make, sample, clock, deadline=clock() + settings.tune_seconds)
    entrants = [Entrant(choice, settings.tune or settings.calibration == "auto") for choice in waiting]
    measures = settings.prompt_variants or settings.example_draws > 1
    dear = [entrant for entrant in entrants if entrant.is_dear and entrant.choice != start and not measures]
    search = _Search(race, [entrant for entrant in entrants if entrant not in dear], start)
    try:
        search.run(dear, listen)
    except OutOfTimeError:
        tried = sum(len(entrant.answers) > 0 for entrant in entrants)
        unfinished = f"{tried} of {number_of(len(entrants), 'prompt')} tried"
        note = f"only {unfinished} within tune_seconds = {settings.tune_seconds:g}"
        note = f"not tuned: {note}; asked as configured" if settings.tune else note
        return Tuned(start, tuple(race.trials(entrants, start)), note, unfinished)
    complete = [entrant for entrant in dear if entrant.n == len(sample)]
    finalists = [*search.shared, *filter(search.is_worth_its_price, complete)]
    best = _best(finalists, start, race, may_change_all=settings.tune)
    return _tuned_to(best, finalists, race, tuple(race.trials(entrants, best)))


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


@dataclass(frozen=True, slots=True)
class _Search:
    """Lets all answer the whole sample that share their prompt's beginning, and dear ones as long as it is worth it."""

    race: Race
    shared: Sequence[Entrant]
    start: Choice

    def run(self, dear: Sequence[Entrant], listen: Listener) -> None:
        """Let everybody answer; raises OutOfTimeError."""
        n, n_all = len(self.race.messages), len(self.shared) + len(dear) + 1
        # a sort keeps the order of the rest, which the trials keep in any case
        for done, entrant in enumerate(sorted(self.shared, key=self._place), start=1):
            self.race.run(entrant, n, self._told(entrant))
            listen(Progress(done, n_all))
        for done, entrant in enumerate(dear, start=len(self.shared) + 1):
            self._look(entrant, min(FIRST_MESSAGES, n))
            listen(Progress(done, n_all))
        for entrant in dear:
            if entrant.n == min(FIRST_MESSAGES, n) and self.is_worth_its_price(entrant):
                self._look(entrant, n)

    def _place(self, entrant: Entrant) -> tuple[int, bool]:
        """Put a scored prompt before the one with the same words whose answers are written."""
        words = [other.words for other in self.shared]
        return words.index(entrant.words), not entrant.choice.gives_scores

    def _told(self, entrant: Entrant) -> list[ScoredText]:
        """Return what an entrant with the same words has scored already."""
        twins = (other for other in self.shared if other is not entrant and other.words == entrant.words is not None)
        return [text for twin in twins for scored in twin.scored for text in scored.by_text()]

    def _look(self, entrant: Entrant, n: int) -> None:
        """Let a dear entrant answer n messages, or fewer where it cannot come to be worth its price by then."""
        best = self._best_shared()[:n]
        while entrant.n < n:
            self.race.run(entrant, min(entrant.n + LOOK, n))
            if not any(_is_better(hits, best) for hits in self.race.right_at_best(entrant, n)):
                return

    def is_worth_its_price(self, entrant: Entrant) -> bool:
        """Tell whether a dear entrant is better than the best shared prompt by more than one standard error.

        It is the error that two equal ones would have, and the messages are those that the dear one has answered.
        """
        right = self.race.right(entrant)
        dearer = right[_most_accurate(right, self.start)]
        return _is_better(dearer, self._best_shared()[: len(dearer)])

    def _best_shared(self) -> Hits:
        others = {choice: hits for other in self.shared for choice, hits in self.race.right(other).items()}
        return others[_most_accurate(others, self.start)]


def _is_better(hits: Hits, others: Hits) -> bool:
    differences = hits - others
    return bool(differences.sum() > np.sqrt(np.abs(differences).sum()))


def _tuned_to(choice: Choice, entrants: Sequence[Entrant], race: Race, trials: tuple[Trial, ...]) -> Tuned:
    """Return a choice with the strategy that gave its answers, set to that choice's calibration, and its scores."""
    entrant = next((entrant for entrant in entrants if choice in entrant.answers), None)
    if entrant is None:
        return Tuned(choice, trials)
    if isinstance(entrant.strategy, Scorer):
        entrant.strategy.calibrate_by(choice.calibration)
    texts = [message.text for message in race.messages[: entrant.n]]
    seconds = entrant.seconds / max(entrant.n, 1)
    return Tuned(choice, trials, strategy=entrant.strategy, texts=texts, scored=entrant.scored, seconds=seconds)


def _best(finalists: Sequence[Entrant], start: Choice, race: Race, *, may_change_all: bool) -> Choice:
    """Return the most accurate choice; without `tune` only another calibration may be chosen, variants measure."""
    right = {choice: hits for entrant in finalists for choice, hits in race.right(entrant).items()}
    eligible = {
        c: hits for c, hits in right.items() if may_change_all or replace(c, calibration=start.calibration) == start
    }
    return _most_accurate(eligible, start)


def _most_accurate(right: Mapping[Choice, Hits], start: Choice) -> Choice:
    """Return the choice with the largest share of right answers, ties in the order tried, `start` last."""
    return max(right, key=lambda choice: (right[choice].mean(), choice != start), default=start)
