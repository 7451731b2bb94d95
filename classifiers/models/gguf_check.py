"""Look a GGUF file over before llama.cpp sees it: other people's files are hostile until checked.

Walks the header by the published layout (ggml's docs/gguf.md) and sees that every tensor lies inside
the file. The gguf package's reader does the same but takes 8 s for a 0.5B model, since it makes an
array of every vocabulary entry; skipping them takes 0.2 s. Its table of type sizes is used.
"""

from __future__ import annotations

import mmap
import struct
from math import prod
from pathlib import Path

from gguf.constants import GGML_QUANT_SIZES, GGMLQuantizationType

from classifiers.errors import BenchError
from classifiers.plurals import number_of

MAGIC = b"GGUF"
SCALAR_BYTES = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}
STRING, ARRAY = 8, 9
DEFAULT_ALIGNMENT = 32
MAX_ENTRIES = 1 << 20
"""Tensors and pairs a header may say it has; the largest models have some thousands."""
MAX_DIMENSIONS = 4


class _Walker:
    """Reads numbers and strings one after another; struct.error where the file ends too soon."""

    def __init__(self, data: mmap.mmap) -> None:
        self.data = data
        self.at = len(MAGIC)

    def number(self, form: str) -> int:
        (value,) = struct.unpack_from(f"<{form}", self.data, self.at)
        self.at += struct.calcsize(f"<{form}")
        return int(value)

    def string(self) -> bytes:
        size = self.number("Q")
        if self.at + size > len(self.data):
            raise ValueError("a name reaches beyond the end of the file")
        self.at += size
        return self.data[self.at - size : self.at]

    def skip_value(self, kind: int) -> None:
        if kind == STRING:
            self.string()
        elif kind == ARRAY:
            self.skip_array()
        else:
            self.at += SCALAR_BYTES[kind]

    def skip_array(self) -> None:
        kind, count = self.number("I"), self.number("Q")
        if kind in SCALAR_BYTES:
            self.at += SCALAR_BYTES[kind] * count
            return
        for _ in range(count):
            self.skip_value(kind)


def check_gguf(path: Path) -> None:
    """See that a file is a whole GGUF: its magic, its header, and that every tensor lies inside it.

    Raises:
        BenchError: naming the file and what is wrong.
    """
    try:
        _check_bytes(path)
    except OSError as error:
        raise BenchError(f"'{path}' cannot be read: {error.strerror}") from error


def _check_bytes(path: Path) -> None:
    with path.open("rb") as stream:
        if stream.read(4) != MAGIC:
            raise BenchError(f"'{path}' is no GGUF file (it does not begin with GGUF); name another file")
        try:
            with mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as data:
                missing = _end_of_tensors(_Walker(data)) - len(data)
        except (ValueError, KeyError, struct.error, OverflowError, RecursionError) as error:
            raise BenchError(f"'{path}' has a damaged GGUF header ({error}); fetch the file again") from error
    if missing > 0:
        raise BenchError(f"'{path}' is truncated, with {number_of(missing, 'byte')} missing; fetch the file again")


def _end_of_tensors(walk: _Walker) -> int:
    """Return the byte behind the last tensor's data."""
    version, n_tensors, n_pairs = walk.number("I"), walk.number("Q"), walk.number("Q")
    if version not in (2, 3):
        raise ValueError(f"version {version} is not 2 or 3")
    if max(n_tensors, n_pairs) > MAX_ENTRIES:
        raise ValueError(f"it says it has {n_tensors} tensors and {n_pairs} pairs")
    alignment = DEFAULT_ALIGNMENT
    for _ in range(n_pairs):
        key, kind = walk.string(), walk.number("I")
        if key == b"general.alignment":
            alignment = max(walk.number("I"), 1)
        else:
            walk.skip_value(kind)
    end = max((_tensor_end(walk) for _ in range(n_tensors)), default=0)
    return -(-walk.at // alignment) * alignment + end


def _tensor_end(walk: _Walker) -> int:
    walk.string()
    n_dimensions = walk.number("I")
    if n_dimensions > MAX_DIMENSIONS:
        raise ValueError(f"a tensor has {n_dimensions} dimensions")
    shape = [walk.number("Q") for _ in range(n_dimensions)]
    block, bytes_a_block = GGML_QUANT_SIZES[GGMLQuantizationType(walk.number("I"))]
    offset = walk.number("Q")
    return offset + prod(shape) // int(block) * int(bytes_a_block)
