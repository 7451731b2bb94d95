"""The files of a run: the only reader and writer of results/.

JSON Lines files are appended and flushed line by line; whole files are written beside and renamed.
"""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from pydantic import TypeAdapter

from bench.files import replace_file
from bench.records.jsonl import JsonLines, reason
from bench.records.renamed import with_current_names
from bench.records.types import (
    MAX_NUMBER,
    CellIdentity,
    CellRecord,
    EpochRecord,
    MessageRecord,
    PredictionRecord,
    RunRecord,
)
from classifiers.errors import BenchError
from classifiers.interface import Task

R = TypeVar("R")
IDENTITY = "cell-identity.json"
KEPT = ("log.txt", ".lock")
"""Files of a cell's folder that are no answers: they stay when the cell becomes another."""
LOCK_SECONDS = 60


def _write_object(path: Path, record: Any) -> None:
    replace_file(path, TypeAdapter(type(record)).dump_json(record, indent=1) + b"\n")


def _read_object(path: Path, kind: type[R]) -> R | None:
    if not path.exists():
        return None
    try:
        data = path.read_bytes()
        values = json.loads(data, parse_int=_whole, parse_float=_finite, parse_constant=_finite)
        return TypeAdapter(kind).validate_json(json.dumps(with_current_names(values)))
    except OSError as error:
        raise BenchError(f"{path}: cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise BenchError(f"{path}: broken record ({reason(error)}); delete it and run again") from error


def _finite(text: str) -> float:
    """Refuse what no figure of a record can be: infinities, and what is no number."""
    if not math.isfinite(float(text)):
        raise ValueError(f"{text[:20]} is no finite number")
    return float(text)


def _whole(text: str) -> int:
    """Refuse whole numbers that are too large to be divided."""
    if abs(float(text)) >= MAX_NUMBER:
        raise ValueError(f"{text[:20]}… is too large a number")
    return int(text)


@dataclass(frozen=True, slots=True)
class CellFolder:
    """The files of one classifier in a run; where the task is given, answers that cannot be answers to it are refused.

    Code that scores answers gives the task: then nothing that is computed from them can fail.
    """

    path: Path
    task: Task | None = None

    @property
    def predictions(self) -> JsonLines[PredictionRecord]:
        """Return the answers, in the order they came."""
        return JsonLines(self.path / "predictions.jsonl", PredictionRecord, self._check)

    @property
    def validation(self) -> JsonLines[PredictionRecord]:
        """Return the answers to messages of the validation part, for what is chosen on it."""
        return JsonLines(self.path / "validation.jsonl", PredictionRecord, self._check)

    @property
    def epochs(self) -> JsonLines[EpochRecord]:
        """Return the epochs of the fit; empty where it has none."""
        return JsonLines(self.path / "fit.jsonl", EpochRecord)

    @property
    def model(self) -> Path:
        """Return the folder the fitted classifier is saved in."""
        return self.path / "model"

    @property
    def fitted(self) -> Path:
        """Return the file whose existence says that the saved model is whole; it holds the seconds it took."""
        return self.path / "fitted.ok"

    @property
    def log(self) -> Path:
        """Return the file that holds everything the worker printed."""
        return self.path / "log.txt"

    @contextmanager
    def held(self) -> Iterator[None]:
        """Hold the cell's folder while it is written to.

        Raises:
            BenchError: if another process holds it for longer than a worker takes to end.
        """
        from filelock import FileLock, Timeout

        self.path.mkdir(parents=True, exist_ok=True)
        try:
            with FileLock(self.path / ".lock", timeout=LOCK_SECONDS):
                yield
        except Timeout as error:
            raise BenchError(f"another process is at work on {self.path}; wait for it") from error

    def identity(self) -> CellIdentity:
        """Read what the answers in this folder are made from.

        Raises:
            BenchError: if the cell was never begun.
        """
        identity = _read_object(self.path / IDENTITY, CellIdentity)
        if identity is None:
            raise BenchError(f"{self.path} was never begun (no {IDENTITY}); run the benchmark again")
        return identity

    def begin(self, identity: CellIdentity) -> None:
        """Take up a cell, clearing all that another cell left under its name."""
        old = _read_object(self.path / IDENTITY, CellIdentity)
        self.path.mkdir(parents=True, exist_ok=True)
        if old == identity:
            return
        stale = [file for file in self.path.iterdir() if file.name not in KEPT]
        for file in sorted(stale, key=lambda file: file.name != self.fitted.name):  # without it no model is whole
            if file.is_dir() and not file.is_symlink():
                shutil.rmtree(file)
            else:
                file.unlink()
        _write_object(self.path / IDENTITY, identity)

    def read(self) -> CellRecord | None:
        """Read cell.json; None where the cell never came to its end."""
        record = _read_object(self.path / "cell.json", CellRecord)
        if record and record.classifier != self.path.name:
            raise BenchError(f"{self.path / 'cell.json'}: is of another classifier; delete it and run again")
        return record

    def write(self, record: CellRecord) -> None:
        """Write cell.json, the last file of a cell."""
        _write_object(self.path / "cell.json", record)

    def _check(self, record: PredictionRecord) -> None:
        if self.task:
            record.check(self.task)


@dataclass(frozen=True, slots=True)
class RunFolder:
    """The files of a run."""

    path: Path

    @property
    def messages(self) -> JsonLines[MessageRecord]:
        """Return the messages with their parts, in the task's order: the only messages that workers read."""
        return JsonLines(self.path / "messages.jsonl", MessageRecord)

    def cell(self, classifier: str) -> CellFolder:
        """Return the folder of one classifier."""
        return CellFolder(self.path / classifier)

    def read(self) -> RunRecord:
        """Read run.json.

        Raises:
            BenchError: if the folder holds no run.
        """
        record = _read_object(self.path / "run.json", RunRecord)
        if record is None:
            raise BenchError(f"{self.path} holds no run (no run.json); bench run makes one")
        return record

    def write(self, record: RunRecord) -> None:
        """Write run.json."""
        _write_object(self.path / "run.json", record)

    def saved(self) -> list[str]:
        """Name the classifiers whose fitted model the run has kept."""
        return [cell.classifier for cell, folder in self.cells() if cell.status == "ok" and folder.model.is_dir()]

    def cells(self) -> list[tuple[CellRecord, CellFolder]]:
        """Read all cells that have ended, in the order of the run's config."""
        run = self.read()
        task = run.as_task()
        ended = []
        for plan in run.config.cells():
            folder = CellFolder(self.path / plan.name, task)
            record = folder.read()
            if record and (record.row or plan.row, record.train_per_label) != (plan.row, plan.train_per_label):
                raise BenchError(f"{folder.path / 'cell.json'}: is of another row; delete it and run again")
            ended += [(record, folder)] if record else []
        return ended


def all_runs(root: Path) -> list[RunFolder]:
    """List the runs below a results folder, newest first."""
    folders = [file.parent for file in root.glob("*/run.json")]
    return [RunFolder(f) for f in sorted(folders, key=lambda f: (f / "run.json").stat().st_mtime, reverse=True)]


def find_run(name: str | None, root: Path) -> RunFolder:
    """Return a run by path, by name below `root`, or the newest for None and for `latest`.

    Raises:
        BenchError: if there is none of that name.
    """
    from classifiers.errors import nearest

    name = None if name == "latest" else name
    if name and (Path(name) / "run.json").exists():
        return RunFolder(Path(name))
    runs = all_runs(root)
    if name is None and runs:
        return runs[0]
    for run in runs:
        if name and run.path.name == name:
            return run
    if name is None:
        raise BenchError(f"there is no run in {root}; make one with: bench run")
    raise BenchError(nearest(name, [run.path.name for run in runs], what="run"))


def find_cell(name: str, root: Path) -> tuple[RunFolder, str]:
    """Return run and classifier of `RUN/CLASSIFIER`; RUN is a path, a name below `root` or `latest`.

    Raises:
        BenchError: if there is no such run; whether it has the classifier is for the caller to see.
    """
    run, _, classifier = name.rpartition("/")
    if not run:
        raise BenchError(f"'{name}' names no classifier of a run; give RUN/CLASSIFIER, such as latest/encoder")
    return find_run(run, root), classifier
