"""One llama.cpp context: decodes rows of tokens and keeps what sequences have seen.

A row is one token at one place in one or more sequences. The batch's arrays belong to numpy, because
filling llama.cpp's own through ctypes, field by field, took 8 % of a 135M model's time.
"""

from __future__ import annotations

import ctypes
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import llama_cpp.llama_cpp as lib
import numpy as np
from numpy.typing import NDArray

from classifiers.errors import BenchError
from classifiers.interface import Stage
from classifiers.llm.engine.gguf_model import GgufModel, is_on_gpu, last_log

# llama.cpp holds 256 sequences; they share one pool of cells, so unused ones cost nothing
MAX_SEQUENCES = 255


@dataclass(frozen=True, slots=True)
class Row:
    """One token to decode: its place, the sequences it belongs to, and whether its logits are wanted.

    `stage` says what its time is booked on.
    """

    token: int
    position: int
    sequences: tuple[int, ...]
    logits: bool = False
    stage: str = "prompt"


@dataclass(slots=True)
class _Arrays:
    """The memory behind one llama_batch."""

    size: int
    tokens: NDArray[np.int32] = field(init=False)
    positions: NDArray[np.int32] = field(init=False)
    n_sequences: NDArray[np.int32] = field(init=False)
    wanted: NDArray[np.int8] = field(init=False)
    sequences: Any = field(init=False)
    known: dict[tuple[int, ...], Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.tokens = np.zeros(self.size, np.int32)
        self.positions = np.zeros(self.size, np.int32)
        self.n_sequences = np.zeros(self.size, np.int32)
        self.wanted = np.zeros(self.size, np.int8)
        self.sequences = (ctypes.POINTER(ctypes.c_int32) * self.size)()

    def batch(self, rows: Sequence[Row]) -> Any:
        """Fill in the rows and give the batch that points at them."""
        n = len(rows)
        self.tokens[:n] = [row.token for row in rows]
        self.positions[:n] = [row.position for row in rows]
        self.n_sequences[:n] = [len(row.sequences) for row in rows]
        self.wanted[:n] = [row.logits for row in rows]
        for i, row in enumerate(rows):
            self.sequences[i] = self._pointer(row.sequences)
        ints = ctypes.POINTER(ctypes.c_int32)
        return lib.llama_batch(
            n_tokens=n,
            token=self.tokens.ctypes.data_as(ints),
            pos=self.positions.ctypes.data_as(ints),
            n_seq_id=self.n_sequences.ctypes.data_as(ints),
            seq_id=self.sequences,
            logits=self.wanted.ctypes.data_as(ctypes.POINTER(ctypes.c_int8)),
        )

    def _pointer(self, sequences: tuple[int, ...]) -> Any:
        if (pointer := self.known.get(sequences)) is None:
            ids = (ctypes.c_int32 * len(sequences))(*sequences)
            pointer = self.known[sequences] = ctypes.cast(ids, ctypes.POINTER(ctypes.c_int32))
        return pointer


def _has_amx() -> bool:
    """Tell whether llama.cpp multiplies whole batches with the processor's matrix tiles."""
    return b"AMX_INT8 = 1" in lib.llama_print_system_info()


def fuses_attention() -> bool:
    """Tell whether llama.cpp computes attention in one step ("flash attention") here.

    It rounds otherwise than a plain call: with Qwen 1.5B 54 of 60 answers equalled a chat loop's, 59 without it, for a
    few percent of time. With AMX, whose kernels for batches round otherwise anyway, it changed nothing (55 to 58 of 60
    with and without) and saved 8 % of the time, with 135M 24 %.
    """
    return is_on_gpu() or _has_amx()


class Decoder:
    """A context of `cells` KV cells that all sequences share; the first sequences keep the shared prefixes.

    `exact` keeps keys and values as 32-bit floats and flash attention off. `shares` says whether a row
    may belong to several sequences and a prefix to all: recurrent models refuse both.

    Raises:
        BenchError: if there is no memory for it.
    """

    def __init__(
        self, model: GgufModel, *, cells: int, sequences: int, batch: int, threads: int, exact: bool = False
    ) -> None:
        self.shares = not model.is_recurrent
        self.batch_size = batch
        self._vocabulary_size = model.vocabulary_size
        params = lib.llama_context_default_params()
        params.n_ctx = cells
        params.n_seq_max = MAX_SEQUENCES + 1 if self.shares else sequences + 1
        params.n_batch = params.n_ubatch = max(batch, params.n_seq_max)  # llama.cpp aborts below
        params.n_threads = params.n_threads_batch = threads
        params.kv_unified = True
        params.no_perf = True
        if exact or not fuses_attention():
            params.flash_attn_type = lib.LLAMA_FLASH_ATTN_TYPE_DISABLED
        if exact:
            params.type_k = params.type_v = lib.GGML_TYPE_F32
        self.handle: Any = lib.llama_init_from_model(model.handle, params)
        if not self.handle:
            raise BenchError(f"no memory for a context of {cells} tokens: {last_log()}; set a smaller context")
        self.cells = int(lib.llama_n_ctx(self.handle))
        # AMX's tile registers belong to a thread: llama.cpp sets them up once, and torch, where it answers on the same
        # thread with 16-bit products, lets go of them; llama.cpp's next product is then an illegal instruction
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="llama")
        self._memory = lib.llama_get_memory(self.handle)
        self._arrays = _Arrays(batch)
        self.stages: dict[str, Stage] = {}

    def close(self) -> None:
        """Free the context; a second call does nothing."""
        if self.handle:
            self._thread.shutdown()
            lib.llama_free(self.handle)
            self.handle = None

    def share(self, source: int, sequence: int, length: int) -> None:
        """Let a sequence begin with the first tokens of another one; cells are tagged, nothing is copied."""
        if length:
            lib.llama_memory_seq_cp(self._memory, source, sequence, 0, length)

    def forget(self, sequence: int, start: int = -1) -> None:
        """Drop what a sequence has seen from position `start` on, or all."""
        lib.llama_memory_seq_rm(self._memory, sequence, start, -1)

    def run(self, rows: Sequence[Row]) -> None:
        """Run the model on at most one batch of rows, and book the time on their stages by their number."""
        started = time.perf_counter()
        status = self._thread.submit(self._decode, self._arrays.batch(rows)).result()
        if status != 0:
            raise RuntimeError(f"llama_decode gave {status}: {last_log()}")
        seconds = (time.perf_counter() - started) / len(rows)
        for stage in {row.stage for row in rows}:
            n = sum(row.stage == stage for row in rows)
            self.stages[stage] = self.stages.get(stage, Stage()) + Stage(n * seconds, n)

    def _decode(self, batch: Any) -> int:
        status = int(lib.llama_decode(self.handle, batch))
        # llama_decode may return before the work is done; the logits' first reader would then wait
        lib.llama_synchronize(self.handle)
        return status

    def logits(self, place: int) -> NDArray[np.float32]:
        """Return the logits of the row at `place` of the latest batch; valid until the next one."""
        pointer = lib.llama_get_logits_ith(self.handle, place)
        return np.ctypeslib.as_array(pointer, shape=(self._vocabulary_size,))

    def run_all(self, rows: Sequence[Row]) -> Iterator[tuple[int, NDArray[np.float32]]]:
        """Run any number of rows batch by batch; give index and logits of every row that wants them."""
        for start in range(0, len(rows), self.batch_size):
            piece = rows[start : start + self.batch_size]
            self.run(piece)
            for i, row in enumerate(piece):
                if row.logits:
                    yield start + i, self.logits(i)
