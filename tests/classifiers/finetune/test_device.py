"""One module decides by the kind of device, and what is quick on processors alone is left out on any other device.

No graphics card is needed: torch's device `meta` computes nothing, but is not a processor.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from conftest import REPOSITORY
from torch import nn

from classifiers.encoder.export.runtime import Chosen, Comparison, choose
from classifiers.errors import BenchError
from classifiers.finetune.cpu_training import NAME, quick_training
from classifiers.finetune.device import chosen_device, is_processor, precision_for, training_options
from classifiers.finetune.fine_tuned import FineTuned
from classifiers.finetune.settings import TrainingSettings

DECIDES = "classifiers/finetune/device.py"
MEASURES = "bench/measure/process.py"
LLAMA = "classifiers/llm/engine/gguf_model.py"
COMPARES = "bench/speed/encoder.py"
DEVICES = {"cpu", "cuda", "mps", "xpu"}
MODULES = tuple(f"torch.{name}" for name in ("cuda", "mps", "backends", "cpu", "xpu", "accelerator"))
OPENERS = {"SentenceTransformer", "CrossEncoder"}
"""What takes a graphics card by itself where it is given no device."""


def dotted(node: ast.AST) -> str:
    if isinstance(node, ast.Attribute):
        return f"{dotted(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else ""


def is_device(node: ast.AST | None) -> bool:
    return isinstance(node, ast.Constant) and node.value in DEVICES


def decisions(source: str) -> Iterator[str]:
    """Yield the code that chooses a device, or does anything by its kind."""
    for node in ast.walk(ast.parse(source)):
        name = dotted(node)
        if name in MODULES or name.endswith(".llama_supports_gpu_offload"):
            yield name
        if isinstance(node, ast.Compare) and any(map(is_device, (node.left, *node.comparators))):
            yield ast.unparse(node)
        if isinstance(node, ast.Call):
            called, given = dotted(node.func), {keyword.arg: keyword.value for keyword in node.keywords}
            moves = called.endswith((".to", "torch.device")) and any(map(is_device, node.args))
            opens = called in OPENERS and "device" not in given
            options = [dotted(value.func) for value in given.values() if isinstance(value, ast.Call)]
            trains = called.endswith("TrainingArguments") and "training_options" not in options
            if moves or opens or trains or called.endswith(".cuda") or is_device(given.get("device")):
                yield ast.unparse(node)


@pytest.mark.parametrize(
    "source",
    [
        "if torch.cuda.is_available(): pass",
        "ready = torch.backends.mps.is_available()",
        "quick = model.device.type != 'cpu'",
        "model.to('cuda')",
        "model.cuda()",
        "place = torch.device('mps')",
        "encoder = SentenceTransformer(folder)",
        "encoder = SentenceTransformer(folder, device='cuda')",
        "layers = 999 if lib.llama_supports_gpu_offload() else 0",
        "trainer = Trainer(model, TrainingArguments(folder))",
        "arguments = setfit.TrainingArguments(seed=1)",
        "arguments = TrainingArguments(folder, use_cpu=True)",
    ],
)
def test_a_choice_of_a_device_is_seen(source: str) -> None:
    assert list(decisions(source))


def test_every_choice_of_a_device_goes_through_one_module() -> None:
    files = [file for room in ("bench", "classifiers") for file in (REPOSITORY / room).rglob("*.py")]
    places = {file.relative_to(REPOSITORY).as_posix(): set(decisions(file.read_text("utf-8"))) for file in files}
    found = {place: what for place, what in places.items() if what}
    assert found.pop(DECIDES) >= {"torch.cuda", "torch.backends", "torch.cpu"}
    assert found.pop(MEASURES) == {"torch.cuda"}, "it reads the memory that is used"
    assert found.pop(LLAMA) == {"lib.llama_supports_gpu_offload"}, "llama.cpp is built for its devices"
    (baseline,) = found.pop(COMPARES)
    assert baseline.startswith("TrainingArguments("), "the library with its defaults is what is compared with"
    assert found == {}


@pytest.mark.parametrize(
    ("cuda", "mps", "device"),
    [(True, False, "cuda"), (True, True, "cuda"), (False, True, "mps"), (False, False, "cpu")],
)
def test_auto_takes_a_graphics_card_where_there_is_one(
    cuda: bool, mps: bool, device: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)
    assert chosen_device("auto") == torch.device(device)
    assert chosen_device("cpu") == torch.device("cpu")
    if not cuda:
        with pytest.raises(BenchError, match="device = 'cuda' is not available here; give 'auto' or 'cpu'"):
            chosen_device("cuda")


def test_sixteen_bits_are_taken_only_where_the_device_has_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: True)
    assert [precision_for("auto", device) for device in ("cpu", "mps", "meta")] == ["bfloat16", "float32", "float32"]
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: False)
    assert precision_for("auto", "cpu") == "float32"
    assert precision_for("float16", "mps") == "float16", "what is asked for is taken"


def test_options_of_the_trainer_are_those_of_the_device(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    plain = {"use_cpu": False, "dataloader_pin_memory": False, "ddp_backend": None, "tf32": None}
    plain |= {"bf16": False, "fp16": False}
    assert training_options("cpu", "float32") == {**plain, "use_cpu": True, "ddp_backend": "gloo"}
    assert training_options("mps", "float32") == training_options("meta", "float32") == plain
    assert training_options("cuda", "bfloat16") == {**plain, "dataloader_pin_memory": True, "tf32": True, "bf16": True}
    assert training_options("cuda", "float32")["tf32"] is None, "float32 that is asked for is not rounded"


def small_bert(device: str) -> Any:
    from transformers import BertConfig, BertForSequenceClassification

    sizes = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 8}
    with torch.device(device):
        return BertForSequenceClassification(BertConfig(vocab_size=50, attn_implementation="sdpa", **sizes))


@pytest.mark.parametrize(("device", "is_quick"), [("cpu", True), ("meta", False)])
def test_attention_and_dropout_made_for_processors_are_used_there_alone(device: str, is_quick: bool) -> None:
    model = small_bert(device)
    assert is_processor(model.device.type) == is_quick
    dropouts = sum(type(layer) is nn.Dropout for layer in model.modules())
    with quick_training(model):
        assert model.config._attn_implementation == (NAME if is_quick else "sdpa")
        assert sum(type(layer) is nn.Dropout for layer in model.modules()) == (0 if is_quick else dropouts)
    assert dropouts > 0
    assert model.config._attn_implementation == "sdpa"


def test_no_export_for_processors_takes_the_place_of_a_model_elsewhere(tmp_path: Path) -> None:
    tuned = FineTuned(small_bert("meta"), TrainingSettings())
    nothing = Comparison([], [], [], lambda row: ())
    assert choose(tuned, "auto", nothing, tmp_path, threads=1) == Chosen(tuned, ())
    assert tuned.device == "meta"
    assert not list(tmp_path.iterdir()), "nothing was exported"
