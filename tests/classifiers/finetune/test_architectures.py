"""Encoders of every usual architecture, with random weights: their sizes, positions and inputs are all handled."""

from __future__ import annotations

from pathlib import Path

import pytest
from samples import word_pieces

from classifiers.encoder.backend import Encoder
from classifiers.encoder.settings import EncoderSettings
from classifiers.finetune.tokens import token_limit
from classifiers.interface import Message, Task

pytestmark = pytest.mark.slow
SMALL = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
KINDS = {
    "bert": SMALL,
    "roberta": {**SMALL, "max_position_embeddings": 66},
    "xlm-roberta": {**SMALL, "max_position_embeddings": 66},
    "camembert": {**SMALL, "max_position_embeddings": 66},
    "mpnet": {**SMALL, "max_position_embeddings": 66},
    "electra": {**SMALL, "embedding_size": 16},
    "albert": {**SMALL, "embedding_size": 16},
    "distilbert": {"dim": 32, "hidden_dim": 64, "n_layers": 2, "n_heads": 2},
    "deberta-v2": {**SMALL, "relative_attention": True, "pos_att_type": ["p2c", "c2p"], "position_buckets": 16},
    "modernbert": {**SMALL, "cls_token_id": 2, "sep_token_id": 3},
}


@pytest.fixture(params=KINDS)
def model(request: pytest.FixtureRequest, messages: list[Message], tmp_path: Path) -> Path:
    """A folder with a small model of one architecture, and a tokenizer trained on the messages."""
    from transformers import AutoConfig, AutoModel

    folder = tmp_path / request.param
    tokenizer = word_pieces([m.text for m in messages])
    tokenizer.save_pretrained(folder)
    plain = {"max_position_embeddings": 64, "vocab_size": len(tokenizer), "pad_token_id": tokenizer.pad_token_id}
    AutoModel.from_config(AutoConfig.for_model(request.param, **{**plain, **KINDS[request.param]})).save_pretrained(
        folder
    )
    return folder


@pytest.mark.parametrize("head", ["softmax", "probe"])
def test_it_trains_answers_and_comes_back(
    model: Path, head: str, task: Task, messages: list[Message], tmp_path: Path
) -> None:
    settings = EncoderSettings.model_validate(
        {"model": str(model), "head": head, "epochs": 1, "max_length": 512, "precision": "float32"}
    )
    texts = ["hi", "where is my order?", "refund " * 400, ""]
    with Encoder(settings, threads=1) as encoder:
        encoder.load()
        assert token_limit(model) == 64
        encoder.fit(task, messages, messages[:6])
        together = list(encoder.predict(texts))
        alone = [next(encoder.predict([text])) for text in texts]
        assert [p.truncated for p in together] == [False, False, True, False]
        for a, b in zip(together, alone, strict=True):
            assert a.probabilities == pytest.approx(b.probabilities, abs=1e-4), "padding changes nothing"
            assert sum((a.probabilities or {}).values()) == pytest.approx(1)
        saved = tmp_path / "saved"
        saved.mkdir()
        encoder.save(saved)
    with Encoder(settings, threads=1) as again:
        again.load_from(saved, task)
        assert [p.labels for p in again.predict(texts)] == [p.labels for p in together]
