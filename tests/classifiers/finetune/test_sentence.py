"""A sentence encoder pools as its own config asks for, and is saved so that nothing opens it with random weights."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from classifiers.errors import BenchError
from classifiers.finetune.sentence import POOLING, SentenceEncoder, pooling_of
from classifiers.finetune.settings import ModelSettings
from classifiers.finetune.tokens import MessageTokens
from classifiers.interface import Message


def asking(folder: Path, to: Path, config: object) -> Path:
    shutil.copytree(folder, to, dirs_exist_ok=True)
    (to / POOLING).mkdir()
    (to / POOLING / "config.json").write_text(json.dumps(config))
    return to


def switches(name: str) -> dict[str, object]:
    names = ("cls_token", "mean_tokens", "max_tokens", "mean_sqrt_len_tokens", "lasttoken")
    return {"word_embedding_dimension": 32, **{f"pooling_mode_{n}": n.startswith(name) for n in names}}


@pytest.mark.parametrize(
    ("config", "pooling"),
    [
        (switches("cls"), "cls"),
        (switches("mean_tokens"), "mean"),
        (switches("max"), "max"),
        (switches("mean_sqrt"), "mean"),
        (switches("nothing"), "mean"),
        ({"embedding_dimension": 32, "pooling_mode": "cls"}, "cls"),
        ({"embedding_dimension": 32, "pooling_mode": ["max"]}, "max"),
    ],
)
def test_the_pooling_is_the_one_asked_for(tmp_path: Path, config: object, pooling: str) -> None:
    (tmp_path / POOLING).mkdir()
    assert pooling_of(tmp_path) == "mean", "what says nothing is pooled by the mean"
    (tmp_path / POOLING / "config.json").write_text(json.dumps(config))
    assert pooling_of(tmp_path) == pooling


@pytest.mark.parametrize(
    "config", [switches("lasttoken"), switches("m"), {"pooling_mode": "weightedmean"}, {"pooling_mode": 3}, [1]]
)
def test_a_pooling_that_is_not_known_is_one_line(tmp_path: Path, config: object) -> None:
    (tmp_path / POOLING).mkdir()
    (tmp_path / POOLING / "config.json").write_text(json.dumps(config))
    with pytest.raises(BenchError, match=r"supported are mean, cls, max|is not the config of a pooling"):
        pooling_of(tmp_path)


@pytest.mark.parametrize("pooling", ["cls", "mean", "max"])
def test_vectors_are_those_of_sentence_transformers(
    tiny_bert: Path, tmp_path: Path, messages: list[Message], pooling: str
) -> None:
    from sentence_transformers import SentenceTransformer

    folder = asking(tiny_bert, tmp_path / "model", switches(f"{pooling}_t"))
    texts = [m.text for m in messages]
    tokens = MessageTokens.open(folder, 64)
    encoder = SentenceEncoder.open(folder, ModelSettings().reading, device=torch.device("cpu"))
    ours = np.array(tokens.run_by_length(tokens.ids(texts)[0], encoder.embed))
    saved = tmp_path / "saved"
    saved.mkdir()
    encoder.save(saved)
    tokens.save(saved)
    theirs = SentenceTransformer(str(saved), local_files_only=True, device="cpu")
    assert ours == pytest.approx(np.asarray(theirs.encode(texts)), abs=1e-5)
    assert theirs.max_seq_length == tokens.limit == 64
    again = SentenceEncoder.open(saved, ModelSettings().reading, device=torch.device("cpu"))
    assert again.pooling == pooling
    assert np.array(tokens.run_by_length(tokens.ids(texts)[0], again.embed)) == pytest.approx(ours)


def test_a_saved_transformer_is_no_classifier(tiny_bert: Path, tmp_path: Path) -> None:
    """Neither its folder nor the one around it gives transformers a head of random weights to answer with."""
    from transformers import AutoModelForSequenceClassification, AutoTokenizer, pipeline

    encoder = SentenceEncoder.open(tiny_bert, ModelSettings().reading, device=torch.device("cpu"))
    encoder.save(tmp_path)
    MessageTokens.open(tiny_bert, 64).save(tmp_path)
    for kind in (AutoModelForSequenceClassification, AutoTokenizer):
        with pytest.raises(Exception, match=r"config\.json|Unrecognized model|tokenizer"):
            kind.from_pretrained(tmp_path)
    with pytest.raises(ValueError, match="empty sequence"):
        pipeline("text-classification", model=str(tmp_path / "0_Transformer"))("my order")
