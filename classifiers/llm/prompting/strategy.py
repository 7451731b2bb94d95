"""What the ways of asking have in common: a shared beginning that is held, bounded thinking, and counts of work."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from classifiers.errors import BenchError
from classifiers.interface import Message, Prediction, Stage, Task
from classifiers.llm.prompting.answer_form import AnswerForm, form_of
from classifiers.llm.prompting.chat import Chat
from classifiers.llm.prompting.examples import ExampleSource
from classifiers.llm.prompting.prepare import PreparedPrompt, PromptWriter
from classifiers.llm.prompting.prompt import conversation
from classifiers.llm.prompting.recipe import Recipe
from classifiers.llm.prompting.retry import Conversation
from classifiers.llm.prompting.settings import Choice, LlamaCppSettings
from classifiers.llm.prompting.thinking import room_for_thought, think


@dataclass(frozen=True, slots=True)
class Asking:
    """What a strategy is made of: whom to ask, about what, with which examples, in which way.

    `prior` is that of the choice's calibration, where an earlier strategy has asked for it.
    """

    chat: Chat
    task: Task
    train: Sequence[Message]
    choice: Choice
    settings: LlamaCppSettings
    source: ExampleSource
    prior: NDArray[np.float64] | None = None

    @property
    def form(self) -> AnswerForm:
        """Return how answers are written and read."""
        return form_of(self.task)

    def plain_conversation(self, text: str, examples: Sequence[Message]) -> Conversation:
        """Return the conversation in which a label is asked for by its name."""
        return conversation(self.task, text, prompt_template=self.choice.prompt_template, examples=examples)

    def writer(self, behind: int) -> PromptWriter:
        """Return the writer of prompts that ask for a label by its name, with room behind for the answer."""
        room = behind + room_for_thought(self.chat, self.settings.thinking)
        return PromptWriter(self.chat, self.plain_conversation, self.source, behind=room)


class Strategy(ABC):
    """One way of asking about one task.

    Args:
        asking: what it is made of.
        writers: what writes its prompts; one per kind of prompt, each with a beginning of its own.
    """

    def __init__(self, asking: Asking, *writers: PromptWriter) -> None:
        self.asking = asking
        self.choice = asking.choice
        self.chat, self.engine = asking.chat, asking.chat.engine
        self.writers = writers
        self._prefixes = [writer.prefix() for writer in writers]

    def make_ready(self) -> None:
        """Decode once what all prompts begin with; again where another strategy has asked in between."""
        self.engine.hold(*self._prefixes)
        for writer in self.writers:
            writer.held = self._prefixes if self.engine.shares else ()

    @abstractmethod
    def predict(self, texts: Sequence[str], *, seed: int = 0) -> list[Prediction]:
        """Answer all texts together."""

    @property
    def examples_cut(self) -> int:
        """Count the worked examples that were left out for room."""
        return sum(writer.examples_cut for writer in self.writers)

    @property
    def stages(self) -> Mapping[str, Stage]:
        """Return where time went before the model was asked."""
        names = self.writers[0].stages
        return {name: sum((writer.stages[name] for writer in self.writers), Stage()) for name in names}

    @property
    def shown_prompt(self) -> str:
        """Return the prompt as a person reads it."""
        return self.writers[0].shown

    @property
    def figures(self) -> Mapping[str, str | int | float]:
        """Return what else should be kept beside the answers."""
        return {}

    @property
    def notes(self) -> tuple[str, ...]:
        """Return what a reader of the answers must be told."""
        return ()

    @property
    def label_prior(self) -> NDArray[np.float64] | None:
        """Return what its calibration takes out of the answers, or None where that is nothing."""
        return None

    def recipe(self) -> Recipe:
        """Return the requests by which a llama-server answers alike.

        Raises:
            BenchError: if no requests that are the same for every message do.
        """
        raise BenchError("this way of asking has no requests to export; export a row with mode = 'grammar'")

    def think(self, prompts: Sequence[PreparedPrompt], seed: int, temperature: float = 0.0) -> list[PreparedPrompt]:
        """Let the model reason first, where the settings say so."""
        limit = self.asking.settings.thinking
        return think(self.chat, prompts, max_tokens=limit, temperature=temperature, seed=seed)
