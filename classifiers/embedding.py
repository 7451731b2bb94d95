"""Sentence embeddings of messages, and what every backend that answers from them alone has in common.

The encoder is used as it came: nothing in it is trained. It is read, batched and saved as a frozen encoder is.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, Field, ValidationError, field_validator

from classifiers.encoder.settings import EncoderSettings
from classifiers.errors import BenchError
from classifiers.finetune.tokens import MessageTokens
from classifiers.heads.multilabel import DEFAULT_THRESHOLD, Rows, decide
from classifiers.interface import (
    Attempt,
    Classifier,
    Details,
    FetchReport,
    ModelFile,
    Prediction,
    Settings,
    Task,
    quiet,
)
from classifiers.models.cache import first_model

if TYPE_CHECKING:
    from classifiers.encoder.frozen import Frozen
    from classifiers.finetune.saved import Saved

Vectors = NDArray[np.float32]
"""A row of length 1 per text, so that the product of two rows is their cosine similarity."""
NO_TASK = Task("", ())
"""Stands in for the task of a frozen encoder, which only its head looks at; there is no head here."""


class EmbeddingSettings(Settings):
    """Which encoder embeds the messages: `model` is tried in order, and the first that is available is used.

    Encoders that were trained to embed sentences do best. `prefix` is put before every message, as some of them ask
    for. `max_length` counts tokens. `allow_pickle` also reads weights that a folder holds only as pickle.
    """

    model: tuple[str, ...] = Field(default=("minilm-l6",), min_length=1)
    prefix: str = ""
    max_length: int = Field(default=128, ge=8)
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    allow_pickle: bool = False

    @field_validator("model", mode="before")
    @classmethod
    def _one_or_many(cls, value: object) -> object:
        return (value,) if isinstance(value, str) else value

    @property
    def as_encoder(self) -> EncoderSettings:
        """Return the same as an encoder takes it."""
        values = self.model_dump(include={"model", "max_length", "device", "allow_pickle"})
        return EncoderSettings.model_validate(values | {"head": "linear"})


E = TypeVar("E", bound=EmbeddingSettings)


@dataclass(frozen=True, slots=True)
class Embedded:
    """Texts as the encoder read them: a vector, the number of tokens and whether the end was cut off, per text."""

    vectors: Vectors
    n_tokens: tuple[int, ...]
    is_cut: tuple[bool, ...]


class EmbeddingClassifier(Classifier[E]):
    """Base of backends that answer from sentence embeddings; `fit` and `probabilities` are theirs to write."""

    batch_size = 512
    task: Task

    def __init__(self, settings: E | None = None, *, seed: int = 0, threads: int = 1) -> None:
        super().__init__(settings, seed=seed, threads=threads)
        self.encoder: Frozen | None = None
        self.tokens: MessageTokens | None = None
        self.thresholds: tuple[float, ...] = ()
        self._models: tuple[ModelFile, ...] = ()
        self._model_name = ""
        self._notes: tuple[str, ...] = ()

    def fetch(self, report: FetchReport = quiet) -> None:
        """Fetch the first of the named models that is available."""
        first_model(self.settings.model, "encoder", report=report, allow_pickle=self.settings.allow_pickle)

    def model_files(self) -> tuple[ModelFile, ...]:
        """Return the weights of the first of the named models that can be had."""
        return first_model(self.settings.model, "encoder", allow_pickle=self.settings.allow_pickle)[0].files

    def load(self) -> None:
        """Find the weights and read them."""
        self._open(self._find_model())

    def embed(self, texts: Sequence[str], *, prefix: str | None = None) -> Embedded:
        """Embed texts, each behind `prefix`, or behind that of the settings."""
        assert self.encoder is not None
        assert self.tokens is not None
        before = self.settings.prefix if prefix is None else prefix
        ids, is_cut = self.tokens.ids([before + text for text in texts])
        rows = self.tokens.run_by_length(ids, self.encoder.embed)
        vectors = np.array(rows, np.float32).reshape(len(texts), -1)
        return Embedded(vectors, tuple(map(len, ids)), tuple(is_cut))

    @abstractmethod
    def probabilities(self, vectors: Vectors) -> Rows:
        """Return the probability of every label, a row per vector, in the task's order of labels."""

    def predict(self, texts: Sequence[str]) -> Iterator[Prediction]:
        """Return the labels of each text with every label's probability."""
        if not texts:
            return
        embedded = self.embed(texts)
        rows = self.probabilities(embedded.vectors).tolist()
        for row, n_tokens, is_cut in zip(rows, embedded.n_tokens, embedded.is_cut, strict=True):
            yield self.prediction(row, n_tokens=n_tokens, truncated=is_cut)

    def prediction(self, row: Sequence[float], *, n_tokens: int = 0, truncated: bool = False) -> Prediction:
        """Return the prediction that every label's probability leads to."""
        labels = decide(row, self.task, self.thresholds or (DEFAULT_THRESHOLD,) * len(row))
        attempt = Attempt(raw=", ".join(labels), labels=labels, valid=True, prompt_tokens=n_tokens)
        probabilities = dict(zip(self.task.label_names, row, strict=True))
        return Prediction(labels, probabilities=probabilities, attempts=(attempt,), truncated=truncated)

    def save(self, folder: Path) -> None:
        """Write the encoder (safetensors), its tokenizer and, last, what it was made of."""
        assert self.encoder is not None
        assert self.tokens is not None
        self.encoder.model.save_pretrained(folder)
        self.tokens.tokenizer.save_pretrained(folder)
        self._saved.write(folder)

    def load_from(self, folder: Path, task: Task) -> None:
        """Read what `save` wrote.

        Raises:
            BenchError: if the folder holds no whole model or one of another task.
        """
        from safetensors import SafetensorError

        self._take_up(folder, task)
        try:
            self._open(folder)
        except (OSError, ValueError, LookupError, TypeError, AttributeError, RuntimeError, SafetensorError) as error:
            reason = " ".join(str(error).split())[:200]
            raise BenchError(f"the encoder in {folder} cannot be read: {reason}; run the benchmark again") from error

    def close(self) -> None:
        """Drop model and tokenizer."""
        self.encoder = self.tokens = None

    def details(self) -> Details:
        """Name the model that ran, and where."""
        encoder = self.encoder
        return Details(
            model=self._model_name,
            models=self._models,
            device=encoder.device if encoder else "",
            precision=encoder.precision if encoder else "",
            n_parameters=encoder.n_parameters if encoder else None,
            notes=self._notes,
        )

    @property
    def _saved(self) -> Saved:
        from classifiers.finetune.saved import Saved

        return Saved(
            labels=self.task.label_names,
            models=self._models,
            model_name=self._model_name,
            notes=self._notes,
            thresholds=self.thresholds,
        )

    def _find_model(self) -> Path:
        local, refusals = first_model(self.settings.model, "encoder", allow_pickle=self.settings.allow_pickle)
        self._models, self._model_name = local.files, local.name
        if refusals:
            self._notes = (f"'{local.name}' was run in place of '{self.settings.model[0]}': {refusals[0]}",)
        return local.path

    def _take_up(self, folder: Path, task: Task) -> None:
        from classifiers.finetune.saved import read_saved

        saved = read_saved(folder, task)
        self.task, self.thresholds = task, saved.thresholds
        self._models, self._model_name, self._notes = saved.models, saved.model_name, saved.notes

    def _open(self, folder: Path) -> None:
        import torch

        from classifiers.encoder.frozen import Frozen
        from classifiers.finetune.trainer import chosen_device

        torch.set_num_threads(self.threads)
        settings = self.settings.as_encoder
        self.tokens = MessageTokens.open(folder, settings)
        self.encoder = Frozen.start(folder, NO_TASK, settings, device=chosen_device(self.settings.device))


M = TypeVar("M", bound=BaseModel)


def read_state(file: Path, kind: type[M]) -> M:
    """Read what a backend wrote of itself as JSON.

    Raises:
        BenchError: if the file is not there or is broken.
    """
    try:
        return kind.model_validate_json(file.read_bytes())
    except (OSError, ValidationError) as error:
        raise BenchError(f"{file} cannot be read; run the benchmark again") from error


def read_vectors(file: Path, *, n: int, width: int) -> Vectors:
    """Read n vectors that `numpy.save` wrote, without pickle.

    Raises:
        BenchError: if the file is not there, is broken or holds vectors of another shape.
    """
    try:
        vectors: Vectors = np.load(file, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise BenchError(f"{file} cannot be read; run the benchmark again") from error
    if vectors.shape != (n, width) or vectors.dtype != np.float32:
        raise BenchError(f"{file} does not hold {n} vectors of width {width}; run the benchmark again")
    return vectors
