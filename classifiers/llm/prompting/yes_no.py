"""Scores messages of several labels: one independent yes-or-no question per label.

A list of labels has too many values to score them all. So every label is asked about on its own ("does it apply?"),
for all messages together behind one shared prompt, and the log-odds of "yes" against "no" are its score.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from classifiers.heads.multilabel import DEFAULT_THRESHOLD, decide
from classifiers.interface import Label, Message, Prediction, Task
from classifiers.llm.prompting.answer_form import readable_names
from classifiers.llm.prompting.asker import Asker, Prompt
from classifiers.llm.prompting.calibration import CONTENT_FREE, Calibration
from classifiers.llm.prompting.prompt import DECIDE, described_labels, turns
from classifiers.llm.prompting.retry import Conversation

if TYPE_CHECKING:
    from classifiers.llm.prompting.chat import Chat

YES, NO = "yes", "no"
QUESTION = """{instruction} Labels:
{definitions}

Does the label "{name}" apply to the message? Answer yes or no.

Message: """


class YesNoAsker(Asker):
    """Asks about one label after another; `batch` calibration has no meaning here, where no label need be common."""

    calibrations: tuple[Calibration, ...] = ("none", "contextual")

    def __init__(self, chat: Chat, task: Task, train: Sequence[Message], *rest: Any) -> None:
        self._asked = task.labels[0]
        self._train = train
        super().__init__(chat, task, train, *rest)

    @property
    def scored_answers(self) -> tuple[str, ...]:
        """Return the two answers."""
        return YES, NO

    def predict(self, texts: Sequence[str], *, seed: int = 0) -> list[Prediction]:
        """Answer all texts together."""
        if not texts:
            return []
        started = time.perf_counter()
        scores, prompts = self._ask_about_all(texts)
        return self._predictions(scores, prompts, time.perf_counter() - started)

    def scores(self, texts: Sequence[str]) -> NDArray[np.float64]:
        """Return every label's log-odds before calibration; shape (texts, labels)."""
        return self._ask_about_all(texts)[0]

    def find_prior(self, calibration: str, train: Sequence[Message]) -> NDArray[np.float64] | None:
        """Return every label's log-odds on content-free messages, shape (labels,), or None for `none`."""
        return self.scores(CONTENT_FREE).mean(axis=0) if calibration == "contextual" else None

    def answers(
        self, scores: NDArray[np.float64], prior: NDArray[np.float64] | None
    ) -> list[tuple[tuple[str, ...], NDArray[np.float64]]]:
        """Return the labels that apply rather than not, with the prior's log-odds taken out."""
        even = (DEFAULT_THRESHOLD,) * len(self.task.labels)
        rows = expit(scores if prior is None else scores - prior)
        return [(decide(row.tolist(), self.task, even), row) for row in rows]

    def _ask_about_all(self, texts: Sequence[str]) -> tuple[NDArray[np.float64], list[Prompt]]:
        """Return log-odds, shape (texts, labels), and one prompt per text with the tokens of all its questions."""
        columns: list[NDArray[np.float64]] = []
        tokens: list[list[int]] = [[] for _ in texts]
        prompts: list[Prompt] = []
        for label in self.task.labels:
            self._asked = label
            self._hold_shared_prompt(self._train)
            _, prompts = self._prompts(texts)
            self.examples_cut += sum(prompt.examples_cut for prompt in prompts)
            scores = self.engine.score([prompt.tokens for prompt in prompts], self.tree)
            columns.append(scores[:, 0] - scores[:, 1])
            for read, prompt in zip(tokens, prompts, strict=True):
                read += prompt.tokens
        whole = [Prompt(read, p.truncated, p.examples_cut) for read, p in zip(tokens, prompts, strict=True)]
        return np.stack(columns, axis=1), whole

    def _conversation(self, text: str, examples: Sequence[Message]) -> Conversation:
        label: Label = self._asked
        opening = QUESTION.format(
            instruction=self.task.instruction or DECIDE[True],
            definitions=described_labels(self.task),
            name=readable_names(self.task)[self.task.labels.index(label)],
        )
        shown = [(example.text, YES if label.name in example.labels else NO) for example in examples]
        return turns(opening, text, shown)
