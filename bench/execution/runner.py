"""Run one config or several: see what is finished, have an executor run the rest.

A worker that crashes, is killed or fails leaves a failed row with its cause; the others go on.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from datetime import datetime, timezone
from pathlib import Path

from bench.config.run import RunConfig
from bench.dataset.parts import PARTS
from bench.execution.plan import Executor, Job, Plan, Watcher
from bench.measure import process as meter
from bench.records.store import RunFolder
from bench.records.types import RunRecord
from classifiers.errors import BenchError

LOCK = ".lock"


def run(plans: Sequence[Plan], executor: Executor, watcher: Watcher) -> list[RunFolder]:
    """Run every cell that is not finished, those of all plans side by side, and give the plans' folders.

    Raises:
        BenchError: if the results cannot be written, or another run is at work on them.
    """
    with ExitStack() as held:
        waiting = [job for plan in plans for job in _waiting(plan, held, watcher, alone=len(plans) == 1)]
        with closing(executor.run(waiting, watcher)) as ending:
            for job, record in ending:
                watcher.ended(job.title, record, kept=False)
    return [plan.folder for plan in plans]


def _waiting(plan: Plan, held: ExitStack, watcher: Watcher, *, alone: bool) -> Iterator[Job]:
    """Take hold of a run's folder and give its cells that are not finished."""
    held.enter_context(_writable(plan.folder.path))
    lock = held.enter_context(_locked(plan.folder.path))
    _begin(plan)
    for cell in plan.config.cells():
        title = cell.name if alone else f"{plan.config.name}/{cell.name}"
        record = plan.folder.cell(cell.name).read()
        if record and record.status == "ok" and record.fingerprint == plan.fingerprint(cell):
            watcher.ended(title, record, kept=True)
        else:
            yield Job(plan, cell, title, lock)


@contextmanager
def _writable(folder: Path) -> Iterator[None]:
    """Turn a full disk or a missing permission into one line."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        yield
    except OSError as error:
        raise BenchError(f"cannot write results to {folder}: {error.strerror or error}") from error


@contextmanager
def _locked(folder: Path) -> Iterator[int]:
    """Hold the run folder and give the lock's descriptor; the lock goes with the processes that have it."""
    import fcntl

    with (folder / LOCK).open("w") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise BenchError(f"another run is at work on {folder}; wait for it or give --run another name") from error
        yield stream.fileno()


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
            **({"max_labels": task.max_labels} if task.takes_several else {}),
        },
        task_fingerprint=plan.loaded.fingerprint,
        split_fingerprint=plan.split.fingerprint,
        part_sizes={part: len(messages) for part, messages in selected.items()},
        label_counts={
            part: {name: sum(name in m.labels for m in messages) for name in task.label_names}
            for part, messages in selected.items()
        },
        machine=meter.machine(plan.config.threads or meter.usable_cores()),
        versions=meter.versions(),
        warnings=plan.split.warnings,
        git_commit=meter.git_commit(),
        started=datetime.now(timezone.utc).isoformat(timespec="seconds"),
    )
