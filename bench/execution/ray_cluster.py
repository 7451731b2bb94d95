"""Run cells on the machines of a Ray cluster: `--executor ray`.

Every cell is one Ray task in a process of its own. It works in a folder on its machine's disk and copies what it made
to the storage. A lost machine's cells are run again on another. Messages travel with the run; models must be readable
on every machine under the same name.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.execution.failures import cause_of_error
from bench.execution.local import seconds_left
from bench.execution.memory_gate import needed_bytes
from bench.execution.plan import Ended, Job, Watcher, worker_variables
from bench.execution.storage import SHARED, address_of, fetch, is_stored, store_cell, store_run
from bench.records.store import RunFolder
from bench.records.types import CellIdentity, CellRecord
from classifiers.plurals import number_of

TRIES = 3
"""How often a cell is run again whose machine was lost."""


@dataclass(frozen=True, slots=True)
class RayExecutor:
    """Runs cells on a Ray cluster: the one at `address`, or one of this machine alone where that is None.

    When `time.monotonic` reaches `until`, what has not ended is stopped; the same command goes on with it.
    """

    address: str | None
    storage: str
    name: str = "ray"
    until: float | None = None

    def run(self, jobs: Sequence[Job], watcher: Watcher) -> Ended:
        """Run all cells at once, as far as the cluster has processors and memory, and give them as they end.

        What the storage holds already, of a command that was broken off, is not run again.
        """
        import ray

        for run in dict.fromkeys(job.plan.folder for job in jobs):
            store_run(self.storage, run)
        ray.init(address=self.address, log_to_driver=False, ignore_reinit_error=True)
        waiting: dict[Any, Job] = {}
        try:
            for job in jobs:
                if record := self._stored(job):
                    yield job, record
                elif lacking := _lacking(job):
                    yield job, job.without_result("failed", lacking)
                else:
                    watcher.started(job.title)
                    waiting[self._submit(job)] = job
            while waiting:
                ended, _ = ray.wait(list(waiting), timeout=seconds_left(self.until))
                if not ended:
                    return
                job = waiting.pop(ended[0])
                yield job, self._record(job, ended[0])
        finally:  # nothing runs on after an interrupt
            for task in waiting:
                ray.cancel(task, force=True)

    def _submit(self, job: Job) -> Any:
        """Hand a cell over; a process serves one cell, so that memory is measured for it alone."""
        import ray

        needs = _needs(job)
        task = ray.remote(max_calls=1)(run_remotely).options(
            num_cpus=needs["CPU"],
            num_gpus=needs["GPU"],
            memory=needs["memory"],
            max_retries=TRIES,
            runtime_env={"env_vars": worker_variables(job.plan.config)},
        )
        run = job.plan.folder
        files = {name: (run.path / name).read_bytes() for name in SHARED}
        return task.remote(files, job.cell.name, job.identity, address_of(self.storage, run), os.getcwd())

    def _stored(self, job: Job) -> CellRecord | None:
        """Fetch a cell that is whole in the storage; None where it is not finished, stopped early, or is another."""
        if not is_stored(self.storage, job):
            return None
        fetch(self.storage, job)
        record = job.folder.read()
        if record is None or record.status != "ok" or record.stopped is not None:
            return None
        return record if record.fingerprint == job.identity.fingerprint else None

    def _record(self, job: Job, done: Any) -> CellRecord:
        import ray

        try:
            cause = ray.get(done)
        except ray.exceptions.RayError as error:
            cause = cause_of_error(error)
        if cause:
            return job.without_result("failed", cause)
        fetch(self.storage, job)
        record = job.folder.read()
        assert record is not None
        return record


def _needs(job: Job) -> dict[str, float]:
    """Return what a cell asks of one node, in Ray's names."""
    row = job.plan.config.classifiers[job.cell.row]
    return {"CPU": job.plan.config.threads_per_cell, "GPU": row.gpus, "memory": needed_bytes(job.cell, row)}


def _lacking(job: Job) -> str:
    """Say why no node of the cluster can ever hold a cell, or nothing where one can."""
    import ray

    needs = _needs(job)
    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]  # type: ignore[no-untyped-call]
    if any(all(node.get(name, 0) >= amount for name, amount in needs.items()) for node in nodes):
        return ""
    largest = {name: max((node.get(name, 0) for node in nodes), default=0) for name in needs}
    wanted = f"{number_of(needs['CPU'], 'thread')}, {needs['GPU']:g} GPU and {needs['memory'] / 1e9:.1f} GB"
    there = f"{largest['CPU']:g}, {largest['GPU']:g} and {largest['memory'] / 1e9:.1f} GB"
    return f"no machine of the cluster has {wanted} (the most of each: {there}); set threads, gpus or memory_gb lower"


def run_remotely(files: dict[str, bytes], name: str, identity: CellIdentity, address: str, home: str) -> str:
    """Run one cell in this process and copy its files to `address`; give what went wrong, or nothing.

    `home` is the folder that relative paths of the config start from, where this machine has it.
    """
    from bench.execution.cell import open_cell
    from bench.execution.worker import run_cell

    if Path(home).is_dir():
        os.chdir(home)
    with tempfile.TemporaryDirectory(prefix="bench-cell-") as folder:
        run = RunFolder(Path(folder))
        for file, data in files.items():
            (run.path / file).write_bytes(data)
        cell = run.cell(name)
        cell.begin(identity)
        try:
            cell.write(run_cell(open_cell(run, name, lambda event, **figures: None)))
            store_cell(cell.path, f"{address}/{name}")
        except Exception as error:
            return cause_of_error(error)
    return ""
