"""Run one cell in its own process: `python -m bench.execution.worker RUN_FOLDER CLASSIFIER`.

A crash here takes nothing else down. Each answer is appended at once, so a killed worker's
successor goes on where it stopped. Progress goes to the runner as JSON lines on the standard
output; whatever libraries print goes to the cell's log instead.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Thread
from typing import Any

from bench.config.cells import CellPlan, make_classifier
from bench.config.run import RunConfig
from bench.dataset.parts import Part
from bench.dataset.split import first_messages, first_per_label
from bench.execution.failures import cause_of_error
from bench.execution.predict import Clock, Tell, answer
from bench.execution.serving import MEMORY_MESSAGES, serving_memory_bytes
from bench.measure.energy import EnergyMeter
from bench.measure.machine import machine
from bench.measure.process import gpu_peak_bytes, peak_memory_bytes
from bench.records.jsonl import JsonLines
from bench.records.store import CellFolder, RunFolder
from bench.records.types import CellRecord, Energy, EpochRecord, Latency, MessageRecord, PredictionRecord, Tokens
from classifiers import registry
from classifiers.errors import BenchError
from classifiers.interface import Classifier, Epoch, Message, Progress, Recorded, Saveable, Stage, Task
from classifiers.sampling import stratified_sample


@dataclass(frozen=True, slots=True)
class Memory:
    """Peaks in bytes: of the worker, and of a fresh process that serves; None where they cannot be measured."""

    peak_bytes: int | None
    serving_bytes: int | None


@dataclass(slots=True)
class Cell:
    """One classifier on one split: what it works on and where its records go."""

    plan: CellPlan
    config: RunConfig
    full_task: Task
    records: Sequence[MessageRecord]
    folder: CellFolder
    tell: Tell
    clock: Clock = time.perf_counter
    seconds: dict[str, float] = field(default_factory=dict)
    stages: dict[str, Stage] = field(default_factory=dict)
    meter: EnergyMeter = field(default_factory=EnergyMeter)
    n_predicted: int = 0

    @property
    def task(self) -> Task:
        """Return the task as the classifier is told it."""
        return self.config.data.learnt(self.full_task)

    def training_messages(self, part: Part) -> list[Message]:
        """Return the messages of one part that the classifier may learn from."""
        known = set(self.task.label_names)
        return [message for message in self.messages(part) if known.issuperset(message.labels)]

    def messages(self, part: Part) -> list[Message]:
        """Return the messages of one part; a cell with few training messages has no others to look at."""
        messages = [record.as_message() for record in self.records if record.part == part]
        size = self.plan.train_per_label
        if size is None or part == "test":
            return messages
        if part == "validation":
            return []
        if registry.find_backend(self.plan.backend).learns_from_labels:
            return first_per_label(messages, size, self.plan.seed)
        return first_messages(messages, size * len(self.task.labels), self.plan.seed)

    def answer(
        self, classifier: Classifier[Any], messages: Sequence[Message], file: JsonLines[PredictionRecord]
    ) -> int:
        """Answer every message that has no record in the file yet; give how many those were."""
        return answer(classifier, self.full_task, messages, file, clock=self.clock, tell=self.tell)

    @contextmanager
    def timed(self, phase: str) -> Iterator[None]:
        """Add wall time and energy of a block to a phase and tell the runner that it has begun."""
        self.tell("phase", phase=phase)
        with self.meter.measuring(phase):
            started = self.clock()
            yield
            self.seconds[phase] = self.seconds.get(phase, 0.0) + self.clock() - started

    @property
    def energy(self) -> Energy:
        """Return what was measured; the energy of a fit that an earlier worker made is not known."""
        kwh = self.meter.kwh
        return Energy(self.meter.source, kwh.get("fit"), kwh.get("predict"), self.n_predicted)


def open_cell(run: RunFolder, name: str, tell: Tell) -> Cell:
    """Read a cell's config, task and messages from its run folder, and from nowhere else.

    Raises:
        BenchError: if the run folder is broken.
    """
    record = run.read()
    return Cell(record.config.cell(name), record.config, record.as_task(), run.messages.read(), run.cell(name), tell)


def run_cell(cell: Cell) -> CellRecord:
    """Fit, predict what is not yet predicted, measure, and give the record that is to be written."""
    with make_classifier(cell.plan, threads=cell.config.threads_per_cell) as classifier:
        reason = classifier.supports(cell.task)
        if reason:
            raise BenchError(f"'{cell.plan.name}' cannot do this task: {reason}")
        _prepare(cell, classifier)
        _check_models(cell, classifier)
        if isinstance(classifier, Recorded):
            cell.seconds.clear()  # reading a file is not how the answers were made
        spare = [] if isinstance(classifier, Recorded) else _spare_messages(cell)
        _predict(cell, classifier, spare)
        latency = _latency(cell, classifier, spare)
        return _describe(cell, classifier, latency, _memory(cell, classifier, spare))


def _check_models(cell: Cell, classifier: Classifier[Any]) -> None:
    """See that the files which ran are those the run was planned with."""
    planned = cell.folder.identity().models
    strangers = [file for file in classifier.details().models if planned and file not in planned]
    if strangers:
        raise BenchError(f"model file '{strangers[0].name}' changed while the run was at work; run again")


def _memory(cell: Cell, classifier: Classifier[Any], spare: Sequence[str]) -> Memory:
    """Measure memory: this process's peak, and that of a fresh one that only loads and answers."""
    if classifier.details().runs_elsewhere:
        return Memory(None, None)
    peak = peak_memory_bytes()
    if not cell.config.latency_messages or not isinstance(classifier, Saveable):
        return Memory(peak, None)
    cell.tell("phase", phase="memory")
    return Memory(
        peak, serving_memory_bytes(cell.plan, classifier, cell.task, spare, threads=cell.config.threads_per_cell)
    )


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


def _predict(cell: Cell, classifier: Classifier[Any], spare: Sequence[str]) -> None:
    """Answer the test messages, and then those of the validation part that later choices are made on."""
    cell.tell("phase", phase="predict")
    list(classifier.predict(spare[: cell.config.warmup_messages]))
    before = classifier.details().stages
    with cell.meter.measuring("predict"):
        cell.n_predicted = cell.answer(classifier, cell.messages("test"), cell.folder.predictions)
    cell.stages = {name: stage - before.get(name, Stage()) for name, stage in classifier.details().stages.items()}
    cell.tell("phase", phase="validation")
    validation = cell.messages("validation")
    if isinstance(classifier, Recorded):
        validation = classifier.answered(validation)
    asked = stratified_sample(validation, cell.config.validation_messages, cell.config.seed)
    cell.answer(classifier, asked, cell.folder.validation)


def _latency(cell: Cell, classifier: Classifier[Any], spare: Sequence[str]) -> Latency | None:
    """Time one message at a time, after the warm-up, on messages outside the test part."""
    texts = spare[: cell.config.latency_messages]
    if len(texts) < 2:
        return None
    cell.tell("phase", phase="latency")
    list(classifier.predict(texts[:1]))
    taken: list[float] = []
    for done, text in enumerate(texts, start=1):
        started = cell.clock()
        list(classifier.predict([text]))
        taken.append(1000 * (cell.clock() - started))
        cell.tell("progress", done=done, total=len(texts))
    cuts = statistics.quantiles(taken, n=20, method="inclusive")
    return Latency(p50=statistics.median(taken), p95=cuts[-1], n=len(taken))


def _describe(cell: Cell, classifier: Classifier[Any], latency: Latency | None, memory: Memory) -> CellRecord:
    records = cell.folder.predictions.read()
    predict_seconds = sum(record.seconds for record in records)
    attempts = [attempt for record in records for attempt in record.attempts]
    n_train, n_validation = len(cell.training_messages("train")), len(cell.training_messages("validation"))
    details = classifier.details()
    return CellRecord(
        classifier=cell.plan.name,
        backend=cell.plan.backend,
        fingerprint=cell.folder.identity().fingerprint,
        status="ok",
        seed=cell.plan.seed,
        settings=classifier.settings.model_dump(mode="json"),
        model=details.model,
        models=details.models,
        device=details.device,
        precision=details.precision,
        prompt=details.prompt,
        notes=details.notes,
        metadata=dict(details.metadata),
        load_seconds=cell.seconds.get("load"),
        fit_seconds=cell.seconds.get("fit"),
        predict_seconds=predict_seconds or None,
        latency_ms=latency,
        throughput_per_s=len(records) / predict_seconds if predict_seconds > 0 else None,
        peak_memory_bytes=memory.peak_bytes,
        predict_memory_bytes=memory.serving_bytes,
        gpu_memory_bytes=gpu_peak_bytes(),
        machine=machine(cell.config.threads_per_cell),
        n_parameters=details.n_parameters,
        bytes_on_disk=details.shipped_bytes,
        tokens=Tokens(
            sum(a.prompt_tokens for a in attempts),
            sum(a.completion_tokens for a in attempts),
            sum(a.thinking_tokens for a in attempts),
        ),
        stages=cell.stages,
        max_attempts=details.max_attempts,
        trials=details.trials,
        unfinished=details.unfinished,
        row=cell.plan.row,
        train_per_label=cell.plan.train_per_label,
        n_train=n_train,
        n_labelled=n_train + n_validation if details.n_labelled is None else details.n_labelled,
        energy=cell.energy,
    )


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
    sys.exit(main(sys.argv[1], sys.argv[2]))
