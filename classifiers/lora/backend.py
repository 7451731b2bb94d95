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

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from classifiers.errors import BenchError
from classifiers.heads.multilabel import DEFAULT_THRESHOLD, decide, label_matrix, tune_thresholds
from classifiers.interface import (
    Attempt,
    Classifier,
    Details,
    FetchReport,
    Listener,
    Message,
    ModelFile,
    Prediction,
    Task,
    quiet,
    silent,
)
from classifiers.lora.causal_llm import CausalLLM, model_of
from classifiers.lora.settings import LoraSettings
from classifiers.models.cache import LocalModel, first_model

if TYPE_CHECKING:
    from classifiers.finetune.fine_tuned import FineTuned

WEIGHTS = "adapter_model.safetensors"


class Lora(Classifier[LoraSettings]):
    """A causal LLM with a classification head, adapted by LoRA."""

    settings_type = LoraSettings
    batch_size = 512
    task: Task
    llm: CausalLLM
    fitted: FineTuned

    def __init__(self, settings: LoraSettings | None = None, *, seed: int = 0, threads: int = 1) -> None:
        super().__init__(settings, seed=seed, threads=threads)
        self.thresholds: tuple[float, ...] = ()
        self._notes: tuple[str, ...] = ()

    def fetch(self, report: FetchReport = quiet) -> None:
        """Fetch the first of the named models that is available.

        Raises:
            BenchError: if peft is missing, or no model is available.
        """
        try:
            import peft  # noqa: F401
        except ImportError as error:
            raise BenchError("backend 'lora' needs peft; install it with: pip install '.[lora]'") from error
        first_model(self.settings.model, report=report)

    def model_files(self) -> tuple[ModelFile, ...]:
        """Return the weights of the first of the named models that is available."""
        return first_model(self.settings.model)[0].files

    def load(self) -> None:
        """Find the weights and read the tokenizer; the head's size is known only in `fit`."""
        local, refusals = first_model(self.settings.model)
        self._open(local)
        if refusals:
            self._notes = (f"'{local.name}' was run in place of '{self.settings.model[0]}': {refusals[0]}",)

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
        self.task = task
        tokens = self.llm.tokens
        first, second = (Encoded.of(tokens.ids([m.text for m in part])[0], part, task) for part in (train, validation))
        self.fitted = FineTuned(self._adapted(), self.settings.training)
        self.fitted.fit(tokens.tokenizer, (first, second), seed=self.seed, listen=listen)
        if task.takes_several and validation:
            rows = np.array(tokens.run_by_length(second.input_ids, self.fitted.probabilities))
            self.thresholds = tune_thresholds(rows, label_matrix(validation, task.label_names))

    def _adapted(self) -> Any:
        """Put matrices, which change nothing yet, beside the LLM's layers."""
        from peft import LoraConfig, TaskType, get_peft_model

        settings = self.settings
        config = LoraConfig(
            task_type=TaskType.SEQ_CLS,
            r=settings.rank,
            lora_alpha=settings.alpha,
            lora_dropout=settings.dropout,
            target_modules=settings.target_modules
            if isinstance(settings.target_modules, str)
            else [*settings.target_modules],
        )
        model: Any = get_peft_model(self.llm.with_head(self.task, settings), config)
        # with a name there, every checkpoint begins with a look on the Hub for the model's vocabulary
        model.peft_config["default"].base_model_name_or_path = None
        return model

    def predict(self, texts: Sequence[str]) -> Iterator[Prediction]:
        """Return label and probabilities; batched by length, answered in the given order."""
        ids, truncated = self.llm.tokens.ids(texts)
        rows = self.llm.tokens.run_by_length(ids, self.fitted.probabilities)
        for row, tokens, cut in zip(rows, ids, truncated, strict=True):
            labels = decide(row, self.task, self.thresholds or (DEFAULT_THRESHOLD,) * len(row))
            attempt = Attempt(raw=", ".join(labels), labels=labels, valid=True, prompt_tokens=len(tokens))
            probabilities = dict(zip(self.task.label_names, row, strict=True))
            yield Prediction(labels, probabilities=probabilities, attempts=(attempt,), truncated=cut)

    def save(self, folder: Path) -> None:
        """Write what was learnt (safetensors) and, last, of which model and for which labels."""
        from classifiers.finetune.saved import Saved

        self.fitted.save(folder)
        saved = Saved(
            labels=self.task.label_names,
            models=self.llm.files,
            model_name=self.llm.name,
            notes=self._notes,
            thresholds=self.thresholds,
        )
        saved.write(folder)

    def load_from(self, folder: Path, task: Task) -> None:
        """Read the LLM that was adapted, and what `save` wrote.

        Raises:
            BenchError: if the folder holds nothing whole or something for other labels, or the LLM is not available.
        """
        from peft import PeftModel

        from classifiers.finetune.fine_tuned import FineTuned
        from classifiers.finetune.saved import read_saved

        saved = read_saved(folder, task)
        if not (folder / WEIGHTS).is_file():  # peft would go on to look for a pickle
            raise BenchError(f"{folder} holds no {WEIGHTS}")
        self.task, self.thresholds, self._notes = task, saved.thresholds, saved.notes
        self._open(model_of(saved.models, self.settings.model))
        model: Any = PeftModel.from_pretrained(self.llm.with_head(task, self.settings), folder)
        self.fitted = FineTuned(model.eval(), self.settings.training)

    def close(self) -> None:
        """Drop model and tokenizer."""
        vars(self).pop("fitted", None)
        vars(self).pop("llm", None)

    def details(self) -> Details:
        """Name the model that ran, where and in which precision; it ships the LLM's file and what was learnt."""
        named = self.fitted.model.named_parameters()
        return Details(
            model=self.llm.name,
            models=self.llm.files,
            device=str(self.fitted.device),
            precision=self.fitted.precision,
            n_parameters=sum(p.numel() for name, p in named if "original_module" not in name),  # the untrained head
            bytes_on_disk=sum(file.bytes for file in self.llm.files) + 4 * self._n_learnt,
            notes=self._notes,
            metadata={"learnt_parameters": self._n_learnt},
        )

    @property
    def _n_learnt(self) -> int:
        from peft import get_peft_model_state_dict

        return sum(int(weights.numel()) for weights in get_peft_model_state_dict(self.fitted.model).values())

    def _open(self, local: LocalModel) -> None:
        import torch

        torch.set_num_threads(self.threads)
        self.llm = CausalLLM.open(local, self.settings)
