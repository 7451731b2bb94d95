"""Let a classifier answer messages batch by batch, time every batch, and append what it said."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from bench.records.jsonl import JsonLines
from bench.records.types import PredictionRecord
from classifiers.errors import BenchError
from classifiers.interface import Classifier, Message, Prediction, Recorded, Task
from classifiers.plurals import number_of

Clock = Callable[[], float]
Tell = Callable[..., None]
"""Tells the runner of an event by its name and figures."""


def answer(
    classifier: Classifier[Any],
    task: Task,
    messages: Sequence[Message],
    file: JsonLines[PredictionRecord],
    *,
    clock: Clock,
    tell: Tell,
) -> Iterator[Sequence[PredictionRecord]]:
    """Answer every message that has no record in the file yet, batch by batch.

    Yields all records so far: once those that were there, and again after each batch. A caller that has enough stops.
    """
    records = file.repair()
    yield records
    finished = {record.id for record in records}
    waiting = [m for m in messages if m.id not in finished]
    with file.path.open("ab") as stream:
        for start in range(0, len(waiting), classifier.batch_size):
            batch = waiting[start : start + classifier.batch_size]
            predictions, seconds = _ask(classifier, batch, clock)
            _check_predictions(predictions, batch, task)
            rows = zip(batch, predictions, strict=True)
            answered = [_record(m, p, task.label_names, seconds / len(batch)) for m, p in rows]
            file.append(answered, stream)
            records += answered
            tell("progress", done=len(records), total=len(messages))
            yield records


def keep_answers(
    answers: Mapping[str, Prediction], task: Task, messages: Sequence[Message], file: JsonLines[PredictionRecord]
) -> None:
    """Record answers, by text, that were given for another purpose; of messages that have no record in the file yet."""
    finished = {record.id for record in file.repair()}
    given = [m for m in messages if m.text in answers and m.id not in finished]
    predictions = [answers[m.text] for m in given]
    _check_predictions(predictions, given, task)
    pairs = zip(given, predictions, strict=True)
    seconds = [sum(attempt.seconds for attempt in p.attempts) for p in predictions]
    records = [_record(m, p, task.label_names, s) for (m, p), s in zip(pairs, seconds, strict=True)]
    with file.path.open("ab") as stream:
        file.append(records, stream)


def _ask(classifier: Classifier[Any], batch: Sequence[Message], clock: Clock) -> tuple[list[Prediction], float]:
    """Return a batch's answers and the seconds they took: none where they were given before."""
    if isinstance(classifier, Recorded):
        return list(classifier.answers_of(batch)), 0.0
    texts = [m.text for m in batch]
    started = clock()
    predictions = list(classifier.predict(texts))
    return predictions, max(clock() - started, 0.0)


def _check_predictions(predictions: Sequence[Prediction], batch: Sequence[Message], task: Task) -> None:
    """See that there is one prediction per message, with labels of the task alone and no more than it allows."""
    if len(predictions) != len(batch):
        gave, asked = number_of(len(predictions), "prediction"), number_of(len(batch), "message")
        raise BenchError(f"backend gave {gave} for {asked}; it must give one each")
    known = set(task.label_names)
    for prediction in predictions:
        n = len(prediction.labels)
        if n > task.max_labels or (prediction.valid and not n and not task.takes_several):
            raise BenchError(f"backend gave {number_of(n, 'label')} for a message; the task allows {_allowed(task)}")
        if strays := set(prediction.labels) - known:
            raise BenchError(f"backend gave label '{min(strays)}', which the task does not have")


def _allowed(task: Task) -> str:
    return f"none to {task.max_labels}" if task.takes_several else "exactly one"


def _record(message: Message, prediction: Prediction, names: Sequence[str], seconds: float) -> PredictionRecord:
    """Return the record of an answer, its labels in the task's order."""
    probabilities = prediction.probabilities
    return PredictionRecord(
        id=message.id,
        text=message.text,
        gold=message.labels,
        predicted=tuple(name for name in names if name in prediction.labels),
        valid=prediction.valid,
        probabilities=dict(probabilities) if probabilities is not None else None,
        attempts=prediction.attempts,
        seconds=seconds,
        truncated=prediction.truncated,
        columns=dict(message.columns),
        group=message.group,
    )
