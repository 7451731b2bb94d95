"""What every backend that reads tokens does alike: say that it is not ready, save what was read again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from classifiers.embedding import EmbeddingSettings
from classifiers.encoder.backend import Encoder
from classifiers.encoder.settings import EncoderSettings
from classifiers.errors import BenchError
from classifiers.finetune.settings import ModelSettings
from classifiers.interface import Message, Task
from classifiers.knn import Knn, KnnSettings
from classifiers.linear import Linear
from classifiers.lora.backend import Lora
from classifiers.lora.settings import LoraSettings


@pytest.mark.parametrize("kind", [ModelSettings, EncoderSettings, LoraSettings, EmbeddingSettings])
def test_one_model_may_stand_without_brackets(kind: type[ModelSettings]) -> None:
    assert kind.model_validate({"model": "a"}).model == ("a",)
    assert kind.model_validate({"model": ["a", "b"]}).model == ("a", "b")
    with pytest.raises(ValueError, match="at least 1"):
        kind.model_validate({"model": []})


@pytest.mark.parametrize("kind", [Encoder, Knn, Lora, Linear])
def test_what_is_not_ready_says_so(kind: type[Any], tmp_path: Path) -> None:
    for ask in (lambda made: list(made.predict(["hi"])), lambda made: made.details(), lambda made: made.save(tmp_path)):
        with pytest.raises(BenchError, match="not ready: call"), kind() as made:
            ask(made)


def trained(tiny_bert: Path, kind: str) -> Any:
    makers = {
        "frozen": lambda: Encoder(EncoderSettings(model=(str(tiny_bert),), head="linear"), threads=1),
        "probe": lambda: Encoder(EncoderSettings(model=(str(tiny_bert),), head="probe", epochs=1), threads=1),
        "softmax": lambda: Encoder(EncoderSettings(model=(str(tiny_bert),), head="softmax", epochs=1), threads=1),
        "knn": lambda: Knn(KnnSettings(model=(str(tiny_bert),)), threads=1),
    }
    return makers[kind]()


def test_thresholds_that_nobody_tried_are_said(tiny_bert: Path, task: Task, messages: list[Message]) -> None:
    """A regression's are chosen by cross-validation; training all layers several times over would cost too much."""
    several = Task(task.name, task.labels, max_labels=2)
    for kind, n_thresholds in (("frozen", 3), ("softmax", 0)):
        with trained(tiny_bert, kind) as made:
            made.load()
            made.fit(several, messages, ())
            assert len(made.thresholds) == n_thresholds
            assert any("untried" in note for note in made.details().notes) is (n_thresholds == 0)
            made.fit(several, messages, messages)
            assert len(made.thresholds) == 3
            assert not any("untried" in note for note in made.details().notes)


@pytest.mark.parametrize("kind", ["frozen", "probe", "softmax", "knn"])
def test_what_was_read_again_is_saved_and_described_as_before(
    tiny_bert: Path, kind: str, task: Task, messages: list[Message], tmp_path: Path
) -> None:
    texts = [m.text for m in messages]
    first, second = tmp_path / "first", tmp_path / "second"
    with trained(tiny_bert, kind) as made:
        made.load()
        made.fit(task, messages, messages[::4])
        answers, details = list(made.predict(texts)), made.details()
        assert details.fine_tuned is {"frozen": False, "probe": True, "softmax": True, "knn": None}[kind]
        tried = [trial for trial in details.trials if trial.chosen]
        assert len(tried) == (kind != "softmax"), "what a head begins from is a setting that was tried"
        first.mkdir()
        made.save(first)
        assert list(made.predict(texts)) == answers, "saving changes nothing"
    with trained(tiny_bert, kind) as again:
        again.load_from(first, task)
        assert again.details() == details
        second.mkdir()
        again.save(second)
    assert {f.relative_to(first) for f in first.rglob("*")} == {f.relative_to(second) for f in second.rglob("*")}
    with trained(tiny_bert, kind) as third:
        third.load_from(second, task)
        for before, after in zip(answers, third.predict(texts), strict=True):
            assert after.labels == before.labels
            assert after.probabilities == pytest.approx(before.probabilities, abs=1e-5)
