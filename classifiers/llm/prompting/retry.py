"""Ask, parse, and ask again where the answer was no label; every attempt is kept.

A retry continues the conversation: it shows the model its own answer, says what was wrong, and
raises the temperature, because the same words at temperature 0 give the same answer. All invalid
answers of a batch are retried together.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from classifiers.interface import Attempt
from classifiers.llm.prompting.answer_form import AnswerForm
from classifiers.llm.prompting.parse import Parsed
from classifiers.llm.prompting.prompt import Turn, objection
from classifiers.llm.prompting.reasoning import split_reasoning

Conversation = tuple[Turn, ...]
Q = TypeVar("Q")


@dataclass(frozen=True, slots=True)
class Reply:
    """What the model wrote, with counts of tokens read and written, and of the written those of its thinking."""

    text: str
    prompt_tokens: int
    completion_tokens: int
    thinking_tokens: int = 0


@dataclass(frozen=True, slots=True)
class Answer:
    """A reply and how it was understood."""

    reply: Reply
    parsed: Parsed


@dataclass(frozen=True, slots=True)
class Asked(Generic[Q]):
    """A question in its last form, and the attempts at it, the last of them valid or the end."""

    question: Q
    attempts: tuple[Attempt, ...]


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
    """Return every conversation's attempts, at most one per temperature; a retry continues the conversation."""

    def answers(asked: Sequence[Conversation], temperature: float) -> list[Answer]:
        return [Answer(reply, form.parse(reply.text)) for reply in ask(asked, temperature=temperature)]

    def continued(conversation: Conversation, answer: Answer) -> Conversation:
        return (*conversation, *follow_up(answer, form))

    return [asked.attempts for asked in retry(conversations, answers, continued, temperatures)]


def follow_up(answer: Answer, form: AnswerForm) -> tuple[Turn, Turn]:
    """Return the turns that show the model its answer, without the reasoning before it, and say what was wrong."""
    reasoned = split_reasoning(answer.reply.text)
    said = reasoned.answer if reasoned.reasoning and reasoned.answer else answer.reply.text
    return Turn("assistant", "", said), objection(answer.parsed.problem, form)


def retry(
    questions: Sequence[Q],
    ask: Callable[[Sequence[Q], float], list[Answer]],
    extend: Callable[[Q, Answer], Q | None],
    temperatures: Sequence[float],
) -> list[Asked[Q]]:
    """Ask all questions, and those again, extended, whose answer was invalid, until the temperatures run out.

    A question that `extend` returns nothing for stays invalid: there is no room to ask it again. An attempt's seconds
    are its share of its round: the round's wall time over its questions.
    """
    ledger = [Asked(question, ()) for question in questions]
    running = list(range(len(questions)))
    for i, temperature in enumerate(temperatures):
        if not running:
            break
        started = time.perf_counter()
        answers = ask([ledger[place].question for place in running], temperature)
        share = (time.perf_counter() - started) / len(running)
        is_last = i + 1 == len(temperatures)
        again: list[int] = []
        for place, answer in zip(running, answers, strict=True):
            question, attempts = ledger[place].question, (*ledger[place].attempts, _attempt(answer, share))
            longer = None if answer.parsed.valid or is_last else extend(question, answer)
            ledger[place] = Asked(question if longer is None else longer, attempts)
            again += [place] if longer is not None else []
        running = again
    return ledger


def _attempt(answer: Answer, seconds: float) -> Attempt:
    reply, parsed = answer.reply, answer.parsed
    return Attempt(
        raw=reply.text,
        labels=parsed.labels,
        valid=parsed.valid,
        prompt_tokens=reply.prompt_tokens,
        completion_tokens=reply.completion_tokens,
        seconds=seconds,
        thinking_tokens=reply.thinking_tokens,
    )
