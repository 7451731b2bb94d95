"""A frozen encoder with a logistic regression on its sentence embeddings: what fine-tuning has to beat.

The embedding is the mean of the last hidden states over a message's tokens, normalised to length 1, as
sentence-transformers makes it for the models it trained.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from classifiers.encoder.settings import EncoderSettings
from classifiers.heads.logistic import Model, Part, fit_logistic, label_probabilities, n_weights
from classifiers.heads.strength import STRENGTHS
from classifiers.interface import Listener, Task, Trial
from classifiers.models.safe_load import read_fitted

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

HEAD = "head.skops"
PLAIN = EncoderSettings()


@dataclass(slots=True)
class Frozen:
    """An encoder as it came, and a head that was fitted; column i of its probabilities is the task's label i."""

    model: PreTrainedModel
    head: Model | None
    task: Task
    trials: tuple[Trial, ...] = ()

    @classmethod
    def start(cls, folder: Path, task: Task, settings: EncoderSettings = PLAIN, *, device: torch.device) -> Frozen:
        """Read the encoder; the head is still to be fitted."""
        from transformers import AutoModel

        auto: Any = AutoModel
        model = auto.from_pretrained(folder, dtype="float32", **settings.reading)
        return cls(model.to(device).eval(), None, task)

    def fit(
        self,
        parts: tuple[Part, Part],
        *,
        seed: int,
        listen: Listener,
    ) -> None:
        """Fit the head on embeddings of shape (messages, width)."""
        fitted = fit_logistic(self.task, parts, STRENGTHS, max_iterations=1000, seed=seed, listen=listen)
        self.head, self.trials = fitted.model, fitted.trials

    @classmethod
    def load(cls, folder: Path, task: Task, *, device: torch.device) -> Frozen:
        """Read what `save` wrote; a head that names types unknown to skops is refused by it."""
        loaded = cls.start(folder, task, device=device)
        loaded.head = read_fitted(folder / HEAD)
        return loaded

    def save(self, folder: Path) -> None:
        """Write the encoder (safetensors) and the head (skops)."""
        from skops.io import dump

        self.model.save_pretrained(folder)
        dump(self.head, folder / HEAD)

    @property
    def n_parameters(self) -> int:
        """Count the encoder's weights and the head's."""
        return int(self.model.num_parameters()) + (0 if self.head is None else n_weights(self.head))

    @property
    def device(self) -> str:
        """Return the kind of processor it runs on."""
        return str(self.model.device.type)

    @property
    def precision(self) -> str:
        """Return the precision of the matrix products."""
        return "float32"

    def embed(self, batch: Any) -> NDArray[np.float32]:
        """Return each row's embedding, shape (rows, width)."""
        import torch

        from classifiers.finetune.pooled import mean_embedding

        batch = batch.to(self.model.device)
        with torch.inference_mode():
            embedding = mean_embedding(self.model, batch["input_ids"], batch["attention_mask"])
        vectors: NDArray[np.float32] = embedding.float().cpu().numpy()
        return vectors

    def probabilities(self, batch: Any) -> list[list[float]]:
        """Return each row's probabilities; a label that had no training message has 0."""
        assert self.head is not None
        rows: list[list[float]] = label_probabilities(self.head, self.embed(batch), self.task).tolist()
        return rows
