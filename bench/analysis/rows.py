"""A line of the main table: a cell that ran, or a cascade of two; and which lines stand in which table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from bench.analysis.resources import Resources
from bench.analysis.scores import Scores
from bench.records.conditions import Stopped
from bench.records.types import CellRecord, PredictionRecord, Status


@dataclass(frozen=True, slots=True)
class Cascade:
    """How a cascade answers: row `first` what it is at least `threshold` sure of, and `second` the rest.

    `second` is a row, or the label that the rest gets; `passed_on` is the share of test messages that it gets.
    `stopped` says of those of the two rows that stopped early why they did.
    """

    first: str
    second: str
    threshold: float
    passed_on: float
    stopped: Mapping[str, Stopped] = field(default_factory=dict)

    @property
    def is_first_alone(self) -> bool:
        """Tell whether all answers are those of the first row."""
        return self.passed_on == 0


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the main table: its answers, their scores (None where it failed), and what it takes.

    `cell` is the record of what ran, and None for a cascade, which never ran: its answers and resources are worked out
    from those of its two rows. A row that failed says why in `cause`; a `stopped` one answered only some messages, as
    does a cascade of which a row stopped.
    """

    name: str
    records: tuple[PredictionRecord, ...] = ()
    scores: Scores | None = None
    resources: Resources = field(default_factory=Resources)
    cell: CellRecord | None = None
    cascade: Cascade | None = None
    status: Status = "ok"
    cause: str = ""
    notes: tuple[str, ...] = ()
    stopped: Stopped | None = None
    max_attempts: int = 1

    @classmethod
    def of(cls, cell: CellRecord, records: Sequence[PredictionRecord], scores: Scores | None) -> Row:
        """Return the row of a cell that ran or failed."""
        return cls(
            cell.classifier,
            tuple(records),
            scores,
            Resources.of(cell),
            cell,
            status=cell.status,
            cause=cell.cause or "",
            notes=cell.notes,
            stopped=cell.stopped,
            max_attempts=cell.max_attempts,
        )

    @property
    def config_row(self) -> str:
        """Return the row of the config that it comes from: it is one of several cells where that has seeds or sizes."""
        return (self.cell.row if self.cell else "") or self.name

    @property
    def backend(self) -> str:
        """Return its backend; empty for a cascade, which has none."""
        return self.cell.backend if self.cell else ""

    @property
    def train_per_label(self) -> int | None:
        """Return how many training messages per label it was given; None for the whole training part."""
        return self.cell.train_per_label if self.cell else None

    @property
    def validation(self) -> tuple[PredictionRecord, ...]:
        """Return its answers to validation messages, for what is chosen on them."""
        return self.scores.validation if self.scores else ()


def cells_of(rows: Sequence[Row]) -> list[CellRecord]:
    """Return the records of those rows that ran."""
    return [row.cell for row in rows if row.cell]


def complete_rows(rows: Sequence[Row]) -> list[Row]:
    """Return the rows that answered the whole test part: what is counted over common messages leaves out the others."""
    return [row for row in rows if row.stopped is None]


def why_stopped(row: Row) -> str:
    """Say why a row, or one of a cascade's two, answered only a part of the test messages; empty where it did not."""
    if row.cascade:
        return "; ".join(f"{name} was {stopped.text}" for name, stopped in row.cascade.stopped.items())
    return row.stopped.text if row.stopped else ""


def full_data_rows(rows: Sequence[Row]) -> list[Row]:
    """Return the rows of the main tables: those that were trained on the whole training part.

    A row that learnt from a few messages per label is a point of a curve, and a cascade that passes nothing on is its
    first row once more.
    """
    whole = [row for row in rows if row.train_per_label is None]
    return [row for row in whole if not (row.cascade and row.cascade.is_first_alone)]


def first_seeds(rows: Sequence[Row]) -> list[Row]:
    """Return one cell per row of the config: what is selected is a way of classifying, not a lucky seed."""
    first: dict[str, Row] = {}
    for row in rows:
        first.setdefault(row.config_row, row)
    return list(first.values())
