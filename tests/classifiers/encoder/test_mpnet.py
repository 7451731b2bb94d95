"""An encoder of base size on its real weights: MPNet takes no token types, and has an attention of its own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench.measure.limits import usable_cores
from classifiers.encoder.backend import Encoder
from classifiers.encoder.settings import EncoderSettings
from classifiers.finetune.sentence import SentenceEncoder
from classifiers.finetune.tokens import MessageTokens, token_limit
from classifiers.interface import Message, Task
from classifiers.models.cache import local_model

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def mpnet() -> Path:
    return local_model("mpnet-base", "encoder").path


def test_its_embeddings_are_those_of_sentence_transformers(mpnet: Path, messages: list[Message]) -> None:
    import torch
    from sentence_transformers import SentenceTransformer

    texts = [m.text for m in messages[::4]] + ["word " * 600]
    tokens = MessageTokens.open(mpnet, 10_000)
    assert (token_limit(mpnet), tokens.limit) == (512, 512), "a table of 514, of which 2 stand before the first token"
    encoder = SentenceEncoder.open(mpnet, EncoderSettings().reading, device=torch.device("cpu"))
    ours = np.array(tokens.run_by_length(tokens.ids(texts)[0], encoder.embed))
    theirs = SentenceTransformer(str(mpnet), local_files_only=True, device="cpu")
    theirs.max_seq_length = 512
    expected = theirs.encode(texts, batch_size=1, normalize_embeddings=True)  # no padding to the 512 tokens of the last
    assert ours == pytest.approx(np.asarray(expected), abs=1e-5)


@pytest.mark.parametrize(
    "settings",
    [{"head": "linear"}, {"head": "softmax"}, {"head": "probe", "runtime": "onnx"}],
    ids=lambda settings: settings["head"],
)
def test_it_learns_answers_and_comes_back(
    mpnet: Path, settings: dict[str, Any], task: Task, messages: list[Message], tmp_path: Path
) -> None:
    train, held_out = [m for i, m in enumerate(messages) if i % 4], messages[::4]
    given = EncoderSettings.model_validate({"model": str(mpnet), "epochs": 1, "batch_size": 6, **settings})
    with Encoder(given, threads=usable_cores()) as encoder:
        encoder.load()
        encoder.fit(task, train, ())
        answers = list(encoder.predict([m.text for m in held_out]))
        details = encoder.details()
        encoder.save(tmp_path)
    if settings["head"] != "softmax":  # which begins at random, and so few steps teach it little
        right = sum(answer.labels == message.labels for answer, message in zip(answers, held_out, strict=True))
        assert right >= 4, f"{right} of 6 held-out messages are right, where 2 would be by chance"
    assert details.n_parameters is not None
    assert 109e6 < details.n_parameters < 111e6
    if "runtime" in settings:
        assert details.metadata["onnx equal"] == 1
    with Encoder(given, threads=usable_cores()) as again:
        again.load_from(tmp_path, task)
        assert [p.labels for p in again.predict([m.text for m in held_out])] == [p.labels for p in answers]
