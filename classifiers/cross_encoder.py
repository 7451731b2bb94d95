"""Cross-encoders: models that read a message and a label's description together and score the pair.

One with a single output is a reranker. One with several, of which one is called entailment, was trained for natural
language inference, and the score is the log-odds of entailment.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from classifiers.errors import BenchError
from classifiers.heads.multilabel import Rows

if TYPE_CHECKING:
    from sentence_transformers import CrossEncoder

    from classifiers.finetune.settings import ModelSettings

ENTAILMENT = "entail"


@dataclass(frozen=True, slots=True)
class PairScorer:
    """A cross-encoder and the place of its entailment output, None where it has but one output."""

    model: CrossEncoder
    entailment: int | None

    @classmethod
    def open(cls, folder: Path, settings: ModelSettings) -> PairScorer:
        """Read a cross-encoder from a folder.

        Raises:
            BenchError: if it has several outputs and none of them is called entailment.
        """
        from sentence_transformers import CrossEncoder

        from classifiers.finetune.device import chosen_device

        reading = {key: value for key, value in settings.reading.items() if key != "trust_remote_code"}
        model = CrossEncoder(
            str(folder),
            device=str(chosen_device(settings.device)),
            max_length=settings.max_length,
            local_files_only=True,
            trust_remote_code=False,
            model_kwargs={**reading, "dtype": "float32"},
        )
        return cls(model, _entailment_of(model, folder))

    def scores(self, texts: Sequence[str], descriptions: Sequence[Sequence[str]]) -> Rows:
        """Return each label's score for each text, shape (texts, labels): the mean over the label's descriptions."""
        flat = [description for of_label in descriptions for description in of_label]
        pairs: Any = [(text, description) for text in texts for description in flat]
        outputs = np.asarray(self.model.predict(pairs, activation_fn=_identity(), show_progress_bar=False), np.float64)
        raw = self._scores_of(outputs).reshape(len(texts), len(flat))
        ends = np.cumsum([len(of_label) for of_label in descriptions])[:-1]
        return np.stack([columns.mean(1) for columns in np.split(raw, ends, axis=1)], axis=1)

    def save(self, folder: Path) -> None:
        """Write model and tokenizer (safetensors)."""
        self.model.save_pretrained(str(folder), safe_serialization=True)

    @property
    def device(self) -> str:
        """Return the kind of processor it runs on."""
        return str(self.model.device.type)

    @property
    def precision(self) -> str:
        """Return the precision of the matrix products."""
        return "float32"

    @property
    def n_parameters(self) -> int:
        """Count all weights."""
        return sum(int(weights.numel()) for weights in self.model.parameters())

    def _scores_of(self, outputs: Rows) -> Rows:
        if self.entailment is None:
            return outputs.reshape(-1)
        from scipy.special import logsumexp

        others = np.delete(outputs, self.entailment, axis=1)
        scores: Rows = outputs[:, self.entailment] - logsumexp(others, axis=1)
        return scores


def _identity() -> Any:
    from torch.nn import Identity

    return Identity()


def _entailment_of(model: CrossEncoder, folder: Path) -> int | None:
    config: Any = model.config
    if config.num_labels == 1:
        return None
    outputs = {int(place): str(name) for place, name in config.id2label.items()}
    for place, name in outputs.items():
        if name.lower().startswith(ENTAILMENT):
            return place
    raise BenchError(
        f"the cross-encoder in {folder} has the outputs {', '.join(outputs.values())}; it must have one alone, as "
        "rerankers have, or one called entailment"
    )
