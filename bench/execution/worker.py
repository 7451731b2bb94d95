"""Run one cell in its own process: `python -m bench.execution.worker RUN_FOLDER CLASSIFIER`.

A crash here takes nothing else down. Each answer is appended at once, so a killed worker's
successor goes on where it stopped. Progress goes to the runner as JSON lines on the standard
output; whatever libraries print goes to the cell's log instead.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Thread
from typing import Any

from bench.config.cells import make_classifier
from bench.execution.cell import Cell, open_cell
from bench.execution.describe import Measured, Memory, describe
from bench.execution.failures import cause_of_error
from bench.execution.latency import measure_latency
from bench.execution.predict import Tell, answer, keep_answers
from bench.execution.serving import MEMORY_MESSAGES, SLOW_MEMORY_MESSAGES, serving_memory_bytes
from bench.execution.stop_budget import answers_fast
from bench.execution.stopping import in_random_order, stopping_rule
from bench.execution.validation import asked_messages, is_slow_sample
from bench.measure.process import leave, peak_memory_bytes
from bench.records.jsonl import JsonLines
from bench.records.store import RunFolder
from bench.records.types import CellRecord, EpochRecord, Latency, PredictionRecord
from classifiers.errors import BenchError
from classifiers.interface import (
    Classifier,
    Details,
    Epoch,
    Message,
    Prediction,
    Progress,
    Recorded,
    Remembering,
    Saveable,
    Stage,
)
from classifiers.sampling import stratified_sample


def run_cell(cell: Cell) -> CellRecord:
    """Fit, predict what is not yet predicted, measure, and give the record that is to be written."""
    with make_classifier(cell.plan, threads=cell.config.threads_per_cell) as classifier:
        reason = classifier.supports(cell.task)
        if reason:
            raise BenchError(f"'{cell.plan.name}' cannot do this task: {reason}")
        _prepare(cell, classifier)
        if isinstance(classifier, Recorded):
            cell.seconds.clear()  # reading a file is not how the answers were made
        spare = [] if isinstance(classifier, Recorded) else _spare_messages(cell)
        _warm_up(cell, classifier, spare)
        before = classifier.details()  # asked twice: only a difference says where the time of the test part went
        _check_models(cell, before)
        _predict_test(cell, classifier)
        details = classifier.details()
        answered = cell.folder.predictions.read()
        asked = _asked(cell, classifier, answered)
        latency = _latency(cell, classifier, answered, asked, spare)
        _predict_validation(cell, classifier, asked)
        texts = spare[: MEMORY_MESSAGES if answers_fast(answered) else SLOW_MEMORY_MESSAGES]
        memory = _memory(cell, classifier, texts, elsewhere=details.runs_elsewhere)
        stages = {name: stage - before.stages.get(name, Stage()) for name, stage in details.stages.items()}
        return describe(cell, classifier.settings, details, Measured(latency, memory, stages))


def _check_models(cell: Cell, details: Details) -> None:
    """See that the files which run are those the run was planned with."""
    planned = cell.folder.identity().models
    strangers = [file for file in details.models if planned and file not in planned]
    if strangers:
        raise BenchError(f"model file '{strangers[0].name}' changed while the run was at work; run again")


def _memory(cell: Cell, classifier: Classifier[Any], texts: Sequence[str], *, elsewhere: bool) -> Memory:
    """Measure memory: this process's peak, and that of a fresh one that only loads and answers."""
    if elsewhere:
        return Memory(None, None)
    peak = peak_memory_bytes()
    if not cell.config.latency_messages or not isinstance(classifier, Saveable):
        return Memory(peak, None)
    cell.tell("phase", phase="memory")
    threads = cell.config.threads_per_cell
    with _saved(cell, classifier) as folder:
        return Memory(peak, serving_memory_bytes(cell.plan, folder, cell.task, texts, threads=threads))


@contextmanager
def _saved(cell: Cell, classifier: Saveable) -> Iterator[Path]:
    """Return the folder the classifier is saved in, which goes afterwards where models are not kept."""
    if cell.folder.fitted.exists():
        yield cell.folder.model
        return
    with TemporaryDirectory(prefix="bench-serving-") as folder:
        classifier.save(Path(folder))
        yield Path(folder)


def _prepare(cell: Cell, classifier: Classifier[Any]) -> None:
    """Fit, or take up what an earlier worker of the same cell has fitted."""
    model, kept = cell.folder.model, cell.folder.fitted
    if isinstance(classifier, Saveable) and kept.exists():
        cell.seconds |= json.loads(kept.read_text())
        cell.tell("phase", phase="load")
        classifier.load_from(model, cell.task)
        return
    shutil.rmtree(model, ignore_errors=True)
    with cell.timed("load"):
        classifier.load()
    cell.folder.epochs.write(())
    with cell.folder.epochs.path.open("ab") as stream, cell.timed("fit"):
        listen = _listener(cell, stream)
        classifier.fit(cell.task, cell.training_messages("train"), cell.training_messages("validation"), listen=listen)
    if isinstance(classifier, Saveable) and cell.config.keep_models:
        model.mkdir(parents=True)
        classifier.save(model)
        kept.write_text(json.dumps(cell.seconds))  # last, so that its existence means the model is whole


def _listener(cell: Cell, stream: Any) -> Callable[[Epoch | Progress], None]:
    """Record each epoch with the time since the last one; pass progress on to the runner."""
    last = cell.clock()

    def listen(event: Epoch | Progress) -> None:
        nonlocal last
        if isinstance(event, Progress):
            cell.tell("progress", done=event.done, total=event.total)
            return
        now = cell.clock()
        figures = (event.train_loss, event.train_accuracy, event.validation_loss, event.validation_accuracy)
        record = EpochRecord(event.epoch, *figures, seconds=max(now - last, 0.0))
        last = now
        cell.folder.epochs.append([record], stream)
        cell.tell("epoch", epoch=event.epoch, figures=figures)

    return listen


def _spare_messages(cell: Cell) -> list[str]:
    """Return texts for warm-up, latency and memory: a stratified sample outside the test part, which is seen once."""
    most = max(cell.config.latency_messages, cell.config.warmup_messages, MEMORY_MESSAGES)
    pool = cell.messages("validation") or cell.messages("train")
    return [m.text for m in stratified_sample(pool, most, cell.config.seed)]


def _warm_up(cell: Cell, classifier: Classifier[Any], spare: Sequence[str]) -> None:
    """Answer some messages in a batch and one alone, once for all that is timed afterwards."""
    texts = spare[: cell.config.warmup_messages]
    for batch in filter(None, (texts, texts[:1])):
        list(classifier.predict(batch))


def _predict_test(cell: Cell, classifier: Classifier[Any]) -> None:
    """Answer the test messages: all of them, or as many as decide how a slow row stands."""
    messages, rule = in_random_order(cell.messages("test"), cell.config), stopping_rule(cell)
    n_records = []
    with cell.measured("predict"):
        for records in _answers(cell, classifier, messages, cell.folder.predictions):
            n_records.append(len(records))
            cell.stopped = rule.stopped(records) if rule else None
            if cell.stopped:
                break
    cell.n_predicted = n_records[-1] - n_records[0]


def _asked(cell: Cell, classifier: Classifier[Any], answered: Sequence[PredictionRecord]) -> list[Message]:
    """Return those messages of the validation part that later choices are made on; `fit` may have answered some."""
    if isinstance(classifier, Recorded):  # these cost nothing
        given = classifier.answered(cell.messages("validation"))
        return stratified_sample(given, cell.config.validation_messages, cell.config.seed)
    asked = asked_messages(cell, answered)
    if isinstance(classifier, Remembering):
        remembered = classifier.remembered([message.text for message in asked])
        keep_answers(remembered, cell.full_task, asked, cell.folder.validation)
    return asked


def _latency(
    cell: Cell,
    classifier: Classifier[Any],
    answered: Sequence[PredictionRecord],
    asked: Sequence[Message],
    spare: Sequence[str],
) -> Latency | None:
    """Time messages one at a time; those of a slow row are, where it can be, messages that it has to answer anyway."""
    shared = asked if spare and is_slow_sample(answered) else ()
    given: dict[str, Prediction] = {}

    def answer_alone(text: str) -> None:
        (given[text],) = classifier.predict([text])

    finished = {record.id for record in cell.folder.validation.read()}
    waiting = [message.text for message in shared if message.id not in finished]
    texts = list(dict.fromkeys([*waiting, *spare]))[: cell.config.latency_messages]
    with cell.measured("latency"):
        latency = measure_latency(answer_alone, texts, clock=cell.clock, tell=cell.tell)
    if shared:
        keep_answers(given, cell.full_task, shared, cell.folder.validation)
    return latency


def _predict_validation(cell: Cell, classifier: Classifier[Any], asked: Sequence[Message]) -> None:
    """Answer the messages of the validation part that have no answer yet."""
    cell.tell("phase", phase="validation")
    for _ in _answers(cell, classifier, asked, cell.folder.validation):
        pass


def _answers(
    cell: Cell, classifier: Classifier[Any], messages: Sequence[Message], file: JsonLines[PredictionRecord]
) -> Iterator[Sequence[PredictionRecord]]:
    return answer(classifier, cell.full_task, messages, file, clock=cell.clock, tell=cell.tell)


def _own_standard_output() -> Tell:
    """Keep the real standard output for events and send everything else that is printed to the log."""
    pipe = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)

    def tell(event: str, **figures: object) -> None:
        pipe.write(json.dumps({"event": event, **figures}) + "\n")
        pipe.flush()

    return tell


def _end_with_the_runner() -> None:
    """End at once when the runner does, even where it is killed: our standard input ends with it."""
    Thread(target=lambda: (os.read(0, 1), os._exit(1)), daemon=True).start()


def main(folder: str, name: str) -> int:
    """Run one cell; whatever goes wrong becomes its record."""
    tell = _own_standard_output()
    run = RunFolder(Path(folder))
    try:
        cell = open_cell(run, name, tell)
        with cell.folder.held():
            cell.folder.write(run_cell(cell))
    except KeyboardInterrupt:
        return 130
    except Exception as error:
        # the one place where any error is taken: a cell's failure becomes its record
        traceback.print_exc()
        tell("failed", cause=cause_of_error(error))
        return 1
    return 0


if __name__ == "__main__":
    _end_with_the_runner()
    leave(main(sys.argv[1], sys.argv[2]))
