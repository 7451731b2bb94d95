"""What of a causal LLM is adapted, and how it is trained."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from classifiers.finetune.settings import ModelNames, ModelSettings, TrainingSettings


class LoraSettings(ModelSettings):
    """What is adapted, and how it is trained.

    `model` is a catalogue or Hub name (`owner/repository:file.gguf`, or without a file for one with a
    single `model.safetensors`), GGUF file, or folder of safetensors. `rank` is the width of the matrices, which are
    scaled by `alpha / rank`; `target_modules` are the layers that get them, by the ends of their names. `epochs`,
    `best_epoch`, `patience` and `precision` are as an encoder's. The LLM's own weights are held in the precision it
    computes with, the learnt ones in float32.
    """

    model: ModelNames = ("smollm2-135m-instruct",)
    rank: int = Field(default=16, gt=0)
    alpha: int = Field(default=32, gt=0)
    dropout: float = Field(default=0.05, ge=0, lt=1)
    target_modules: Literal["all-linear"] | tuple[str, ...] = "all-linear"
    learning_rate: float = Field(default=2e-4, gt=0)
    epochs: int | None = Field(default=None, gt=0)
    batch_size: int = Field(default=16, gt=0)
    precision: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    best_epoch: bool = True
    patience: int = Field(default=0, ge=0)

    @property
    def training(self) -> TrainingSettings:
        """Return the settings the training loop takes; what is frozen is LoRA's business."""
        shared = {"learning_rate", "epochs", "batch_size", "precision", "best_epoch", "patience"}
        return TrainingSettings(freeze_embeddings=False, **self.model_dump(include=shared))
