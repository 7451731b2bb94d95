"""A pre-trained encoder with a softmax head, all layers fine-tuned."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from classifiers.encoder.settings import EncoderSettings
from classifiers.encoder.training import Encoded, precision_for, train
from classifiers.interface import Listener

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


@dataclass(slots=True)
class FineTuned:
    """A trained sequence classifier; column i of its probabilities is `names[i]`."""

    model: PreTrainedModel
    settings: EncoderSettings

    @classmethod
    def start(cls, folder: Path, names: Sequence[str], settings: EncoderSettings, *, device: torch.device) -> FineTuned:
        """Read the weights in `folder`, or draw random ones of the same architecture; the head is always new."""
        from transformers import AutoConfig, AutoModelForSequenceClassification

        config = AutoConfig.from_pretrained(
            folder,
            num_labels=len(names),
            id2label=dict(enumerate(names)),
            label2id={name: i for i, name in enumerate(names)},
            trust_remote_code=False,
        )
        auto: Any = AutoModelForSequenceClassification
        if settings.pretrained:
            model = auto.from_pretrained(folder, config=config, use_safetensors=True, trust_remote_code=False)
        else:
            model = auto.from_config(config, trust_remote_code=False)
        return cls(model.to(device), settings)

    def fit(
        self, tokenizer: PreTrainedTokenizerBase, parts: tuple[Encoded, Encoded], *, seed: int, listen: Listener
    ) -> None:
        """Train on the first part, watching the second."""
        self.model = train(self.model, tokenizer, parts, self.settings, seed=seed, listen=listen)

    @classmethod
    def load(cls, folder: Path, settings: EncoderSettings, *, device: torch.device) -> FineTuned:
        """Read what `save` wrote."""
        from transformers import AutoModelForSequenceClassification

        auto: Any = AutoModelForSequenceClassification
        model = auto.from_pretrained(folder, use_safetensors=True, trust_remote_code=False)
        return cls(model.to(device).eval(), settings)

    def save(self, folder: Path) -> None:
        """Write the weights (safetensors)."""
        self.model.save_pretrained(folder)

    @property
    def n_parameters(self) -> int:
        """Count all weights, the head's included."""
        return int(self.model.num_parameters())

    @property
    def device(self) -> str:
        """Give the kind of processor it runs on."""
        return str(self.model.device.type)

    @property
    def precision(self) -> str:
        """Give the number type of the matrix products."""
        return precision_for(self.settings, self.device)

    def probabilities(self, batch: Any) -> list[list[float]]:
        """Give each row's softmax probabilities."""
        import torch

        low = getattr(torch, self.precision)
        context = nullcontext() if low is torch.float32 else torch.autocast(self.device, dtype=low)
        with torch.inference_mode(), context:
            logits = self.model(**batch.to(self.model.device)).logits
        rows: list[list[float]] = logits.float().softmax(-1).tolist()
        return rows
