"""Put the same validation messages to one prompt after another, and ask nothing twice.

A prompt that is scored and one that is answered in writing, with the same words, are one prompt: read once, its scores
tell most of what would be written. So the scored one goes first, and the other is asked only where they do not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from classifiers.interface import Message, Prediction, Trial
from classifiers.llm.prompting.calibration import prior_of
from classifiers.llm.prompting.generate import WrittenAnswers
from classifiers.llm.prompting.score import Scored, ScoredText, Scorer
from classifiers.llm.prompting.settings import Choice
from classifiers.llm.prompting.strategy import Strategy

PIECE = 16
"""Messages asked about between two looks at the clock."""

T = TypeVar("T")
Answer = tuple[str, ...] | None
"""An answer's labels, or None where it was none: that is never right, not even for a message without labels."""
Hits = NDArray[np.float64]
"""1 where an answer was right and 0 where not, shape (messages,)."""
MakeStrategy = Callable[[Choice], Strategy]


class OutOfTimeError(Exception):
    """The safety net of time is reached."""


@dataclass(slots=True)
class Entrant:
    """One prompt in the race: its answers so far, by the choice they belong to (a score's calibrations are several)."""

    choice: Choice
    with_calibrations: bool
    strategy: Strategy | None = None
    answers: dict[Choice, list[Answer]] = field(default_factory=dict)
    scored: list[Scored] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def n(self) -> int:
        """Return how many messages it has answered."""
        return len(next(iter(self.answers.values()), ()))

    @property
    def is_dear(self) -> bool:
        """Tell a prompt that is read anew for each message, at several times the price, because of its examples."""
        return self.choice.examples == "knn"

    @property
    def words(self) -> Choice | None:
        """Return what tells its prompt from others, however it is answered; None where no other mode has its words."""
        return None if self.choice.mode == "letters" else replace(self.choice, mode="generate", calibration="none")

    @property
    def scores(self) -> NDArray[np.float64]:
        """Return the scores of all messages so far, before calibration."""
        return np.concatenate([scored.values for scored in self.scored])


@dataclass(frozen=True, slots=True)
class Race:
    """Puts the same validation messages to one entrant after another until the deadline."""

    make: MakeStrategy
    messages: Sequence[Message]
    clock: Callable[[], float]
    deadline: float

    def run(self, entrant: Entrant, n: int, told: Sequence[ScoredText] = ()) -> None:
        """Let an entrant answer the first n messages, less those it has answered; raises OutOfTimeError.

        `told` is what another one that asked with the same words, and scored, knows of the first messages.
        """
        waiting = [message.text for message in self.messages[entrant.n : n]]
        if not waiting:
            return
        self._check_time()
        started = self.clock()
        strategy = entrant.strategy = entrant.strategy or self.make(entrant.choice)
        strategy.make_ready()
        if isinstance(strategy, Scorer) and entrant.with_calibrations:
            self._score(entrant, strategy, waiting)
        elif isinstance(strategy, WrittenAnswers):
            known = strategy.told_by(told[entrant.n : n], waiting)
            asked = iter(self._predictions(strategy, [text for text, a in zip(waiting, known, strict=True) if not a]))
            answers = [labels or _answer(next(asked)) for labels in known]
            entrant.answers.setdefault(entrant.choice, []).extend(answers)
        else:
            predictions = self._predictions(strategy, waiting)
            entrant.answers.setdefault(entrant.choice, []).extend(map(_answer, predictions))
        entrant.seconds += self.clock() - started

    def _score(self, entrant: Entrant, scorer: Scorer, texts: Sequence[str]) -> None:
        entrant.scored += [self._in_time(scorer.score, piece) for piece in _pieces(texts)]
        for calibration in scorer.calibrations:
            self._check_time()
            prior = prior_of(entrant.scores) if calibration == "batch" else scorer.prior(calibration)
            decided = scorer.answers(entrant.scores, prior)
            entrant.answers[replace(entrant.choice, calibration=calibration)] = [d.labels for d in decided]

    def _predictions(self, strategy: Strategy, texts: Sequence[str]) -> list[Prediction]:
        return [p for piece in _pieces(texts) for p in self._in_time(strategy.predict, piece)]

    def _in_time(self, ask: Callable[[Sequence[str]], T], texts: Sequence[str]) -> T:
        self._check_time()
        return ask(texts)

    def _check_time(self) -> None:
        if self.clock() > self.deadline:
            raise OutOfTimeError

    def right(self, entrant: Entrant) -> dict[Choice, Hits]:
        """Return of each choice which of the messages it answered were right."""
        return {
            choice: np.array([a == m.labels for a, m in zip(answers, self.messages, strict=False)], dtype=float)
            for choice, answers in entrant.answers.items()
        }

    def right_at_best(self, entrant: Entrant, n: int) -> list[Hits]:
        """Return per calibration which of the first n messages may be right yet, once all n are answered.

        Those not answered may. Of the others only batch calibration may change what it says, since each further message
        moves the prior.
        """
        hits = self.right(entrant)
        for choice in hits:
            if choice.calibration == "batch" and isinstance(entrant.strategy, Scorer):
                open_ = entrant.strategy.open_labels(entrant.scores, n - entrant.n)
                hits[choice] = np.array([m.labels in labels for m, labels in zip(self.messages, open_, strict=False)])
        return [np.concatenate([right, np.ones(n - len(right))]) for right in hits.values()]

    def trials(self, entrants: Sequence[Entrant], selected: Choice) -> Iterator[Trial]:
        """Return what every choice got right of the messages it answered; a prompt's seconds stand at its first one."""
        for entrant in entrants:
            for i, (choice, hits) in enumerate(self.right(entrant).items()):
                seconds = 0.0 if i else entrant.seconds
                accuracy = float(hits.mean()) if len(hits) else 0.0
                yield Trial(choice.describe(), accuracy, entrant.n, seconds, chosen=choice == selected)


def _pieces(texts: Sequence[str]) -> list[Sequence[str]]:
    return [texts[i : i + PIECE] for i in range(0, len(texts), PIECE)]


def _answer(prediction: Prediction) -> Answer:
    return prediction.labels if prediction.valid else None
