"""What a verdict is made of: the limits it keeps, how the rows stand, what to use, and the sentences that say why."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bench.analysis.clusters import Clusters
from bench.analysis.label_scores import Interval
from bench.analysis.paired import Relation
from bench.analysis.rows import Row
from bench.analysis.selection import Selection

MARGIN = 0.02


@dataclass(frozen=True, slots=True)
class Limits:
    """What must hold of a classifier; None is no limit. `volume` is messages in all, for the cost."""

    latency_ms: float | None = None
    memory_gb: float | None = None
    labels: int | None = None
    volume: float = 1e6


@dataclass(frozen=True, slots=True)
class Standing:
    """How a row stands to the most accurate one: accuracy of the row minus that one's, paired, with its interval.

    `interval` has the level that is corrected for the comparisons made; `relation` follows from it and the margin.
    """

    classifier: str
    difference: float
    interval: Interval
    relation: Relation


@dataclass(frozen=True, slots=True)
class Verdict:
    """The classifier to use and the sentences that say why.

    `classifier` is None where none meets the limits or none is measurably better than a floor. Where `is_decided` is
    false it is only the most accurate so far: test messages are too few, and about `needed_n` would do. `margin` is a
    share, and `standings` are against `best`, the most accurate row. `sure`, `costs` and `changes` are those of the
    sentences that say how sure that is, what it costs, and what would change it.
    """

    classifier: str | None
    sentences: tuple[str, ...]
    is_decided: bool = False
    best: str | None = None
    margin: float = MARGIN
    needed_n: int | None = None
    standings: tuple[Standing, ...] = ()
    sure: tuple[str, ...] = ()
    costs: tuple[str, ...] = ()
    changes: tuple[str, ...] = ()

    @property
    def tied(self) -> tuple[str, ...]:
        """Name the most accurate row and those not measurably less accurate: the interval of the difference holds 0."""
        near = (s.classifier for s in self.standings if s.interval.low <= 0 <= s.interval.high)
        return (self.best, *near) if self.best else ()


@dataclass(frozen=True, slots=True)
class Candidates:
    """The rows that meet the limits and what was selected of them.

    `hits` says which messages each got right, and `clusters` the group of each message.
    """

    rows: tuple[Row, ...]
    hits: NDArray[np.bool_]
    clusters: Clusters | None
    selection: Selection
    standings: tuple[Standing, ...]
    margin: float
    is_timed: bool

    @property
    def best(self) -> Row:
        """Return the most accurate row."""
        return self.rows[self.selection.best]

    @property
    def n(self) -> int:
        """Return how many test messages all rows answered."""
        return int(self.hits.shape[1])

    def named(self, *relations: Relation) -> list[str]:
        """Name the rows that stand so to the most accurate."""
        return [standing.classifier for standing in self.standings if standing.relation in relations]
