"""A run before it begins: config, messages, split and cells, and what carries the cells out."""

from __future__ import annotations

import os
from collections.abc import Generator, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from bench.config.cells import CellPlan, make_classifier
from bench.config.run import RunConfig
from bench.dataset.load import LoadedTask, load_task
from bench.dataset.sampled_test import with_sampled_test
from bench.dataset.split import Split, make_split
from bench.execution.fingerprint import cell_identity, run_fingerprint
from bench.measure.threads import waiting_threads
from bench.records.store import CellFolder, RunFolder
from bench.records.types import CellIdentity, CellRecord, Status
from classifiers.interface import Classifier, FetchReport, Recorded

THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


class Watcher(Protocol):
    """Is told how a run gets on; the terminal's progress bars are one."""

    def fetched(self, what: str, done: int, total: int) -> None:
        """Take note of bytes of a model that have come."""

    def started(self, cell: str) -> None:
        """Take note that a cell's worker has begun."""

    def event(self, cell: str, event: dict[str, Any]) -> None:
        """Take note of a worker's event."""

    def ended(self, cell: str, record: CellRecord, *, kept: bool) -> None:
        """Take note of a finished cell; `kept` says it was finished before."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything that is known before the first worker starts."""

    config: RunConfig
    loaded: LoadedTask
    split: Split
    folder: RunFolder
    identities: dict[str, CellIdentity]

    def identity(self, cell: CellPlan) -> CellIdentity:
        """Return what a cell's answers will be made from."""
        return self.identities[cell.name]


def prepare(config: RunConfig, results: Path, *, folder: str | None = None, fetch: FetchReport) -> Plan:
    """Check config, data, split and models; writes nothing but the model cache.

    Raises:
        BenchError: for everything that would make the run fail later and can be known now.
    """
    first_cells = {cell.row: cell for cell in reversed(config.cells())}
    threads = config.threads_per_cell
    classifiers = {name: make_classifier(cell, threads=threads) for name, cell in first_cells.items()}
    loaded = load_task(config.data)
    config.cost.check(loaded.task)
    loaded, split = with_sampled_test(loaded, make_split(loaded, config.split, config.seed), config.split)
    _check_recorded(config, loaded, split, classifiers.values())
    for classifier in reversed(classifiers.values()):
        classifier.fetch(fetch)
    models = {name: classifier.model_files() for name, classifier in classifiers.items()}
    identities = {cell.name: cell_identity(config, cell, loaded, split, models[cell.row]) for cell in config.cells()}
    name = folder or f"{config.name}-{run_fingerprint(config, loaded, split)}"
    return Plan(config, loaded, split, RunFolder(results / name), identities)


def _check_recorded(
    config: RunConfig, loaded: LoadedTask, split: Split, classifiers: Iterable[Classifier[Any]]
) -> None:
    """See that answers which were given before fit the messages of this run."""
    test = [message for message in loaded.messages if split.parts.get(message.id) == "test"]
    others = [message for message in loaded.messages if split.parts.get(message.id) != "test"]
    for classifier in classifiers:
        if isinstance(classifier, Recorded):
            classifier.check_messages(config.data.learnt(loaded.task), test, others)


@dataclass(frozen=True, slots=True)
class Job:
    """One cell to be run; `title` is what people are shown."""

    plan: Plan
    cell: CellPlan
    title: str

    @property
    def identity(self) -> CellIdentity:
        """Return what the cell's answers will be made from."""
        return self.plan.identity(self.cell)

    @property
    def folder(self) -> CellFolder:
        """Return the folder its records go to."""
        return self.plan.folder.cell(self.cell.name)

    def without_result(self, status: Status, cause: str) -> CellRecord:
        """Write and give the record of a cell that its worker did not write."""
        record = CellRecord(
            classifier=self.cell.name,
            backend=self.cell.backend,
            fingerprint=self.identity.fingerprint,
            status=status,
            seed=self.cell.seed,
            settings=self.cell.settings,
            cause=cause,
            row=self.cell.row,
            train_per_label=self.cell.train_per_label,
        )
        self.folder.path.mkdir(parents=True, exist_ok=True)
        self.folder.write(record)
        return record


Ended = Generator[tuple[Job, CellRecord], None, None]
"""Cells as they end, each with its record."""


class Executor(Protocol):
    """Carries cells out, on this machine or on others; the record of the run names it."""

    @property
    def name(self) -> str:
        """Return `local` or `ray`."""

    def run(self, jobs: Sequence[Job], watcher: Watcher) -> Ended:
        """Run all cells and give each with its record as it ends; none may be left running when it is closed."""


def worker_variables(config: RunConfig) -> dict[str, str]:
    """Return the environment variables of a worker: how many threads its libraries may use, how they wait, and quiet.

    They must be set before the worker's libraries load. What the user has set for waiting threads stays.
    """
    threads = dict.fromkeys(THREAD_VARIABLES, str(config.threads_per_cell))
    quiet = {"TOKENIZERS_PARALLELISM": "false", "HF_HUB_DISABLE_PROGRESS_BARS": "1"}
    return {**threads, **waiting_threads(os.environ), **quiet}
