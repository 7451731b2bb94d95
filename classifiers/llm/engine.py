"""A batched prompt engine over llama-cpp-python's low-level API.

One context holds many sequences. The tokens all prompts begin with are decoded once, as sequence
0, and shared by the others (`llama_memory_seq_cp` in a unified KV cache only tags cells, it copies
nothing). Prompts and running generations are packed into the same decode calls, so that the weights
are read once for many messages; a finished sequence gives its place to the next prompt.
"""

from __future__ import annotations

import ctypes
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import llama_cpp.llama_cpp as lib
import numpy as np
from numpy.typing import NDArray

from classifiers.interface import BenchError
from classifiers.llm.label_tree import Node

# a row of logits is one float a vocabulary entry: 64 rows of Qwen's 151,936 are 39 MB
MOST_LOGITS = 64
# llama.cpp holds 256 sequences; they share one pool of cells, so unused ones cost nothing
MOST_SEQUENCES = 255

_log_lines: deque[str] = deque(maxlen=20)


@lib.llama_log_callback  # type: ignore[untyped-decorator]
def _keep_log(level: int, text: bytes, _user: object) -> None:
    if level >= 3:  # warnings and errors
        _log_lines.append(text.decode("utf-8", "replace").strip())


@dataclass(frozen=True, slots=True)
class Request:
    """A prompt to be continued by at most `max_tokens`; temperature 0 takes the likeliest token.

    `grammar` is GBNF that the answer must keep to, or empty.
    """

    tokens: Sequence[int]
    max_tokens: int
    temperature: float = 0.0
    seed: int = 0
    grammar: str = ""


@dataclass(frozen=True, slots=True)
class _Row:
    """One token to decode: its place, the sequences it belongs to, and whether its logits are wanted."""

    token: int
    position: int
    sequences: tuple[int, ...]
    logits: bool = False


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
    sampler: Any
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
        lib.llama_log_set(_keep_log, ctypes.c_void_p(0))
        lib.llama_backend_init()
        _log_lines.clear()
        model_params = lib.llama_model_default_params()
        model_params.n_gpu_layers = 999 if lib.llama_supports_gpu_offload() else 0
        self._model: Any = lib.llama_model_load_from_file(str(path).encode(), model_params)
        if not self._model:
            raise BenchError(f"llama.cpp cannot read '{path.name}': {_last_log()}; fetch the file again")
        self._context: Any = lib.llama_init_from_model(self._model, _context_params(context, batch, threads, exact))
        if not self._context:
            lib.llama_model_free(self._model)
            raise BenchError(f"no memory for a context of {context} tokens: {_last_log()}; set a smaller context")
        self.context = int(lib.llama_n_ctx(self._context))
        self.parallel = parallel
        self._memory = lib.llama_get_memory(self._context)
        self._vocab = lib.llama_model_get_vocab(self._model)
        self._batch_size = batch
        self._batch = lib.llama_batch_init(batch, 0, MOST_SEQUENCES)
        self._vocabulary_size = int(lib.llama_vocab_n_tokens(self._vocab))
        self._prefix: list[int] = []

    def close(self) -> None:
        """Free batch, context and model; a second call does nothing."""
        if self._context:
            lib.llama_batch_free(self._batch)
            lib.llama_free(self._context)
            lib.llama_model_free(self._model)
            self._context = self._model = None

    @property
    def n_parameters(self) -> int:
        """Count the model's parameters, as llama.cpp does."""
        return int(lib.llama_model_n_params(self._model))

    @property
    def prefix_length(self) -> int:
        """Count the tokens held for all sequences."""
        return len(self._prefix)

    @property
    def trained_context(self) -> int:
        """Give the longest sequence the model was trained on, in tokens."""
        return int(lib.llama_model_n_ctx_train(self._model))

    @property
    def chat_template(self) -> str | None:
        """Give the Jinja chat template in the GGUF, or None where it has none."""
        raw = lib.llama_model_chat_template(self._model, None)
        return raw.decode("utf-8") if raw else None

    def special_text(self, which: str) -> str:
        """Give the text of the `bos` or `eos` token, empty where the vocabulary has none."""
        token = getattr(lib, f"llama_vocab_{which}")(self._vocab)
        return lib.llama_vocab_get_text(self._vocab, token).decode("utf-8") if token >= 0 else ""

    @property
    def wants_bos(self) -> bool:
        """Tell whether a prompt must begin with the bos token."""
        return bool(lib.llama_vocab_get_add_bos(self._vocab))

    def tokenize(self, text: str, *, special: bool) -> list[int]:
        """Give the token ids of a text; only with `special` can it contain control tokens."""
        data = text.encode("utf-8", "replace")
        size = len(data) + 8  # never more tokens than bytes, but for a leading space
        room = (ctypes.c_int32 * size)()
        n = lib.llama_tokenize(self._vocab, data, len(data), room, size, False, special)
        return list(room[:n])

    def detokenize(self, tokens: Sequence[int]) -> str:
        """Give the text of token ids, without control tokens."""
        ids = (ctypes.c_int32 * len(tokens))(*tokens)
        room = ctypes.create_string_buffer(64 * len(tokens) + 64)
        n = lib.llama_detokenize(self._vocab, ids, len(tokens), room, len(room), False, False)
        return room.raw[: max(n, 0)].decode("utf-8", "replace")

    def hold(self, prefix: Sequence[int]) -> None:
        """Decode the tokens that the coming prompts begin with and keep them for all sequences."""
        kept = common_length(self._prefix, prefix)
        lib.llama_memory_seq_rm(self._memory, 0, kept, -1)
        rest = list(prefix[kept:])
        for start in range(0, len(rest), self._batch_size):
            piece = rest[start : start + self._batch_size]
            self._decode([_Row(token, kept + start + i, (0,)) for i, token in enumerate(piece)])
        self._prefix = list(prefix)

    def generate(self, requests: Sequence[Request]) -> list[list[int]]:
        """Continue every prompt until it ends or has `max_tokens`; token ids in the requests' order.

        Raises:
            BenchError: if a prompt with its answer does not fit the context.
        """
        results: list[list[int]] = [[] for _ in requests]
        # longest first: what remains at the end is short, so the last batches stay full
        order = deque(sorted(range(len(requests)), key=lambda i: -len(requests[i].tokens)))
        free = list(range(self.parallel, 0, -1))
        running: list[_Slot] = []
        try:
            while order or running:
                self._admit(requests, order, free, running)
                for slot in self._step(running):
                    results[slot.index] = slot.written
                    running.remove(slot)
                    free.append(slot.sequence)
                    self._drop(slot)
        finally:
            for slot in running:
                self._drop(slot)
        return results

    def score(self, prompts: Sequence[Sequence[int]], tree: Sequence[Node]) -> NDArray[np.float64]:
        """Give each label's log-probability as the answer to each prompt; shape (prompts, labels).

        A prompt and the whole label tree behind it are decoded together: the prompt's tokens belong to
        one sequence a label, a tree node to the sequences of the labels below it, so each label sees its
        own past only. Nothing is generated.

        Raises:
            BenchError: if a prompt does not fit the context, or there are more labels than sequences.
        """
        n_labels = len(tree[0].labels)
        if n_labels > MOST_SEQUENCES:
            raise BenchError(
                f"{n_labels} labels are more than the {MOST_SEQUENCES} that can be scored; use mode = 'generate'"
            )
        scores = np.zeros((len(prompts), n_labels))
        order = sorted(range(len(prompts)), key=lambda i: len(prompts[i]))
        while order:
            chosen = self._pack(order, prompts, tree)
            self._score_together(chosen, prompts, tree, scores)
            order = order[len(chosen) :]
        return scores

    def _pack(self, order: Sequence[int], prompts: Sequence[Sequence[int]], tree: Sequence[Node]) -> Sequence[int]:
        """Take as many prompts, shortest first, as one batch, the sequences and the cells hold; at least one."""
        n_labels = len(tree[0].labels)
        most_rows = min(self._batch_size, self.context - len(self._prefix))
        rows = logits = taken = 0
        for i in order:
            rows += len(prompts[i]) - self._shared(prompts[i]) + len(tree) - 1
            logits += len(tree)
            full = rows > most_rows or (taken + 1) * n_labels > MOST_SEQUENCES or logits > MOST_LOGITS
            if taken and full:
                break
            taken += 1
        return order[:taken]

    def _score_together(
        self, chosen: Sequence[int], prompts: Sequence[Sequence[int]], tree: Sequence[Node], scores: NDArray[np.float64]
    ) -> None:
        """Decode some prompts with a tree each, and add every node's token log-probabilities to its labels."""
        n_labels = len(tree[0].labels)
        rows: list[_Row] = []
        wanted: dict[int, tuple[int, Node]] = {}
        for place, i in enumerate(chosen):
            first = 1 + place * n_labels
            shared = self._shared(prompts[i])
            everyone = tuple(range(first, first + n_labels))
            for sequence in everyone if shared else ():
                lib.llama_memory_seq_cp(self._memory, 0, sequence, 0, shared)
            end = len(prompts[i]) - 1
            rows += [_Row(t, shared + j, everyone, shared + j == end) for j, t in enumerate(prompts[i][shared:])]
            wanted[len(rows) - 1] = (i, tree[0])
            for node in tree[1:]:
                wanted[len(rows)] = (i, node)
                rows.append(_Row(node.token, end + node.depth, tuple(first + x for x in node.labels), True))
        if len(rows) + len(self._prefix) > self.context:
            raise BenchError(
                f"a prompt with {n_labels} labels needs {len(rows)} tokens; the context has {self.context}"
            )
        for index, logits in self._logits(rows):
            i, node = wanted[index]
            total = _log_sum_exp(logits)
            for branch in node.branches:
                scores[i, list(branch.labels)] += logits[branch.token] - total
        for sequence in range(1, len(chosen) * n_labels + 1):
            lib.llama_memory_seq_rm(self._memory, sequence, -1, -1)

    def _logits(self, rows: Sequence[_Row]) -> Iterator[tuple[int, NDArray[np.float32]]]:
        """Decode rows batch by batch; give the index and the logits of every row that wants them."""
        for start in range(0, len(rows), self._batch_size):
            piece = rows[start : start + self._batch_size]
            self._decode(piece)
            for i, row in enumerate(piece):
                if row.logits:
                    pointer = lib.llama_get_logits_ith(self._context, i)
                    yield start + i, np.ctypeslib.as_array(pointer, shape=(self._vocabulary_size,))

    def _shared(self, tokens: Sequence[int]) -> int:
        """Count the tokens a prompt takes from the held prefix; its last one is always its own."""
        return min(common_length(self._prefix, tokens), len(tokens) - 1)

    def _admit(self, requests: Sequence[Request], order: deque[int], free: list[int], running: list[_Slot]) -> None:
        """Start waiting prompts while there are sequences and cells for them."""
        taken = len(self._prefix) + sum(slot.cells for slot in running)
        while order and free:
            request = requests[order[0]]
            shared = self._shared(request.tokens)
            needed = len(request.tokens) - shared + request.max_tokens
            if taken + needed > self.context:
                if not running:
                    raise BenchError(
                        f"a prompt of {len(request.tokens)} tokens does not fit the context of {self.context}"
                    )
                return
            taken += needed
            sequence = free.pop()
            if shared:
                lib.llama_memory_seq_cp(self._memory, 0, sequence, 0, shared)
            waiting = deque(request.tokens[shared:])
            sampler = _sampler(self._vocab, request)
            running.append(_Slot(order.popleft(), sequence, request, needed, shared, waiting, sampler))

    def _drop(self, slot: _Slot) -> None:
        lib.llama_memory_seq_rm(self._memory, slot.sequence, -1, -1)
        lib.llama_sampler_free(slot.sampler)

    def _step(self, running: Sequence[_Slot]) -> list[_Slot]:
        """Decode one batch over all running sequences, sample where a prompt is through; give the finished."""
        entries: list[_Row] = []
        sampling: list[tuple[int, _Slot]] = []
        for slot in running:
            while slot.waiting and len(entries) < self._batch_size:
                token = slot.waiting.popleft()
                entries.append(_Row(token, slot.position, (slot.sequence,), not slot.waiting))
                slot.position += 1
                if not slot.waiting:
                    sampling.append((len(entries) - 1, slot))
        self._decode(entries)
        return [slot for row, slot in sampling if self._sample(slot, row)]

    def _sample(self, slot: _Slot, row: int) -> bool:
        """Take the next token; True where the answer has ended."""
        token = lib.llama_sampler_sample(slot.sampler, self._context, row)
        if lib.llama_vocab_is_eog(self._vocab, token):
            return True
        slot.written.append(token)
        slot.waiting.append(token)
        return len(slot.written) >= slot.request.max_tokens

    def _decode(self, rows: Sequence[_Row]) -> None:
        """Run the model on at most one batch of rows."""
        batch = self._batch
        batch.n_tokens = len(rows)
        for i, row in enumerate(rows):
            batch.token[i] = row.token
            batch.pos[i] = row.position
            batch.n_seq_id[i] = len(row.sequences)
            for j, sequence in enumerate(row.sequences):
                batch.seq_id[i][j] = sequence
            batch.logits[i] = row.logits
        status = lib.llama_decode(self._context, batch)
        if status != 0:
            raise RuntimeError(f"llama_decode gave {status}: {_last_log()}")


def _log_sum_exp(logits: NDArray[np.float32]) -> float:
    """Give log Σ exp; scipy's does the same at several times the cost for one long row."""
    top = float(logits.max())
    return top + float(np.log(np.exp(logits - top).sum(dtype=np.float64)))


def common_length(a: Sequence[int], b: Sequence[int]) -> int:
    """Count the leading tokens two sequences share."""
    return next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))


def _context_params(context: int, batch: int, threads: int, exact: bool) -> Any:
    params = lib.llama_context_default_params()
    params.n_ctx = context
    params.n_batch = params.n_ubatch = max(batch, MOST_SEQUENCES + 1)  # llama.cpp aborts below
    params.n_seq_max = MOST_SEQUENCES + 1  # sequence 0 keeps the prefix
    params.n_threads = params.n_threads_batch = threads
    params.kv_unified = True
    params.no_perf = True
    if exact:
        params.type_k = params.type_v = lib.GGML_TYPE_F32
        params.flash_attn_type = lib.LLAMA_FLASH_ATTN_TYPE_DISABLED
    return params


def _sampler(vocab: Any, request: Request) -> Any:
    chain = lib.llama_sampler_chain_init(lib.llama_sampler_chain_default_params())
    for stage in _stages(vocab, request):
        lib.llama_sampler_chain_add(chain, stage)
    return chain


def _stages(vocab: Any, request: Request) -> Iterator[Any]:
    if request.grammar:
        stage = lib.llama_sampler_init_grammar(vocab, request.grammar.encode(), b"root")
        if not stage:
            raise BenchError(f"llama.cpp refuses the grammar: {_last_log()}")
        yield stage
    if request.temperature == 0:
        yield lib.llama_sampler_init_greedy()
        return
    yield lib.llama_sampler_init_top_k(40)
    yield lib.llama_sampler_init_top_p(0.95, 1)
    yield lib.llama_sampler_init_temp(request.temperature)
    yield lib.llama_sampler_init_dist(request.seed)


def _last_log() -> str:
    return next((line for line in reversed(_log_lines) if line.strip(". ")), "no reason given")
