"""Fine-tunes any Hugging Face encoder with a classification head, and answers with it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

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
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

INFERENCE_BATCH = 32
MARK = "fitted.json"


class Encoder(Classifier[EncoderSettings]):
    """A pre-trained encoder with a softmax head, all layers fine-tuned."""

    settings_type = EncoderSettings
    batch_size = 512
    model: PreTrainedModel
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
        if refusals:
            self._notes = (f"'{local.name}' was run in place of '{self.settings.model[0]}': {refusals[0]}",)
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
        """Fine-tune all layers; epochs are told to `listen` with loss and accuracy of both parts."""
        from transformers import AutoModelForSequenceClassification, set_seed

        from classifiers.encoder.training import train as run_training

        set_seed(self.seed)
        self.names = task.label_names
        model = AutoModelForSequenceClassification.from_pretrained(
            self._folder,
            num_labels=len(self.names),
            id2label=dict(enumerate(self.names)),
            label2id={name: i for i, name in enumerate(self.names)},
            use_safetensors=True,
            trust_remote_code=False,
        )
        model.to(self._device())  # type: ignore[arg-type]
        parts = self._encode(train), self._encode(validation)
        self.model = run_training(model, self.tokenizer, parts, self.settings, seed=self.seed, listen=listen)

    def predict(self, texts: Sequence[str]) -> Iterator[Prediction]:
        """Give label and softmax probabilities; batched by length, answered in the given order."""
        import torch

        ids, truncated = self._tokenize(texts)
        order = sorted(range(len(texts)), key=lambda i: len(ids[i]))
        rows: dict[int, list[float]] = {}
        with torch.inference_mode():
            for start in range(0, len(order), INFERENCE_BATCH):
                chosen = order[start : start + INFERENCE_BATCH]
                rows.update(zip(chosen, self._probabilities([ids[i] for i in chosen]), strict=True))
        for i in range(len(texts)):
            yield self._prediction(rows[i], len(ids[i]), truncated[i])

    def save(self, folder: Path) -> None:
        """Write weights (safetensors), tokenizer and, last, what else `load_from` needs."""
        self.model.save_pretrained(folder)
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
        from transformers import AutoModelForSequenceClassification, AutoTokenizer

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
        self.model = AutoModelForSequenceClassification.from_pretrained(
            folder, use_safetensors=True, trust_remote_code=False
        )
        self.model.to(self._device()).eval()  # type: ignore[arg-type, no-untyped-call]

    def close(self) -> None:
        """Drop model and tokenizer."""
        vars(self).pop("model", None)
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
        return int(self.model.num_parameters())

    @property
    def facts(self) -> Mapping[str, str | int | float]:
        """Name the model that ran, the device and the number type."""
        return {"model": self._model_name, "device": self.model.device.type, "dtype": str(self.model.dtype)}

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

    def _encode(self, messages: Sequence[Message]) -> Any:
        from classifiers.encoder.training import Encoded

        ids, _ = self._tokenize([m.text for m in messages])
        return Encoded(ids, [self.names.index(m.label) for m in messages])

    def _probabilities(self, ids: list[list[int]]) -> list[list[float]]:
        fixed = self.settings.padding == "max_length"
        batch = self.tokenizer.pad(
            {"input_ids": ids},
            padding=self.settings.padding,
            max_length=self._limit() if fixed else None,
            return_tensors="pt",
        ).to(self.model.device)
        rows: list[list[float]] = self.model(**batch).logits.float().softmax(-1).tolist()
        return rows

    def _prediction(self, row: list[float], tokens: int, truncated: bool) -> Prediction:
        best = self.names[max(range(len(row)), key=row.__getitem__)]
        attempt = Attempt(raw=best, labels=(best,), valid=True, prompt_tokens=tokens)
        probabilities = dict(zip(self.names, row, strict=True))
        return Prediction((best,), probabilities=probabilities, attempts=(attempt,), truncated=truncated)
