"""Several data sets: ranks against hand-made figures, the tests against scipy and the published tables."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from samples import write_run

from bench.analysis.ranking import Standings, _tests, standings
from bench.cli import main
from bench.records.conditions import Stopped
from bench.records.store import RunFolder
from bench.report.tables.ranking import standings_table, write_standings
from classifiers.errors import BenchError

pytestmark = pytest.mark.slow

# four classifiers on six data sets: the first always best, the last always worst
FIGURES = np.array(
    [
        [0.9, 0.8, 0.7, 0.6],
        [0.8, 0.7, 0.7, 0.1],
        [0.95, 0.7, 0.8, 0.5],
        [0.9, 0.6, 0.5, 0.4],
        [0.7, 0.6, 0.5, 0.4],
        [0.99, 0.98, 0.9, 0.2],
    ]
)
NAMES = ("encoder", "linear", "llm", "majority")


def found() -> Standings:
    p_value, pairs = _tests(FIGURES)
    return Standings(tuple(f"data {i}" for i in range(6)), NAMES, FIGURES, ("new",), p_value, pairs)


def test_ranks_share_ties_and_are_averaged_over_data_sets() -> None:
    ranks = found().ranks
    assert ranks[1].tolist() == [1, 2.5, 2.5, 4]
    assert found().mean_ranks.tolist() == pytest.approx([1, (2 + 2.5 + 3 + 2 + 2 + 2) / 6, (3 + 2.5 + 2 + 9) / 6, 4])


def test_nemenyi_agrees_with_the_critical_difference_of_demsar_2006() -> None:
    """Table 5 there: q = 2.569 for four classifiers, so two differ where their mean ranks do by q · sqrt(k(k+1)/6N)."""
    critical = 2.569 * np.sqrt(4 * 5 / (6 * 6))
    pairs = found().nemenyi
    assert pairs is not None
    ranks = found().mean_ranks
    for i in range(4):
        for j in range(i):
            assert (pairs[i, j] < 0.05) == (abs(ranks[i] - ranks[j]) > critical)
    assert pairs[0, 3] < 0.05 < pairs[0, 1]


def test_table_puts_the_best_first_and_says_what_was_left_out() -> None:
    table = standings_table(found())
    assert [line[0] for line in table.body] == list(NAMES)
    assert table.body[0][1] == "1.00"
    assert any("tells apart: encoder and majority" in note for note in table.notes)
    assert any(note.endswith("no scores on some data set: new.") for note in table.notes)


def test_too_few_data_sets_are_ranked_but_not_tested() -> None:
    assert _tests(FIGURES[:2]) == (None, None)
    assert _tests(np.ones((4, 4))) == (None, None)


def test_a_row_that_stopped_early_is_ranked_and_said_to_be(tmp_path: Path) -> None:
    runs = [write_run(tmp_path / name, "aabb", {"x": "aabb", "y": "aaaa"}) for name in ("first", "second")]
    runs[1].write(replace(runs[1].read(), task_fingerprint="u"))
    cell = runs[1].cell("y")
    record = cell.read()
    assert record is not None
    cell.write(replace(record, stopped=Stopped(2, 4, "worse", "x", -0.5, -0.1, 0.95)))
    cell.predictions.write(cell.predictions.read()[:2])
    over_all = standings(runs)
    assert over_all.accuracies.tolist() == [[1.0, 0.5], [1.0, 1.0]]
    (said,) = over_all.stopped
    assert said.startswith("y in second: stopped after 2 of 4 test messages: decided (worse than x); its accuracy is")
    assert f"{said}." in standings_table(over_all).notes


def test_files_hold_the_figures_and_the_diagram(tmp_path: Path) -> None:
    files = {file.name for file in write_standings(tmp_path, found())}
    assert files == {"across.md", "across.json", "critical-difference.png", "critical-difference.svg"}
    assert json.loads((tmp_path / "across.json").read_text())["mean_ranks"][0] == 1.0
    drawn = (tmp_path / "critical-difference.svg").read_text()
    assert (tmp_path / "critical-difference.png").stat().st_size > 5000
    assert "6 data sets" in drawn or "<path" in drawn


def test_runs_of_the_same_data_are_one_data_set(
    swept: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    results = swept / "results"
    runs = [RunFolder(file.parent) for file in sorted(results.glob("*/run.json"))]
    assert len(runs) == 6
    over_all = standings(runs)
    assert len(over_all.data_sets) == 3
    assert over_all.accuracies.shape == (3, 3)
    with pytest.raises(BenchError, match="two or more different data sets"):
        standings(runs[:2])
    capsys.readouterr()
    out = tmp_path / "out"
    assert main(["--results", str(results), "across", *(run.path.name for run in runs), "--out", str(out)]) == 0
    assert "mean rank" in capsys.readouterr().out
    assert (out / "critical-difference.png").is_file()
