"""Ask, parse, and ask again where the answer was no label; every attempt is kept.

A retry continues the conversation: it shows the model its own answer, says what was wrong, and
raises the temperature, because the same words at temperature 0 give the same answer. All invalid
answers of a batch are retried together.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from classifiers.interface import Attempt
from classifiers.llm.prompting.answer_form import AnswerForm
from classifiers.llm.prompting.parse import Parsed
from classifiers.llm.prompting.prompt import Turn, objection

Conversation = tuple[Turn, ...]


@dataclass(frozen=True, slots=True)
class Reply:
    """What the model wrote, with counts of tokens read and written, and of the written those of its thinking."""

    text: str
    prompt_tokens: int
    completion_tokens: int
    thinking_tokens: int = 0


class Ask(Protocol):
    """Answers conversations, one reply each, in order."""

    def __call__(self, conversations: Sequence[Conversation], *, temperature: float) -> list[Reply]:
        """Return the replies at this temperature."""


def ask_with_retries(
    conversations: Sequence[Conversation],
    ask: Ask,
    form: AnswerForm,
    *,
    temperatures: Sequence[float],
) -> list[tuple[Attempt, ...]]:
    """Return every conversation's attempts, at most one per temperature, the last of them valid or the end.

    An attempt's seconds are its share of its round: the round's wall time over its questions.
    """
    attempts: list[tuple[Attempt, ...]] = [()] * len(conversations)
    running = dict(enumerate(conversations))
    for temperature in temperatures:
        if not running:
            break
        started = time.perf_counter()
        replies = ask(list(running.values()), temperature=temperature)
        share = (time.perf_counter() - started) / len(running)
        still_invalid: dict[int, Conversation] = {}
        for (i, conversation), reply in zip(running.items(), replies, strict=True):
            parsed = form.parse(reply.text)
            attempts[i] += (_attempt(reply, parsed, share),)
            if not parsed.valid:
                answer = Turn("assistant", "", reply.text)
                still_invalid[i] = (*conversation, answer, objection(parsed.problem, form))
        running = still_invalid
    return attempts


def _attempt(reply: Reply, parsed: Parsed, seconds: float) -> Attempt:
    return Attempt(
        raw=reply.text,
        labels=parsed.labels,
        valid=parsed.valid,
        prompt_tokens=reply.prompt_tokens,
        completion_tokens=reply.completion_tokens,
        seconds=seconds,
        thinking_tokens=reply.thinking_tokens,
    )
