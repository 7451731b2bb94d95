"""Two runs compared: chance is not taken for a change, a real loss is, and CI can stop on it."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import pytest
from conftest import REPOSITORY
from samples import hits

from bench.analysis.run_diff import changes
from bench.cli import main
from classifiers.errors import BenchError

pytestmark = pytest.mark.slow

REFERENCE = REPOSITORY / "results" / "reference" / "default"


def test_a_loss_beyond_chance_is_a_regression_and_a_small_one_is_not() -> None:
    old = [hits("x", [True] * 90 + [False] * 10), hits("y", [True] * 90 + [False] * 10)]
    new = [hits("x", [True] * 75 + [False] * 25), hits("y", [True] * 88 + [False] * 12)]
    x, y = changes(old, new)
    assert (x.classifier, x.old_accuracy, x.new_accuracy) == ("x", 0.9, 0.75)
    assert x.pair.difference == pytest.approx(-0.15)
    # 15 messages lost and none won: 2 / 2^15, doubled by Holm
    assert x.pair.holm_p_value == pytest.approx(4 / 2**15)
    assert x.is_regression
    assert not y.is_regression
    better, _ = changes(new, old)
    assert better.is_improvement
    assert not better.is_regression


def test_runs_without_a_classifier_in_common_cannot_be_compared() -> None:
    with pytest.raises(BenchError, match="no classifier in common"):
        changes([hits("x", [True, False])], [hits("y", [True, False])])


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """A run, and the same with a linear row that lost a fifth of its right answers."""
    for name in ("old", "new"):
        shutil.copytree(REFERENCE, tmp_path / name)
    file = tmp_path / "new" / "linear" / "predictions.jsonl"
    lines = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    for line in lines[::5]:
        line |= {"predicted": [], "valid": False}
    file.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return tmp_path


def test_ci_can_stop_on_a_regression(results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["--results", str(results), "compare"]
    assert main([*command, "old", "new"]) == 0
    assert "worse" in capsys.readouterr().out
    assert main([*command, "old", "new", "--fail-on-regression"]) == 3
    assert main([*command, "new", "old", "--fail-on-regression"]) == 0
    assert main([*command, "old", "gone"]) == 2


def test_history_lists_runs_with_their_best(results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--results", str(results), "history"]) == 0
    out = capsys.readouterr().out
    assert out.index("new") < out.index("old") or "old" in out
    assert out.count("encoder-then-llm 93.0 %") == 2
    assert main(["--results", str(results / "none"), "history"]) == 2


def test_scores_csv_has_a_line_a_metric(results: Path) -> None:
    assert main(["--results", str(results), "report", "old"]) == 0
    with (results / "old" / "scores.csv").open(newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    found = {(row["classifier"], row["metric"]): row for row in rows}
    assert float(found["encoder", "accuracy"]["value"]) == pytest.approx(226 / 244)
    assert ("majority", "first-attempt accuracy") not in found
    assert found["llama_cpp", "memory"]["unit"] == "bytes"
