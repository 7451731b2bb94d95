"""All runs at a glance: when each was begun, on what, and which of its rows was the most accurate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bench.analysis.rows import full_data_rows
from bench.analysis.scored_run import rows_of
from bench.records.store import RunFolder


@dataclass(frozen=True, slots=True)
class RunLine:
    """One run; `best` is its most accurate row and `accuracy` that row's share right, None where no row has answers."""

    run: str
    started: str
    task: str
    rows: int
    failed: int
    best: str | None
    accuracy: float | None


def history(runs: Sequence[RunFolder]) -> list[RunLine]:
    """Sum up runs, in the given order."""
    return [_line(run) for run in runs]


def _line(folder: RunFolder) -> RunLine:
    run, rows = folder.read(), rows_of(folder)
    scored = [(row.scores.accuracy, row.name) for row in full_data_rows(rows) if row.scores]
    accuracy, best = max(scored, default=(None, None))
    failed = sum(row.status != "ok" for row in rows)
    return RunLine(folder.path.name, run.started, str(run.task["name"]), len(rows), failed, best, accuracy)
