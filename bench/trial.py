"""Let the trained classifiers of a run answer a message that somebody types."""

from __future__ import annotations

from contextlib import ExitStack
from types import TracebackType
from typing import Any

from bench.config import RunConfig
from bench.records import PredictionRecord, RunFolder
from bench.worker import make_classifier
from classifiers.interface import BenchError, Classifier, Label, Saveable, Task


class Trial:
    """The saved classifiers of a run, in memory.

    Raises:
        BenchError: if the run has none that can be taken up again.
    """

    def __init__(self, run: RunFolder) -> None:
        record = run.read()
        config = RunConfig.model_validate(record.config)
        labels = tuple(Label(label["name"], label["definition"]) for label in record.task["labels"])
        task = Task(record.task["name"], labels, record.task["instruction"])
        self.classifiers: dict[str, Classifier[Any]] = {}
        self.open = ExitStack()
        for cell, folder in run.cells():
            if cell.status != "ok" or not folder.model.is_dir():
                continue
            classifier = self.open.enter_context(
                make_classifier(config.cell(cell.classifier), threads=config.threads_per_cell)
            )
            if isinstance(classifier, Saveable):
                classifier.load_from(folder.model, task)
                self.classifiers[cell.classifier] = classifier
        if not self.classifiers:
            raise BenchError(f"{run.path} holds no saved classifier; run the benchmark here first: bench run")

    def __enter__(self) -> Trial:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.open.close()

    def answer(self, text: str) -> dict[str, PredictionRecord]:
        """Give every classifier's answer to a message."""
        answers = {}
        for name, classifier in self.classifiers.items():
            (prediction,) = classifier.predict([text])
            probabilities = dict(prediction.probabilities) if prediction.probabilities is not None else None
            answers[name] = PredictionRecord(
                "typed", text, (), prediction.labels, prediction.valid, probabilities, prediction.attempts
            )
        return answers
