"""A message is cut to what a model has positions for, of every family of position tables."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from samples import word_pieces
from tokenizers.processors import TemplateProcessing

from classifiers.errors import BenchError
from classifiers.finetune.tokens import MessageTokens, token_limit
from classifiers.interface import Message

SIZES = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
FAMILIES: dict[str, tuple[int, dict[str, Any]]] = {
    "bert": (40, {}),
    "roberta": (38, {"pad_token_id": 1}),
    "xlm-roberta": (38, {"pad_token_id": 1}),
    "camembert": (38, {"pad_token_id": 1}),
    "mpnet": (38, {"pad_token_id": 1}),
    "longformer": (38, {"pad_token_id": 1, "attention_window": 8}),
    "distilbert": (40, {"dim": 16, "hidden_dim": 16, "n_layers": 1, "n_heads": 2}),
    "modernbert": (40, {"pad_token_id": 1, "cls_token_id": 2, "sep_token_id": 3}),
}


def saved(kind: str, folder: Path, tokenizer: Any) -> Any:
    from transformers import AutoConfig, AutoModel

    sizes = {"max_position_embeddings": 40, "vocab_size": len(tokenizer), **SIZES, **FAMILIES[kind][1]}
    model = AutoModel.from_config(AutoConfig.for_model(kind, **sizes))
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return model.eval()


@pytest.mark.parametrize("kind", FAMILIES)
def test_the_limit_is_that_of_the_position_table(kind: str, tmp_path: Path, messages: list[Message]) -> None:
    """The tokenizers say more, or nothing: a message of the limit's length is read, one token more is not."""
    model = saved(kind, tmp_path, word_pieces([m.text for m in messages]))
    limit, _ = FAMILIES[kind]
    assert token_limit(tmp_path) == limit
    tokens = MessageTokens.open(tmp_path, 512)
    (long, short), is_cut = tokens.ids(["refund " * 400, "refund"])
    assert (len(long), is_cut) == (limit, [True, False])
    batch = tokens.padded([long, short])
    assert set(batch) == {"input_ids", "attention_mask"}, "some families take no token types"
    with torch.inference_mode():
        assert model(**batch).last_hidden_state.isfinite().all()
    if kind not in ("modernbert", "longformer"):  # whose positions do not end, or are lengthened by themselves
        with pytest.raises((IndexError, RuntimeError)), torch.inference_mode():
            model(input_ids=torch.full((1, limit + 1), 5))


def test_an_empty_message_is_read_by_a_model_without_special_tokens(tmp_path: Path, messages: list[Message]) -> None:
    tokenizer = word_pieces([m.text for m in messages])
    tokenizer._tokenizer.post_processor = TemplateProcessing(single="$A", special_tokens=[])
    model = saved("bert", tmp_path, tokenizer)
    tokens = MessageTokens.open(tmp_path, 512)
    ids, is_cut = tokens.ids([""])
    assert (ids, is_cut) == ([[]], [False])
    with torch.inference_mode():
        assert model(**tokens.padded(ids)).last_hidden_state.isfinite().all()


def test_a_tokenizer_without_a_padding_token_is_one_line(tmp_path: Path, messages: list[Message]) -> None:
    tokenizer = word_pieces([m.text for m in messages])
    saved("bert", tmp_path, tokenizer)
    tokenizer.pad_token = None
    tokenizer.save_pretrained(tmp_path)
    with pytest.raises(BenchError, match=r"no padding token; add pad_token to tokenizer_config.json"):
        MessageTokens.open(tmp_path, 512)
