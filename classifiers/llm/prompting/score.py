"""Read the probability of every label off the model, and correct it by a prior where that is wanted."""

from __future__ import annotations

import time
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import compress

import numpy as np
from numpy.typing import NDArray

from classifiers.interface import Attempt, Prediction
from classifiers.llm.engine.label_tree import grow
from classifiers.llm.prompting.calibration import CONTENT_FREE, Calibration, calibrate, may_be_likeliest, prior_of
from classifiers.llm.prompting.prepare import PreparedPrompt, PromptWriter
from classifiers.llm.prompting.recipe import Recipe, label_request
from classifiers.llm.prompting.strategy import Asking, Strategy


@dataclass(frozen=True, slots=True)
class ScoredText:
    """The prompts that a text's scores were read from, and the place of the label that the model would write there.

    `written` is None where it would write anything else, or where that is not known.
    """

    prompts: Sequence[PreparedPrompt]
    written: int | None


@dataclass(frozen=True, slots=True)
class Scored:
    """Scores before calibration.

    Attributes:
        values: shape (texts, ..., labels).
        prompts: of each text, the prompts its scores were read from.
        n_asked: tokens of the questions behind each prompt.
        written: of each text, the place of the label that the model would write; empty where that is not known.
    """

    values: NDArray[np.float64]
    prompts: Sequence[Sequence[PreparedPrompt]]
    n_asked: int = 0
    written: Sequence[int | None] = ()

    def by_text(self) -> list[ScoredText]:
        """Return what is known of each text."""
        return list(map(ScoredText, self.prompts, self.written or [None] * len(self.prompts)))


@dataclass(frozen=True, slots=True)
class Decided:
    """A message's labels, the probability of every label in the task's order, and whether all ways of asking agree."""

    labels: tuple[str, ...]
    probabilities: NDArray[np.float64]
    agrees: bool = True


class Scorer(Strategy):
    """A way of asking that gives label scores; `calibrations` are the methods that can be applied to them."""

    calibrations: tuple[Calibration, ...] = ("none", "contextual", "batch")

    def __init__(self, asking: Asking, *writers: PromptWriter) -> None:
        super().__init__(asking, *writers)
        self._priors: dict[Calibration, NDArray[np.float64] | None] = {"none": None}
        if asking.prior is not None:
            self._priors[asking.choice.calibration] = asking.prior
        self.n_answered = self.n_flipped = 0

    @property
    def flip_rate(self) -> float | None:
        """Return the share of messages whose answers differed between ways of asking, None before the first."""
        return self.n_flipped / self.n_answered if self.n_answered else None

    @abstractmethod
    def score(self, texts: Sequence[str]) -> Scored:
        """Return every label's score before calibration."""

    def make_ready(self) -> None:
        """Hold what prompts share, and ask what the chosen calibration needs to know."""
        super().make_ready()
        self.prior(self.choice.calibration)

    @property
    def label_prior(self) -> NDArray[np.float64] | None:
        """Return the prior of its calibration."""
        return self.prior(self.choice.calibration)

    def calibrate_by(self, calibration: Calibration) -> None:
        """Choose the calibration of the answers to come."""
        self.choice = replace(self.choice, calibration=calibration)

    def predict(self, texts: Sequence[str], *, seed: int = 0) -> list[Prediction]:
        """Answer all texts together."""
        if not texts:
            return []
        started = time.perf_counter()
        scored = self.score(texts)
        seconds = (time.perf_counter() - started) / len(texts)
        decided = self._decided(scored)
        self.n_answered += len(texts)
        self.n_flipped += sum(not labels.agrees for labels in decided)
        return self._predictions(scored, decided, seconds)

    def predictions(self, scored: Scored, seconds: float) -> list[Prediction]:
        """Return the answers that scores lead to, each of which took `seconds` to ask for."""
        return self._predictions(scored, self._decided(scored), seconds)

    def _decided(self, scored: Scored) -> list[Decided]:
        return self.answers(scored.values, self.label_prior)

    def _predictions(self, scored: Scored, decided: Sequence[Decided], seconds: float) -> list[Prediction]:
        return [
            self._prediction(prompts, labels, scored.n_asked, seconds)
            for prompts, labels in zip(scored.prompts, decided, strict=True)
        ]

    def prior(self, calibration: Calibration) -> NDArray[np.float64] | None:
        """Return the label prior of a calibration method, asked for once, or None for `none`."""
        if calibration not in self._priors:
            self._priors[calibration] = self._find_prior(calibration)
        return self._priors[calibration]

    def _find_prior(self, calibration: Calibration) -> NDArray[np.float64] | None:
        train = self.asking.train
        if calibration == "contextual":
            return prior_of(self.score(CONTENT_FREE).values)
        if calibration == "batch" and train:
            rng = np.random.default_rng(self.choice.example_seed)
            size = min(self.asking.settings.calibration_messages, len(train))
            drawn = rng.choice(len(train), size=size, replace=False)
            return prior_of(self.score([train[i].text for i in drawn]).values)
        return None

    def answers(self, scores: NDArray[np.float64], prior: NDArray[np.float64] | None) -> list[Decided]:
        """Return each message's labels and the probability of every label, with the prior taken out."""
        names = self.asking.task.label_names
        return [Decided((names[int(row.argmax())],), row) for row in calibrate(scores, prior)]

    def open_labels(self, scores: NDArray[np.float64], n_more: int) -> list[set[tuple[str, ...]]]:
        """Return what batch calibration may yet answer to each message, once some more are counted in its prior."""
        every = [(name,) for name in self.asking.task.label_names]
        if scores.ndim > 2:  # several ways of asking, averaged: nothing is said of them
            return [set(every)] * len(scores)
        return [set(compress(every, row)) for row in may_be_likeliest(scores, n_more)]

    def _prediction(
        self, prompts: Sequence[PreparedPrompt], decided: Decided, n_asked: int, seconds: float
    ) -> Prediction:
        """Make a prediction; the attempt's text is the answer that the model would have had to write."""
        n_thought = sum(prompt.n_thought for prompt in prompts)
        raw = "".join(prompt.thought for prompt in prompts) + self.asking.form.write(decided.labels)
        n_read = sum(prompt.n_read for prompt in prompts) + n_asked
        attempt = Attempt(raw, decided.labels, True, n_read, n_thought, seconds, n_thought)
        probabilities = dict(zip(self.asking.task.label_names, map(float, decided.probabilities), strict=True))
        truncated = any(prompt.truncated for prompt in prompts)
        return Prediction(decided.labels, True, probabilities, (attempt,), truncated)


class ScoreLabels(Scorer):
    """The log-probability of every label's whole name as the answer."""

    def __init__(self, asking: Asking) -> None:
        sequences = [asking.chat.answer_tokens(name) for name in asking.form.names]
        self.tree = grow(sequences)
        super().__init__(asking, asking.writer(sum(map(len, sequences))))

    def score(self, texts: Sequence[str]) -> Scored:
        """Return log-probabilities, shape (texts, labels)."""
        prompts = self.think(self.writers[0].write(texts), seed=0)
        scores = self.engine.read_labels([p.tokens for p in prompts], self.tree)
        written = [int(row.argmax()) if row.any() else None for row in scores.is_likeliest]
        return Scored(scores.values, [[p] for p in prompts], written=written)

    def recipe(self) -> Recipe:
        """Return a request per label, which together are one reading of a message."""
        prompt, names = self.writers[0].for_any_message(), self.asking.task.label_names
        prior = self.prior(self.choice.calibration)
        priors = [None] * len(names) if prior is None else np.log(prior).tolist()
        answers = [self.chat.answer_tokens(name) for name in self.asking.form.names]
        ends = [int(self.engine.model.ends_generation(tokens[-1])) for tokens in answers]
        return Recipe("probabilities", (tuple(map(partial(label_request, prompt), names, answers, ends, priors)),))
