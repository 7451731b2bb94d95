"""Encoders of every usual architecture, with random weights: their sizes, positions and inputs are all handled."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from classifiers.encoder.backend import Encoder
from classifiers.encoder.settings import EncoderSettings
from classifiers.finetune.tokens import token_limit
from classifiers.interface import Message, Task

SMALL = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
KINDS = {
    "bert": SMALL,
    "roberta": {**SMALL, "pad_token_id": 0, "max_position_embeddings": 65},
    "xlm-roberta": {**SMALL, "pad_token_id": 1, "max_position_embeddings": 66},
    "electra": {**SMALL, "embedding_size": 16},
    "albert": {**SMALL, "embedding_size": 16},
    "distilbert": {"dim": 32, "hidden_dim": 64, "n_layers": 2, "n_heads": 2},
    "deberta-v2": {**SMALL, "relative_attention": True, "pos_att_type": ["p2c", "c2p"], "position_buckets": 16},
    "modernbert": {**SMALL, "pad_token_id": 0, "cls_token_id": 101, "sep_token_id": 102},
}


@pytest.fixture(params=KINDS)
def model(request: pytest.FixtureRequest, minilm: Path, tmp_path: Path) -> Path:
    """A folder with a small model of one architecture, and MiniLM's tokenizer."""
    from transformers import AutoConfig, AutoModel, AutoTokenizer

    folder = tmp_path / request.param
    tokenizer = AutoTokenizer.from_pretrained(minilm)
    sizes = {"max_position_embeddings": 64, "vocab_size": len(tokenizer), **KINDS[request.param]}
    AutoModel.from_config(AutoConfig.for_model(request.param, **sizes)).save_pretrained(folder)
    for file in ("tokenizer.json", "tokenizer_config.json", "vocab.txt", "special_tokens_map.json"):
        shutil.copy(minilm / file, folder / file)
    return folder


def test_it_trains_answers_and_comes_back(model: Path, task: Task, messages: list[Message], tmp_path: Path) -> None:
    settings = EncoderSettings(model=(str(model),), epochs=1, max_length=512, freeze_embeddings=False)
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
