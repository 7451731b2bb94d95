"""How a local LLM is prompted, and one way of asking among several."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Literal

from pydantic import Field, field_validator

from classifiers.interface import Settings
from classifiers.llm.prompting.calibration import Calibration
from classifiers.llm.prompting.prompt import prompt_templates

Mode = Literal["generate", "grammar", "score", "letters"]
Examples = Literal["none", "fixed", "knn"]


@dataclass(frozen=True, slots=True)
class Choice:
    """One way of asking; `n_examples` is per label for `fixed`, in all for `knn`."""

    mode: Mode = "generate"
    prompt_template: str = "plain"
    examples: Examples = "none"
    n_examples: int = 0
    example_seed: int = 0
    calibration: Calibration = "none"

    @property
    def gives_scores(self) -> bool:
        """Tell whether answers are label scores, which have probabilities and can be calibrated."""
        return self.mode in ("score", "letters")

    def describe(self) -> dict[str, str | int | float]:
        """Return the choice as plain settings for a record, without what has no effect."""
        described: dict[str, str | int | float] = asdict(self)
        if self.examples == "none":
            del described["n_examples"]
        if self.examples != "fixed":
            del described["example_seed"]
        if not self.gives_scores:
            del described["calibration"]
        return described


class LlamaCppSettings(Settings):
    """How the model is prompted.

    `mode`: free text with retries, text held to a grammar, label scores, or the letters of a list of options, which is
    shown in `n_orders` seeded orders whose answers are averaged. With `thinking`, the model reasons in at most so many
    tokens before it answers. `context` is the KV cells all sequences share, `parallel` the generations that run
    together, `batch` the tokens decoded together. `tune` tries a declared set of choices on `tune_messages` validation
    messages, retrieved examples first on 20 and on all where they are worth their price; `prompt_variants` tries every
    prompt_template, `example_draws` several draws of examples. `tune_seconds` is a safety net: a search it cuts short
    chooses nothing, and the report says so.
    """

    model: str = "qwen2.5-coder-1.5b-instruct"
    mode: Mode = "generate"
    prompt_template: str = "plain"
    n_orders: int = Field(default=2, ge=1, le=8)
    thinking: int = Field(default=0, ge=0, le=4096)
    examples: Examples = "none"
    n_examples: int = Field(default=2, ge=1)
    calibration: Calibration | Literal["auto"] = "none"
    calibration_messages: int = Field(default=48, ge=1)
    tune: bool = False
    tune_seconds: float = Field(default=3600, gt=0)
    tune_messages: int = Field(default=60, ge=1)
    prompt_variants: bool = False
    example_draws: int = Field(default=1, ge=1, le=10)
    encoder: str = Field(default="minilm-l6", description="the sentence encoder that finds similar messages")
    context: int = Field(default=4096, ge=256)
    parallel: int = Field(default=16, ge=1, le=255)
    batch: int = Field(default=256, ge=16)
    max_tokens: int = Field(default=32, gt=0)
    retries: int = Field(default=3, ge=0, le=10)
    retry_temperatures: tuple[float, ...] = Field(default=(0.3, 0.6, 0.9), min_length=1)

    @field_validator("prompt_template")
    @classmethod
    def _is_shipped(cls, name: str) -> str:
        if name not in prompt_templates():
            raise ValueError(f"unknown prompt_template '{name}' (available: {', '.join(prompt_templates())})")
        return name

    @property
    def temperatures(self) -> tuple[float, ...]:
        """Return the temperature of each try; the last retry temperature serves any further ones."""
        rising = self.retry_temperatures
        return (0.0, *(rising[min(i, len(rising) - 1)] for i in range(self.retries)))

    @property
    def uses_similar(self) -> bool:
        """Tell whether the sentence encoder is needed."""
        return self.tune or self.examples == "knn"

    def choice(self, seed: int) -> Choice:
        """Return the way of asking these settings name; `auto` calibration begins with none."""
        calibration = "none" if self.calibration == "auto" else self.calibration
        n_examples = 0 if self.examples == "none" else self.n_examples
        return Choice(self.mode, self.prompt_template, self.examples, n_examples, seed, calibration)
