"""Run cells on this machine, each in a process of its own: `--executor local`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Collection, Iterator, Sequence
from concurrent import futures
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from threading import Lock
from typing import IO, Any

from bench.execution.failures import STOPPED, cause_of_exit, is_interrupt
from bench.execution.memory_gate import MemoryGate, needed_bytes
from bench.execution.plan import Ended, Job, Watcher, worker_variables
from bench.records.types import CellRecord
from classifiers.errors import BenchError


@dataclass(frozen=True, slots=True)
class LocalExecutor:
    """Runs `jobs` cells at a time; several start together only while memory is free for all of them.

    When `time.monotonic` reaches `until`, nothing more is started and what runs is stopped; the same command goes on
    with it.
    """

    at_a_time: int = 1
    name: str = "local"
    until: float | None = None

    def run(self, jobs: Sequence[Job], watcher: Watcher) -> Ended:
        """Run all cells; an interrupt kills those that run and starts no other."""
        workers = _Workers()
        gate = MemoryGate() if self.at_a_time > 1 else None
        with ThreadPoolExecutor(self.at_a_time) as pool:
            try:
                running = {pool.submit(_run_when_it_fits, job, watcher, workers, gate): job for job in jobs}
                for done in _as_they_end(running, self.until):
                    yield running[done], done.result()
            finally:
                workers.stop()
                pool.shutdown(wait=False, cancel_futures=True)


def _as_they_end(running: Collection[Future[CellRecord]], until: float | None) -> Iterator[Future[CellRecord]]:
    """Yield cells as they end, until the time is up."""
    try:
        yield from as_completed(running, timeout=seconds_left(until))
    except futures.TimeoutError:
        return


def seconds_left(until: float | None) -> float | None:
    """Return the seconds until then, 0 where that is past; None for no end."""
    return None if until is None else max(until - time.monotonic(), 0.0)


def _run_when_it_fits(job: Job, watcher: Watcher, workers: _Workers, gate: MemoryGate | None) -> CellRecord:
    if gate is None:
        return _run_worker(job, watcher, workers)
    try:
        gate.enter(job.title, needed_bytes(job.cell, job.plan.config.classifiers[job.cell.row]))
    except BenchError as error:
        return job.without_result("failed", str(error))
    try:
        return _run_worker(job, watcher, workers)
    finally:
        gate.leave(job.title)


class _Workers:
    """The processes that run now; once stopped, none is started."""

    def __init__(self) -> None:
        self._running: set[subprocess.Popen[bytes]] = set()
        self._guard = Lock()
        self.stopped = False

    def start(self, job: Job, log: IO[bytes]) -> subprocess.Popen[bytes]:
        """Start a cell's process, whose standard output is read by the caller; its input ends with this process."""
        command = [sys.executable, "-m", "bench.execution.worker", str(job.plan.folder.path), job.cell.name]
        environment = {**os.environ, **worker_variables(job.plan.config)}
        pipe = subprocess.PIPE
        with self._guard:
            if self.stopped:
                raise BenchError("the run was interrupted")
            process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=log, env=environment)
            self._running.add(process)
            return process

    def stop(self) -> None:
        """Kill all that run: on an interrupt no worker must go on unseen."""
        with self._guard:
            self.stopped = True
            for process in self._running:
                process.kill()
            self._running.clear()


def _run_worker(job: Job, watcher: Watcher, workers: _Workers) -> CellRecord:
    """Run one cell's process to its end and give its record, which a crashed one did not write."""
    folder = job.folder
    with folder.held():  # by nobody who outlives an earlier runner
        folder.begin(job.identity)
        (folder.path / "cell.json").unlink(missing_ok=True)  # a failed one, not to be taken for the new one
    watcher.started(job.title)
    cause = ""
    with folder.log.open("ab") as log, workers.start(job, log) as process:
        for event in _events(process.stdout):
            cause = event["cause"] if event["event"] == "failed" else cause
            watcher.event(job.title, event)
        code = process.wait()  # before its standard input is closed, which would end it
    record = folder.read()
    if code == 0 and record is not None:
        return record
    if workers.stopped or is_interrupt(code):
        return job.without_result("interrupted", STOPPED)
    return job.without_result("failed", cause or cause_of_exit(code))


def _events(stream: IO[bytes] | None) -> Iterator[dict[str, Any]]:
    assert stream is not None
    for line in stream:
        try:
            yield json.loads(line)
        except ValueError:
            continue  # a worker that dies in the middle of a line
