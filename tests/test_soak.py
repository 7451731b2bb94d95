"""Hours of use in minutes: 200 times load, fit, predict and close, and memory does not grow. Run with: make soak."""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path

import pytest

from bench.measure.limits import usable_cores
from bench.speed.local_server import LocalServer

CYCLES, WARM = 200, 40
GROWTH = 1.05

CODE = """
import gc, json, sys
import psutil
from bench.measure.limits import usable_cores
from classifiers.testing import MESSAGES, TASK
from classifiers.registry import make_classifier

name, settings, cycles = sys.argv[1], json.loads(sys.argv[2]), int(sys.argv[3])
process, taken, texts = psutil.Process(), [], [m.text for m in MESSAGES[:4]]
for i in range(cycles):
    with make_classifier(name, settings, where=name, seed=i, threads=usable_cores()) as classifier:
        classifier.fetch()
        classifier.load()
        classifier.fit(TASK, MESSAGES, MESSAGES[:6])
        answers = list(classifier.predict(texts))
        assert len(answers) == 4
    gc.collect()
    taken.append(process.memory_info().rss)
print(json.dumps(taken))
"""


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory, minilm: Path) -> Path:
    """MiniLM's tokenizer under a BERT of two small layers."""
    from transformers import AutoTokenizer, BertConfig, BertModel

    folder = tmp_path_factory.mktemp("tiny")
    tokenizer = AutoTokenizer.from_pretrained(minilm)
    config = BertConfig(
        vocab_size=len(tokenizer), hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64
    )
    BertModel(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def settings_of(name: str, tiny: Path, tiny_llama: Path, smollm: Path) -> tuple[str, dict[str, object]]:
    encoder: dict[str, object] = {"model": str(tiny), "epochs": 1, "min_steps": 0}
    llm: dict[str, object] = {"model": str(smollm), "mode": "score", "context": 512}
    return {
        "majority": ("majority", {}),
        "linear": ("linear", {}),
        "encoder": ("encoder", encoder),
        "encoder-frozen": ("encoder", {**encoder, "head": "linear"}),
        "llama_cpp": ("llama_cpp", llm),
        "distilled": ("distilled", {"teacher": {"backend": "llama_cpp", **llm}, "student": encoder}),
        "lora": ("lora", {"model": str(tiny_llama), "epochs": 1}),
        "server": ("server", {"answers": "logprobs"}),
    }[name]


@pytest.mark.soak
@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["majority", "linear", "encoder", "encoder-frozen", "llama_cpp", "distilled", "lora", "server"]
)
def test_memory_does_not_grow(name: str, tiny: Path, tiny_llama: Path, smollm: Path) -> None:
    backend, settings = settings_of(name, tiny, tiny_llama, smollm)
    with LocalServer(smollm, context=512, threads=usable_cores()) if name == "server" else nullcontext() as server:
        if server:
            settings["base_url"] = server.url
        done = subprocess.run(
            [sys.executable, "-c", CODE, backend, json.dumps(settings), str(CYCLES)],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    taken = json.loads(done.stdout.splitlines()[-1])
    print(f"{name}: {taken[WARM] / 1e6:.0f} MB after {WARM} cycles, {taken[-1] / 1e6:.0f} MB after {CYCLES}")
    assert taken[-1] < GROWTH * taken[WARM]
