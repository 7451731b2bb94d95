"""The beginnings of prompts that are decoded once and shared by all sequences."""

from __future__ import annotations

from collections.abc import Sequence

from classifiers.llm.engine.decoder import Decoder, Row


class Prefixes:
    """Held beginnings of prompts, each in a sequence of its own, from sequence 0 on.

    Prompts of one kind have one. Several orders of options have one each, so that going from order to order decodes
    nothing again; what two beginnings have in common is decoded once.
    """

    def __init__(self, decoder: Decoder) -> None:
        self._decoder = decoder
        self._held: list[list[int]] = []

    def __len__(self) -> int:
        return len(self._held)

    @property
    def cells(self) -> int:
        """Count the KV cells they take."""
        return cells_of(self._held)

    def hold(self, prefixes: Sequence[Sequence[int]]) -> None:
        """Decode these beginnings in place of those held, but for what both have in common."""
        for sequence in range(len(prefixes), len(self._held)):
            self._decoder.forget(sequence)
        for sequence, prefix in enumerate(prefixes):
            seen = common_length(self._held[sequence], prefix) if sequence < len(self._held) else 0
            first = common_length(prefixes[0], prefix) if sequence else 0
            self._decoder.forget(sequence, 0 if first > seen else seen)
            if first > seen:
                self._decoder.share(0, sequence, seen := first)
            rows = [Row(token, i, (sequence,), stage="shared prompt") for i, token in enumerate(prefix)][seen:]
            for _ in self._decoder.run_all(rows):
                pass
        self._held = [list(prefix) for prefix in prefixes]

    def shared(self, tokens: Sequence[int]) -> int:
        """Count the tokens a prompt takes from the beginning most like it; its last one is always its own."""
        return self._nearest(tokens)[0]

    def begin(self, sequence: int, tokens: Sequence[int]) -> int:
        """Let a sequence begin with what its prompt shares; returns how many tokens that is."""
        length, source = self._nearest(tokens)
        self._decoder.share(source, sequence, length)
        return length

    def _nearest(self, tokens: Sequence[int]) -> tuple[int, int]:
        lengths = (common_length(prefix, tokens) for prefix in self._held)
        length, sequence = max(((n, -i) for i, n in enumerate(lengths)), default=(0, 0))
        return min(length, len(tokens) - 1), -sequence


def cells_of(prefixes: Sequence[Sequence[int]]) -> int:
    """Count the KV cells that beginnings take, what they have in common with the first being held once."""
    return sum(len(p) - (common_length(prefixes[0], p) if i else 0) for i, p in enumerate(prefixes))


def cells_beside(prefixes: Sequence[Sequence[int]], tokens: Sequence[int]) -> int:
    """Count the held cells that a prompt does not share, which it cannot have of the context."""
    return cells_of(prefixes) - max((common_length(prefix, tokens) for prefix in prefixes), default=0)


def common_length(a: Sequence[int], b: Sequence[int]) -> int:
    """Count the leading tokens two sequences share."""
    return next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))
