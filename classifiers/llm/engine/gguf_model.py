"""A GGUF model's weights and vocabulary in memory, over llama-cpp-python's low-level API."""

from __future__ import annotations

import ctypes
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import llama_cpp.llama_cpp as lib

from classifiers.errors import BenchError

SAYS_NOTHING = "failed to load model"
_log_lines: deque[str] = deque(maxlen=20)


@lib.llama_log_callback  # type: ignore[untyped-decorator]
def _keep_log(level: int, text: bytes, _user: object) -> None:
    if level >= 3:  # warnings and errors
        _log_lines.append(text.decode("utf-8", "replace").strip())


def last_log() -> str:
    """Return llama.cpp's latest complaint that says why, for an error text."""
    telling = (line for line in reversed(_log_lines) if line.strip(". ") and not line.endswith(SAYS_NOTHING))
    return next(telling, "no reason given")


def is_on_gpu() -> bool:
    """Tell whether this build of llama.cpp computes on a graphics card: the only place that asks."""
    return bool(lib.llama_supports_gpu_offload())


class GgufModel:
    """Weights and vocabulary of one GGUF file.

    Raises:
        BenchError: if llama.cpp cannot read the file.
    """

    def __init__(self, path: Path) -> None:
        lib.llama_log_set(_keep_log, ctypes.c_void_p(0))
        lib.llama_backend_init()
        _log_lines.clear()
        params = lib.llama_model_default_params()
        params.n_gpu_layers = 999 if is_on_gpu() else 0
        self.handle: Any = lib.llama_model_load_from_file(str(path).encode(), params)
        if not self.handle:
            raise BenchError(
                f"llama.cpp cannot read '{path.name}': {last_log()}; but for a lack of memory, fetch it again"
            )
        self.vocab: Any = lib.llama_model_get_vocab(self.handle)
        self.vocabulary_size = int(lib.llama_vocab_n_tokens(self.vocab))

    def close(self) -> None:
        """Free the weights; a second call does nothing."""
        if self.handle:
            lib.llama_model_free(self.handle)
            self.handle = None

    @property
    def n_parameters(self) -> int:
        """Count the model's parameters, as llama.cpp does."""
        return int(lib.llama_model_n_params(self.handle))

    @property
    def trained_context(self) -> int:
        """Return the longest sequence the model was trained on, in tokens."""
        return int(lib.llama_model_n_ctx_train(self.handle))

    @property
    def is_recurrent(self) -> bool:
        """Tell whether it keeps a running state (Mamba, RWKV and hybrids), which no two sequences can share."""
        return bool(lib.llama_model_is_recurrent(self.handle) or lib.llama_model_is_hybrid(self.handle))

    @property
    def chat_template(self) -> str | None:
        """Return the Jinja chat template in the GGUF, or None where it has none."""
        raw = lib.llama_model_chat_template(self.handle, None)
        return raw.decode("utf-8") if raw else None

    @property
    def wants_bos(self) -> bool:
        """Tell whether a prompt must begin with the bos token."""
        return bool(lib.llama_vocab_get_add_bos(self.vocab))

    def special_text(self, which: str) -> str:
        """Return the text of the `bos` or `eos` token, empty where the vocabulary has none."""
        token = getattr(lib, f"llama_vocab_{which}")(self.vocab)
        return lib.llama_vocab_get_text(self.vocab, token).decode("utf-8") if token >= 0 else ""

    def ends_generation(self, token: int) -> bool:
        """Tell whether a token ends an answer."""
        return bool(lib.llama_vocab_is_eog(self.vocab, token))

    def tokenize(self, text: str, *, special: bool) -> list[int]:
        """Return the token ids of a text; only with `special` can it contain control tokens."""
        data = text.encode("utf-8", "replace")
        size = len(data) + 8  # never more tokens than bytes, but for a leading space
        room = (ctypes.c_int32 * size)()
        n = lib.llama_tokenize(self.vocab, data, len(data), room, size, False, special)
        return list(room[:n])

    def detokenize(self, tokens: Sequence[int]) -> str:
        """Return the text of token ids, without control tokens."""
        ids = (ctypes.c_int32 * len(tokens))(*tokens)
        room = ctypes.create_string_buffer(64 * len(tokens) + 64)
        n = lib.llama_detokenize(self.vocab, ids, len(tokens), room, len(room), False, False)
        return room.raw[: max(n, 0)].decode("utf-8", "replace")
