"""Training on a processor: the same arithmetic as the library's, only quicker, and nothing of it left afterwards."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from classifiers.finetune.cpu_training import NAME, Dropout, drop, quick_training
from classifiers.finetune.pooled import PooledClassifier
from classifiers.finetune.sentence import SentenceEncoder
from classifiers.finetune.settings import ModelSettings
from classifiers.interface import Task


@pytest.mark.parametrize("share", [0.1, 0.5, 0.05])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_so_many_values_are_dropped_and_the_mean_stays(share: float, dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    values = torch.ones(1001, 997, dtype=dtype)
    found = drop(values, share).float()
    # the standard deviation of a share of a million draws is below 0.0005
    assert (found == 0).float().mean().item() == pytest.approx(share, abs=0.0025)
    assert found.max().item() == pytest.approx(1 / (1 - share), rel=0.01)
    assert found.mean().item() == pytest.approx(1, abs=0.01)


def test_values_are_dropped_one_by_one_and_by_the_seed() -> None:
    torch.manual_seed(3)
    first = drop(torch.ones(10_000), 0.5) > 0
    torch.manual_seed(3)
    assert torch.equal(drop(torch.ones(10_000), 0.5) > 0, first)
    assert not torch.equal(drop(torch.ones(10_000), 0.5) > 0, first)
    for distance in (1, 2, 3, 4):  # four values share a number that is drawn
        alike = (first[distance:] == first[:-distance]).float().mean().item()
        assert alike == pytest.approx(0.5, abs=0.03)


def test_nothing_is_dropped_for_a_share_of_0_or_outside_training() -> None:
    values = torch.randn(5, 7)
    assert torch.equal(drop(values, 0.0), values)
    assert torch.equal(Dropout(0.9).eval()(values), values)
    assert not drop(values, 1.0).any()


def test_gradients_pass_only_where_values_did() -> None:
    values = torch.ones(100, requires_grad=True)
    found = drop(values, 0.5)
    found.sum().backward()  # type: ignore[no-untyped-call]
    assert values.grad is not None
    assert torch.equal(values.grad, found.detach())


@pytest.fixture(params=["minilm", "distilbert", "grouped"])
def model(request: pytest.FixtureRequest) -> Any:
    """Two encoders with real weights, and a small decoder whose heads share keys and values, as LLMs' do."""
    from transformers import AutoModelForSequenceClassification, LlamaConfig, LlamaForSequenceClassification

    torch.manual_seed(0)
    if request.param == "grouped":
        sizes = {"hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 6}
        heads = {"num_attention_heads": 4, "num_key_value_heads": 2, "attention_dropout": 0.1}
        return LlamaForSequenceClassification(
            LlamaConfig(**sizes, **heads, vocab_size=30522, num_labels=3, pad_token_id=0)
        )
    auto: Any = AutoModelForSequenceClassification
    return auto.from_pretrained(request.getfixturevalue(request.param), num_labels=3, dtype="float32")


def gradients(model: Any) -> list[torch.Tensor]:
    ids = torch.tensor([[101, 2073, 2003, 2026, 2344, 102], [101, 7592, 102, 0, 0, 0]])
    model.zero_grad()
    model(input_ids=ids, attention_mask=(ids > 0).long(), labels=torch.tensor([0, 1])).loss.backward()
    return [p.grad.clone() for p in model.parameters() if p.grad is not None]


def test_without_dropout_every_gradient_is_the_librarys(model: Any) -> None:
    model.eval()
    before = gradients(model)
    with quick_training(model):
        assert [m for m in model.modules() if type(m) is nn.Dropout] == []
        quick = gradients(model)
    assert len(quick) == len(before) > 50
    for a, b in zip(quick, before, strict=True):
        torch.testing.assert_close(a, b, atol=1e-6, rtol=1e-4)


def test_in_training_it_drops_and_afterwards_the_model_is_as_it_was(model: Any) -> None:
    names = [name for name, module in model.named_modules() if type(module) is nn.Dropout]
    attention = model.config._attn_implementation
    with quick_training(model):
        model.train()
        assert any((a != b).any() for a, b in zip(gradients(model), gradients(model), strict=True))
    assert [name for name, module in model.named_modules() if type(module) is nn.Dropout] == names
    assert model.config._attn_implementation == attention == "sdpa"


def test_a_sentence_encoder_under_a_head_trains_with_plain_attention_too(tiny_bert: Path, task: Task) -> None:
    encoder = SentenceEncoder.open(tiny_bert, ModelSettings().reading, device=torch.device("cpu"))
    model = PooledClassifier(encoder, task)
    with quick_training(model):
        assert encoder.body.config._attn_implementation == NAME
    assert encoder.body.config._attn_implementation == "sdpa"
