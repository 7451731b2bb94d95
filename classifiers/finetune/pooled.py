"""A sentence encoder with a linear layer on its embedding, begun from a fitted logistic regression.

A fresh, random layer sends large, aimless gradients into an encoder whose embeddings are good already, and spoils them
before it has learnt anything. Fitting the layer alone first and all of it afterwards does not (Kumar et al. 2022,
arXiv 2202.10054). With 10 messages per label of banking77 and minilm-l6 it was right on 86.6 % of 1,500 held-out
training messages, against 82.9 % with a random layer on the first token and 82.3 % with the layer alone.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from transformers import PreTrainedModel
from transformers.modeling_outputs import SequenceClassifierOutput

from classifiers.finetune.label_config import label_config, takes_several
from classifiers.finetune.sentence import NORMALIZE, POOLING, SentenceEncoder, sentence_embedding, write_modules
from classifiers.finetune.settings import ModelSettings
from classifiers.finetune.tokens import BODY
from classifiers.heads.logistic import Model
from classifiers.interface import Task

SCALE = 20.0
"""The embedding's length before the linear layer; the layer's weights are divided by it, so that the logits are the
same and its learning rate fits the encoder's."""
DROPOUT = 0.1
DENSE, WEIGHTS = "3_Dense", "model.safetensors"
UNSEEN_BIAS = -10.0
"""The logit of a label that no training message has; one that all have has the opposite."""


class PooledClassifier(PreTrainedModel):  # type: ignore[misc]
    """A linear layer on a sentence embedding; called as transformers' sequence classifiers are."""

    # it has no attention of its own: the body has chosen what it supports
    _supports_sdpa = _supports_flash_attn = _supports_flex_attn = True

    def __init__(self, encoder: SentenceEncoder, task: Task) -> None:
        config: Any = encoder.body.config  # shared, so that a change of attention reaches the body
        config.update(label_config(task))
        super().__init__(config)
        self.body = encoder.body
        self.pooling = encoder.pooling
        self.dropout = nn.Dropout(DROPOUT)
        self.classifier = nn.Linear(encoder.width, len(task.labels))

    @classmethod
    def begin(cls, encoder: SentenceEncoder, head: Model, task: Task) -> PooledClassifier:
        """Put the linear layer of a logistic regression, fitted on the encoder's embeddings, behind the encoder."""
        return cls._of(encoder, task, *map(torch.from_numpy, layer_of(head, task, encoder.width)))

    @classmethod
    def _of(cls, encoder: SentenceEncoder, task: Task, weights: torch.Tensor, bias: torch.Tensor) -> PooledClassifier:
        model = cls(encoder, task)
        model.classifier.load_state_dict({"weight": weights / SCALE, "bias": bias})
        moved: Any = model
        return moved.to(encoder.body.device)  # type: ignore[no-any-return]

    @classmethod
    def read(cls, folder: Path, task: Task, *, device: torch.device) -> PooledClassifier:
        """Read what `write` wrote."""
        from safetensors.torch import load_file

        encoder = SentenceEncoder.open(folder, ModelSettings().reading, device=device)
        layer = load_file(folder / DENSE / WEIGHTS)
        return cls._of(encoder, task, layer["linear.weight"], layer["linear.bias"])

    def write(self, folder: Path) -> None:
        """Write it as sentence-transformers lays out an encoder with a dense layer, which then gives probabilities."""
        from safetensors.torch import save_file

        SentenceEncoder(self.body, self.pooling).save(folder)
        (folder / DENSE).mkdir(exist_ok=True)
        layer = {"linear.weight": SCALE * self.classifier.weight, "linear.bias": self.classifier.bias}
        save_file({name: w.detach().cpu().contiguous() for name, w in layer.items()}, folder / DENSE / WEIGHTS)
        activation = "Sigmoid" if takes_several(self.config) else "Softmax"
        sizes = {"in_features": self.classifier.in_features, "out_features": self.classifier.out_features}
        config = {**sizes, "bias": True, "activation_function": f"torch.nn.modules.activation.{activation}"}
        (folder / DENSE / "config.json").write_text(json.dumps(config, indent=2), encoding="utf-8")
        write_modules(folder, {BODY: "Transformer", POOLING: "Pooling", NORMALIZE: "Normalize", DENSE: "Dense"})

    def get_input_embeddings(self) -> nn.Module:
        """Return the word embeddings."""
        return self.body.get_input_embeddings()  # type: ignore[no-untyped-call,no-any-return]

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> SequenceClassifierOutput:
        """Return logits, shape (messages, labels)."""
        embedding = sentence_embedding(self.body, input_ids, attention_mask, self.pooling)
        embedding = embedding.to(self.classifier.weight.dtype)
        return SequenceClassifierOutput(logits=self.classifier(self.dropout(SCALE * embedding)))


def layer_of(head: Model, task: Task, width: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return weights, shape (labels, width), and biases of a fitted logistic regression, in the task's order."""
    if task.takes_several:
        rows = [_row_of(regression, width) for regression in head.estimators_]
    else:
        weights, bias = head.coef_, head.intercept_
        if len(weights) == 1:  # two labels have one logit between them
            weights, bias = np.vstack([0 * weights, weights]), np.append(0 * bias, bias)
        seen = {str(name): row for name, *row in zip(head.classes_, weights, bias, strict=True)}
        unseen = [np.zeros(width), UNSEEN_BIAS]
        rows = [tuple(seen.get(name, unseen)) for name in task.label_names]
    return np.array([w for w, _ in rows], np.float32), np.array([b for _, b in rows], np.float32)


def _row_of(regression: Model, width: int) -> tuple[NDArray[np.float64], float]:
    """Return a label's weights and bias; one that no message has, or that all have, has no regression of its own."""
    if hasattr(regression, "coef_"):
        return regression.coef_[0], float(regression.intercept_[0])
    return np.zeros(width), -UNSEEN_BIAS if float(np.ravel(regression.y_)[0]) else UNSEEN_BIAS
