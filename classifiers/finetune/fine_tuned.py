"""A pre-trained encoder with a linear head, softmax or one sigmoid per label, all layers fine-tuned."""

from __future__ import annotations

from contextlib import nullcontext
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from classifiers.finetune.device import PROCESSOR, precision_for
from classifiers.finetune.label_config import label_config, takes_several
from classifiers.finetune.settings import TrainingSettings
from classifiers.finetune.tokens import body_folder
from classifiers.interface import Listener, Task, Trial

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from classifiers.finetune.sentence import SentenceEncoder
    from classifiers.finetune.trainer import Encoded


@dataclass(slots=True)
class FineTuned:
    """A trained sequence classifier; column i of its probabilities is the task's label i.

    In bfloat16 it answers with a copy of its weights: to round them anew for every batch, as autocast does, takes as
    long as one message alone (minilm-l6, 2 cores: 4.0 ms with the copy, 7.7 without).
    """

    model: PreTrainedModel
    settings: TrainingSettings
    trials: tuple[Trial, ...] = field(default=(), init=False)
    _rounded: PreTrainedModel | None = field(default=None, init=False)

    @classmethod
    def start(cls, folder: Path, task: Task, settings: TrainingSettings, *, device: torch.device) -> FineTuned:
        """Read the weights in `folder`, or draw random ones of the same architecture; the head is always new."""
        from transformers import AutoConfig, AutoModelForSequenceClassification

        config = AutoConfig.from_pretrained(folder, **label_config(task), trust_remote_code=False)
        auto: Any = AutoModelForSequenceClassification
        if settings.pretrained:
            model = auto.from_pretrained(folder, config=config, dtype="float32", **settings.reading)
        else:
            model = auto.from_config(config, trust_remote_code=False)
        return cls(model.to(device), settings)

    @classmethod
    def begin(cls, encoder: SentenceEncoder, head: Any, task: Task, settings: TrainingSettings) -> FineTuned:
        """Go on from an encoder and the logistic regression fitted on its embeddings."""
        from classifiers.finetune.pooled import PooledClassifier

        return cls(PooledClassifier.begin(encoder, head, task), settings)

    def fit(
        self, tokenizer: PreTrainedTokenizerBase, parts: tuple[Encoded, Encoded], *, seed: int, listen: Listener
    ) -> None:
        """Train on the first part, watching the second."""
        from classifiers.finetune.trainer import train  # takes the Trainer along, which answering has no use for

        self.trials = train(self.model, tokenizer, parts, self.settings, seed=seed, listen=listen)
        self._rounded = None

    @classmethod
    def load(cls, folder: Path, task: Task, settings: TrainingSettings, *, device: torch.device) -> FineTuned:
        """Read what `save` wrote."""
        from transformers import AutoModelForSequenceClassification

        from classifiers.finetune.pooled import PooledClassifier

        auto: Any = AutoModelForSequenceClassification
        if body_folder(folder) != folder:
            model: Any = PooledClassifier.read(folder, task, device=device)
        else:
            model = auto.from_pretrained(folder, use_safetensors=True, trust_remote_code=False).to(device)
        return cls(model.eval(), settings)

    def save(self, folder: Path) -> None:
        """Write the weights (safetensors) as other programs open them.

        A softmax head as transformers lays it out, a head on a sentence embedding as sentence-transformers does.
        """
        from classifiers.finetune.pooled import PooledClassifier

        if isinstance(self.model, PooledClassifier):
            self.model.write(folder)
        else:
            self.model.save_pretrained(folder)

    @property
    def takes_several(self) -> bool:
        """Tell whether a message may have none or several labels."""
        return takes_several(self.model.config)

    @property
    def n_parameters(self) -> int:
        """Count all weights, the head's included."""
        return int(self.model.num_parameters())

    @property
    def device(self) -> str:
        """Return the kind of processor it runs on."""
        return str(self.model.device.type)

    @property
    def precision(self) -> str:
        """Return the precision of the matrix products."""
        return precision_for(self.settings.precision, self.device)

    @property
    def _answering(self) -> PreTrainedModel:
        """Return the model whose weights have the precision of the products, but for float16, whose range is small."""
        import torch

        if self.precision != "bfloat16":
            return self.model
        if self._rounded is None:
            copied: Any = deepcopy(self.model)
            self._rounded = copied.to(torch.bfloat16)
        return self._rounded

    def move_to_processor(self) -> None:
        """Compute on the processor from now on, where exports are made and answer."""
        moved: Any = self.model
        moved.to(PROCESSOR)
        self._rounded = None

    def probabilities(self, batch: Any) -> list[list[float]]:
        """Return each row's probabilities, which add up to 1 only where a message has one label."""
        import torch

        context = torch.autocast(self.device, torch.float16) if self.precision == "float16" else nullcontext()
        with torch.inference_mode(), context:
            logits = self._answering(**batch.to(self.model.device)).logits
        rows: list[list[float]] = (
            logits.float().sigmoid() if self.takes_several else logits.float().softmax(-1)
        ).tolist()
        return rows
