"""What a classifier says of itself once it is fitted: its model files, what it tried, and where its time went.

Everything here describes and nothing decides. A backend author imports these names from `classifiers.interface`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class ModelFile:
    """One file of weights that was run; `bytes` and `sha256` are of the file as it lay on disk."""

    name: str
    sha256: str
    bytes: int


@dataclass(frozen=True, slots=True)
class Trial:
    """Something tried on n validation messages, the share of them it got right, and whether it is what runs."""

    settings: Mapping[str, str | int | float]
    accuracy: float
    n: int
    seconds: float = 0.0
    chosen: bool = False


@dataclass(frozen=True, slots=True)
class Stage:
    """One stage of answering, such as reading prompts: wall seconds and, where it has any, tokens."""

    seconds: float = 0.0
    tokens: int = 0

    def __add__(self, other: Stage) -> Stage:
        return Stage(self.seconds + other.seconds, self.tokens + other.tokens)

    def __sub__(self, other: Stage) -> Stage:
        return Stage(self.seconds - other.seconds, self.tokens - other.tokens)

    @property
    def tokens_per_s(self) -> float | None:
        """Return tokens per second, or None for a stage without tokens or time."""
        return self.tokens / self.seconds if self.tokens and self.seconds > 0 else None


@dataclass(frozen=True, slots=True)
class Details:
    """What a classifier says of itself once it is fitted; all of it stands in the record, none of it is required.

    Attributes:
        model: the name of the model that ran, of several that may.
        models: the model files that ran, with hashes.
        device: where it computes, such as `cpu` or `cuda:0`.
        precision: that of its matrix products, such as `float32`.
        n_parameters: None where that has no meaning.
        bytes_on_disk: what must be shipped to classify; None takes the model files.
        n_labelled: labelled messages it used; None says all that it was given.
        max_attempts: how often it may try one message; 1 for all that do not retry.
        trials: everything that was tried to choose among settings, the losers too.
        unfinished: what a search that time cut short came to, such as `2 of 5 prompts tried`; empty where it ended.
        notes: what a reader of the table must be told, such as a replaced model.
        prompt: the whole prompt of one message, where there is one.
        fine_tuned: whether the weights of a pretrained model were trained on the task, or stayed frozen; else None.
        uses_definitions: whether it was told what the labels mean otherwise than by `prompt`.
        runs_elsewhere: whether it is not here that its answers are made, so that their memory cannot be measured.
        stages: where the time of its calls went so far; what is not told apart is left out.
        metadata: whatever else should be kept; nothing reads it by key.
    """

    model: str = ""
    models: tuple[ModelFile, ...] = ()
    device: str = ""
    precision: str = ""
    n_parameters: int | None = None
    bytes_on_disk: int | None = None
    n_labelled: int | None = None
    max_attempts: int = 1
    trials: tuple[Trial, ...] = ()
    unfinished: str = ""
    notes: tuple[str, ...] = ()
    prompt: str = ""
    fine_tuned: bool | None = None
    uses_definitions: bool = False
    runs_elsewhere: bool = False
    stages: Mapping[str, Stage] = field(default_factory=dict)
    metadata: Mapping[str, str | int | float] = field(default_factory=dict)

    @property
    def shipped_bytes(self) -> int | None:
        """Return the bytes that must be shipped to classify, or None where that is nothing."""
        if self.runs_elsewhere:
            return None
        return self.bytes_on_disk or sum(file.bytes for file in self.models) or None
