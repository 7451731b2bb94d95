"""A batched prompt engine: many prompts to one decode call, their common beginning decoded once.

The tokens all prompts begin with are decoded once and shared (`prefixes`). Prompts and running generations are packed
into the same decode calls, so that the weights are read once for many messages; a finished sequence gives its place to
the next prompt, unless it is kept for a prompt that continues it. Where an architecture refuses shared sequences
(recurrent models), every prompt is decoded whole and every label scored on its own.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from classifiers.errors import BenchError
from classifiers.interface import Stage
from classifiers.llm.engine.decoder import MAX_SEQUENCES, Decoder, Row
from classifiers.llm.engine.gguf_model import GgufModel
from classifiers.llm.engine.label_tree import Node, chain_of
from classifiers.llm.engine.prefixes import Prefixes, common_length
from classifiers.llm.engine.sampler import Request, Sampler
from classifiers.llm.engine.scoring import LabelScores, scorer_of

T = TypeVar("T")


@dataclass(slots=True)
class _Slot:
    """One running sequence: what of its prompt is still to be decoded, and what it wrote.

    `cells` is what it may come to need beyond the shared prefix.
    """

    index: int
    sequence: int
    request: Request
    cells: int
    position: int
    waiting: deque[int]
    sampler: Sampler
    written: list[int] = field(default_factory=list)


class Engine:
    """A GGUF model in memory with `parallel` generations at a time that share `context` KV cells.

    With `exact`, keys and values are kept as 32-bit floats and flash attention is off: slower, and with an
    unquantised model answers then do not depend on what else is in the batch. (A quantised model rounds
    activations to 8 bits, which turns the last bit of a float into differences of 0.1 in a log-probability.)

    Raises:
        BenchError: if llama.cpp cannot read the file or make a context of that size.
    """

    def __init__(
        self, path: Path, *, context: int, parallel: int, batch: int, threads: int, exact: bool = False
    ) -> None:
        self.model = GgufModel(path)
        try:
            self._decoder = Decoder(
                self.model, cells=context, sequences=parallel, batch=batch, threads=threads, exact=exact
            )
        except BenchError:
            self.model.close()
            raise
        self.context = self._decoder.cells
        self.parallel = parallel
        self._prefixes = Prefixes(self._decoder)
        # sequences that wait for a prompt that continues them, with the tokens they have seen
        self._kept: dict[int, list[int]] = {}
        self._free = self._sequences()

    def close(self) -> None:
        """Free context and model; a second call does nothing."""
        self._decoder.close()
        self.model.close()

    @property
    def shares(self) -> bool:
        """Tell whether beginnings of prompts can be held for all sequences."""
        return self._decoder.shares

    @property
    def prefix_length(self) -> int:
        """Count the tokens held for all sequences."""
        return self._prefixes.cells

    @property
    def stages(self) -> Mapping[str, Stage]:
        """Return tokens decoded and seconds taken so far, for the shared prompt, prompts and answers apart.

        One decode call serves prompts and answers together; its time is divided by their tokens.
        """
        return dict(self._decoder.stages)

    def hold(self, *prefixes: Sequence[int]) -> None:
        """Decode the tokens that the coming prompts begin with, one beginning per kind, and keep them for all."""
        if self._decoder.shares:
            self._forget_kept(self._kept)
            self._prefixes.hold(prefixes)
            self._free = self._sequences()

    def generate(self, requests: Sequence[Request]) -> list[list[int]]:
        """Continue every prompt until it ends or has `max_tokens`; token ids in the requests' order.

        Raises:
            BenchError: if a prompt with its answer does not fit the context.
        """
        return self.answer(requests, list, keep=lambda _: False)

    def answer(
        self, requests: Sequence[Request], read: Callable[[list[int]], T], *, keep: Callable[[T], bool]
    ) -> list[T]:
        """Continue every prompt as `generate` does, and return what `read` makes of each answer, read once.

        An answer that `keep` is true of stays in the cache until the next call, so that a request which
        begins with the same prompt and answer decodes only what is new.

        Raises:
            BenchError: if a prompt with its answer does not fit the context.
        """
        results: dict[int, T] = {}
        resumed = self._match_kept(requests)
        # longest first: what remains at the end is short, so the last batches stay full
        order = deque(sorted(range(len(requests)), key=lambda i: -len(requests[i].tokens)))
        running: list[_Slot] = []
        try:
            while order or running:
                self._admit(requests, order, resumed, running)
                for slot in self._step(running):
                    answer = results[slot.index] = read(slot.written)
                    running.remove(slot)
                    self._end(slot, keep=self._decoder.shares and keep(answer))
        finally:
            for slot in running:
                self._end(slot, keep=False)
        return [results[i] for i in range(len(requests))]

    def score(self, prompts: Sequence[Sequence[int]], tree: Sequence[Node]) -> NDArray[np.float64]:
        """Return the `values` of `read_labels`: log-probabilities, shape (prompts, labels)."""
        return self.read_labels(prompts, tree).values

    def read_labels(self, prompts: Sequence[Sequence[int]], tree: Sequence[Node]) -> LabelScores:
        """Return each label's log-probability as the answer to each prompt, and whether the model would write it.

        A prompt and the whole label tree behind it are decoded together; nothing is generated.

        Raises:
            BenchError: if a prompt does not fit the context, or there are more labels than sequences.
        """
        self._forget_kept(self._kept)  # every sequence is needed
        labels = range(len(tree[0].labels))
        trees = [tree] if self._decoder.shares or len(tree) == 1 else [chain_of(tree, label) for label in labels]
        scorers = [scorer_of(self._decoder, self._prefixes, part, self.parallel) for part in trees]
        parts = [scorer.score(prompts) for scorer in scorers]
        return LabelScores(
            np.concatenate([part.values for part in parts], axis=1),
            np.concatenate([part.is_likeliest for part in parts], axis=1),
        )

    def _sequences(self) -> list[int]:
        """Return the sequences that are free while nothing runs or is kept, the first to be used last."""
        return list(range(MAX_SEQUENCES if self._decoder.shares else self.parallel, len(self._prefixes) - 1, -1))

    def _match_kept(self, requests: Sequence[Request]) -> dict[int, int]:
        """Return the kept sequence that each request continues, by its index; forget those none continues."""
        matches: dict[int, int] = {}
        waiting = dict(self._kept)
        for i, request in enumerate(requests):
            lengths = {sequence: common_length(seen, request.tokens) for sequence, seen in waiting.items()}
            best = max(lengths, key=lengths.__getitem__, default=None)
            if best is not None and lengths[best] > self._prefixes.shared(request.tokens):
                matches[i] = best
                del waiting[best]
        self._forget_kept(waiting)
        return matches

    def _forget_kept(self, sequences: Iterable[int]) -> None:
        for sequence in list(sequences):
            del self._kept[sequence]
            self._decoder.forget(sequence)
            self._free.append(sequence)

    def _admit(
        self, requests: Sequence[Request], order: deque[int], resumed: dict[int, int], running: list[_Slot]
    ) -> None:
        """Start waiting prompts while there are sequences and cells for them."""
        while order and len(running) < self.parallel:
            request = requests[order[0]]
            if not self._fits(request, running):
                if self._kept:
                    self._forget_kept([next(reversed(self._kept))])
                    continue
                if running:
                    return
                raise BenchError(f"a prompt of {len(request.tokens)} tokens does not fit the context of {self.context}")
            sampler = Sampler(self.model, request)
            index = order.popleft()
            sequence, seen = self._begin(request, resumed.get(index))
            cells = len(request.tokens) - self._prefixes.shared(request.tokens) + request.max_tokens
            running.append(_Slot(index, sequence, request, cells, seen, deque(request.tokens[seen:]), sampler))

    def _fits(self, request: Request, running: Sequence[_Slot]) -> bool:
        """Tell whether the cells hold a request beside what runs and what is kept, its own kept cells included."""
        taken = self._prefixes.cells + sum(slot.cells for slot in running)
        kept = sum(len(seen) - self._prefixes.shared(seen) for seen in self._kept.values())
        needed = len(request.tokens) - self._prefixes.shared(request.tokens) + request.max_tokens
        return taken + kept + needed <= self.context

    def _begin(self, request: Request, resumed: int | None) -> tuple[int, int]:
        """Return a sequence for a request and how many of its tokens that has seen."""
        if resumed is not None and resumed in self._kept:
            seen = min(common_length(self._kept.pop(resumed), request.tokens), len(request.tokens) - 1)
            self._decoder.forget(resumed, seen)
            return resumed, seen
        if not self._free:
            self._forget_kept([next(reversed(self._kept))])
        sequence = self._free.pop()
        return sequence, self._prefixes.begin(sequence, request.tokens)

    def _end(self, slot: _Slot, *, keep: bool) -> None:
        slot.sampler.close()
        if keep:
            self._kept[slot.sequence] = [*slot.request.tokens, *slot.written][: slot.position]
            return
        self._decoder.forget(slot.sequence)
        self._free.append(slot.sequence)

    def _step(self, running: Sequence[_Slot]) -> list[_Slot]:
        """Decode one batch over all running sequences, sample where a prompt is through; give the finished."""
        rows: list[Row] = []
        sampling: list[tuple[int, _Slot]] = []
        for slot in running:
            stage = "answer" if slot.written else "prompt"
            while slot.waiting and len(rows) < self._decoder.batch_size:
                token = slot.waiting.popleft()
                rows.append(Row(token, slot.position, (slot.sequence,), not slot.waiting, stage))
                slot.position += 1
                if not slot.waiting:
                    sampling.append((len(rows) - 1, slot))
        self._decoder.run(rows)
        return [slot for place, slot in sampling if self._write(slot, place)]

    def _write(self, slot: _Slot, place: int) -> bool:
        """Take the next token; True where the answer has ended."""
        token = slot.sampler.choose(self._decoder, place)
        if self.model.ends_generation(token):
            return True
        slot.written.append(token)
        slot.waiting.append(token)
        return len(slot.written) >= slot.request.max_tokens or slot.request.is_end(slot.written)
