"""Take up the trained classifiers of a run, and let them answer a message that somebody types."""

from __future__ import annotations

from contextlib import ExitStack
from types import TracebackType
from typing import Any

from bench.config.cells import make_classifier
from bench.records.store import RunFolder
from bench.records.types import PredictionRecord
from classifiers.errors import BenchError
from classifiers.interface import Classifier, Saveable, Task

BROKEN = (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError)
"""What reading a saved classifier raises where its files were damaged or changed."""
MAX_SHOWN = 200


def open_saved(run: RunFolder, name: str, *, threads: int | None = None, task: Task | None = None) -> Classifier[Any]:
    """Take up a classifier that a run has saved; the caller closes it.

    A prompted one can be given the run's `task` in other words.

    Raises:
        BenchError: if it is of a kind that cannot be taken up again, or its files are broken.
    """
    record = run.read()
    config = record.config
    classifier = make_classifier(config.cell(name), threads=threads or config.threads_per_cell)
    if not isinstance(classifier, Saveable):
        raise BenchError(f"'{name}' cannot be taken up again: its backend does not save what it fitted")
    folder = run.cell(name).model
    with ExitStack() as opened:
        opened.callback(classifier.close)
        try:
            classifier.load_from(folder, task or config.data.learnt(record.as_task()))
        except BROKEN as error:
            reason = " ".join(str(error).split())[:MAX_SHOWN]
            raise BenchError(f"the classifier in {folder} cannot be read: {reason}; run the benchmark again") from error
        opened.pop_all()
    return classifier


class SavedClassifiers:
    """The saved classifiers of a run, in memory; a context manager that closes them.

    Raises:
        BenchError: if the run has none that can be taken up again; those already open are then closed.
    """

    def __init__(self, run: RunFolder) -> None:
        self.classifiers: dict[str, Classifier[Any]] = {}
        with ExitStack() as opened:
            for name in run.saved():
                self.classifiers[name] = opened.enter_context(open_saved(run, name))
            self._open = opened.pop_all()
        if not self.classifiers:
            raise BenchError(f"{run.path} holds no saved classifier; run the benchmark here first: bench run")

    def __enter__(self) -> SavedClassifiers:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.close()

    def answer(self, text: str) -> dict[str, PredictionRecord]:
        """Return every classifier's answer to a message."""
        answers = {}
        for name, classifier in self.classifiers.items():
            (prediction,) = classifier.predict([text])
            probabilities = dict(prediction.probabilities) if prediction.probabilities is not None else None
            answers[name] = PredictionRecord(
                "typed", text, (), prediction.labels, prediction.valid, probabilities, prediction.attempts
            )
        return answers
