"""The one TOML file that says what to run, validated; presets are such files in bench/presets/."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import tomli
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from classifiers.interface import BenchError, Task
from classifiers.registry import explain, nearest

PRESETS = Path(__file__).parent / "presets"
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
LARGEST_SEED = 2**32 - 1
"""What scikit-learn and NumPy take."""
MOST_SEEDS = 1000


LabelsPerMessage = Literal["any"] | Annotated[int, Field(ge=1)]
"""How many labels a message may have: exactly one for 1, else none to so many."""


T = TypeVar("T")


def check_names(tables: dict[str, T]) -> dict[str, T]:
    """Give tables back whose names can be folders' names; raises ValueError for another."""
    for name in tables:
        if not NAME.fullmatch(name):
            raise ValueError(f"{name!r} cannot be a folder's name; use letters, digits, '.', '_' and '-'")
    return tables


class Closed(BaseModel):
    """A table of the config: a misspelt key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class DataConfig(Closed):
    """Where the messages are.

    `path` is a folder with task.toml, a folder with train/validation/test tables, one CSV, TSV,
    JSONL or Parquet file, or hf:NAME; `text` and `label` name its columns; `definitions` gives
    labels a sentence where there is no task.toml.

    Messages may have several labels, or none, where `separator` divides the label column (`refund;praise`), where
    `label_columns` names columns of 0 and 1, one a label, or where it holds lists and
    `labels_per_message` is given: "any", or the most a message may have.

    The same text with different labels is refused, or with `contradictions = "report"` only said: public data sets hold
    some, and an official file cannot be corrected.

    `other_label` is that of messages that belong nowhere. With `learn_other` false no classifier is told of it or
    trained on it, and a cascade with `other` turns away what a classifier is not sure of.
    """

    path: str = "data/customer-messages"
    text: str = "text"
    label: str = "label"
    train: str | None = None
    validation: str | None = None
    test: str | None = None
    instruction: str = ""
    definitions: dict[str, str] = Field(default_factory=dict)
    separator: str = ""
    label_columns: tuple[str, ...] = ()
    labels_per_message: LabelsPerMessage | None = None
    contradictions: Literal["refuse", "report"] = "refuse"
    other_label: str = ""
    learn_other: bool = True

    def learnt(self, task: Task) -> Task:
        """Give a task as classifiers are told it."""
        return task if self.learn_other else task.without(self.other_label)

    @property
    def takes_several(self) -> bool:
        """Tell whether a message may have none or several labels."""
        if self.labels_per_message is not None:
            return self.labels_per_message != 1
        return bool(self.separator or self.label_columns)


class SplitConfig(Closed):
    """How messages are divided; `pinned` is a file of texts, one a line, that always go to test.

    `validation` 0 leaves no validation part: what is chosen on it then takes its default.
    """

    method: Literal["stratified", "tail", "files"] | None = None
    validation: float = Field(0.1, ge=0, lt=1)
    test: float = Field(0.2, gt=0, lt=1)
    pinned: str | None = None
    duplicates: Literal["move", "report"] = "move"
    similarity: float = Field(0.8, gt=0, le=1)

    @model_validator(mode="after")
    def _leaves_a_training_part(self) -> SplitConfig:
        if self.validation + self.test >= 1:
            raise ValueError("validation and test shares together must be below 1")
        return self


class CostConfig(Closed):
    """Prices: of an hour of the machine, of one label given by a person, of a kilowatt-hour; 0 where not known.

    `watts` is what the machine draws at work, for where no power meter can be read; `grams_co2_per_kwh` is the
    electricity's, as the supplier or the country's statistics give it.
    """

    machine_per_hour: float = Field(0.0, ge=0)
    per_label: float = Field(0.0, ge=0)
    per_kwh: float = Field(0.0, ge=0)
    watts: float = Field(0.0, ge=0)
    grams_co2_per_kwh: float = Field(0.0, ge=0)
    currency: str = "USD"

    @property
    def are_set(self) -> bool:
        """Tell whether any price is known."""
        return bool(self.machine_per_hour or self.per_label or self.per_kwh)


class CascadeConfig(Closed):
    """Row `first` answers what it is sure of and row `second` the rest; the bound is chosen on validation.

    In place of a second row, `other` is the label that the rest gets: messages turned away.
    `accuracy` passes on as little as gives that share right, `budget` at most that share of messages; with
    neither, the most accurate bound is taken.
    """

    first: str
    second: str = ""
    other: str = ""
    accuracy: float | None = Field(None, gt=0, le=1)
    budget: float | None = Field(None, ge=0, le=1)

    @model_validator(mode="after")
    def _the_rest_goes_somewhere(self) -> CascadeConfig:
        if bool(self.second) == bool(self.other):
            raise ValueError("a cascade needs a second row, or the label `other` that the rest gets, and not both")
        return self


class RowConfig(BaseModel):
    """What the harness reads of a row; every other key is a setting of the row's backend.

    `memory_gb` is what it may come to need where several cells run at a time (without it: an estimate by the size of
    its model), `gpus` how many of those of a cluster.

    `seeds` trains the row that many times. `train_per_label` trains it on that many messages a label, or on
    "all", once for each number given; smaller draws are part of larger ones of the same seed.
    """

    model_config = ConfigDict(extra="allow", frozen=True)

    backend: str | None = None
    memory_gb: float | None = Field(None, gt=0)
    gpus: float = Field(0, ge=0)
    seeds: int = Field(1, gt=0, le=MOST_SEEDS)
    train_per_label: list[int | str] = Field(default=["all"], min_length=1)

    @field_validator("train_per_label")
    @classmethod
    def _numbers_or_all(cls, sizes: list[int | str]) -> list[int | str]:
        for size in sizes:
            if size != "all" and not (isinstance(size, int) and size > 0):
                raise ValueError(f"{size!r} is no number of messages a label; give numbers above 0, or 'all'")
        return sizes


class SweepConfig(Closed):
    """The same rows on several data sets, each with every seed: a run of its own for each pair.

    `data` gives every data set a name; without any, the config's own is taken. `seeds` are those of split and training.
    """

    data: dict[str, DataConfig] = Field(default_factory=dict)
    seeds: list[int] = Field(default_factory=list)

    @field_validator("data")
    @classmethod
    def _names_are_folder_names(cls, data: dict[str, DataConfig]) -> dict[str, DataConfig]:
        return check_names(data)

    @model_validator(mode="after")
    def _sweeps_over_something(self) -> SweepConfig:
        if not self.data and not self.seeds:
            raise ValueError("a sweep needs data sets, [sweep.data.NAME], or seeds")
        return self


@dataclass(frozen=True, slots=True)
class CellPlan:
    """One classifier to be run: a row of the config with one seed and one number of training messages.

    `name` is its folder's; `train_per_label` is None where it trains on the whole training part.
    """

    name: str
    row: str
    backend: str
    settings: dict[str, Any]
    seed: int
    train_per_label: int | None = None


class RunConfig(Closed):
    """A whole run; `classifiers` maps a row's name to its backend and that backend's settings.

    `jobs` cells run at a time and share the threads; their times then say little, and the report leaves them
    out. `validation_messages` is how many of the validation part every classifier answers, for what is
    chosen on it later. Without `keep_models` fitted classifiers are not saved.
    """

    name: str = "default"
    seed: int = Field(0, ge=0, le=LARGEST_SEED - MOST_SEEDS)
    threads: int = Field(0, ge=0, description="processor threads; 0 takes all cores")
    jobs: int = Field(1, gt=0)
    latency_messages: int = Field(50, ge=0)
    warmup_messages: int = Field(3, ge=0)
    validation_messages: int = Field(200, ge=0)
    keep_models: bool = True
    data: DataConfig = Field(default_factory=DataConfig)
    split: SplitConfig = Field(default_factory=lambda: SplitConfig.model_validate({}))
    cost: CostConfig = Field(default_factory=lambda: CostConfig.model_validate({}))
    classifiers: dict[str, RowConfig] = Field(min_length=1)

    cascades: dict[str, CascadeConfig] = Field(default_factory=dict)
    sweep: SweepConfig | None = None

    @field_validator("name")
    @classmethod
    def _name_leads_nowhere(cls, name: str) -> str:
        """A run's folder is called after it."""
        if not name.isprintable() or set(name) & set("/\\"):
            raise ValueError(f"{name!r} cannot be part of a folder's name; leave out '/' and signs that cannot be seen")
        return name

    @field_validator("classifiers")
    @classmethod
    def _names_are_folder_names(cls, rows: dict[str, RowConfig]) -> dict[str, RowConfig]:
        return check_names(rows)

    @model_validator(mode="after")
    def _cells_have_names_of_their_own(self) -> RunConfig:
        names = self.cell_names
        if double := next(
            (name for name in [*names, *self.cascades] if [*names, *self.cascades].count(name) > 1), None
        ):
            raise ValueError(f"two rows would both be run as '{double}'; rename one")
        for name, cascade in self.cascades.items():
            if missing := {cascade.first, *filter(None, [cascade.second])} - set(names):
                raise ValueError(f"cascade '{name}' names '{min(missing)}', which is no row ({', '.join(names)})")
        return self

    def runs(self) -> list[RunConfig]:
        """Give the runs a sweep consists of; without one, this run alone."""
        if self.sweep is None:
            return [self]
        data = self.sweep.data or {"": self.data}
        return [
            self.model_copy(
                update={
                    "name": "-".join(filter(None, [self.name, name, f"seed{seed}" if self.sweep.seeds else ""])),
                    "data": one,
                    "seed": seed,
                    "sweep": None,
                }
            )
            for name, one in data.items()
            for seed in self.sweep.seeds or [self.seed]
        ]

    @property
    def threads_per_cell(self) -> int:
        """Give the processor threads one classifier may use."""
        return max((self.threads or os.cpu_count() or 1) // self.jobs, 1)

    def cells(self) -> list[CellPlan]:
        """Give everything that is to be run, in the order of the rows."""
        return [cell for name in self.classifiers for cell in self._cells_of(name)]

    @property
    def cell_names(self) -> list[str]:
        """Name everything that is to be run."""
        return [cell.name for cell in self.cells()]

    def cell(self, name: str) -> CellPlan:
        """Give a cell by its name."""
        return next(cell for cell in self.cells() if cell.name == name)

    def _cells_of(self, name: str) -> Iterator[CellPlan]:
        row = self.classifiers[name]
        settings = row.model_extra or {}
        for size in row.train_per_label:
            for i in range(row.seeds):
                per_label = None if size == "all" else int(size)
                parts = [name, *([str(per_label)] if per_label else []), *([f"seed{i}"] if i else [])]
                yield CellPlan("-".join(parts), name, row.backend or name, settings, self.seed + i, per_label)


def preset_names() -> list[str]:
    """List the shipped presets."""
    return sorted(file.stem for file in PRESETS.glob("*.toml"))


def load_config(name: str) -> RunConfig:
    """Read a config by path or preset name.

    Raises:
        BenchError: if there is none, or it breaks TOML or the schema; one line that names the key.
    """
    path = Path(name)
    if not name.endswith(".toml"):
        path = PRESETS / f"{name}.toml"
        if name not in preset_names():
            raise BenchError(nearest(name, preset_names(), what="preset") + "; a config file ends in .toml")
    try:
        values = tomli.loads(path.read_text(encoding="utf-8"), parse_float=_finite)
    except OSError as error:
        raise BenchError(f"config '{name}' cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise BenchError(f"config '{name}' is not UTF-8: {error.reason} at byte {error.start}") from error
    except (ValueError, RecursionError) as error:  # numbers of too many digits and tables in tables without end, too
        raise BenchError(f"config '{name}' is not TOML: {error}") from error
    return make_config({"name": path.stem, **values}, where=name)


def _finite(text: str) -> float:
    """Refuse TOML's inf and nan, which no setting has a use for and JSON, which records are kept in, does not know."""
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text} is no number here")
    return value


def make_config(values: dict[str, Any], *, where: str) -> RunConfig:
    """Validate a config's values; raises BenchError as `load_config` does."""
    try:
        return RunConfig.model_validate(values)
    except ValidationError as error:
        location = error.errors()[0]["loc"]
        table = {"data": DataConfig, "split": SplitConfig, "cost": CostConfig, "sweep": SweepConfig}.get(
            str(location[0]) if location else "", RunConfig
        )
        raise BenchError(explain(error, table, where=where)) from error


def make_cascade(values: dict[str, Any]) -> CascadeConfig:
    """Validate the values of a cascade given on the command line."""
    try:
        return CascadeConfig.model_validate(values)
    except ValidationError as error:
        raise BenchError(explain(error, CascadeConfig, where="cascade")) from error
