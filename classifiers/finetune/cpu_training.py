"""Fine-tuning on a processor: plain attention, and dropout masks drawn with 16 bits per number.

Measured on minilm-l6, a step of 32 messages of 26 tokens, 2 cores with AMX: torch's fused attention goes back through
all layers in 127 ms, plain attention in 50; and torch draws a number of 32 bits for every value that may be dropped,
one after another, which is a quarter of a whole training.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from transformers import AttentionInterface
from transformers.masking_utils import AttentionMaskInterface, eager_mask

from classifiers.finetune.device import is_processor

if TYPE_CHECKING:
    from transformers import PreTrainedModel

NAME = "bench_plain"
VALUES = 1 << 16


def drop(values: torch.Tensor, share: float) -> torch.Tensor:
    """Set a share of the values to 0, to 1/65,536 exactly, and scale the others so that the mean stays.

    Every 64-bit number that is drawn decides on four values.
    """
    kept = round((1 - share) * VALUES)
    if kept == VALUES:
        return values
    bits = torch.empty(-(-values.numel() // 4), dtype=torch.int64).random_(-(2**63), None)
    mask = bits.view(torch.int16)[: values.numel()].view(values.shape) < kept - VALUES // 2
    return values * mask.to(values.dtype).mul_(VALUES / max(kept, 1))


class Dropout(nn.Module):
    """Takes the place of torch's dropout."""

    def __init__(self, share: float) -> None:
        super().__init__()
        self.p = share

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        """Drop in training only."""
        return drop(values, self.p) if self.training else values


def plain_attention(  # noqa: PLR0913 - transformers calls it so
    module: nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    *,
    scaling: float | None = None,
    dropout: float = 0.0,
    **_: Any,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Attend step by step, as transformers' `eager` does; tensors of shape (messages, heads, tokens, width).

    Where several heads share keys and values (grouped attention), there are as many times fewer of those.
    """
    shared = query.size(1) // key.size(1)
    if shared > 1:
        key, value = key.repeat_interleave(shared, 1), value.repeat_interleave(shared, 1)
    scores = query @ key.transpose(2, 3) * (query.size(-1) ** -0.5 if scaling is None else scaling)
    if attention_mask is not None:
        scores = scores + attention_mask
    weights = drop(scores.softmax(-1, dtype=torch.float32).to(query.dtype), dropout)
    return (weights @ value).transpose(1, 2).contiguous(), weights


@contextmanager
def quick_training(model: PreTrainedModel) -> Iterator[None]:
    """Train a model so on a processor; elsewhere, and afterwards, it is as it was."""
    if not is_processor(model.device.type):
        yield
        return
    AttentionInterface.register(NAME, plain_attention)
    AttentionMaskInterface.register(NAME, eager_mask)
    dropped = [
        (parent, name, layer)
        for parent in model.modules()
        for name, layer in parent.named_children()
        if type(layer) is nn.Dropout
    ]
    before = model.config._attn_implementation
    for parent, name, layer in dropped:
        setattr(parent, name, Dropout(layer.p).train(layer.training))
    if before == "sdpa":  # what else there is, is a model's own
        model.set_attn_implementation(NAME)
    try:
        yield
    finally:
        for parent, name, layer in dropped:
            setattr(parent, name, layer)
        if before == "sdpa":
            model.set_attn_implementation(before)
