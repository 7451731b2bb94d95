"""Run a config: read, split, then every classifier in a process of its own, one after another.

One after another, because two at once would share the cores and spoil each other's timings. A
worker that crashes, is killed or fails leaves a failed row with its cause; the others go on.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import IO, Any, Protocol

from bench import meter
from bench.config import RunConfig
from bench.fingerprint import cell_fingerprint, run_fingerprint
from bench.records import CellRecord, RunFolder, RunRecord
from bench.split import PARTS, Split, make_split
from bench.task import LoadedTask, load_task
from classifiers.interface import BenchError, FetchReport
from classifiers.registry import check_settings, find_backend

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

    def fingerprint(self, name: str) -> str:
        """Give the fingerprint of one classifier's cell."""
        return cell_fingerprint(self.config, name, self.loaded, self.split)


def prepare(config: RunConfig, results: Path, *, folder: str | None = None, fetch: FetchReport) -> Plan:
    """Check config, data, split and models; writes nothing but the model cache.

    Raises:
        BenchError: for everything that would make the run fail later and can be known now.
    """
    for name in config.classifiers:
        check_settings(find_backend(config.backend(name)), config.settings(name), where=f"classifiers.{name}")
    loaded = load_task(config.data)
    split = make_split(loaded, config.split, config.seed)
    threads = config.threads or os.cpu_count() or 1
    for name in config.classifiers:
        backend = find_backend(config.backend(name))
        settings = check_settings(backend, config.settings(name), where=f"classifiers.{name}")
        backend(settings, seed=config.seed, threads=threads).fetch(fetch)
    name = folder or f"{config.name}-{run_fingerprint(config, loaded, split)}"
    return Plan(config, loaded, split, RunFolder(results / name))


def run(plan: Plan, watcher: Watcher) -> RunFolder:
    """Run every classifier that is not finished, and give the run's folder.

    Raises:
        BenchError: if the results cannot be written, or another run is at work on them.
    """
    with _writable(plan.folder.path), _locked(plan.folder.path):
        _begin(plan)
        for name in plan.config.classifiers:
            done = plan.folder.cell(name).read()
            if done and done.status == "ok" and done.fingerprint == plan.fingerprint(name):
                watcher.ended(done, kept=True)
            else:
                watcher.ended(_run_worker(plan, name, watcher), kept=False)
    return plan.folder


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
        if not same or old.config != plan.config.model_dump(mode="json"):
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


def _run_worker(plan: Plan, name: str, watcher: Watcher) -> CellRecord:
    """Run one cell's process to its end and give its record, which a crashed one did not write."""
    folder = plan.folder.cell(name)
    folder.path.mkdir(parents=True, exist_ok=True)
    (folder.path / "cell.json").unlink(missing_ok=True)  # a failed one, not to be taken for the new one
    watcher.started(name)
    cause = ""
    with folder.log.open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "bench.worker", str(plan.folder.path), name],
            stdout=subprocess.PIPE,
            stderr=log,
            env=_environment(plan.config),
        )
        try:
            for event in _events(process.stdout):
                cause = event["cause"] if event["event"] == "failed" else cause
                watcher.event(name, event)
            code = process.wait()
        finally:
            # on an interrupt the worker must not go on unseen
            process.kill()
            process.wait()
    record = folder.read()
    if code == 0 and record is not None:
        return record
    failed = CellRecord(
        classifier=name,
        backend=plan.config.backend(name),
        fingerprint=plan.fingerprint(name),
        status="failed",
        seed=plan.config.seed,
        settings=plan.config.settings(name),
        cause=cause or _cause(code),
    )
    folder.write(failed)
    return failed


def _environment(config: RunConfig) -> dict[str, str]:
    threads = str(config.threads or os.cpu_count() or 1)
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
