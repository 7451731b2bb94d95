"""What a worker works on: one cell of a run, its messages, and the clock and meters that are held over it."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from bench.config.cells import CellPlan
from bench.config.run import RunConfig
from bench.dataset.parts import Part
from bench.dataset.split import first_messages, first_per_label
from bench.execution.predict import Clock, Tell
from bench.measure.energy import EnergyMeter
from bench.measure.load import LoadMeter
from bench.records.conditions import Stopped
from bench.records.store import CellFolder, RunFolder
from bench.records.types import Energy, MessageRecord
from classifiers import registry
from classifiers.interface import Message, Task


@dataclass(slots=True)
class Cell:
    """One classifier on one split: what it works on and where its records go."""

    plan: CellPlan
    config: RunConfig
    full_task: Task
    records: Sequence[MessageRecord]
    run: RunFolder
    tell: Tell
    clock: Clock = time.perf_counter
    seconds: dict[str, float] = field(default_factory=dict)
    meter: EnergyMeter = field(default_factory=EnergyMeter)
    load: LoadMeter = field(default_factory=LoadMeter)
    n_predicted: int = 0
    stopped: Stopped | None = None

    @property
    def folder(self) -> CellFolder:
        """Return the folder its records go to."""
        return self.run.cell(self.plan.name)

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

    @contextmanager
    def measured(self, phase: str) -> Iterator[None]:
        """Tell the runner that a phase has begun; add energy, and what other programs use meanwhile, to it."""
        self.tell("phase", phase=phase)
        with self.meter.measuring(phase), self.load.measuring(phase):
            yield

    @contextmanager
    def timed(self, phase: str) -> Iterator[None]:
        """Add the wall time of a block, too, to a phase."""
        with self.measured(phase):
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
    return Cell(record.config.cell(name), record.config, record.as_task(), run.messages.read(), run, tell)
