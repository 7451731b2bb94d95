"""Tuning on pairs draws the messages of one label together and leaves a head that answers better than before."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bench.measure.limits import usable_cores
from classifiers.encoder.backend import Encoder
from classifiers.encoder.frozen import Frozen
from classifiers.encoder.settings import EncoderSettings
from classifiers.errors import BenchError
from classifiers.interface import Message, Task


def closeness(encoder: Encoder, messages: list[Message]) -> float:
    """Mean cosine between messages of one label, less that between messages of two."""
    assert isinstance(encoder.network, Frozen)
    ids, _ = encoder.tokens.ids([m.text for m in messages])
    vectors = np.array(encoder.tokens.run_by_length(ids, encoder.network.encoder.embed))
    same = np.array([[a.label == b.label for b in messages] for a in messages])
    cosines = vectors @ vectors.T
    others = ~np.eye(len(messages), dtype=bool)
    return float(cosines[same & others].mean() - cosines[~same].mean())


def test_pairs_draw_the_messages_of_a_label_together(minilm: Path, task: Task, messages: list[Message]) -> None:
    held_out = messages[::4]
    train = [m for m in messages if m not in held_out]
    found = {}
    for head in ("linear", "setfit"):
        settings = EncoderSettings(model=(str(minilm),), head=head, pair_learning_rate=1e-4, pairs_per_message=16)
        with Encoder(settings, threads=usable_cores()) as encoder:
            encoder.load()
            encoder.fit(task, train, ())
            found[head] = closeness(encoder, held_out)
    assert found["setfit"] > found["linear"] + 0.2


def test_pairs_of_one_label_alone_are_refused(minilm: Path, task: Task, messages: list[Message]) -> None:
    with Encoder(EncoderSettings(model=(str(minilm),), head="setfit"), threads=1) as encoder:
        encoder.load()
        with pytest.raises(BenchError, match="two labels"):
            encoder.fit(task, messages[:8], ())
