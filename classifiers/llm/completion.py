"""Read a server's chat completion, which may be anything: the official client does not check its shape."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from classifiers.llm.prompting.retry import Reply

Completion = tuple[Reply, Mapping[str, float]]
"""A reply, and the probabilities of its first token's alternatives where the server gives them."""


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
