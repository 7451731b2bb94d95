"""Choose the next token from a row of logits."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import llama_cpp.llama_cpp as lib

from classifiers.errors import BenchError
from classifiers.llm.engine.decoder import Decoder
from classifiers.llm.engine.gguf_model import GgufModel, last_log


@dataclass(frozen=True, slots=True)
class Request:
    """A prompt to be continued by at most `max_tokens`; temperature 0 takes the likeliest token.

    `grammar` is GBNF that the answer must keep to, or empty; `is_end` tells of what is written so far whether it is all
    that is wanted.
    """

    tokens: Sequence[int]
    max_tokens: int
    temperature: float = 0.0
    seed: int = 0
    grammar: str = ""
    is_end: Callable[[Sequence[int]], bool] = lambda _: False


class Sampler:
    """One request's way of choosing tokens.

    Raises:
        BenchError: if llama.cpp refuses the grammar; it never falls back to free text.
    """

    def __init__(self, model: GgufModel, request: Request) -> None:
        # the likeliest token is one argmax; llama.cpp's greedy sampler first lists all 150,000 candidates
        self._is_greedy = request.temperature == 0 and not request.grammar
        self._chain: Any = None
        if not self._is_greedy:
            stages = list(_stages(model.vocab, request))
            self._chain = lib.llama_sampler_chain_init(lib.llama_sampler_chain_default_params())
            for stage in stages:
                lib.llama_sampler_chain_add(self._chain, stage)

    def choose(self, decoder: Decoder, place: int) -> int:
        """Return the next token after the row at `place` of the decoder's latest batch."""
        if self._is_greedy:
            return int(decoder.logits(place).argmax())
        return int(lib.llama_sampler_sample(self._chain, decoder.handle, place))

    def close(self) -> None:
        """Free the chain."""
        if self._chain:
            lib.llama_sampler_free(self._chain)
            self._chain = None


def _stages(vocab: Any, request: Request) -> Iterator[Any]:
    if request.grammar:
        stage = lib.llama_sampler_init_grammar(vocab, request.grammar.encode(), b"root")
        if not stage:
            raise BenchError(f"llama.cpp refuses the grammar: {last_log()}")
        yield stage
    if request.temperature == 0:
        yield lib.llama_sampler_init_greedy()
        return
    yield lib.llama_sampler_init_top_k(40)
    yield lib.llama_sampler_init_top_p(0.95, 1)
    yield lib.llama_sampler_init_temp(request.temperature)
    yield lib.llama_sampler_init_dist(request.seed)
