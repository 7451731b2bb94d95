"""Run one config or several: see what is finished, have an executor run the rest.

A worker that crashes, is killed or fails leaves a failed row with its cause; the others go on.
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path

from bench.config.cells import CellPlan
from bench.dataset.parts import PARTS
from bench.execution.fingerprint import CHANGEABLE, message_records
from bench.execution.plan import Executor, Job, Plan, Watcher
from bench.execution.stop_budget import goes_on
from bench.execution.stopping import ON_A_CLUSTER, may_stop
from bench.execution.validation import lacks_answers
from bench.measure import machine as meter
from bench.measure.limits import usable_cores
from bench.records.store import RunFolder
from bench.records.types import CellRecord, RunRecord
from classifiers.errors import BenchError

LOCK = ".lock"
NOT_WRITABLE = (
    errno.EACCES,
    errno.EPERM,
    errno.EROFS,
    errno.ENOSPC,
    errno.EDQUOT,
    errno.ENOTDIR,
    errno.EEXIST,
    errno.EISDIR,
    errno.EFBIG,
)


Order = Callable[[Sequence[Job]], Sequence[Job]]
"""In which order cells are run."""


def run(
    plans: Sequence[Plan], executor: Executor, watcher: Watcher, order: Order = lambda jobs: jobs
) -> list[RunFolder]:
    """Run every cell that is not finished, those of all plans side by side, and return the plans' folders.

    Raises:
        BenchError: if the results cannot be written, or another run is at work on them.
    """
    with ExitStack() as held:
        alone = len(plans) == 1
        jobs = [job for plan in plans for job in _jobs(plan, held, executor.name, alone=alone)]
        waiting = [job for job in jobs if not _is_kept(job, watcher)]
        while waiting:
            n_ended = 0
            with closing(executor.run(order(waiting), watcher)) as ending:
                for job, record in ending:
                    watcher.ended(job.title, record, kept=False)
                    n_ended += 1
            # what decided rows left of a budget goes to those that are undecided, unless the time is up
            waiting = [job for job in jobs if _goes_on(job)] if n_ended else []
    return [plan.folder for plan in plans]


def _jobs(plan: Plan, held: ExitStack, executor: str, *, alone: bool) -> Iterator[Job]:
    """Take hold of a run's folder and give its cells."""
    held.enter_context(_writable(plan.folder.path))
    held.enter_context(_locked(plan.folder.path))
    _begin(plan, executor)
    for cell in plan.config.cells():
        title = cell.name if alone else f"{plan.config.name}/{cell.name}"
        yield Job(plan, cell, title)


def _is_kept(job: Job, watcher: Watcher) -> bool:
    """Tell whether an earlier command finished a cell, and let the watcher know."""
    record = job.folder.read()
    if not (record and record.fingerprint == job.identity.fingerprint and _is_finished(job.plan, job.cell, record)):
        return False
    watcher.ended(job.title, record, kept=True)
    return True


def _goes_on(job: Job) -> bool:
    record = job.folder.read()
    return record is not None and record.status == "ok" and goes_on(job.plan.folder, job.plan.config, record)


def _is_finished(plan: Plan, cell: CellPlan, record: CellRecord) -> bool:
    """Tell whether nothing is left to be done for a cell.

    One that stopped early goes on where more is asked for, and one that a new cascade passes messages on to.
    """
    if record.status != "ok" or goes_on(plan.folder, plan.config, record):
        return False
    validation = plan.split.select(plan.loaded.messages, "validation") if cell.train_per_label is None else []
    return not lacks_answers(plan.folder, plan.config, cell.name, validation)


@contextmanager
def _writable(folder: Path) -> Iterator[None]:
    """Turn a full disk or a missing permission into one line."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        yield
    except OSError as error:
        if error.errno not in NOT_WRITABLE:
            raise
        raise BenchError(f"cannot write results to {folder}: {error.strerror or error}") from error


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Hold the run folder; the lock goes with the process that has it."""
    from filelock import FileLock, Timeout

    lock = FileLock(folder / LOCK, timeout=0)
    try:
        lock.acquire()
    except Timeout as error:
        raise BenchError(f"another run is at work on {folder}; wait for it or give --run another name") from error
    try:
        yield
    finally:
        lock.release()


def _begin(plan: Plan, executor: str) -> None:
    """Write messages and run record, or see that they are this plan's."""
    if (plan.folder.path / "run.json").exists():
        old = plan.folder.read()
        same = (old.task_fingerprint, old.split_fingerprint) == (plan.loaded.fingerprint, plan.split.fingerprint)
        configs = [config.model_copy(update=dict.fromkeys(CHANGEABLE)) for config in (old.config, plan.config)]
        if not same or configs[0] != configs[1]:
            raise BenchError(f"{plan.folder.path} holds another run; give --run another name or delete it")
        if old.config != plan.config:
            plan.folder.write(replace(old, config=plan.config))
        if plan.folder.messages.path.exists():
            return
    plan.folder.messages.write(message_records(plan.loaded, plan.split))
    plan.folder.write(_run_record(plan, executor))


def _run_record(plan: Plan, executor: str) -> RunRecord:
    task = plan.loaded.task
    selected = {part: plan.split.select(plan.loaded.messages, part) for part in PARTS}
    on_cluster = [ON_A_CLUSTER] if executor != "local" and may_stop(plan.config, len(selected["test"])) else []
    return RunRecord(
        name=plan.folder.path.name,
        config=plan.config,
        task={
            "name": task.name,
            "instruction": task.instruction,
            "labels": [{"name": label.name, "definition": label.definition} for label in task.labels],
            **({"max_labels": task.max_labels} if task.takes_several else {}),
        },
        task_fingerprint=plan.loaded.fingerprint,
        split_fingerprint=plan.split.fingerprint,
        part_sizes={part: len(messages) for part, messages in selected.items()},
        label_counts={
            part: {name: sum(name in m.labels for m in messages) for name in task.label_names}
            for part, messages in selected.items()
        },
        machine=meter.machine(plan.config.threads or usable_cores()),
        versions=meter.versions(),
        warnings=(*plan.split.warnings, *on_cluster),
        executor=executor,
        n_left_out=plan.loaded.n_left_out,
        git_commit=meter.git_commit(),
        started=datetime.now(timezone.utc).isoformat(timespec="seconds"),
    )
