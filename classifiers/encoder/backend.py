"""Classifies with any Hugging Face encoder: fine-tuned with a softmax head, or frozen with a linear one."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from classifiers.encoder.settings import EncoderSettings
from classifiers.interface import (
    Attempt,
    BenchError,
    Classifier,
    FetchReport,
    Listener,
    Message,
    ModelFile,
    Prediction,
    Task,
    quiet,
    silent,
)
from classifiers.models import first_model

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedTokenizerBase

    from classifiers.encoder.fine_tuned import FineTuned
    from classifiers.encoder.frozen import Frozen
    from classifiers.encoder.training import Encoded

R = TypeVar("R")
INFERENCE_BATCH = 32
MARK = "fitted.json"


class Encoder(Classifier[EncoderSettings]):
    """A pre-trained encoder, fine-tuned whole or frozen under a logistic regression."""

    settings_type = EncoderSettings
    batch_size = 512
    fitted: FineTuned | Frozen
    tokenizer: PreTrainedTokenizerBase

    def __init__(self, settings: EncoderSettings | None = None, *, seed: int = 0, threads: int = 1) -> None:
        super().__init__(settings, seed=seed, threads=threads)
        self._notes: tuple[str, ...] = ()
        self._models: tuple[ModelFile, ...] = ()
        self._model_name = ""

    def fetch(self, report: FetchReport = quiet) -> None:
        """Have the first of the named models that can be had on this machine."""
        first_model(self.settings.model, "encoder", report=report)

    def load(self) -> None:
        """Find the weights and read the tokenizer; the head's size is known only in `fit`."""
        import torch
        from transformers import AutoTokenizer

        torch.set_num_threads(self.threads)
        local, refusals = first_model(self.settings.model, "encoder")
        self._models, self._model_name = local.files, local.name
        if not self.settings.pretrained:
            self._notes += ("trained from random weights: only the architecture is that of the model named",)
        if refusals:
            self._notes += (f"'{local.name}' was run in place of '{self.settings.model[0]}': {refusals[0]}",)
        self._folder = local.path
        self.tokenizer = AutoTokenizer.from_pretrained(local.path, trust_remote_code=False)

    def fit(
        self,
        task: Task,
        train: Sequence[Message],
        validation: Sequence[Message],
        *,
        listen: Listener = silent,
    ) -> None:
        """Fine-tune all layers, or with `head = "linear"` fit a logistic regression on the frozen encoder.

        Epochs are told to `listen` with loss and accuracy of both parts.
        """
        from transformers import set_seed

        from classifiers.encoder.fine_tuned import FineTuned

        set_seed(self.seed)
        self.names = task.label_names
        parts = self._encode(train), self._encode(validation)
        if self.settings.head == "linear":
            self.fitted = self._fit_frozen(parts, listen)
            return
        tuned = FineTuned.start(self._folder, self.names, self.settings, device=self._device())
        tuned.fit(self.tokenizer, parts, seed=self.seed, listen=listen)
        self.fitted = tuned

    def _fit_frozen(self, parts: tuple[Encoded, Encoded], listen: Listener) -> Frozen:
        from classifiers.encoder.frozen import Frozen

        frozen = Frozen.start(self._folder, self.names, device=self._device())
        train, validation = (
            (np.array(list(self._by_length(part.input_ids, frozen.embed))), [self.names[i] for i in part.labels])
            for part in parts
        )
        frozen.fit(train, validation, seed=self.seed, listen=listen)
        return frozen

    def predict(self, texts: Sequence[str]) -> Iterator[Prediction]:
        """Give label and probabilities; batched by length, answered in the given order."""
        ids, truncated = self._tokenize(texts)
        rows = self._by_length(ids, self.fitted.probabilities)
        for row, tokens, cut in zip(rows, ids, truncated, strict=True):
            yield self._prediction(row, len(tokens), cut)

    def _by_length(self, ids: Sequence[Sequence[int]], run: Callable[[Any], Iterable[R]]) -> list[R]:
        """Run batches of messages of like length, which need little padding, and give results in the given order."""
        order = sorted(range(len(ids)), key=lambda i: len(ids[i]))
        results: dict[int, R] = {}
        for start in range(0, len(order), INFERENCE_BATCH):
            chosen = order[start : start + INFERENCE_BATCH]
            results.update(zip(chosen, run(self._padded([ids[i] for i in chosen])), strict=True))
        return [results[i] for i in range(len(ids))]

    def save(self, folder: Path) -> None:
        """Write weights (safetensors), tokenizer and, last, what else `load_from` needs."""
        self.fitted.save(folder)
        self.tokenizer.save_pretrained(folder)
        models = [{"name": f.name, "sha256": f.sha256, "bytes": f.bytes} for f in self._models]
        body = {"labels": self.names, "models": models, "model_name": self._model_name, "notes": self._notes}
        (folder / MARK).write_text(json.dumps(body), encoding="utf-8")

    def load_from(self, folder: Path, task: Task) -> None:
        """Read what `save` wrote.

        Raises:
            BenchError: if the folder holds no whole model or one of another task.
        """
        import torch
        from transformers import AutoTokenizer

        from classifiers.encoder.fine_tuned import FineTuned
        from classifiers.encoder.frozen import Frozen

        torch.set_num_threads(self.threads)
        if not (folder / MARK).is_file():
            raise BenchError(f"{folder} holds no saved encoder")
        body = json.loads((folder / MARK).read_text(encoding="utf-8"))
        if tuple(body["labels"]) != task.label_names:
            raise BenchError(f"the encoder in {folder} was trained on other labels")
        self.names = task.label_names
        self._models = tuple(ModelFile(**file) for file in body["models"])
        self._model_name, self._notes = body["model_name"], tuple(body["notes"])
        self.tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
        if self.settings.head == "linear":
            self.fitted = Frozen.load(folder, self.names, device=self._device())
        else:
            self.fitted = FineTuned.load(folder, self.settings, device=self._device())

    def close(self) -> None:
        """Drop model and tokenizer."""
        vars(self).pop("fitted", None)
        vars(self).pop("tokenizer", None)

    @property
    def models(self) -> tuple[ModelFile, ...]:
        """Give the pre-trained weights it started from."""
        return self._models

    @property
    def notes(self) -> tuple[str, ...]:
        """Say it where the first model of the list was not the one that ran."""
        return self._notes

    @property
    def n_parameters(self) -> int | None:
        """Count all weights, the head's included."""
        return self.fitted.n_parameters

    @property
    def facts(self) -> Mapping[str, str | int | float]:
        """Name the model that ran, the device and the number type."""
        from classifiers.encoder.training import precision_for

        device = self.fitted.model.device.type
        precision = "float32" if self.settings.head == "linear" else precision_for(self.settings, device)
        return {"model": self._model_name, "device": device, "precision": precision}

    def _device(self) -> torch.device:
        import torch

        if self.settings.device != "auto":
            return torch.device(self.settings.device)
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")

    def _limit(self) -> int:
        """Give the most tokens a message may have: the setting, or less where the model takes less."""
        return min(self.settings.max_length, int(self.tokenizer.model_max_length))

    def _tokenize(self, texts: Sequence[str]) -> tuple[list[list[int]], list[bool]]:
        if not texts:
            return [], []
        whole: list[list[int]] = self.tokenizer(list(texts), truncation=False, verbose=False)["input_ids"]
        cut: list[list[int]] = self.tokenizer(list(texts), truncation=True, max_length=self._limit())["input_ids"]
        return cut, [len(a) < len(b) for a, b in zip(cut, whole, strict=True)]

    def _encode(self, messages: Sequence[Message]) -> Encoded:
        from classifiers.encoder.training import Encoded

        ids, _ = self._tokenize([m.text for m in messages])
        return Encoded(ids, [self.names.index(m.label) for m in messages])

    def _padded(self, ids: Sequence[Sequence[int]]) -> Any:
        fixed = self.settings.padding == "max_length"
        return self.tokenizer.pad(
            {"input_ids": list(map(list, ids))},
            padding=self.settings.padding,
            max_length=self._limit() if fixed else None,
            return_tensors="pt",
        )

    def _prediction(self, row: list[float], tokens: int, truncated: bool) -> Prediction:
        best = self.names[max(range(len(row)), key=row.__getitem__)]
        attempt = Attempt(raw=best, labels=(best,), valid=True, prompt_tokens=tokens)
        probabilities = dict(zip(self.names, row, strict=True))
        return Prediction((best,), probabilities=probabilities, attempts=(attempt,), truncated=truncated)
