"""Reads prompts and returns what the model holds in mind at their last token, instead of words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import llama_cpp.llama_cpp as lib
import numpy as np
from numpy.typing import NDArray

from classifiers.errors import BenchError
from classifiers.llm.engine.decoder import Row
from classifiers.llm.engine.engine import Engine
from classifiers.llm.engine.prefixes import common_length

Tokens = Sequence[int]
States = NDArray[np.float32]
"""A row per prompt, as wide as the model."""


class HiddenStates(Engine):
    """An engine that reads: its context returns the last layer's output, after the final norm, in place of logits."""

    def __init__(self, path: Path, *, context: int, parallel: int, batch: int, threads: int) -> None:
        super().__init__(path, context=context, parallel=parallel, batch=batch, threads=threads)
        lib.llama_set_embeddings(self._decoder.handle, True)
        self.width = int(lib.llama_model_n_embd(self.model.handle))

    def hold_common(self, first: Tokens, second: Tokens) -> None:
        """Decode what two prompts begin with, and keep it for all."""
        self.hold(first[: common_length(first, second)])

    def last_states(self, prompts: Sequence[Tokens]) -> States:
        """Return the hidden state at the last token of every prompt, shape (prompts, width).

        Raises:
            BenchError: if a prompt does not fit the context.
        """
        states = np.zeros((len(prompts), self.width), np.float32)
        for wave in self._waves(prompts):
            rows: list[Row] = []
            ends: dict[int, int] = {}
            for sequence, i in enumerate(wave, start=1):
                seen = self._prefixes.begin(sequence, prompts[i])
                last = len(prompts[i]) - 1
                rows += [Row(prompts[i][p], p, (sequence,), logits=p == last) for p in range(seen, last + 1)]
                ends[len(rows) - 1] = i
            for place, state in self._read(rows):
                states[ends[place]] = state
            for sequence in range(1, len(wave) + 1):
                self._decoder.forget(sequence)
        return states

    def _waves(self, prompts: Sequence[Tokens]) -> Iterator[list[int]]:
        """Divide the prompts, by their places, into waves that the cells hold together."""
        wave: list[int] = []
        free = room = self.context - self.prefix_length
        for i, prompt in enumerate(prompts):
            cells = len(prompt) - self._prefixes.shared(prompt)
            if cells > room:
                raise BenchError(f"a prompt of {len(prompt)} tokens does not fit the context of {self.context}")
            if wave and (cells > free or len(wave) == self.parallel):
                yield wave
                wave, free = [], room
            wave.append(i)
            free -= cells
        if wave:
            yield wave

    def _read(self, rows: Sequence[Row]) -> Iterator[tuple[int, States]]:
        """Decode rows batch by batch; yield the place and the state of every row that asks for it."""
        size = self._decoder.batch_size
        for start in range(0, len(rows), size):
            piece = rows[start : start + size]
            self._decoder.run(piece)
            for i, row in enumerate(piece):
                if row.logits:
                    pointer = lib.llama_get_embeddings_ith(self._decoder.handle, i)
                    yield start + i, np.ctypeslib.as_array(pointer, shape=(self.width,)).copy()
