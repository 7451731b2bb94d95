"""The record types of a run and their files: the only reader and writer of results/.

Observations are stored, scores are derived: everything a table shows can be rebuilt from these
files alone. JSON Lines files are appended and flushed line by line; whole files are written beside
and renamed. `schema` is the format's version; fields are only ever added.
"""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import TypeAdapter

from bench.config import RunConfig
from bench.jsonlines import JsonLines, reason, replace_file
from classifiers.interface import Attempt, BenchError, ModelFile, Stage, Task, Trial, confidence_of

SCHEMA = 1
Part = Literal["train", "validation", "test"]
Status = Literal["ok", "failed", "interrupted"]
LARGEST = 2**63
"""Above every whole number a record has cause to hold; much larger ones cannot be reckoned with as floats."""
MOST_ATTEMPTS = 1000
SLACK = 1e-6
"""By how much rounding may take a probability over 1."""


@dataclass(frozen=True, slots=True)
class SplitLine:
    """Which part a message belongs to."""

    id: str
    part: Part


@dataclass(frozen=True, slots=True)
class PredictionRecord:
    """One classifier's answer to one test message; `seconds` is its share of its batch's time."""

    id: str
    text: str
    gold: tuple[str, ...]
    predicted: tuple[str, ...]
    valid: bool
    probabilities: dict[str, float] | None = None
    attempts: tuple[Attempt, ...] = ()
    seconds: float = 0.0
    truncated: bool = False
    columns: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not 0 <= self.seconds < math.inf:
            raise ValueError("seconds must not be negative or infinite")
        if not self.valid and self.predicted:
            raise ValueError("an invalid prediction must not carry labels")
        if any(not 0 <= p <= 1 + SLACK for p in (self.probabilities or {}).values()):
            raise ValueError("a probability must lie between 0 and 1")

    def check(self, task: Task) -> None:
        """See that it can be an answer to a message of this task; raises ValueError where it cannot."""
        allowed = range(task.most_labels + 1) if task.takes_several else (1,)
        if strangers := {*self.gold, *self.predicted, *(self.probabilities or ())} - set(task.label_names):
            raise ValueError(f"{min(strangers)!r} is no label of the task")
        if len(self.gold) not in allowed or (self.valid and len(self.predicted) not in allowed):
            raise ValueError("it has more or fewer labels than a message of the task")
        if self.probabilities and not task.takes_several and not any(self.probabilities.values()):
            raise ValueError("no label has a probability above 0")

    @property
    def is_right(self) -> bool:
        """Tell whether the answer is valid and exactly the gold labels, in any order."""
        return self.valid and set(self.predicted) == set(self.gold)

    @property
    def confidence(self) -> float | None:
        """Give how sure the answer is, None where it is none or there are no probabilities."""
        return confidence_of(self.predicted, self.probabilities) if self.valid else None

    @property
    def is_valid_at_first(self) -> bool:
        """Tell whether the first attempt, before any retry, was an answer."""
        return self.attempts[0].valid if self.attempts else self.valid

    @property
    def is_right_at_first(self) -> bool:
        """Tell whether the first attempt was exactly the gold labels."""
        first = self.attempts[0].labels if self.attempts else self.predicted
        return self.is_valid_at_first and set(first) == set(self.gold)


@dataclass(frozen=True, slots=True)
class EpochRecord:
    """One epoch of a fit: mean losses, shares right, and its wall time."""

    epoch: int
    train_loss: float | None = None
    train_accuracy: float | None = None
    validation_loss: float | None = None
    validation_accuracy: float | None = None
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Latency:
    """Milliseconds from one message to its answer, batch of one, after warm-up, over n messages."""

    p50: float
    p95: float
    n: int


@dataclass(frozen=True, slots=True)
class Tokens:
    """Tokens read and written for all test messages, retries included; of the written, those spent thinking."""

    prompt: int = 0
    completion: int = 0
    thinking: int = 0


@dataclass(frozen=True, slots=True)
class Energy:
    """Kilowatt-hours read from a power meter; None where there was none, and `source` then says why.

    `predict_kwh` is of the `n_predicted` messages that the latest worker answered.
    """

    source: str
    fit_kwh: float | None = None
    predict_kwh: float | None = None
    n_predicted: int = 0

    @property
    def kwh_per_message(self) -> float | None:
        """Give the energy of one answer."""
        return self.predict_kwh / self.n_predicted if self.predict_kwh is not None and self.n_predicted else None


@dataclass(frozen=True, slots=True)
class CellRecord:
    """What one classifier did on one split with one seed; times in seconds, sizes in bytes.

    `row` is the config's row it comes from, one of several cells where that has seeds or numbers of training
    messages; `train_per_label` is that number, None for the whole part, and `n_train` how many it was given.
    `n_labelled` is how many labelled messages it used, to learn from or to choose by.
    `stages` says where the prediction time of the latest worker went.
    """

    classifier: str
    backend: str
    fingerprint: str
    status: Status
    seed: int = 0
    cause: str | None = None
    settings: dict[str, Any] = field(default_factory=dict)
    models: tuple[ModelFile, ...] = ()
    notes: tuple[str, ...] = ()
    facts: dict[str, str | int | float] = field(default_factory=dict)
    load_seconds: float | None = None
    fit_seconds: float | None = None
    predict_seconds: float | None = None
    latency_ms: Latency | None = None
    throughput_per_s: float | None = None
    peak_memory_bytes: int | None = None
    predict_memory_bytes: int | None = None
    n_parameters: int | None = None
    bytes_on_disk: int | None = None
    tokens: Tokens = field(default_factory=Tokens)
    max_attempts: int = 1
    trials: tuple[Trial, ...] = ()
    stages: dict[str, Stage] = field(default_factory=dict)
    row: str = ""
    train_per_label: int | None = None
    n_train: int | None = None
    n_labelled: int | None = None
    energy: Energy | None = None
    schema: int = SCHEMA

    def __post_init__(self) -> None:
        if self.status == "failed" and not self.cause:
            raise ValueError("a failed cell must name its cause")
        if not 1 <= self.max_attempts <= MOST_ATTEMPTS:
            raise ValueError(f"max_attempts must lie between 1 and {MOST_ATTEMPTS}")
        if any(s is not None and s < 0 for s in (self.load_seconds, self.fit_seconds, self.predict_seconds)):
            raise ValueError("seconds must not be negative")


@dataclass(frozen=True, slots=True)
class RunRecord:
    """A run as it was asked for and the machine it ran on; `warnings` stand above every table."""

    name: str
    config: dict[str, Any]
    task: dict[str, Any]
    task_fingerprint: str
    split_fingerprint: str
    part_sizes: dict[str, int]
    label_counts: dict[str, dict[str, int]]
    machine: dict[str, str | int]
    versions: dict[str, str]
    warnings: tuple[str, ...] = ()
    git_commit: str | None = None
    started: str = ""
    schema: int = SCHEMA

    def __post_init__(self) -> None:
        RunConfig.model_validate(self.config)
        names = self.as_task().label_names
        if not names or len(set(names)) < len(names):
            raise ValueError("a task needs labels of different names")
        if missing := {"processor", "threads"} - set(self.machine) or {"test"} - set(self.part_sizes):
            raise ValueError(f"{min(missing)} is missing")

    def as_task(self) -> Task:
        """Give the task as classifiers take it; `most_labels` is written only where it is above 1."""
        return TypeAdapter(Task).validate_python(self.task)


R = TypeVar("R")


def _write_object(path: Path, record: Any) -> None:
    replace_file(path, json.dumps(asdict(record), indent=1, ensure_ascii=False).encode() + b"\n")


def _read_object(path: Path, kind: type[R]) -> R | None:
    if not path.exists():
        return None
    try:
        data = path.read_bytes()
        json.loads(data, parse_int=_whole, parse_float=_finite, parse_constant=_finite)
        return TypeAdapter(kind).validate_json(data)
    except OSError as error:
        raise BenchError(f"{path}: cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise BenchError(f"{path}: broken record ({reason(error)}); delete it and run again") from error


def _finite(text: str) -> float:
    """Refuse what no figure of a record can be: infinities, and what is no number."""
    if not math.isfinite(float(text)):
        raise ValueError(f"{text[:20]} is no finite number")
    return float(text)


def _whole(text: str) -> float:
    """Refuse whole numbers that are too large to be divided."""
    if abs(float(text)) >= LARGEST:
        raise ValueError(f"{text[:20]}… is too large a number")
    return float(text)


@dataclass(frozen=True, slots=True)
class CellFolder:
    """The files of one classifier in a run; where the task is given, answers that cannot be answers to it are refused.

    Whoever scores answers gives the task: then nothing that is computed from them can fail.
    """

    path: Path
    task: Task | None = None

    @property
    def predictions(self) -> JsonLines[PredictionRecord]:
        """Give the answers, in the order they came."""
        return JsonLines(self.path / "predictions.jsonl", PredictionRecord, self._check)

    @property
    def validation(self) -> JsonLines[PredictionRecord]:
        """Give the answers to messages of the validation part, for what is chosen on it."""
        return JsonLines(self.path / "validation.jsonl", PredictionRecord, self._check)

    @property
    def epochs(self) -> JsonLines[EpochRecord]:
        """Give the epochs of the fit; empty where it has none."""
        return JsonLines(self.path / "fit.jsonl", EpochRecord)

    @property
    def model(self) -> Path:
        """Give the folder the fitted classifier is saved in."""
        return self.path / "model"

    @property
    def log(self) -> Path:
        """Give the file that holds everything the worker printed."""
        return self.path / "log.txt"

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
    def split(self) -> JsonLines[SplitLine]:
        """Give the part of every message."""
        return JsonLines(self.path / "split.jsonl", SplitLine)

    def cell(self, classifier: str) -> CellFolder:
        """Give the folder of one classifier."""
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
        found = []
        for plan in RunConfig.model_validate(run.config).cells():
            folder = CellFolder(self.path / plan.name, task)
            record = folder.read()
            if record and (record.row or plan.row, record.train_per_label) != (plan.row, plan.train_per_label):
                raise BenchError(f"{folder.path / 'cell.json'}: is of another row; delete it and run again")
            found += [(record, folder)] if record else []
        return found


def all_runs(root: Path) -> list[RunFolder]:
    """List the runs below a results folder, newest first."""
    folders = [file.parent for file in root.glob("*/run.json")]
    return [RunFolder(f) for f in sorted(folders, key=lambda f: (f / "run.json").stat().st_mtime, reverse=True)]


def find_run(name: str | None, root: Path) -> RunFolder:
    """Give a run by path, by name below `root`, or the newest for None and for `latest`.

    Raises:
        BenchError: if there is none of that name.
    """
    from classifiers.registry import nearest

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
    """Give run and classifier of `RUN/CLASSIFIER`; RUN is a path, a name below `root` or `latest`.

    Raises:
        BenchError: if there is no such run; whether it has the classifier is for the caller to see.
    """
    run, _, classifier = name.rpartition("/")
    if not run:
        raise BenchError(f"'{name}' names no classifier of a run; give RUN/CLASSIFIER, such as latest/encoder")
    return find_run(run, root), classifier
