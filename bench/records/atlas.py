"""The scores of the atlas: one JSON file per data set and contributor, without any message.

A file says of every cell which test messages it got right, by their ids, which are hashes of the texts. Everything that
the atlas claims is worked out of these files. Unknown fields are refused, so that no text can come in unseen.
"""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Annotated

from pydantic import Field, ValidationError, model_validator

from bench.config.tables import NAME, Closed
from bench.files import replace_file
from bench.records.conditions import Decision
from bench.records.types import SCHEMA
from classifiers.errors import BenchError

ATLAS_SCHEMA = 1
RIGHT, WRONG, UNASKED = "1", "0", "."
ID = re.compile(r"\S{1,120}")
"""What an id may be: no spaces, so that it cannot be a message."""
ROUNDING = 1e-9
MAX_TEXT, MAX_COUNT = 1000, 10**15
"""The longest text, and the largest number of anything."""
Name = Annotated[str, Field(pattern=rf"^{NAME.pattern}$", max_length=MAX_TEXT)]
Count = Annotated[int, Field(ge=0, le=MAX_COUNT)]


class AtlasCell(Closed):
    """One row on one data set with one seed and one training size.

    `right` has a sign per test message, in the order of the file's ids: 1 right, 0 wrong, . not asked, where the row
    stopped early. `accuracy`, and the ends `low` and `high` of its 95 % interval, are of the `n` messages that were
    asked. `is_prompted` tells that a language model was asked in words, and `fine_tuned` whether a pretrained model's
    weights were trained. `train_per_label` is None for the whole training part. `is_timed` tells whether the cell had
    its machine to itself while it answered, so that its messages per second mean something, and `machine` which that
    was. Where the row stopped early, `decision` says how it stood to the row `rival`; None in files of before.
    """

    name: Name
    row: Name
    backend: str = Field(max_length=MAX_TEXT)
    model: str = Field("", max_length=MAX_TEXT)
    parameters: Count | None = None
    train_per_label: int | None = Field(None, gt=0, le=MAX_COUNT)
    seed: Count = 0
    n_train: int | None = Field(None, ge=0)
    n_labelled: int | None = Field(None, ge=0)
    is_prompted: bool = False
    fine_tuned: bool | None = None
    fingerprint: str = ""
    right: str
    n: int = Field(gt=0)
    accuracy: float = Field(ge=0, le=1)
    low: float = Field(ge=0, le=1)
    high: float = Field(ge=0, le=1)
    fit_seconds: float | None = Field(None, ge=0)
    messages_per_second: float | None = Field(None, gt=0)
    is_timed: bool = False
    machine: str = Field("", max_length=MAX_TEXT)
    decision: Decision | None = None
    rival: str = ""

    @model_validator(mode="after")
    def _scores_fit_the_answers(self) -> AtlasCell:
        if set(self.right) - {RIGHT, WRONG, UNASKED}:
            raise ValueError(f"cell '{self.name}': right has signs other than 1, 0 and .")
        asked = len(self.right) - self.right.count(UNASKED)
        if self.n != asked:
            raise ValueError(f"cell '{self.name}': n is {self.n}, its answers are {asked}")
        if not math.isclose(self.accuracy, self.right.count(RIGHT) / self.n, abs_tol=ROUNDING):
            raise ValueError(f"cell '{self.name}': accuracy {self.accuracy:g} is not that of its answers")
        if not self.low - ROUNDING <= self.accuracy <= self.high + ROUNDING:
            raise ValueError(f"cell '{self.name}': its interval does not hold its accuracy")
        return self

    @property
    def key(self) -> tuple[str, int | None, int]:
        """Return what tells a cell from the others of its data set: row, training size and seed."""
        return self.row, self.train_per_label, self.seed

    @property
    def is_complete(self) -> bool:
        """Tell whether all test messages were asked."""
        return UNASKED not in self.right

    @property
    def needs_no_labels(self) -> bool:
        """Tell whether no labelled message was used."""
        return self.n_labelled == 0


class AtlasScores(Closed):
    """The scores on one data set.

    `data_set` is its name in the catalogue, `sha256` that of its rows there, `task` and `split` the fingerprints of
    messages and parts as they were run. `seen_by_llms` says that language models have probably read the messages in
    training; None for a data set that is not in the catalogue. `is_sampled` tells that not all rows were taken, and
    `missing` names cells that were not finished.
    """

    data_set: Name
    sha256: str
    n_labels: int = Field(gt=0, le=MAX_COUNT)
    seen_by_llms: bool | None
    task: str
    split: str
    part_sizes: dict[str, Count]
    ids: tuple[str, ...] = Field(min_length=1)
    cells: tuple[AtlasCell, ...]
    missing: tuple[str, ...] = ()
    is_sampled: bool = False
    versions: dict[str, str]
    git_commit: str | None = None
    machine_per_hour: float = Field(0.0, ge=0)
    currency: str = Field("USD", max_length=MAX_TEXT)
    record_schema: int = SCHEMA
    atlas_schema: int = ATLAS_SCHEMA

    @model_validator(mode="after")
    def _cells_answer_these_messages(self) -> AtlasScores:
        if len(set(self.ids)) < len(self.ids):
            raise ValueError("a test id stands twice")
        if strange := [id_ for id_ in self.ids if not ID.fullmatch(id_)]:
            raise ValueError(f"test id {strange[0][:40]!r} is no id; give no texts")
        if wrong := [cell.name for cell in self.cells if len(cell.right) != len(self.ids)]:
            raise ValueError(f"cell '{wrong[0]}' has answers to other than the {len(self.ids)} test messages")
        if len({cell.key for cell in self.cells}) < len(self.cells):
            raise ValueError("two cells are the same row with the same size and seed")
        return self


def read_scores(file: Path) -> AtlasScores:
    """Read one file of scores.

    Raises:
        BenchError: if it is another version's, or breaks the format; one line that says what is wrong.
    """
    try:
        scores = AtlasScores.model_validate_json(file.read_bytes())
    except OSError as error:
        raise BenchError(f"{file}: cannot be read: {error.strerror}") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        said = ": ".join(filter(None, [where, first["msg"].removeprefix("Value error, ")]))
        raise BenchError(f"{file}: {said}") from error
    if (scores.atlas_schema, scores.record_schema) != (ATLAS_SCHEMA, SCHEMA):
        versions = f"atlas {scores.atlas_schema}, records {scores.record_schema}"
        raise BenchError(
            f"{file}: is of other versions ({versions}; here: atlas {ATLAS_SCHEMA}, records {SCHEMA}); make it again "
            "with this version: bench study"
        )
    return scores


def write_scores(file: Path, scores: AtlasScores) -> None:
    """Write one file of scores, through a sibling that is renamed."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        replace_file(file, scores.model_dump_json(indent=1).encode() + b"\n")
    except OSError as error:
        raise BenchError(f"cannot write {file}: {error.strerror}") from error


def read_atlas(folder: Path) -> list[AtlasScores]:
    """Read all scores of a folder, one entry per data set, fewest labels first; files of one data set are joined.

    Raises:
        BenchError: for a broken file, or two of one data set that do not fit together.
    """
    by_name: dict[str, AtlasScores] = {}
    for file in sorted(folder.glob("*.json")):
        scores = read_scores(file)
        known = by_name.get(scores.data_set)
        by_name[scores.data_set] = joined(known, scores, file) if known else scores
    return sorted(by_name.values(), key=lambda scores: (scores.n_labels, scores.data_set))


def joined(first: AtlasScores, second: AtlasScores, file: Path) -> AtlasScores:
    """Return the scores of two files of one data set; raises BenchError where they do not fit together."""
    for what in ("sha256", "task", "split", "ids"):
        if getattr(first, what) != getattr(second, what):
            raise BenchError(f"{file}: {what} differs from that of the other scores of {first.data_set}")
    keys = {cell.key for cell in first.cells}
    if double := [cell.name for cell in second.cells if cell.key in keys]:
        raise BenchError(f"{file}: cell '{double[0]}' is in the atlas already; give the row another name")
    return first.model_copy(
        update={"cells": (*first.cells, *second.cells), "missing": (*first.missing, *second.missing)}
    )
