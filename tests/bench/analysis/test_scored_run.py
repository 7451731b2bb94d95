"""Rows are read with their scores, and no score is worked out that nobody asks for."""

from __future__ import annotations

import pytest
from conftest import REPOSITORY

from bench.analysis.compare import disagreements
from bench.analysis.history import history
from bench.analysis.scored_run import rows_of
from bench.records.store import RunFolder

REFERENCE = RunFolder(REPOSITORY / "results" / "reference" / "default")


class BootstrapError(Exception):
    """Raised where a bootstrap is drawn."""


@pytest.fixture
def no_bootstrap(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: object, **options: object) -> None:
        raise BootstrapError

    monkeypatch.setattr("scipy.stats.bootstrap", refuse)


@pytest.mark.usefixtures("no_bootstrap")
def test_a_list_of_runs_and_the_disagreements_draw_no_bootstrap() -> None:
    (line,) = history([REFERENCE])
    rows = rows_of(REFERENCE)
    right = {row.name: sum(record.is_right for record in row.records) for row in rows}
    assert line.best is not None
    assert (right[line.best], line.accuracy) == (max(right.values()), right[line.best] / len(rows[0].records))
    shown = disagreements(rows, pair=("linear", "encoder"), right="first")
    assert 0 < len(shown) <= right["linear"]
    scores = rows[0].scores
    assert scores is not None
    with pytest.raises(BootstrapError):
        _ = scores.macro_f1_interval


def test_a_score_is_worked_out_once() -> None:
    scores = rows_of(REFERENCE)[0].scores
    assert scores is not None
    assert scores.macro_f1_interval is scores.macro_f1_interval
