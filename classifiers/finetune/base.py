"""What all backends share whose model reads a message's tokens: find the model, answer in batches, save, read again.

Which network answers, and how it learns, is theirs to write.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Protocol, TypeVar

import numpy as np

from classifiers.errors import BenchError
from classifiers.exporting import Deployment, Usage
from classifiers.finetune.saved import Saved, read_saved
from classifiers.finetune.settings import ModelSettings
from classifiers.finetune.tokens import Ids, MessageTokens
from classifiers.heads.multilabel import DEFAULT_THRESHOLD, decide, label_matrix, thresholds_for, tune_thresholds
from classifiers.interface import (
    Attempt,
    Classifier,
    Details,
    FetchReport,
    Message,
    ModelFile,
    Prediction,
    Task,
    Trial,
    quiet,
)
from classifiers.models.cache import LocalModel, first_model
from classifiers.models.catalogue import Kind

if TYPE_CHECKING:
    import torch


class Network(Protocol):
    """What answers: where it computes, in which precision, and its number of weights."""

    @property
    def device(self) -> str:
        """Return the kind of processor it runs on."""

    @property
    def precision(self) -> str:
        """Return the precision of its matrix products."""

    @property
    def n_parameters(self) -> int:
        """Return its number of weights."""


UNTRIED = f"every label's threshold is {DEFAULT_THRESHOLD}, untried: there were no validation messages"

M = TypeVar("M", bound=ModelSettings)
N = TypeVar("N", bound=Network)
T = TypeVar("T")


def ready(part: T | None) -> T:
    """Return a part that `load`, `fit` or `load_from` makes.

    Raises:
        BenchError: if it is not there yet, or no longer.
    """
    if part is None:
        raise BenchError("the classifier is not ready: call load and fit, or load_from, before it answers or is saved")
    return part


class TokenClassifier(Classifier[M], Generic[M, N]):
    """Base of backends that read a message as tokens and answer with the probability of every label."""

    batch_size = 512
    kind: ClassVar[Kind | None] = "encoder"
    """Which models may be named; None leaves it to each name."""
    prefix: str = ""
    """What is put before every message."""

    def __init__(self, settings: M | None = None, *, seed: int = 0, threads: int = 1) -> None:
        super().__init__(settings, seed=seed, threads=threads)
        self.thresholds: tuple[float, ...] = ()
        self._models: tuple[ModelFile, ...] = ()
        self._model_name = ""
        self._notes: tuple[str, ...] = ()
        self._trials: tuple[Trial, ...] = ()
        self._task: Task | None = None
        self._tokens: MessageTokens | None = None
        self._network: N | None = None

    @property
    def task(self) -> Task:
        """Return what it was fitted for."""
        return ready(self._task)

    @property
    def tokens(self) -> MessageTokens:
        """Return the tokenizer."""
        return ready(self._tokens)

    @property
    def network(self) -> N:
        """Return what answers."""
        return ready(self._network)

    def fetch(self, report: FetchReport = quiet) -> None:
        """Fetch the first of the named models that is available."""
        self._first_model(report)

    def model_files(self) -> tuple[ModelFile, ...]:
        """Return the weights of the first of the named models that is available."""
        return self._first_model()[0].files

    def predict(self, texts: Sequence[str]) -> Iterator[Prediction]:
        """Return labels and probabilities; batched by length, answered in the given order."""
        ids, is_cut = self.tokens.ids([self.prefix + text for text in texts])
        rows = self.tokens.run_by_length(ids, self._answer)
        for row, message_ids, truncated in zip(rows, ids, is_cut, strict=True):
            yield self.prediction(row, n_tokens=len(message_ids), truncated=truncated)

    def prediction(self, row: Sequence[float], *, n_tokens: int = 0, truncated: bool = False) -> Prediction:
        """Return the prediction that every label's probability leads to."""
        labels = self._labels(row)
        attempt = Attempt(raw=", ".join(labels), labels=labels, valid=True, prompt_tokens=n_tokens)
        probabilities = dict(zip(self.task.label_names, row, strict=True))
        return Prediction(labels, probabilities=probabilities, attempts=(attempt,), truncated=truncated)

    def save(self, folder: Path) -> None:
        """Write the model (safetensors) and, last, what else `load_from` needs."""
        self._write(folder)
        self._saved().write(folder)

    def load_from(self, folder: Path, task: Task) -> None:
        """Read what `save` wrote.

        Raises:
            BenchError: if the folder holds no whole model or one of another task.
        """
        from safetensors import SafetensorError

        saved = read_saved(folder, task)
        self._use_threads()
        self._task, self.thresholds, self._trials = task, saved.thresholds, saved.trials
        self._models, self._model_name, self._notes = saved.models, saved.model_name, saved.notes
        try:
            self._read(folder, saved)
        except (OSError, ValueError, LookupError, TypeError, AttributeError, RuntimeError, SafetensorError) as error:
            reason = " ".join(str(error).split())[:200]
            raise BenchError(f"the model in {folder} cannot be read: {reason}; run the benchmark again") from error

    def close(self) -> None:
        """Drop model and tokenizer."""
        self._network = self._tokens = None

    def details(self) -> Details:
        """Name the model that ran, and where."""
        untried = self.task.takes_several and not self.thresholds
        return Details(
            model=self._model_name,
            models=self._models,
            device=self._described.device,
            precision=self._described.precision,
            n_parameters=self._described.n_parameters,
            notes=(*self._notes, UNTRIED) if untried else self._notes,
            trials=self._trials,
        )

    @abstractmethod
    def _answer(self, batch: Any) -> list[list[float]]:
        """Return a row of probabilities per message of a batch of tensors, in the task's order of labels."""

    @abstractmethod
    def _write(self, folder: Path) -> None:
        """Write the model and its tokenizer."""

    @abstractmethod
    def _read(self, folder: Path, saved: Saved) -> None:
        """Read what `_write` wrote."""

    @property
    def _described(self) -> Network:
        """Return the network whose figures stand in the record."""
        return self.network

    def _saved(self) -> Saved:
        return Saved(
            labels=self.task.label_names,
            models=self._models,
            model_name=self._model_name,
            notes=self._notes,
            thresholds=self.thresholds,
            trials=self._trials,
        )

    def _deployment(self, library: str, *usages: Usage) -> Deployment:
        """Describe what was exported."""
        return Deployment(
            library,
            usages,
            base_model=self._model_name,
            max_length=self.tokens.limit,
            thresholds=thresholds_for(self.task, self.thresholds),
        )

    def _first_model(self, report: FetchReport = quiet) -> tuple[LocalModel, list[str]]:
        settings = self.settings
        return first_model(settings.model, self.kind, report=report, allow_pickle=settings.allow_pickle)

    def _find_model(self) -> LocalModel:
        """Return the model to run; its name, its files and whose place it takes are kept for the record."""
        self._use_threads()
        local, refusals = self._first_model()
        self._models, self._model_name = local.files, local.name
        if refusals:
            self._notes = (f"'{local.name}' was run in place of '{self.settings.model[0]}': {refusals[0]}",)
        return local

    def _labels(self, row: Sequence[float]) -> tuple[str, ...]:
        return decide(row, self.task, self.thresholds)

    def _tune_thresholds(self, validation: Sequence[Message], ids: Ids) -> None:
        """Choose each label's threshold on validation messages, where a message may have several labels."""
        if self.task.takes_several and validation:
            rows = np.array(self.tokens.run_by_length(ids, self._answer))
            self.thresholds = tune_thresholds(rows, label_matrix(validation, self.task.label_names))

    def _device(self) -> torch.device:
        from classifiers.finetune.device import chosen_device

        return chosen_device(self.settings.device)

    def _use_threads(self) -> None:
        import torch

        torch.set_num_threads(self.threads)
