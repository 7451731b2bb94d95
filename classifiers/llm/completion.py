"""Ask for a chat completion and read it, which may be anything: the official client does not check its shape."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from classifiers.interface import Task
from classifiers.llm.client import Send
from classifiers.llm.prompting.answer_form import readable_names
from classifiers.llm.prompting.retry import Conversation, Reply

Completion = tuple[Reply, Mapping[str, float]]
"""A reply, and the probabilities of its first token's alternatives where the server gives them."""

AMBIGUOUS = 0.05
"""Probability of first tokens that begin several labels, above which a message has no label probabilities."""


def completion(turns: Conversation, options: Mapping[str, Any]) -> Send[Completion]:
    """Return the request that asks for the next turn of a conversation."""
    messages = [{"role": turn.role, "content": turn.content} for turn in turns]
    return lambda client: read_completion(client.chat.completions.create(messages=messages, **options))


def read_completion(answer: Any) -> Completion:
    """Take what is needed out of a client's answer; signs that UTF-8 cannot hold become question marks.

    Raises:
        ValueError: if it is no chat completion.
    """
    try:
        choice, usage = answer.choices[0], answer.usage
        text = _text_of(choice.message.content).encode(errors="replace").decode()
        details = usage.completion_tokens_details if usage else None
        counts = (usage.prompt_tokens, usage.completion_tokens) if usage else (0, 0)
        thinking = details.reasoning_tokens if details else 0
        first = choice.logprobs.content[0].top_logprobs if choice.logprobs and choice.logprobs.content else ()
        reply = Reply(text, *(int(count or 0) for count in (*counts, thinking)))
        return reply, {token.token: math.exp(token.logprob) for token in first}
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        raise ValueError(f"it sent no chat completion: {answer!r}") from error


def _text_of(content: Any) -> str:
    """Return the text of a message, which may be one text or a list of parts; raises TypeError for anything else."""
    if isinstance(content, list):
        return "".join(part["text"] for part in content if part.get("type", "text") == "text")
    if content is not None and not isinstance(content, str):
        raise TypeError(f"content is a {type(content).__name__}")
    return content or ""


def label_shares(task: Task, first_tokens: Mapping[str, float]) -> dict[str, float] | None:
    """Return the first token's alternatives as probabilities of the labels that begin so.

    An unlikely alternative that begins several labels is shared evenly among them; None where much of the
    probability is so, or none of it is any label's.
    """
    readable = dict(zip(task.label_names, readable_names(task), strict=True))
    shares = dict.fromkeys(task.label_names, 0.0)
    ambiguous = 0.0
    for token, share in first_tokens.items():
        start = token.strip().casefold()
        begun = [name for name, text in readable.items() if start and text.casefold().startswith(start)]
        ambiguous += share if len(begun) > 1 else 0.0
        for name in begun:
            shares[name] += share / len(begun)
    total = sum(shares.values())
    if not total or ambiguous > AMBIGUOUS * total:
        return None
    return {name: share / total for name, share in shares.items()}
