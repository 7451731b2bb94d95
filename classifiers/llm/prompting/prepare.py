"""Write the prompts of one way of asking, each once: rendered, cut to the room there is, and tokenised."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from classifiers.errors import BenchError
from classifiers.interface import Message, Stage
from classifiers.llm.engine.engine import Engine
from classifiers.llm.engine.prefixes import cells_beside, common_length
from classifiers.llm.prompting.chat import Chat, NoRoomError
from classifiers.llm.prompting.examples import ExampleSource
from classifiers.llm.prompting.prompt import Turn
from classifiers.llm.prompting.retry import Conversation

QUESTION_ROOM = 256
"""Tokens kept free for the message when examples that all questions share are cut to the context."""

Converse = Callable[[str, Sequence[Message]], Conversation]
"""Returns the conversation about a text, with these messages as worked examples."""


@dataclass(frozen=True, slots=True)
class PreparedPrompt:
    """A prompt ready to be decoded.

    Attributes:
        tokens: what the model reads.
        turns: the conversation that the tokens say.
        truncated: whether the message's end was cut off.
        examples_cut: how many worked examples were left out for room.
        thought: the reasoning that the model wrote and that stands at the tokens' end, in `n_thought` tokens.
    """

    tokens: list[int]
    turns: Conversation
    truncated: bool = False
    examples_cut: int = 0
    thought: str = ""
    n_thought: int = 0

    @property
    def n_read(self) -> int:
        """Count the tokens that the model did not write itself."""
        return len(self.tokens) - self.n_thought


class PromptWriter:
    """Writes prompts for one engine; `held` are the beginnings that lie in its context when they are asked.

    Args:
        chat: renders and tokenises.
        converse: says what is asked about a text.
        source: finds the worked examples.
        behind: tokens that must find room behind a prompt.
        is_open: whether prompts end with their message, because what is asked behind it differs.
        n_kinds: kinds of prompts whose beginnings share the context.
    """

    def __init__(
        self,
        chat: Chat,
        converse: Converse,
        source: ExampleSource,
        *,
        behind: int,
        is_open: bool = False,
        n_kinds: int = 1,
    ) -> None:
        self.chat = chat
        self.engine: Engine = chat.engine
        self.converse = converse
        self.source = source
        self.behind = behind
        self.room = min(self.engine.context // n_kinds, self.engine.model.trained_context) - behind
        self.is_open = is_open
        self.held: Sequence[Sequence[int]] = ()
        self.examples_cut = 0
        self.stages = {"find examples": Stage(), "write prompts": Stage()}
        self._cut_fixed_examples()

    def write(self, texts: Sequence[str]) -> list[PreparedPrompt]:
        """Return a prompt per text, and keep how long finding examples and writing took."""
        started = time.perf_counter()
        shown = self.source.of(texts)
        begun = time.perf_counter()
        prompts = [self.prompt(text, examples) for text, examples in zip(texts, shown, strict=True)]
        self.examples_cut += sum(prompt.examples_cut for prompt in prompts)
        self.stages["find examples"] += Stage(begun - started)
        self.stages["write prompts"] += Stage(time.perf_counter() - begun)
        return prompts

    def prompt(self, text: str, examples: Sequence[Message]) -> PreparedPrompt:
        """Return a prompt that fits: whole examples go first, from the front; only then is the message cut.

        Raises:
            NoRoomError: if it does not fit without examples and message.
        """
        for cut in range(len(examples)):
            try:
                prepared = self._fitted(self.converse(text, examples[cut:]))
            except NoRoomError:
                continue
            if not prepared.truncated:
                return replace(prepared, examples_cut=cut)
        return replace(self._fitted(self.converse(text, ())), examples_cut=len(examples))

    def continued(self, prompt: PreparedPrompt, *more: Turn) -> PreparedPrompt | None:
        """Return a prompt's conversation with further turns, or None where that does not fit."""
        try:
            longer = self._fitted((*prompt.turns, *more))
        except NoRoomError:
            return None
        return replace(longer, truncated=longer.truncated or prompt.truncated, examples_cut=prompt.examples_cut)

    def for_any_message(self) -> list[int | str]:
        """Return the prompt as tokens around the place of the message.

        Raises:
            BenchError: if every message has examples of its own.
        """
        if self.source.similar is not None:
            raise BenchError(
                "examples = 'knn' shows other examples with every message, which no fixed request holds; "
                "export a row with examples = 'fixed' or 'none', or let bench predict answer"
            )
        return self.chat.around(self.converse("x", self.source.fixed))

    def prefix(self) -> list[int]:
        """Return the tokens that two prompts about different messages (with different examples) have in common."""
        first, second = (self._fitted(self.converse(text, self.source.probe(text))).tokens for text in ("A", "1"))
        return first[: common_length(first, second)]

    @property
    def shown(self) -> str:
        """Return the prompt as a person reads it, with marks where the message and its own examples go."""
        turns = self.converse("⟨the message⟩", self.source.fixed)
        lines = [f"[{turn.role}] {turn.content}" for turn in turns]
        similar = [f"⟨the {self.source.n_similar} training messages most like it, as turns⟩"]
        return "\n".join([*lines[:-1], *(similar if self.source.n_similar else []), lines[-1]])

    def _fitted(self, turns: Conversation) -> PreparedPrompt:
        """Return a prompt cut to the context, less what stands behind it and what is held there for other prompts."""
        tokens, truncated = self.chat.tokens(turns, room=self.room, is_open=self.is_open)
        left = self.engine.context - self.behind - cells_beside(self.held, tokens)
        if len(tokens) > left:
            tokens, truncated = self.chat.tokens(turns, room=left, is_open=self.is_open)
        return PreparedPrompt(tokens, turns, truncated)

    def _cut_fixed_examples(self) -> None:
        """Leave out examples for all questions alike, so that a message of usual length finds room."""
        if self.source.fixed:
            self.examples_cut = self.prompt("word " * QUESTION_ROOM, self.source.fixed).examples_cut
            self.source = self.source.without(self.examples_cut)
