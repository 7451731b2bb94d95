"""The tables of a run's config: messages, split, prices, rows, cascades and sweeps, each closed to misspelt keys."""

from __future__ import annotations

import re
from collections import Counter
from typing import Annotated, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from classifiers.errors import BenchError, check_known
from classifiers.interface import Task

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
MAX_SEEDS = 1000
MAX_SEED = 2**32 - 1
"""What scikit-learn and NumPy take."""
Seed = Annotated[int, Field(ge=0, le=MAX_SEED - MAX_SEEDS)]


LabelsPerMessage = Literal["any"] | Annotated[int, Field(ge=1)]
"""How many labels a message may have: exactly one for 1, else from none up to this number."""


T = TypeVar("T")


def check_names(tables: dict[str, T]) -> dict[str, T]:
    """Return tables whose names can be folders' names; raises ValueError for another."""
    for name in tables:
        if not NAME.fullmatch(name):
            raise ValueError(f"{name!r} cannot be a folder's name; use letters, digits, '.', '_' and '-'")
    return tables


class Closed(BaseModel):
    """A table of the config: a misspelt key is an error, and figures are finite."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class DataConfig(Closed):
    """Where the messages are.

    `path` is a folder with task.toml, a folder with train/validation/test tables, one CSV, TSV,
    JSONL or Parquet file, hf:NAME for any data set of the Hub, or name:NAME for one of `bench data`;
    `text` and `label` name its columns; `definitions` gives labels a sentence where there is no task.toml.

    Messages may have several labels, or none, where `separator` divides the label column (`refund;praise`), where
    `label_columns` names columns of 0 and 1, one per label, or where it holds lists and
    `labels_per_message` is given: "any", or the most a message may have.

    The same text with different labels is refused. With `contradictions = "report"` it is only reported: public data
    sets hold some, and an official file cannot be corrected.

    Rows without a text are left out, counted and reported; `blanks = "refuse"` refuses them.

    Tables above `max_messages` rows are sampled down to that number, the same rows in every run; the report says so.

    `oos_label` is that of out-of-scope messages. With `train_on_oos` false no classifier is told of it or
    trained on it, and a cascade with `other` rejects what a classifier is not sure of.

    `corrections` is a file of corrected labels, which `bench disagreements --mark` and the report's page make. They are
    applied to what was read, and never written into the data.

    `group` is a column of what messages have in common, such as their customer: all messages of one are in one part,
    and intervals and tests take account of the groups. A message without one is a group by itself.

    A key that would not be used, such as `label` beside a folder with task.toml, is an error.
    """

    path: str = "data/customer-messages"
    text: str = "text"
    label: str = "label"
    group: str = ""
    train: str | None = None
    validation: str | None = None
    test: str | None = None
    instruction: str = ""
    definitions: dict[str, str] = Field(default_factory=dict)
    separator: str = ""
    label_columns: tuple[str, ...] = ()
    labels_per_message: LabelsPerMessage | None = None
    contradictions: Literal["refuse", "report"] = "refuse"
    blanks: Literal["skip", "refuse"] = "skip"
    max_messages: int = Field(default=50_000, gt=0)
    oos_label: str = ""
    train_on_oos: bool = True
    corrections: str | None = None

    def learnt(self, task: Task) -> Task:
        """Return a task as classifiers are told it."""
        return task if self.train_on_oos else task.without(self.oos_label)

    @property
    def takes_several(self) -> bool:
        """Tell whether a message may have none or several labels."""
        if self.labels_per_message is not None:
            return self.labels_per_message != 1
        return bool(self.separator or self.label_columns)


class SplitConfig(Closed):
    """How messages are divided; `pinned` is a file of texts, one per line, that always go to test.

    `validation` 0 leaves no validation part: what is chosen on it then takes its default. A test part above `max_test`
    messages is sampled down to that number by label, the same messages in every run; the report says so.
    """

    method: Literal["stratified", "tail", "files"] | None = None
    validation: float = Field(0.1, ge=0, lt=1)
    test: float = Field(0.2, gt=0, lt=1)
    max_test: int | None = Field(None, gt=0)
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

    `wrong` prices mistakes, `wrong = {gold = {answer = 5}}`; one that it does not name costs 1. `person` is the price
    of giving a message to a person instead of taking the answer. Where either is given, the report says what mistakes
    cost per message.
    """

    machine_per_hour: float = Field(0.0, ge=0)
    per_label: float = Field(0.0, ge=0)
    per_kwh: float = Field(0.0, ge=0)
    watts: float = Field(0.0, ge=0)
    grams_co2_per_kwh: float = Field(0.0, ge=0)
    currency: str = "USD"
    wrong: dict[str, dict[str, Annotated[float, Field(ge=0)]]] = Field(default_factory=dict)
    person: float | None = Field(None, ge=0)

    @property
    def are_set(self) -> bool:
        """Tell whether any price is known."""
        return bool(self.machine_per_hour or self.per_label or self.per_kwh)

    @property
    def prices_mistakes(self) -> bool:
        """Tell whether mistakes have prices."""
        return bool(self.wrong) or self.person is not None

    @field_validator("wrong")
    @classmethod
    def _the_right_answer_is_free(cls, wrong: dict[str, dict[str, float]]) -> dict[str, dict[str, float]]:
        if right := [gold for gold, answers in wrong.items() if gold in answers]:
            raise ValueError(f"'{right[0]}' answered with '{right[0]}' is right and costs nothing; leave it out")
        return wrong

    def check(self, task: Task) -> None:
        """See that prices of mistakes are for this task's labels.

        Raises:
            BenchError: for another label, or a task whose messages may have several.
        """
        if self.prices_mistakes and task.takes_several:
            raise BenchError("[cost] wrong and person: mistakes have prices only where a message has exactly one label")
        for gold, answers in self.wrong.items():
            check_known([gold, *answers], task.label_names, what="label of [cost] wrong")


class VerdictConfig(Closed):
    """When a classifier counts as good enough: `margin` is the loss of accuracy that does not matter, in points.

    With `by = "cost"` the row whose mistakes cost least is recommended; the margin is then that share of the mean
    price of a mistake.
    """

    by: Literal["accuracy", "cost"] = "accuracy"
    margin: float = Field(2.0, gt=0, lt=100)


class StopConfig(Closed):
    """When a slow row may stop before it has answered all test messages, as it is decided how it stands.

    It is compared with the most accurate of the rows that answer at least 20 messages per second. With `when = "auto"`
    that is done where the test part has more than 500 messages and the row answers fewer than 20 per second, but not in
    learning curves; `"slow"` does the same in learning curves too, `"always"` does it for every row and test part,
    `"never"` for none. No row stops before `min_messages`. `error` is the chance of a wrong decision, whenever it is
    made. `budget` is how many test messages the slow rows may answer together: each up to its equal share, and what one
    that is decided leaves goes to the others. Without it a row goes on until it is decided.
    """

    when: Literal["auto", "slow", "always", "never"] = "auto"
    min_messages: int = Field(100, ge=10)
    error: float = Field(0.05, gt=0, lt=0.5)
    budget: int | None = Field(None, gt=0)


class CascadeConfig(Closed):
    """Row `first` answers what it is sure of and row `second` the rest; the threshold is chosen on validation.

    In place of a second row, `other` is the label that the rest gets: those messages are rejected.
    `accuracy` passes on as little as gives that share right, `budget` at most that share of messages; with
    neither, the most accurate threshold is taken.
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

    `memory_gb` is the memory it may need where several cells run at a time (without it: an estimate by the size of
    its model), `gpus` the number of a cluster's GPUs it takes.

    `seeds` trains the row that many times. `train_per_label` trains it on that many messages per label, or on
    "all", once for each number given; smaller draws are part of larger ones of the same seed.
    """

    model_config = ConfigDict(extra="allow", frozen=True)

    backend: str | None = None
    memory_gb: float | None = Field(None, gt=0)
    gpus: float = Field(0, ge=0)
    seeds: int = Field(1, gt=0, le=MAX_SEEDS)
    train_per_label: list[int | str] = Field(default=["all"], min_length=1)

    @field_validator("train_per_label")
    @classmethod
    def _numbers_or_all(cls, sizes: list[int | str]) -> list[int | str]:
        for size in sizes:
            if size != "all" and not (isinstance(size, int) and size > 0):
                raise ValueError(f"{size!r} is no number of messages per label; give numbers above 0, or 'all'")
        return sizes


class SweepConfig(Closed):
    """The same rows on several data sets, each with every seed: a run of its own for each pair.

    `data` gives every data set a name; without any, the config's own is taken. `seeds` are those of split and training.
    """

    data: dict[str, DataConfig] = Field(default_factory=dict)
    seeds: list[Seed] = Field(default_factory=list)

    @field_validator("seeds")
    @classmethod
    def _no_seed_twice(cls, seeds: list[int]) -> list[int]:
        if double := [seed for seed, n in Counter(seeds).items() if n > 1]:
            raise ValueError(f"seed {double[0]} stands twice; each makes a run of its own")
        return seeds

    @field_validator("data")
    @classmethod
    def _names_are_folder_names(cls, data: dict[str, DataConfig]) -> dict[str, DataConfig]:
        return check_names(data)

    @model_validator(mode="after")
    def _sweeps_over_something(self) -> SweepConfig:
        if not self.data and not self.seeds:
            raise ValueError("a sweep needs data sets, [sweep.data.NAME], or seeds")
        return self
