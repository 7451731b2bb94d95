"""A frozen encoder with a logistic regression on its sentence embeddings: what fine-tuning has to beat."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from classifiers.finetune.sentence import SentenceEncoder
from classifiers.finetune.settings import ModelSettings
from classifiers.heads.logistic import Model, Part, fit_logistic, label_probabilities, n_weights, read_head
from classifiers.heads.strength import Search
from classifiers.interface import Listener, Task, Trial

HEAD = "head.skops"


@dataclass(frozen=True, slots=True)
class Frozen:
    """An encoder as it came, and the head fitted on it; column i of its probabilities is the task's label i.

    `thresholds` are those of a task of several labels, and empty for others.
    """

    encoder: SentenceEncoder
    head: Model
    task: Task
    trials: tuple[Trial, ...] = ()
    thresholds: tuple[float, ...] = ()

    @classmethod
    def fit(
        cls, encoder: SentenceEncoder, task: Task, parts: tuple[Part, Part], *, seed: int, listen: Listener
    ) -> Frozen:
        """Fit the head on the parts' embeddings, of shape (messages, width)."""
        fitted = fit_logistic(task, parts, Search(seed=seed), listen=listen)
        return cls(encoder, fitted.model, task, fitted.trials, fitted.thresholds)

    @classmethod
    def load(cls, folder: Path, task: Task, *, device: torch.device) -> Frozen:
        """Read what `save` wrote; a head that names types unknown to skops is refused by it."""
        encoder = SentenceEncoder.open(folder, ModelSettings().reading, device=device)
        return cls(encoder, read_head(folder / HEAD, task), task)

    def save(self, folder: Path) -> None:
        """Write the encoder as sentence-transformers lays it out, and the head (skops)."""
        from skops.io import dump

        self.encoder.save(folder)
        dump(self.head, folder / HEAD)

    @property
    def n_parameters(self) -> int:
        """Count the encoder's weights and the head's."""
        return self.encoder.n_parameters + n_weights(self.head)

    @property
    def device(self) -> str:
        """Return the kind of processor it runs on."""
        return self.encoder.device

    @property
    def precision(self) -> str:
        """Return the precision of the matrix products."""
        return self.encoder.precision

    def probabilities(self, batch: Any) -> list[list[float]]:
        """Return each row's probabilities; a label that had no training message has 0."""
        rows: list[list[float]] = label_probabilities(self.head, self.encoder.embed(batch), self.task).tolist()
        return rows
