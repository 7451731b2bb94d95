"""The encoder's settings, its presets and the defaults that depend on a model's size."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from classifiers.interface import Settings

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
        "group_by_length": False,
    },
}


class EncoderSettings(Settings):
    """How an encoder is fine-tuned; None means a default by the model's hidden size.

    `model` is tried in order: the first that can be had is used. `max_length` counts tokens,
    `warmup` is a share of all steps, `best_epoch` keeps the epoch of lowest validation loss.
    """

    preset: Literal["blog"] | None = None
    model: tuple[str, ...] = Field(default=("distilbert-base-uncased", "minilm-l6"), min_length=1)
    epochs: int | None = Field(default=None, gt=0)
    learning_rate: float | None = Field(default=None, gt=0)
    batch_size: int = Field(default=16, gt=0)
    max_length: int = Field(default=128, ge=8)
    padding: Literal["longest", "max_length"] = "longest"
    schedule: Literal["linear", "cosine", "constant"] = "linear"
    warmup: float = Field(default=0.1, ge=0, lt=1)
    weight_decay: float = Field(default=0.01, ge=0)
    best_epoch: bool = True
    group_by_length: bool = True
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"

    @field_validator("model", mode="before")
    @classmethod
    def _one_or_many(cls, value: object) -> object:
        return (value,) if isinstance(value, str) else value

    @model_validator(mode="before")
    @classmethod
    def _fill_from_preset(cls, values: dict[str, Any]) -> dict[str, Any]:
        return {**PRESETS.get(str(values.get("preset")), {}), **values}

    def epochs_for(self, hidden_size: int) -> int:
        """Give the number of passes over the training part: small models need more."""
        return self.epochs or (6 if hidden_size < SMALL else 4)

    def learning_rate_for(self, hidden_size: int) -> float:
        """Give the peak learning rate: a 384-wide encoder learns too little at BERT's usual 2e-5."""
        return self.learning_rate or (3e-4 if hidden_size < SMALL else 5e-5)


SMALL = 512
