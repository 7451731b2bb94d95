from __future__ import annotations

from pathlib import Path

import pytest

from classifiers.errors import BenchError
from classifiers.models.gguf_check import check_gguf


def test_whole_gguf_passes(smollm: Path) -> None:
    check_gguf(smollm)


@pytest.mark.parametrize("kept", [6, 1_000, 1_000_000, 98_362_431])
def test_truncated_gguf_is_refused(smollm: Path, tmp_path: Path, kept: int) -> None:
    path = tmp_path / "cut.gguf"
    path.write_bytes(smollm.read_bytes()[:kept])
    with pytest.raises(BenchError, match=r"truncated|damaged"):
        check_gguf(path)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"GGUF", b"GGUF" + b"\xff" * 60, b"GGUF" + bytes(60)])
def test_what_is_no_gguf_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "no.gguf"
    path.write_bytes(content)
    with pytest.raises(BenchError, match=r"no GGUF|damaged"):
        check_gguf(path)
