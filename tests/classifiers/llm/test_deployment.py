"""A prompted row exported: llama.cpp's own server, started as told and sent the requests, gives the row's answers."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import CUSTOMER_MESSAGES
from llama_server import LlamaServer
from samples import ask_stranger, exact_engine, strategy

from bench.config.tables import DataConfig
from bench.dataset.load import load_task
from bench.measure.limits import usable_cores
from classifiers.errors import BenchError
from classifiers.exporting import Deployment, Wanted
from classifiers.interface import Message, ModelFile, Prediction, Task
from classifiers.llm.deployment import deploy
from classifiers.llm.engine.decoder import fuses_attention
from classifiers.llm.llama_cpp import LlamaCpp, LlamaCppSettings
from classifiers.llm.prompting.settings import Choice

pytestmark = pytest.mark.slow

CONTEXT = 2048
TEXTS = [
    "please refund my kettle, it leaks",
    "where is my parcel?",
    "lovely shop, great staff!",
    "the app is slow <|im_end|> and <|im_start|>confusing",
    "can I have my money back, the phone is dead",
    "\n(when) does order 77 arrive?",
]


@pytest.fixture(scope="module")
def server(smollm: Path) -> Iterator[LlamaServer]:
    with LlamaServer(smollm, context=CONTEXT, threads=usable_cores()) as running:
        yield running


@dataclass(frozen=True)
class Exported:
    """A row's answers and the token ids it read, by prompt and message, beside its export."""

    predictions: list[Prediction]
    tokens: list[list[list[int]]]
    deployment: Deployment
    folder: Path


Export = Callable[..., Exported]


@pytest.fixture
def export(smollm: Path, tmp_path: Path, task: Task, messages: list[Message]) -> Export:
    """Fit a row, let it answer, and export it."""

    def exported(asked: Task = task, **settings: Any) -> Exported:
        values = {"model": str(smollm), "context": CONTEXT, **settings}
        with LlamaCpp(LlamaCppSettings.model_validate(values), threads=usable_cores()) as row:
            row.load()
            row.fit(asked, messages, ())
            predictions = list(row.predict(TEXTS))
            tokens = [[prompt.tokens for prompt in writer.write(TEXTS)] for writer in row.strategy.writers]
            return Exported(predictions, tokens, row.export(tmp_path, Wanted()), tmp_path)

    return exported


READ = "[[[t for p in g[0]['body']['prompt'] for t in tokens(p, text)] for text in texts] for g in asked['groups']]"


def ask(exported: Exported, server: LlamaServer, answer: str = "labels", texts: Sequence[str] = TEXTS) -> Any:
    """Run the Python lines of an export against a server, which must read the tokens that the row read.

    Returns:
        what the expression `answer` gives behind these lines.
    """
    code = exported.deployment.usages[-1].code.replace("http://127.0.0.1:8080", f"http://127.0.0.1:{server.port}")
    code = code.replace('texts = ["where is my parcel?"]', 'texts = given["texts"]')
    said, tokens = ask_stranger(f"{code}\nanswer = [{answer}, {READ}]", exported.folder, texts=list(texts))
    assert tokens == exported.tokens
    return said


def test_a_grammar_gives_the_same_answers_by_python_and_curl(export: Export, server: LlamaServer) -> None:
    row = export(mode="grammar", examples="fixed", n_examples=1)
    assert ask(row, server) == [p.labels[0] for p in row.predictions]
    (curl,) = (usage.code for usage in row.deployment.usages if usage.program == "curl")
    told = curl.replace(":8080", f":{server.port}")
    done = subprocess.run(["bash", "-ec", told], cwd=row.folder, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout)["content"] == row.predictions[TEXTS.index("where is my parcel?")].attempts[0].raw
    asked = json.loads((row.folder / "llama-server.json").read_text(encoding="utf-8"))
    assert asked["grammar"].startswith("root ::= ")
    assert asked["model"]["name"] in asked["server"]
    options = dict(zip(asked["server"][1::2], asked["server"][2::2], strict=True))
    assert options["--ctx-size"] == str(CONTEXT)
    assert options["--flash-attn"] == ("auto" if fuses_attention() else "off")
    assert (len(asked["examples"]), row.deployment.n_messages) == (3, 3)
    assert all(example["text"] in asked["prompt"] for example in asked["examples"])


def test_where_nothing_is_rounded_free_text_is_the_same_to_the_letter(smollm: Path, tmp_path: Path) -> None:
    """Rounding alone tells a request from the run: with weights, keys and values of 32 bits every letter is equal."""
    loaded = load_task(DataConfig(path=str(CUSTOMER_MESSAGES)))
    texts = [message.text for message in loaded.messages[::50]]
    with exact_engine(smollm, tmp_path) as engine:
        asker = strategy(engine, loaded, Choice("generate"), retries=0, max_tokens=12)
        asker.make_ready()
        predictions = asker.predict(texts)
        tokens = [[prompt.tokens for prompt in writer.write(texts)] for writer in asker.writers]
        deployment = deploy(asker, ModelFile("f32.gguf", "", 0), "smollm", tmp_path)
        with LlamaServer(tmp_path / "f32.gguf", context=CONTEXT, threads=usable_cores(), exact=True) as server:
            exported = Exported(predictions, tokens, deployment, tmp_path)
            said = ask(exported, server, "[send(asked['groups'][0][0], text)['content'] for text in texts]", texts)
    expected = [p.attempts[0].raw for p in predictions]
    assert said == expected
    assert len(set(expected)) > len(texts) / 4


@pytest.mark.parametrize(
    ("settings", "tolerance"),
    [
        ({"mode": "letters", "n_orders": 2, "examples": "fixed"}, 0.1),
        ({"mode": "letters", "n_orders": 3, "calibration": "contextual", "examples": "fixed", "n_examples": 1}, 0.05),
        ({"mode": "score", "calibration": "contextual"}, 0.15),
    ],
)
def test_probabilities_are_the_same_but_for_rounding(
    export: Export, server: LlamaServer, settings: Any, tolerance: float
) -> None:
    """Activations are rounded to 8 bits, by batches that differ: so far apart probabilities may be."""
    row = export(**settings)
    rows = ask(row, server, "[probabilities(text) for text in texts]")
    names = list(row.predictions[0].probabilities or {})
    expected = np.array([list((p.probabilities or {}).values()) for p in row.predictions])
    theirs = np.array([[shares[name] for name in names] for shares in rows])
    assert np.ptp(expected, axis=0).max() > tolerance, "answers that differ by more than the tolerance"
    assert np.abs(theirs - expected).max() < tolerance
    highest = np.sort(expected, axis=1)
    clear = highest[:, -1] - highest[:, -2] > tolerance
    assert clear.any()
    labels = [names[i] for i in theirs.argmax(1)]
    assert [labels[i] for i in np.flatnonzero(clear)] == [row.predictions[i].labels[0] for i in np.flatnonzero(clear)]


def test_a_list_of_several_labels_is_held_to_its_grammar(export: Export, server: LlamaServer, task: Task) -> None:
    row = export(Task(task.name, task.labels, task.instruction, max_labels=2), mode="grammar")
    assert [set(labels) for labels in ask(row, server)] == [set(p.labels) for p in row.predictions]


@pytest.mark.parametrize(
    ("settings", "several", "problem"),
    [
        ({"mode": "grammar", "thinking": 8}, False, "a row that thinks is asked twice"),
        ({"mode": "score"}, True, "this way of asking has no requests to export"),
    ],
)
def test_what_no_fixed_request_asks_is_one_line(
    export: Export, task: Task, settings: Any, several: bool, problem: str
) -> None:
    asked = Task(task.name, task.labels, task.instruction, max_labels=2 if several else 1)
    with pytest.raises(BenchError, match=problem):
        export(asked, **settings)
