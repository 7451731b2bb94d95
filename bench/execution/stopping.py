"""Let a slow row stop once it is decided how it stands to the best of the rows that answer fast.

The messages come in a seeded random order, the same for every row, so that what was answered by then is a random sample
of the test part, and slow rows have the same messages in common.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from bench.analysis.compare import FLOOR
from bench.analysis.paired import PairedCounts
from bench.analysis.sequential import decide, difference_interval
from bench.config.run import RunConfig
from bench.execution.cell import Cell
from bench.execution.stop_budget import FAST_PER_SECOND, allowed_messages, answers_fast
from bench.records.conditions import Stopped
from bench.records.types import PredictionRecord
from classifiers.interface import Message

MIN_TEST_MESSAGES = 500
"""Smaller test parts are answered whole."""
ON_A_CLUSTER = "on a cluster no row stops early ([stop]): every row answers all test messages"


@dataclass(frozen=True, slots=True)
class Rival:
    """The most accurate of the fast rows, whether it got each test message right, and of how many it is the best."""

    name: str
    right: Mapping[str, bool]
    n_candidates: int


@dataclass(frozen=True, slots=True)
class StoppingRule:
    """When one cell may stop; `level` is corrected for the rows that could have been the rival (Bonferroni).

    `allowed` is how many messages it may answer as long as it is slow and undecided, None for all.
    """

    rival: Rival
    n_test: int
    min_messages: int
    margin: float
    level: float
    may_be_fast: bool
    allowed: int | None = None

    def stopped(self, records: Sequence[PredictionRecord]) -> Stopped | None:
        """Return how the row stands once that is decided by its answers so far, or no more are allowed; else None."""
        n, seconds = len(records), sum(record.seconds for record in records)
        is_fast = answers_fast(records)
        if n >= self.n_test or not seconds or (is_fast and not self.may_be_fast):  # no time: answered before the run
            return None
        counts = self._counts(records)
        decision = decide(counts, self.margin, level=self.level) if n >= self.min_messages else None
        if decision is None and self.allowed is not None and not is_fast and n >= self.allowed:
            decision = "undecided"
        if decision is None:
            return None
        interval = difference_interval(counts, level=self.level)
        ends = interval.low, interval.high
        return Stopped(n, self.n_test, decision, self.rival.name, *ends, level=1 - self.level)

    def _counts(self, records: Sequence[PredictionRecord]) -> PairedCounts:
        pairs = [(record.is_right, self.rival.right[record.id]) for record in records if record.id in self.rival.right]
        only_first = sum(mine and not theirs for mine, theirs in pairs)
        return PairedCounts(len(pairs), only_first, sum(theirs and not mine for mine, theirs in pairs))


def in_random_order(messages: Sequence[Message], config: RunConfig) -> list[Message]:
    """Return the test messages in the order in which they are answered: at random where a row may stop early."""
    if not may_stop(config, len(messages)):
        return list(messages)
    return random.Random(config.seed).sample(messages, len(messages))


def may_stop(config: RunConfig, n_test: int) -> bool:
    """Tell whether any row of a run may stop early.

    A point of a learning curve is wanted whatever it decides, unless the config says otherwise, and messages in groups
    are not the independent ones that the decision is made for.
    """
    when, is_curve = config.stop.when, any(row.train_per_label != ["all"] for row in config.classifiers.values())
    by_itself = (when == "slow" or (when == "auto" and not is_curve)) and not config.data.group
    return when == "always" or (by_itself and n_test > MIN_TEST_MESSAGES)


def stopping_rule(cell: Cell) -> StoppingRule | None:
    """Return when a cell may stop; None where it has to answer all, or there is nothing to compare it with yet."""
    n_test = len(cell.messages("test"))
    if cell.plan.backend == FLOOR or cell.plan.train_per_label is not None or not may_stop(cell.config, n_test):
        return None
    rival = _rival(cell, n_test)
    if rival is None:
        return None
    stop = cell.config.stop
    return StoppingRule(
        rival,
        n_test,
        stop.min_messages,
        margin=cell.config.verdict.margin / 100,
        level=stop.error / rival.n_candidates,
        may_be_fast=stop.when == "always",
        allowed=allowed_messages(cell.run, cell.config, cell.plan.name, n_test),
    )


def _rival(cell: Cell, n_test: int) -> Rival | None:
    candidates = list(_candidates(cell, n_test))
    if not candidates:
        return None
    name, right = max(candidates, key=lambda candidate: sum(candidate[1].values()))
    return Rival(name, right, len(candidates))


def _candidates(cell: Cell, n_test: int) -> Iterator[tuple[str, dict[str, bool]]]:
    """Yield the fast rows that have answered all test messages: name, and whether each answer is right."""
    for plan in cell.config.cells():
        folder = cell.run.cell(plan.name)
        record = folder.read() if plan.row != cell.plan.row and plan.backend != FLOOR else None
        if record is None or record.status != "ok" or plan.train_per_label is not None:
            continue
        if (record.throughput_per_s or 0.0) < FAST_PER_SECOND:
            continue
        right = {answer.id: answer.is_right for answer in folder.predictions.read()}
        if len(right) == n_test:
            yield plan.name, right
