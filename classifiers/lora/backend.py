"""Classifies with a fine-tuned causal LLM: LoRA matrices beside its linear layers, and a head on its last token.

The blog post's first idea. Of the LLM itself no weight changes: what is learnt are pairs of low-rank matrices (LoRA,
Hu et al. 2021, arXiv 2106.09685) and the head. peft makes them, and the encoder's training loop trains them. A GGUF is
unpacked by transformers to dense weights: the very file that a prompted row runs, so the two rows compare the ways of
using one model.

Small models are what is run and tested here. An 8B works the same way but was not run: `model =
"llama-3-8b-instruct"` is 16 GB of bfloat16 weights, and at rank 16 the 42 million weights that are learnt take 0.7 GB
more with gradients and Adam's moments, before activations. That asks for a graphics card of 24 GB or more and a
`batch_size` of 4 or less.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from classifiers.errors import BenchError
from classifiers.exporting import Deployment, Wanted, usage
from classifiers.finetune.base import TokenClassifier, ready
from classifiers.finetune.saved import Saved
from classifiers.interface import Details, FetchReport, Listener, Message, Task, quiet, silent
from classifiers.lora.causal_llm import CausalLLM, model_of
from classifiers.lora.settings import LoraSettings
from classifiers.models.cache import LocalModel

if TYPE_CHECKING:
    from classifiers.finetune.fine_tuned import FineTuned

Adapted: TypeAlias = "FineTuned"
WEIGHTS = "adapter_model.safetensors"


class Lora(TokenClassifier[LoraSettings, Adapted]):
    """A causal LLM with a classification head, adapted by LoRA."""

    settings_type = LoraSettings
    kind = None

    def __init__(self, settings: LoraSettings | None = None, *, seed: int = 0, threads: int = 1) -> None:
        super().__init__(settings, seed=seed, threads=threads)
        self._llm: CausalLLM | None = None

    @property
    def llm(self) -> CausalLLM:
        """Return the LLM that is adapted."""
        return ready(self._llm)

    def fetch(self, report: FetchReport = quiet) -> None:
        """Fetch the first of the named models that is available.

        Raises:
            BenchError: if peft is missing, or no model is available.
        """
        try:
            import peft  # noqa: F401
        except ImportError as error:
            raise BenchError("backend 'lora' needs peft; install it with: pip install '.[lora]'") from error
        super().fetch(report)

    def load(self) -> None:
        """Find the weights and read the tokenizer; the head's size is known only in `fit`."""
        self._open(self._find_model())

    def fit(
        self,
        task: Task,
        train: Sequence[Message],
        validation: Sequence[Message],
        *,
        listen: Listener = silent,
    ) -> None:
        """Train the matrices and the head; epochs are told to `listen` with loss and accuracy of both parts."""
        from transformers import set_seed

        from classifiers.finetune.fine_tuned import FineTuned
        from classifiers.finetune.trainer import Encoded

        set_seed(self.seed)
        self._task, self.thresholds = task, ()
        tokens = self.tokens
        first, second = (Encoded.of(tokens.ids([m.text for m in part])[0], part, task) for part in (train, validation))
        self._network = FineTuned(self._adapted(), self.settings.training)
        self._network.fit(tokens.tokenizer, (first, second), seed=self.seed, listen=listen)
        self._trials = self._network.trials
        self._tune_thresholds(validation, second.input_ids)

    def _adapted(self) -> Any:
        """Put matrices, which change nothing yet, beside the LLM's layers."""
        from peft import LoraConfig, TaskType, get_peft_model

        settings = self.settings
        targets = settings.target_modules
        config = LoraConfig(
            task_type=TaskType.SEQ_CLS,
            r=settings.rank,
            lora_alpha=settings.alpha,
            lora_dropout=settings.dropout,
            target_modules=targets if isinstance(targets, str) else [*targets],
        )
        model: Any = get_peft_model(self.llm.with_head(self.task, settings), config)
        # with a name there, every checkpoint begins with a look on the Hub for the model's vocabulary
        model.peft_config["default"].base_model_name_or_path = None
        return model

    def export(self, folder: Path, wanted: Wanted) -> Deployment:
        """Write what `save` writes: an adapter, to be laid on the LLM that it was trained on."""
        wanted.refuse_graphs("an adapter")
        self.save(folder)
        shown = usage("peft", self.task)
        code = shown.code.replace("BASE", ", ".join(map(repr, self.llm.reading)))
        return self._deployment("peft", replace(shown, code=code))

    def close(self) -> None:
        """Drop model and tokenizer."""
        super().close()
        self._llm = None

    def details(self) -> Details:
        """Name the model that ran, where and in which precision; it ships the LLM's file and what was learnt."""
        named = self.network.model.named_parameters()
        return replace(
            super().details(),
            n_parameters=sum(p.numel() for name, p in named if "original_module" not in name),  # the untrained head
            bytes_on_disk=sum(file.bytes for file in self.llm.files) + 4 * self._n_learnt,
            metadata={"learnt_parameters": self._n_learnt},
        )

    @property
    def _n_learnt(self) -> int:
        from peft import get_peft_model_state_dict

        return sum(int(weights.numel()) for weights in get_peft_model_state_dict(self.network.model).values())

    def _answer(self, batch: Any) -> list[list[float]]:
        return self.network.probabilities(batch)

    def _write(self, folder: Path) -> None:
        self.network.save(folder)

    def _read(self, folder: Path, saved: Saved) -> None:
        """Read the LLM that was adapted, and what was learnt."""
        from peft import PeftModel

        from classifiers.finetune.fine_tuned import FineTuned

        if not (folder / WEIGHTS).is_file():  # peft would go on to look for a pickle
            raise BenchError(f"{folder} holds no {WEIGHTS}")
        self._open(model_of(saved.models, self.settings.model))
        model: Any = PeftModel.from_pretrained(self.llm.with_head(self.task, self.settings), folder)
        self._network = FineTuned(model.eval(), self.settings.training)

    def _open(self, local: LocalModel) -> None:
        self._llm = CausalLLM.open(local, self.settings)
        self._tokens = self._llm.tokens
