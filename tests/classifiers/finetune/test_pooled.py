"""A fine-tuned head that begins from a logistic regression gives, before any training, that regression's answers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bench.measure.limits import usable_cores
from classifiers.encoder.backend import Encoder
from classifiers.encoder.frozen import Frozen
from classifiers.encoder.settings import EncoderSettings
from classifiers.finetune.fine_tuned import FineTuned
from classifiers.interface import Label, Message, Task


def tasks(messages: list[Message]) -> dict[str, tuple[Task, list[Message]]]:
    """The three kinds of task: several classes, two classes with an unseen third, several labels per message."""
    names = ("Refund Request", "Order Inquiry", "General Feedback")
    both = [Message(m.id, m.text, tuple(dict.fromkeys((m.label, names[i % 3])))) for i, m in enumerate(messages)]
    labels = tuple(map(Label, names))
    return {
        "three labels": (Task("t", labels), messages),
        "one unseen": (Task("t", labels), [m for m in messages if m.label != names[0]]),
        "several": (Task("t", (*labels, Label("unseen")), max_labels=3), both),
    }


@pytest.mark.parametrize("kind", ["three labels", "one unseen", "several"])
def test_it_begins_with_the_answers_of_the_regression(minilm: Path, messages: list[Message], kind: str) -> None:
    task, own = tasks(messages)[kind]
    texts = [m.text for m in messages]
    with Encoder(EncoderSettings(model=(str(minilm),), head="linear"), threads=usable_cores()) as encoder:
        encoder.load()
        encoder.fit(task, own, ())
        frozen = encoder.network
        assert isinstance(frozen, Frozen)
        before = np.array([list((p.probabilities or {}).values()) for p in encoder.predict(texts)])
        begun = FineTuned.begin(frozen.encoder, frozen.head, frozen.task, EncoderSettings(precision="float32"))
        begun.model.eval()
        ids, _ = encoder.tokens.ids(texts)
        after = np.array(encoder.tokens.run_by_length(ids, begun.probabilities))
    assert np.abs(before - after).max() < 1e-3


def test_auto_probes_sentence_encoders_only(minilm: Path, distilbert: Path) -> None:
    assert EncoderSettings().probes_first(minilm)
    assert not EncoderSettings().probes_first(distilbert)
    assert not EncoderSettings(preset="blog").probes_first(minilm)
    assert not EncoderSettings(pretrained=False).probes_first(minilm)
    assert EncoderSettings(head="probe").probes_first(distilbert)


@pytest.mark.parametrize("head", ["probe", "softmax"])
def test_fine_tuning_changes_it_and_it_comes_back(
    minilm: Path, task: Task, messages: list[Message], tmp_path: Path, head: str
) -> None:
    settings = EncoderSettings(model=(str(minilm),), head=head, epochs=4)
    texts = [m.text for m in messages]
    with Encoder(settings, threads=usable_cores()) as encoder:
        encoder.load()
        encoder.fit(task, messages, messages[::4])
        rows = [p.probabilities for p in encoder.predict(texts)]
        encoder.save(tmp_path)
    with Encoder(settings, threads=usable_cores()) as again:
        again.load_from(tmp_path, task)
        for p, row in zip(again.predict(texts), rows, strict=True):
            assert p.probabilities == pytest.approx(row, abs=1e-5)
