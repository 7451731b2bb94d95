"""Let a model reason before it answers, in a bounded number of tokens."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from classifiers.llm.engine.sampler import Request
from classifiers.llm.prompting.chat import Chat
from classifiers.llm.prompting.prepare import PreparedPrompt
from classifiers.llm.prompting.reasoning import CLOSING

TAG_TOKENS = 8
"""A closing tag has no more tokens than this: those are looked at after each token."""


def room_for_thought(chat: Chat, max_tokens: int) -> int:
    """Return the tokens that reasoning and its end may take."""
    return max_tokens + len(chat.end_of_thought(is_closed=False)) if max_tokens else 0


def think(
    chat: Chat, prompts: Sequence[PreparedPrompt], *, max_tokens: int, temperature: float, seed: int
) -> list[PreparedPrompt]:
    """Return the prompts with the model's reasoning behind them, closed, so that an answer comes next.

    Reasoning that is not closed within `max_tokens` is closed for the model. Each prompt ends with an opening tag
    already (`Chat` with `thinks`). The reasoning stays in the cache for the answer that continues it.
    """
    if not max_tokens:
        return list(prompts)
    model = chat.engine.model

    def is_closed(written: Sequence[int]) -> bool:
        return CLOSING.search(model.detokenize(written[-TAG_TOKENS:])) is not None

    requests = [Request(p.tokens, max_tokens, temperature, seed, is_end=is_closed) for p in prompts]
    written = chat.engine.answer(requests, list, keep=lambda _: True)
    return [
        _with_thought(chat, prompt, tokens, is_closed(tokens)) for prompt, tokens in zip(prompts, written, strict=True)
    ]


def _with_thought(chat: Chat, prompt: PreparedPrompt, written: list[int], is_closed: bool) -> PreparedPrompt:
    end = chat.end_of_thought(is_closed=is_closed)
    thought = chat.engine.model.detokenize([*written, *end])
    return replace(prompt, tokens=[*prompt.tokens, *written, *end], thought=thought, n_thought=len(written))
