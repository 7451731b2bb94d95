"""How a llama-server is asked so that it answers as a row did: requests to its /completion, for any message.

A prompt is sent as the tokens that stand before and behind the message, and the message as text between them: so the
server reads the very tokens that the run did, whatever chat template it would render itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

MESSAGE = "{message}"
"""Stands in a prompt for the message."""
Prompt = Sequence[int | str]
"""Token ids, and one text with the message's place."""
LIFT = 100.0
"""What is added to the logits of a few tokens so that no other keeps a probability."""


@dataclass(frozen=True, slots=True)
class ServerRequest:
    """The body of one request, and how label scores are read from its reply.

    Attributes:
        body: what is sent.
        label: the label whose log-probability the tokens of the reply add up to; empty for another kind of request.
        letters: the label of each token, by id, whose probability the reply tells.
        prior: the log-probability that calibration takes from each label's.
    """

    body: dict[str, Any]
    label: str = ""
    letters: Mapping[str, str] = field(default_factory=dict)
    prior: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Recipe:
    """All requests about one message.

    With `text`, the first reply is the answer. With `probabilities`, the scores of a group become probabilities that
    add up to 1, and those of the groups are averaged.
    """

    read: Literal["text", "probabilities"]
    groups: tuple[tuple[ServerRequest, ...], ...]


def text_recipe(prompt: Prompt, max_tokens: int, grammar: str = "") -> Recipe:
    """Return the recipe of an answer in words, held to a grammar or free."""
    held = {"grammar": grammar} if grammar else {}
    return Recipe("text", ((ServerRequest(_greedy(prompt, max_tokens) | held),),))


def label_request(prompt: Prompt, label: str, tokens: Sequence[int], n_end: int, prior: float | None) -> ServerRequest:
    """Return the request whose reply says exactly these tokens, and how likely each was.

    Args:
        prompt: what is asked.
        label: whose tokens they are.
        tokens: the answer's; the last `n_end` end a generation, which the server adds by itself.
        n_end: 1 where the last token ends generations, else 0.
        prior: the label's log-prior.
    """
    said = tokens[: len(tokens) - n_end]
    body = _greedy(prompt, len(tokens)) | {"grammar": "root ::= " + " ".join(f"<[{i}]>" for i in said), "n_probs": 1}
    return ServerRequest(body, label=label, prior={} if prior is None else {label: prior})


def letters_request(prompt: Prompt, letters: Mapping[int, str], prior: Mapping[str, float]) -> ServerRequest:
    """Return the request whose reply tells the probability of every letter against the others."""
    body = {
        "prompt": list(prompt),
        "n_predict": 1,
        "temperature": 1.0,
        "samplers": ["temperature"],
        "logit_bias": [[token, LIFT] for token in letters],
        "n_probs": len(letters),
        "post_sampling_probs": True,
    }
    return ServerRequest(body, letters={str(token): label for token, label in letters.items()}, prior=prior)


def _greedy(prompt: Prompt, max_tokens: int) -> dict[str, Any]:
    return {"prompt": list(prompt), "n_predict": max_tokens, "temperature": 0.0}
