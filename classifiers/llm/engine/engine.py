"""A batched prompt engine: many prompts to one decode call, their common beginning decoded once.

The tokens all prompts begin with are decoded once, as sequence 0, and shared by the others. Prompts
and running generations are packed into the same decode calls, so that the weights are read once for
many messages; a finished sequence gives its place to the next prompt, unless it is kept for a retry that
continues it. Where an architecture refuses shared sequences (recurrent models), every prompt is decoded
whole and every label scored on its own.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from classifiers.errors import BenchError
from classifiers.interface import Stage
from classifiers.llm.engine.decoder import MAX_SEQUENCES, PREFIX, Decoder, Row
from classifiers.llm.engine.gguf_model import GgufModel
from classifiers.llm.engine.label_tree import Node, chain_of
from classifiers.llm.engine.sampler import Request, Sampler

# a row of logits is one float per vocabulary entry: 64 rows of Qwen's 151,936 are 39 MB
MAX_LOGITS = 64


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
        self._prefix: list[int] = []
        # sequences that wait for a retry, with the tokens they have seen
        self._kept: dict[int, list[int]] = {}
        self._free = list(range(MAX_SEQUENCES if self._decoder.shares else parallel, 0, -1))

    def close(self) -> None:
        """Free context and model; a second call does nothing."""
        self._decoder.close()
        self.model.close()

    @property
    def prefix_length(self) -> int:
        """Count the tokens held for all sequences."""
        return len(self._prefix)

    @property
    def stages(self) -> Mapping[str, Stage]:
        """Return tokens decoded and seconds taken so far, for the shared prompt, prompts and answers apart.

        One decode call serves prompts and answers together; its time is divided by their tokens.
        """
        return dict(self._decoder.stages)

    def hold(self, prefix: Sequence[int]) -> None:
        """Decode the tokens that the coming prompts begin with and keep them for all sequences."""
        if not self._decoder.shares:
            return
        self._forget_kept(self._kept)
        kept = common_length(self._prefix, prefix)
        self._decoder.forget(PREFIX, kept)
        rows = [Row(token, i, (PREFIX,), stage="shared prompt") for i, token in enumerate(prefix)][kept:]
        for _ in self._decoder.run_all(rows):
            pass
        self._prefix = list(prefix)

    def generate(
        self, requests: Sequence[Request], *, keep: Callable[[list[int]], bool] = lambda _: False
    ) -> list[list[int]]:
        """Continue every prompt until it ends or has `max_tokens`; token ids in the requests' order.

        An answer that `keep` is true of stays in the cache until the next call, so that a request which
        begins with the same prompt and answer decodes only what is new.

        Raises:
            BenchError: if a prompt with its answer does not fit the context.
        """
        results: list[list[int]] = [[] for _ in requests]
        resumed = self._match_kept(requests)
        # longest first: what remains at the end is short, so the last batches stay full
        order = deque(sorted(range(len(requests)), key=lambda i: -len(requests[i].tokens)))
        running: list[_Slot] = []
        try:
            while order or running:
                self._admit(requests, order, resumed, running)
                for slot in self._step(running):
                    results[slot.index] = slot.written
                    running.remove(slot)
                    self._end(slot, keep=self._decoder.shares and keep(slot.written))
        finally:
            for slot in running:
                self._end(slot, keep=False)
        return results

    def score(self, prompts: Sequence[Sequence[int]], tree: Sequence[Node]) -> NDArray[np.float64]:
        """Return each label's log-probability as the answer to each prompt; shape (prompts, labels).

        A prompt and the whole label tree behind it are decoded together: the prompt's tokens belong to
        one sequence per label, a tree node to the sequences of the labels below it, so each label sees its
        own past only. Nothing is generated.

        Raises:
            BenchError: if a prompt does not fit the context, or there are more labels than sequences.
        """
        n_labels = len(tree[0].labels)
        if not self._decoder.shares:
            columns = [self._score_packed(prompts, chain_of(tree, label))[:, 0] for label in range(n_labels)]
            return np.stack(columns, axis=1)
        if n_labels > MAX_SEQUENCES:
            raise BenchError(
                f"{n_labels} labels are more than the {MAX_SEQUENCES} that can be scored; use mode = 'generate'"
            )
        return self._score_packed(prompts, tree)

    def _score_packed(self, prompts: Sequence[Sequence[int]], tree: Sequence[Node]) -> NDArray[np.float64]:
        self._forget_kept(self._kept)  # every sequence is needed
        scores = np.zeros((len(prompts), len(tree[0].labels)))
        order = sorted(range(len(prompts)), key=lambda i: len(prompts[i]))
        while order:
            packed = self._pack(order, prompts, tree)
            self._score_together(packed, prompts, tree, scores)
            order = order[len(packed) :]
        return scores

    def _pack(self, order: Sequence[int], prompts: Sequence[Sequence[int]], tree: Sequence[Node]) -> Sequence[int]:
        """Take as many prompts, shortest first, as one batch, the sequences and the cells hold; at least one."""
        n_labels = len(tree[0].labels)
        max_rows = min(self._decoder.batch_size, self.context - len(self._prefix))
        max_sequences = MAX_SEQUENCES if self._decoder.shares else self.parallel
        rows = logits = taken = 0
        for i in order:
            rows += len(prompts[i]) - self._shared(prompts[i]) + len(tree) - 1
            logits += len(tree)
            full = rows > max_rows or (taken + 1) * n_labels > max_sequences or logits > MAX_LOGITS
            if taken and full:
                break
            taken += 1
        return order[:taken]

    def _score_together(
        self, packed: Sequence[int], prompts: Sequence[Sequence[int]], tree: Sequence[Node], scores: NDArray[np.float64]
    ) -> None:
        """Decode some prompts with a tree each, and add every node's token log-probabilities to its labels."""
        n_labels = len(tree[0].labels)
        rows: list[Row] = []
        wanted: dict[int, tuple[int, Node]] = {}
        for place, i in enumerate(packed):
            first = 1 + place * n_labels
            shared = self._shared(prompts[i])
            everyone = tuple(range(first, first + n_labels))
            for sequence in everyone:
                self._decoder.share_prefix(sequence, shared)
            end = len(prompts[i]) - 1
            rows += [Row(t, shared + j, everyone, shared + j == end) for j, t in enumerate(prompts[i][shared:])]
            wanted[len(rows) - 1] = (i, tree[0])
            sequences = {label: first + place for place, label in enumerate(tree[0].labels)}
            for node in tree[1:]:
                wanted[len(rows)] = (i, node)
                rows.append(Row(node.token, end + node.depth, tuple(sequences[x] for x in node.labels), True, "answer"))
        if len(rows) + len(self._prefix) > self.context:
            raise BenchError(
                f"a prompt with {n_labels} labels needs {len(rows)} tokens; the context has {self.context}"
            )
        column = {label: place for place, label in enumerate(tree[0].labels)}
        for index, logits in self._decoder.run_all(rows):
            i, node = wanted[index]
            total = _log_sum_exp(logits)
            for branch in node.branches:
                scores[i, [column[x] for x in branch.labels]] += logits[branch.token] - total
        for sequence in range(1, len(packed) * n_labels + 1):
            self._decoder.forget(sequence)

    def _shared(self, tokens: Sequence[int]) -> int:
        """Count the tokens a prompt takes from the held prefix; its last one is always its own."""
        return min(common_length(self._prefix, tokens), len(tokens) - 1)

    def _match_kept(self, requests: Sequence[Request]) -> dict[int, int]:
        """Return the kept sequence that each request continues, by its index; forget those none continues."""
        matches: dict[int, int] = {}
        waiting = dict(self._kept)
        for i, request in enumerate(requests):
            lengths = {sequence: common_length(seen, request.tokens) for sequence, seen in waiting.items()}
            best = max(lengths, key=lengths.__getitem__, default=None)
            if best is not None and lengths[best] > self._shared(request.tokens):
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
            cells = len(request.tokens) - self._shared(request.tokens) + request.max_tokens
            running.append(_Slot(index, sequence, request, cells, seen, deque(request.tokens[seen:]), sampler))

    def _fits(self, request: Request, running: Sequence[_Slot]) -> bool:
        """Tell whether the cells hold a request beside what runs and what is kept, its own kept cells included."""
        taken = len(self._prefix) + sum(slot.cells for slot in running)
        kept = sum(len(seen) - len(self._prefix) for seen in self._kept.values())
        needed = len(request.tokens) - self._shared(request.tokens) + request.max_tokens
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
        shared = self._shared(request.tokens)
        self._decoder.share_prefix(sequence, shared)
        return sequence, shared

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
        return len(slot.written) >= slot.request.max_tokens


def _log_sum_exp(logits: NDArray[np.float32]) -> float:
    """Return log Σ exp; scipy's does the same at several times the cost for one long row."""
    top = float(logits.max())
    return top + float(np.log(np.exp(logits - top).sum(dtype=np.float64)))


def common_length(a: Sequence[int], b: Sequence[int]) -> int:
    """Count the leading tokens two sequences share."""
    return next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))
