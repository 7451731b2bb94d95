"""Score messages of several labels: an independent yes-or-no question per label.

A list of labels has too many values to score them all. So every label is asked about on its own ("does it apply?"),
behind the message: instruction, definitions, worked examples and the message itself are read once for all questions,
which branch from the message's end. The log-odds of "yes" against "no" are a label's score.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from classifiers.heads.multilabel import DEFAULT_THRESHOLD, decide
from classifiers.interface import Message
from classifiers.llm.engine.label_tree import Node, grow
from classifiers.llm.prompting.calibration import CONTENT_FREE, Calibration
from classifiers.llm.prompting.chat import Chat
from classifiers.llm.prompting.prepare import PromptWriter
from classifiers.llm.prompting.prompt import DECIDE, Worked, described_labels, turns
from classifiers.llm.prompting.retry import Conversation
from classifiers.llm.prompting.score import Decided, Scored, Scorer
from classifiers.llm.prompting.strategy import Asking

YES, NO = "yes", "no"
OPENING = """{instruction} Labels:
{definitions}

You are asked whether a label applies to a message. Answer yes or no.

Message: """
QUESTION = """

Does the label "{name}" apply to the message?"""
QUESTIONS_TOGETHER = 16
"""Labels asked about behind one reading of a message; more would crowd the context."""


class AskYesNo(Scorer):
    """Asks about every label; `batch` calibration has no meaning here, where no label need be common."""

    calibrations: tuple[Calibration, ...] = ("none", "contextual")

    def __init__(self, asking: Asking) -> None:
        questions = [QUESTION.format(name=name) for name in asking.form.names]
        parts = [questions[i : i + QUESTIONS_TOGETHER] for i in range(0, len(questions), QUESTIONS_TOGETHER)]
        self._trees = [_tree(asking.chat, part) for part in parts]
        behind = max(map(len, self._trees))
        converse = partial(_conversation, asking, questions)
        super().__init__(asking, PromptWriter(asking.chat, converse, asking.source, behind=behind, is_open=True))

    def score(self, texts: Sequence[str]) -> Scored:
        """Return every label's log-odds; shape (texts, labels)."""
        prompts = self.writers[0].write(texts)
        tokens = [prompt.tokens for prompt in prompts]
        answers = np.concatenate([self.engine.score(tokens, tree) for tree in self._trees], axis=1)
        n_asked = sum(len(tree) - 1 for tree in self._trees)
        return Scored(answers[:, 0::2] - answers[:, 1::2], [[prompt] for prompt in prompts], n_asked)

    def answers(self, scores: NDArray[np.float64], prior: NDArray[np.float64] | None) -> list[Decided]:
        """Return the labels that apply rather than not, with the prior's log-odds taken out."""
        task = self.asking.task
        even = (DEFAULT_THRESHOLD,) * len(task.labels)
        rows = expit(scores if prior is None else scores - prior)
        return [Decided(decide(row.tolist(), task, even), row) for row in rows]

    def _find_prior(self, calibration: Calibration) -> NDArray[np.float64] | None:
        """Return every label's mean log-odds on content-free messages."""
        return self.score(CONTENT_FREE).values.mean(axis=0) if calibration == "contextual" else None


def _tree(chat: Chat, questions: Sequence[str]) -> list[Node]:
    """Return the tree of questions, each followed by its two answers; the questions' own tokens have no score."""
    behind = [chat.behind_message(question) for question in questions]
    sequences = [[*tokens, *chat.answer_tokens(answer)] for tokens in behind for answer in (YES, NO)]
    return grow(sequences, given=[len(tokens) for tokens in behind for _ in (YES, NO)])


def _conversation(asking: Asking, questions: Sequence[str], text: str, examples: Sequence[Message]) -> Conversation:
    """Return the conversation about a text, up to and with the first question behind it."""
    opening = OPENING.format(
        instruction=asking.task.instruction or DECIDE[True], definitions=described_labels(asking.task)
    )
    names = asking.task.label_names
    shown = []
    for i, example in enumerate(examples):
        place = _label_to_show(i, example, names)
        answer = YES if names[place] in example.labels else NO
        shown.append(Worked(example.text, answer, after=questions[place]))
    return turns(opening, text, shown, after=questions[0])


def _label_to_show(i: int, example: Message, names: Sequence[str]) -> int:
    """Return the label that the i-th example asks about: yes and no take turns, and so do the labels."""
    applying = [place for place, name in enumerate(names) if name in example.labels]
    others = [place for place in range(len(names)) if place not in applying]
    places = (applying or others) if i % 2 == 0 else (others or applying)
    return places[i // 2 % len(places)]
