"""Share one budget of test messages fairly among the slow rows of a run.

Which rows are slow is known once they have answered, and a row that is decided early leaves its rest to the others. So
no row gets a fixed number: a row may answer up to what the budget has left after the rows that are done, divided by the
rows that are still open (max-min fairness). As rows end this level only rises, so that the budget is never exceeded by
more than a batch per row, and a row that stopped below the level goes on.
"""

from __future__ import annotations

from collections.abc import Sequence

from bench.config.run import RunConfig
from bench.records.store import RunFolder
from bench.records.types import CellRecord, PredictionRecord

FAST_PER_SECOND = 20
"""Rows that answer as many are never stopped, and are what slow ones are compared with."""


def allowed_messages(run: RunFolder, config: RunConfig, name: str, n_test: int) -> int | None:
    """Return how many test messages a slow cell may answer so far, None for all.

    Args:
        run: the folder that holds the other cells' records.
        config: of the run.
        name: the cell.
        n_test: how many test messages there are.
    """
    if config.stop.budget is None:
        return None
    spent, n_open = 0, 1
    for cell in config.cells():
        if cell.name == name or cell.train_per_label is not None:
            continue
        record = run.cell(cell.name).read()
        if record is None or record.status == "interrupted" or is_undecided(record):
            n_open += 1
        elif record.status == "ok" and not is_fast(record):
            spent += record.stopped.n if record.stopped else n_test
    return max(config.stop.budget - spent, 0) // n_open


def is_fast(record: CellRecord) -> bool:
    """Tell whether a cell answers fast; answers that were given before the run take no time."""
    return record.throughput_per_s is None or record.throughput_per_s >= FAST_PER_SECOND


def answers_fast(answered: Sequence[PredictionRecord]) -> bool:
    """Tell whether a row that is still at work answers fast, by the answers it has given so far."""
    return len(answered) >= FAST_PER_SECOND * sum(record.seconds for record in answered)


def is_undecided(record: CellRecord) -> bool:
    """Tell whether a cell stopped because the budget allowed no more."""
    return record.stopped is not None and record.stopped.decision == "undecided"


def goes_on(run: RunFolder, config: RunConfig, record: CellRecord) -> bool:
    """Tell whether a cell that stopped early has more messages to answer: all are asked for, or more are allowed."""
    if record.stopped is None:
        return False
    if config.stop.when == "never":
        return True
    if not is_undecided(record):
        return False
    allowed = allowed_messages(run, config, record.classifier, record.stopped.n_test)
    return allowed is None or allowed > record.stopped.n
