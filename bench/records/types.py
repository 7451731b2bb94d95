"""The record types of a run; their files are read and written by bench.records.store.

Observations are stored, scores are derived: everything a table shows can be rebuilt from these
files alone. JSON Lines files are appended and flushed line by line; whole files are written beside
and renamed. `schema` is the format's version; fields are only ever added.
"""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from pydantic import TypeAdapter

from bench.config.run import RunConfig
from bench.dataset.parts import Part
from bench.records.conditions import OtherLoad, Stopped
from classifiers.interface import Attempt, Message, ModelFile, Stage, Task, Trial, confidence_of

SCHEMA = 1
Status = Literal["ok", "failed", "interrupted"]
MAX_NUMBER = 2**63
"""Above every whole number a record has cause to hold; much larger ones cannot be reckoned with as floats."""
MAX_ATTEMPTS = 1000
SLACK = 1e-6
"""By how much rounding may take a probability over 1."""


@dataclass(frozen=True, slots=True)
class MessageRecord:
    """One message as every worker reads it: the part it is in, its text and gold labels, and its other columns.

    `group` is that of `[data] group`, empty where it has none.
    """

    id: str
    part: Part
    text: str
    gold: tuple[str, ...]
    columns: dict[str, str] = field(default_factory=dict)
    group: str = ""

    def as_message(self) -> Message:
        """Return the message as classifiers take it."""
        return Message(self.id, self.text, self.gold, self.columns, self.group)


@dataclass(frozen=True, slots=True)
class PredictionRecord:
    """One classifier's answer to one test message; `seconds` is its share of its batch's time.

    `group` is the message's, empty where it has none.
    """

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
    group: str = ""

    def __post_init__(self) -> None:
        if not 0 <= self.seconds < math.inf:
            raise ValueError("seconds must not be negative or infinite")
        if not self.valid and self.predicted:
            raise ValueError("an invalid prediction must not carry labels")
        if any(not 0 <= p <= 1 + SLACK for p in (self.probabilities or {}).values()):
            raise ValueError("a probability must lie between 0 and 1")

    def check(self, task: Task) -> None:
        """See that it can be an answer to a message of this task; raises ValueError where it cannot."""
        allowed = range(task.max_labels + 1) if task.takes_several else (1,)
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
        """Return how sure the answer is, None where it is none or there are no probabilities."""
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
class CellIdentity:
    """Everything a cell's answers are made from; where any of it differs, the cell is another.

    `settings` are with all defaults, `models` the files that run, `code` tells the version of the backend's package,
    or is a hash of the backend's own file. `task`, which counts the messages in, and `split` are hashes.
    """

    cell: str
    backend: str
    code: str
    settings: dict[str, Any]
    models: tuple[ModelFile, ...]
    seed: int
    train_per_label: int | None
    threads: int
    jobs: int
    task: str
    split: str
    schema: int = SCHEMA

    @property
    def fingerprint(self) -> str:
        """Return a hash of all fields, 16 hexadecimal digits."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()[:16]


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
        """Return the energy of one answer."""
        return self.predict_kwh / self.n_predicted if self.predict_kwh is not None and self.n_predicted else None


@dataclass(frozen=True, slots=True)
class CellRecord:
    """What one classifier did on one split with one seed; times in seconds, sizes in bytes.

    `row` is the config's row it comes from, one of several cells where that has seeds or numbers of training
    messages; `train_per_label` is that number, None for the whole part, and `n_train` how many it was given.
    `n_labelled` is how many labelled messages it used, to learn from or to choose by.
    `stages` says where the prediction time of the latest worker went.
    `predict_memory_bytes` is the peak of a fresh process that loaded the saved classifier and answered some messages;
    `peak_memory_bytes` that of the worker, training included; both are None where a server answers. `machine` is the
    one the cell ran on, and `gpu_memory_bytes` the most that its device's memory held at once. `unfinished` says how
    far a search among settings came that time cut short, and `other_load` whether other programs kept the machine busy.
    `fine_tuned` tells whether a pretrained model's weights were trained, and `uses_definitions` whether the classifier
    was told what the labels mean otherwise than by `prompt`. `stopped` says why it did not answer all
    test messages.
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
    metadata: dict[str, str | int | float] = field(default_factory=dict)
    model: str = ""
    device: str = ""
    precision: str = ""
    prompt: str = ""
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
    machine: dict[str, str | int] = field(default_factory=dict)
    gpu_memory_bytes: int | None = None
    unfinished: str = ""
    fine_tuned: bool | None = None
    uses_definitions: bool = False
    other_load: OtherLoad | None = None
    stopped: Stopped | None = None
    schema: int = SCHEMA

    @property
    def is_prompted(self) -> bool:
        """Tell whether a language model was asked in words."""
        return bool(self.prompt or self.tokens.completion)

    def __post_init__(self) -> None:
        if self.status == "failed" and not self.cause:
            raise ValueError("a failed cell must name its cause")
        if not 1 <= self.max_attempts <= MAX_ATTEMPTS:
            raise ValueError(f"max_attempts must lie between 1 and {MAX_ATTEMPTS}")
        if any(s is not None and s < 0 for s in (self.load_seconds, self.fit_seconds, self.predict_seconds)):
            raise ValueError("seconds must not be negative")


@dataclass(frozen=True, slots=True)
class RunRecord:
    """A run as it was asked for and the machine it was begun on; `warnings` stand above every table.

    `executor` is `ray` where cells shared machines, so that their times say little. `n_left_out` is how many messages
    of the data were not sampled (`max_messages`).
    """

    name: str
    config: RunConfig
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
    executor: str = "local"
    n_left_out: int = 0
    schema: int = SCHEMA

    def __post_init__(self) -> None:
        names = self.as_task().label_names
        if not names or len(set(names)) < len(names):
            raise ValueError("a task needs labels of different names")
        if missing := {"processor", "threads"} - set(self.machine) or {"test"} - set(self.part_sizes):
            raise ValueError(f"{min(missing)} is missing")
        if not isinstance(self.machine["threads"], int):
            raise ValueError("the machine's threads are no number")

    def as_task(self) -> Task:
        """Return the task as classifiers take it; `max_labels` is written only where it is above 1."""
        return TypeAdapter(Task).validate_python(self.task)
