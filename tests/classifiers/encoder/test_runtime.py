"""Exported encoders: the same answers as torch's on real weights, and no use of an export that differs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bench.measure.limits import usable_cores
from classifiers.encoder.backend import Encoder
from classifiers.encoder.export.exported import EXPORTS, Exported
from classifiers.encoder.export.runtime import fastest
from classifiers.encoder.settings import EncoderSettings
from classifiers.errors import BenchError
from classifiers.finetune.device import precision_for
from classifiers.finetune.saved import Measured
from classifiers.interface import Message, Task

TEXTS = ["hi", "Where is my order 88? It should have come on Monday, and nobody answers.", "money back " * 40, ""]


def trained(
    model: Path, runtime: str, task: Task, messages: list[Message], *, head: str = "auto", precision: str = "float32"
) -> Encoder:
    settings = EncoderSettings(model=(str(model),), epochs=4, runtime=runtime, head=head, precision=precision)
    encoder = Encoder(settings, seed=1, threads=usable_cores())
    encoder.load()
    # beside a long message short ones are mostly padding, which is where a wrong export shows
    long = [Message(f"long:{i}", f"{m.text} " * 30, m.labels) for i, m in enumerate(messages[-6:])]
    encoder.fit(task, messages, [*messages, *long])
    return encoder


@pytest.fixture(scope="module")
def plain(minilm, task, messages) -> Encoder:
    return trained(minilm, "torch", task, messages)


@pytest.fixture(scope="module", params=EXPORTS)
def exported(request, minilm, task, messages) -> Iterator[Encoder]:
    with trained(minilm, request.param, task, messages) as encoder:
        yield encoder


def test_an_export_answers_as_torch_does_and_comes_back_from_disk(exported, task, plain, tmp_path) -> None:
    encoder, runtime = exported, exported.settings.runtime
    found = list(encoder.predict(TEXTS))
    expected = list(plain.predict(TEXTS))
    # 8-bit weights move probabilities, 32-bit ones only in the last digits; OpenVINO computes in 16 bits where
    # the processor does
    bound = {"onnx": 1e-4, "openvino": 0.01, "onnx-int8": 0.05}[runtime]
    for a, b in zip(found, expected, strict=True):
        assert a.probabilities is not None
        assert a.probabilities == pytest.approx(b.probabilities, abs=bound)
    assert encoder.details().metadata["runtime"] == runtime
    # OpenVINO takes 16 bits on its own where the processor computes in them, as `auto` does with torch
    precisions = {"onnx": "float32", "onnx-int8": "int8", "openvino": precision_for("auto", "cpu")}
    assert encoder.details().precision == precisions[runtime]
    assert encoder.details().metadata[f"{runtime} equal"] == 1
    assert encoder.details().metadata[f"{runtime} /s"] > 0
    encoder.save(tmp_path)
    with Encoder(encoder.settings, seed=1, threads=usable_cores()) as again:
        again.load_from(tmp_path, task)
        assert isinstance(again.network, Exported)
        assert list(again.predict(TEXTS)) == found
        assert again.details().n_parameters == plain.details().n_parameters
        assert again.details().metadata["runtime"] == runtime
        (tmp_path / "copy").mkdir()
        again.save(tmp_path / "copy")
        assert {f.name for f in (tmp_path / "copy").iterdir()} == {f.name for f in tmp_path.iterdir()} - {"copy"}


@pytest.mark.parametrize("exported", ["openvino"], indirect=True)
def test_openvino_answers_one_message_of_any_length_as_in_a_batch(exported) -> None:
    """Short ones have graphs of a fixed length, long ones do not."""
    texts = [" ".join(["parcel"] * n_words) for n_words in (1, 10, 20, 40, 90)]
    for text in texts:
        (alone,) = exported.predict([text])
        together = list(exported.predict([text, "hi", "money back", text, "money back now"]))
        for found in (together[0], together[3]):
            assert found.probabilities == pytest.approx(alone.probabilities, abs=0.01)


def test_what_was_trained_in_16_bits_is_exported_in_32(minilm, task, messages) -> None:
    with trained(minilm, "onnx", task, messages, precision="bfloat16") as encoder:
        assert "forward" not in vars(encoder._exported.model)
        assert encoder.details().precision == "float32"
        assert encoder.details().metadata["onnx equal"] == 1


def test_distilbert_is_exported_too(distilbert, task, messages) -> None:
    with trained(distilbert, "onnx", task, messages) as encoder:
        assert encoder.details().metadata["onnx equal"] == 1


def test_auto_takes_the_fastest_that_is_faithful() -> None:
    torch = Measured("torch", 1.0, 100.0, 10.0)
    quick = Measured("onnx", 1.0, 150.0, 5.0)
    wrong = Measured("onnx-int8", 0.99, 1000.0, 1.0)
    assert fastest([torch, quick, wrong]) is quick
    # half the throughput and a quarter of the latency is the better of the two
    assert (
        fastest([torch, replace(torch, runtime="openvino", messages_per_s=50.0, single_ms=2.5)]).runtime == "openvino"
    )


def test_an_export_that_ignores_the_mask_is_refused(minilm, task, messages, monkeypatch) -> None:
    """The fault of a real exporter: padding is read as if it were words."""
    real = Exported.open.__func__  # type: ignore[attr-defined]

    def without_mask(cls, *args, **options):
        good = real(cls, *args, **options)

        def run(inputs):
            return good.run({**inputs, "attention_mask": np.ones_like(inputs["attention_mask"])})

        return replace(good, run=run)

    monkeypatch.setattr(Exported, "open", classmethod(without_mask))
    with pytest.raises(
        BenchError, match=r'gives [\d.]+% other answers than torch on 30 messages; use runtime = "torch"'
    ):
        # a mean embedding of two dozen easy messages withstands even this
        trained(minilm, "onnx", task, messages, head="softmax")


def test_a_missing_runtime_names_its_remedy(minilm, task, messages, monkeypatch) -> None:
    import importlib

    real = importlib.import_module

    def without(name, *rest):
        if name == "openvino":
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(importlib, "import_module", without)
    with pytest.raises(BenchError, match=r"need openvino; install it with: pip install '.\[fast\]'"):
        trained(minilm, "openvino", task, messages)
