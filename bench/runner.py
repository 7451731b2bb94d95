"""Run a config: read, split, then every classifier in a process of its own.

One after another unless the config says otherwise, because two at once share the cores and spoil each
other's timings. A worker that crashes, is killed or fails leaves a failed row with its cause; the others
go on.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from threading import Lock
from typing import IO, Any, Protocol

from bench import meter
from bench.config import CellPlan, RunConfig
from bench.fingerprint import cell_fingerprint, run_fingerprint
from bench.records import CellRecord, RunFolder, RunRecord
from bench.split import PARTS, Split, make_split
from bench.task import LoadedTask, load_task
from bench.worker import make_classifier
from classifiers.interface import BenchError, FetchReport

THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
LOCK = ".lock"


class Watcher(Protocol):
    """Is told how a run gets on; the terminal's progress bars are one."""

    def fetched(self, what: str, done: int, total: int) -> None:
        """Take note of bytes of a model that have come."""

    def started(self, classifier: str) -> None:
        """Take note that a classifier's worker has begun."""

    def event(self, classifier: str, event: dict[str, Any]) -> None:
        """Take note of a worker's event."""

    def ended(self, record: CellRecord, *, kept: bool) -> None:
        """Take note of a finished cell; `kept` says it was finished before."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything that is known before the first worker starts."""

    config: RunConfig
    loaded: LoadedTask
    split: Split
    folder: RunFolder

    def fingerprint(self, cell: CellPlan) -> str:
        """Give the fingerprint of one cell."""
        return cell_fingerprint(self.config, cell, self.loaded, self.split)


def prepare(config: RunConfig, results: Path, *, folder: str | None = None, fetch: FetchReport) -> Plan:
    """Check config, data, split and models; writes nothing but the model cache.

    Raises:
        BenchError: for everything that would make the run fail later and can be known now.
    """
    first_cells = {cell.row: cell for cell in reversed(config.cells())}
    classifiers = [make_classifier(cell, threads=config.threads_per_cell) for cell in first_cells.values()]
    loaded = load_task(config.data)
    split = make_split(loaded, config.split, config.seed)
    for classifier in reversed(classifiers):
        classifier.fetch(fetch)
    name = folder or f"{config.name}-{run_fingerprint(config, loaded, split)}"
    return Plan(config, loaded, split, RunFolder(results / name))


def run(plan: Plan, watcher: Watcher) -> RunFolder:
    """Run every classifier that is not finished, and give the run's folder.

    Raises:
        BenchError: if the results cannot be written, or another run is at work on them.
    """
    with _writable(plan.folder.path), _locked(plan.folder.path):
        _begin(plan)
        waiting = []
        for cell in plan.config.cells():
            record = plan.folder.cell(cell.name).read()
            if record and record.status == "ok" and record.fingerprint == plan.fingerprint(cell):
                watcher.ended(record, kept=True)
            else:
                waiting.append(cell)
        _run_all(plan, waiting, watcher)
    return plan.folder


def _run_all(plan: Plan, waiting: Sequence[CellPlan], watcher: Watcher) -> None:
    """Run `jobs` cells at a time; an interrupt kills those that run and starts no other."""
    workers = _Workers()
    with ThreadPoolExecutor(plan.config.jobs) as pool:
        try:
            running = [pool.submit(_run_worker, plan, cell, watcher, workers) for cell in waiting]
            for done in as_completed(running):
                watcher.ended(done.result(), kept=False)
        finally:
            workers.stop()
            pool.shutdown(wait=False, cancel_futures=True)


@contextmanager
def _writable(folder: Path) -> Iterator[None]:
    """Turn a full disk or a missing permission into one line."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        yield
    except OSError as error:
        raise BenchError(f"cannot write results to {folder}: {error.strerror or error}") from error


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Hold the run folder; the lock goes with the process, however it ends."""
    import fcntl

    with (folder / LOCK).open("w") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise BenchError(f"another run is at work on {folder}; wait for it or give --run another name") from error
        yield


def _begin(plan: Plan) -> None:
    """Write split and run record, or see that they are this plan's."""
    if (plan.folder.path / "run.json").exists():
        old = plan.folder.read()
        same = (old.task_fingerprint, old.split_fingerprint) == (plan.loaded.fingerprint, plan.split.fingerprint)
        # prices and cascades may change: they play no part in what is run
        configs = [
            c.model_copy(update={"cost": None, "cascades": {}})
            for c in (RunConfig.model_validate(old.config), plan.config)
        ]
        if not same or configs[0] != configs[1]:
            raise BenchError(f"{plan.folder.path} holds another run; give --run another name or delete it")
        return
    plan.folder.split.write(plan.split.lines())
    plan.folder.write(_run_record(plan))


def _run_record(plan: Plan) -> RunRecord:
    task = plan.loaded.task
    selected = {part: plan.split.select(plan.loaded.messages, part) for part in PARTS}
    return RunRecord(
        name=plan.folder.path.name,
        config=plan.config.model_dump(mode="json"),
        task={
            "name": task.name,
            "instruction": task.instruction,
            "labels": [{"name": label.name, "definition": label.definition} for label in task.labels],
            **({"most_labels": task.most_labels} if task.takes_several else {}),
        },
        task_fingerprint=plan.loaded.fingerprint,
        split_fingerprint=plan.split.fingerprint,
        part_sizes={part: len(messages) for part, messages in selected.items()},
        label_counts={
            part: {name: sum(name in m.labels for m in messages) for name in task.label_names}
            for part, messages in selected.items()
        },
        machine=meter.machine(plan.config.threads or os.cpu_count() or 1),
        versions=meter.versions(),
        warnings=plan.split.warnings,
        git_commit=meter.git_commit(),
        started=datetime.now(timezone.utc).isoformat(timespec="seconds"),
    )


class _Workers:
    """The processes that run now; once stopped, none is started."""

    def __init__(self) -> None:
        self._running: set[subprocess.Popen[bytes]] = set()
        self._stopped = False
        self._guard = Lock()

    def start(self, command: Sequence[str], log: IO[bytes], environment: dict[str, str]) -> subprocess.Popen[bytes]:
        """Start a process whose standard output is read by the caller."""
        with self._guard:
            if self._stopped:
                raise BenchError("the run was interrupted")
            process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, env=environment)
            self._running.add(process)
            return process

    def stop(self) -> None:
        """Kill all that run: on an interrupt no worker must go on unseen."""
        with self._guard:
            self._stopped = True
            for process in self._running:
                process.kill()


def _run_worker(plan: Plan, cell: CellPlan, watcher: Watcher, workers: _Workers) -> CellRecord:
    """Run one cell's process to its end and give its record, which a crashed one did not write."""
    folder = plan.folder.cell(cell.name)
    folder.path.mkdir(parents=True, exist_ok=True)
    (folder.path / "cell.json").unlink(missing_ok=True)  # a failed one, not to be taken for the new one
    watcher.started(cell.name)
    cause = ""
    with folder.log.open("ab") as log:
        command = [sys.executable, "-m", "bench.worker", str(plan.folder.path), cell.name]
        process = workers.start(command, log, _environment(plan.config))
        for event in _events(process.stdout):
            cause = event["cause"] if event["event"] == "failed" else cause
            watcher.event(cell.name, event)
        code = process.wait()
    record = folder.read()
    if code == 0 and record is not None:
        return record
    failed = CellRecord(
        classifier=cell.name,
        backend=cell.backend,
        fingerprint=plan.fingerprint(cell),
        status="failed",
        seed=cell.seed,
        settings=cell.settings,
        cause=cause or _cause(code),
        row=cell.row,
        train_per_label=cell.train_per_label,
    )
    folder.write(failed)
    return failed


def _environment(config: RunConfig) -> dict[str, str]:
    threads = str(config.threads_per_cell)
    quiet = {"TOKENIZERS_PARALLELISM": "false", "HF_HUB_DISABLE_PROGRESS_BARS": "1"}
    return {**os.environ, **dict.fromkeys(THREAD_VARIABLES, threads), **quiet}


def _events(stream: IO[bytes] | None) -> Iterator[dict[str, Any]]:
    assert stream is not None
    for line in stream:
        try:
            yield json.loads(line)
        except ValueError:
            continue  # a worker that dies in the middle of a line


def _cause(code: int) -> str:
    """Say in words how a process ended that could not say it itself."""
    if code >= 0:
        return f"the worker ended with exit code {code}; see log.txt"
    name = signal.Signals(-code).name
    hints = {
        "SIGSEGV": "segmentation fault in native code; bench doctor tells whether llama.cpp runs here",
        "SIGILL": "illegal instruction: native code was built for another processor; run make setup again",
        "SIGKILL": "killed, most likely because memory ran out",
    }
    return f"the worker died of {name} ({hints.get(name, 'see log.txt')})"
