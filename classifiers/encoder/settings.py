"""The encoder's settings, its presets and the defaults that depend on a model's size."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import Field, model_validator

from classifiers.finetune.saved import Runtime
from classifiers.finetune.settings import ModelNames, TrainingSettings

PRESETS: dict[str, dict[str, Any]] = {
    # the blog post's loop: plain AdamW at a constant rate, every message padded to 128 tokens
    "blog": {
        "model": ("distilbert-base-uncased",),
        "learning_rate": 2e-5,
        "epochs": 3,
        "batch_size": 16,
        "max_length": 128,
        "padding": "max_length",
        "schedule": "constant",
        "warmup": 0.0,
        "weight_decay": 0.01,  # torch's AdamW default, which the post leaves alone
        "best_epoch": False,
        "patience": 0,
        "group_by_length": False,
        "optimizer": "adamw_torch",
        "precision": "float32",
        "freeze_embeddings": False,
        "class_weights": "none",
        "head": "softmax",
    },
}


class EncoderSettings(TrainingSettings):
    """What an encoder answers with; the settings of training are those of `TrainingSettings`.

    `head`: `softmax` is the library's, begun at random; `probe` a linear layer on the sentence embedding, begun from a
    logistic regression; `auto` is `probe` for encoders trained to embed sentences, else `softmax`. `head = "linear"`
    leaves it at the logistic regression on the frozen encoder's embeddings; the settings of training then play no part.
    `head = "setfit"` first tunes the embeddings on `pairs_per_message` pairs of messages, at `pair_learning_rate`.
    Embeddings are pooled as the model's own `1_Pooling/config.json` says, by the mean where it has none. `runtime` is
    what answers: torch, an export (a processor's only), or with `auto` the fastest that answers as torch does.
    """

    preset: Literal["blog"] | None = None
    model: ModelNames = ("distilbert-base-uncased", "minilm-l6")
    head: Literal["auto", "softmax", "probe", "linear", "setfit"] = "auto"
    pairs_per_message: int = Field(default=20, gt=0)
    pair_learning_rate: float = Field(default=2e-5, gt=0)
    runtime: Runtime = "torch"

    @model_validator(mode="after")
    def _random_weights_are_trained(self) -> EncoderSettings:
        if not self.pretrained and self.head not in ("auto", "softmax"):
            raise ValueError(f"pretrained = false starts from random weights, which head = '{self.head}' cannot use")
        return self

    @model_validator(mode="before")
    @classmethod
    def _fill_from_preset(cls, values: object) -> object:
        return {**PRESETS.get(str(values.get("preset")), {}), **values} if isinstance(values, dict) else values

    @property
    def trains_all_layers(self) -> bool:
        """Tell whether the encoder itself is fine-tuned to the labels."""
        return self.head not in ("linear", "setfit")

    def probes_first(self, folder: Path) -> bool:
        """Tell whether the head begins from a logistic regression: the model in `folder` must embed sentences."""
        if not self.pretrained or not self.trains_all_layers:
            return False
        return self.head == "probe" or (self.head == "auto" and (folder / "modules.json").is_file())
