"""What is exported runs by the lines that are shown with it, in a fresh process that cannot import this project.

Labels and probabilities are those of the classifier, on messages of every label, one too long among them.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from samples import ask_stranger

from classifiers.encoder.backend import Encoder
from classifiers.encoder.settings import EncoderSettings
from classifiers.errors import BenchError
from classifiers.exporting import Deployment, Wanted
from classifiers.interface import Classifier, Message, Task
from classifiers.linear import Linear, LinearSettings
from classifiers.lora.backend import Lora
from classifiers.lora.settings import LoraSettings

pytestmark = pytest.mark.slow

TRAINING = {"epochs": 25, "batch_size": 8, "learning_rate": 3e-3, "freeze_embeddings": False, "best_epoch": False}


@pytest.fixture(scope="module")
def texts(messages: list[Message]) -> list[str]:
    return [*(m.text for m in messages), *(f"{m.text}, {m.text}" for m in messages), "money back " * 100]


def encoder(model: Path, **settings: Any) -> Encoder:
    values = {"model": str(model), "device": "cpu", "precision": "float32", **TRAINING, **settings}
    return Encoder(EncoderSettings.model_validate(values))


def exported(
    classifier: Classifier[Any], folder: Path, task: Task, messages: list[Message], wanted: Wanted
) -> Deployment:
    """Fit, export, and write the decisions that a run would add."""
    classifier.load()
    classifier.fit(task, messages, messages[::4])
    folder.mkdir()
    deployment: Deployment = classifier.export(folder, wanted)  # type: ignore[attr-defined]
    decision = {
        "labels": task.label_names,
        "max_labels": task.max_labels,
        "max_length": deployment.max_length,
        "thresholds": dict(zip(task.label_names, deployment.thresholds, strict=False)),
    }
    (folder / "decision.json").write_text(json.dumps(decision), encoding="utf-8")
    return deployment


def check(classifier: Classifier[Any], folder: Path, deployment: Deployment, texts: list[str]) -> None:
    """Run every block that is shown with an export, and compare labels and probabilities with the classifier's."""
    predictions = list(classifier.predict(texts))
    rows = [dict(p.probabilities or {}) for p in predictions]
    spread = np.ptp([list(row.values()) for row in rows], axis=0)
    assert spread.min() > 0.05, "answers that differ by far more than the tolerance"
    several = len(deployment.thresholds) > 0
    for usage in deployment.usages:
        code = usage.code.replace('texts = ["where is my parcel?"]', 'texts = given["texts"]')
        labels, answers = ask_stranger(f"{code}\nanswer = [labels, answers]", folder, texts=texts)
        differences = [abs(a[name] - row[name]) for a, row in zip(answers, rows, strict=True) for name in row]
        assert max(differences) < 1e-3
        assert [set(found) if several else (found,) for found in labels] == [
            set(p.labels) if several else p.labels for p in predictions
        ]


def test_a_softmax_head_runs_in_transformers_and_its_graph_in_onnxruntime(
    tiny_bert: Path, tmp_path: Path, task: Task, messages: list[Message], texts: list[str]
) -> None:
    with encoder(tiny_bert, head="softmax") as model:
        deployment = exported(model, tmp_path / "out", task, messages, Wanted(("onnx", "onnx-int8"), messages))
        assert deployment.library == "transformers"
        assert [usage.program for usage in deployment.usages] == ["transformers", "onnxruntime"]
        check(model, tmp_path / "out", deployment, texts)
        small, large = (tmp_path / "out" / name for name in ("model-int8.onnx", "model.onnx"))
        assert 0 < small.stat().st_size < large.stat().st_size


def test_a_pooled_head_of_several_labels_runs_in_sentence_transformers_and_onnxruntime(
    tiny_bert: Path, tmp_path: Path, task: Task, messages: list[Message], texts: list[str]
) -> None:
    several = Task(task.name, task.labels, max_labels=2)
    with encoder(tiny_bert, head="probe") as model:
        deployment = exported(model, tmp_path / "out", several, messages, Wanted(("onnx",), messages))
        assert deployment.library == "sentence-transformers"
        assert len(deployment.thresholds) == 3
        check(model, tmp_path / "out", deployment, texts)


def test_a_frozen_encoder_runs_with_its_head_in_skops(
    tiny_bert: Path, tmp_path: Path, task: Task, messages: list[Message], texts: list[str]
) -> None:
    with encoder(tiny_bert, head="linear") as model:
        check(model, tmp_path / "out", exported(model, tmp_path / "out", task, messages, Wanted()), texts)
        (tmp_path / "more").mkdir()
        with pytest.raises(BenchError, match=r"a frozen encoder .* has no ONNX form; leave out --onnx and --int8"):
            model.export(tmp_path / "more", Wanted(("onnx",), messages))


def test_a_pipeline_of_several_labels_runs_in_scikit_learn(
    tmp_path: Path, task: Task, messages: list[Message], texts: list[str]
) -> None:
    several = Task(task.name, task.labels, max_labels=2)
    with Linear(LinearSettings(strengths=(100.0,))) as model:
        check(model, tmp_path / "out", exported(model, tmp_path / "out", several, messages, Wanted()), texts)


def test_an_adapter_runs_on_its_llm_in_peft(
    tiny_llama: Path, tmp_path: Path, task: Task, messages: list[Message], texts: list[str]
) -> None:
    settings = {"model": str(tiny_llama), "epochs": 30, "learning_rate": 1e-2, "rank": 4, "precision": "float32"}
    with Lora(LoraSettings.model_validate({**settings, "device": "cpu"})) as model:
        deployment = exported(model, tmp_path / "out", task, messages, Wanted())
        assert deployment.library == "peft"
        check(model, tmp_path / "out", deployment, texts)


def test_a_graph_that_answers_otherwise_is_not_exported(
    tiny_bert: Path, tmp_path: Path, task: Task, messages: list[Message], monkeypatch: pytest.MonkeyPatch
) -> None:
    from classifiers.encoder.export import graphs

    with encoder(tiny_bert, head="softmax", epochs=1) as model, encoder(tiny_bert, head="softmax") as other:
        for fitted in (model, other):
            fitted.load()
            fitted.fit(task, messages, messages[::4])
        # the graph of another model stands for a wrong export
        written = graphs.export
        monkeypatch.setattr(
            graphs, "export", lambda _, example, folder, names: written(other.network.model, example, folder, names)
        )
        with pytest.raises(BenchError, match=r"the graph for 'onnx' gives .*% other answers than the model on 24"):
            model.export(tmp_path, Wanted(("onnx",), messages))
        assert not list(tmp_path.glob("*.onnx"))
