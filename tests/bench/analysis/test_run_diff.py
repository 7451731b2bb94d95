"""Two runs compared: chance is not taken for a change, a real loss is, and CI can stop on it."""

from __future__ import annotations

import csv
import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from conftest import REPOSITORY
from samples import hits, record, row, run_record, with_cell

from bench.analysis.run_diff import changes
from bench.cli import main
from bench.records.conditions import Stopped
from bench.report.tables.changes import changes_table
from classifiers.errors import BenchError

REFERENCE = REPOSITORY / "results" / "reference" / "default"
STOPPED = Stopped(3, 6, "worse", "x", -0.5, -0.1, 0.95)


def test_a_loss_beyond_chance_is_a_regression_and_a_small_one_is_not() -> None:
    old = [hits("x", [True] * 90 + [False] * 10), hits("y", [True] * 90 + [False] * 10)]
    new = [hits("x", [True] * 75 + [False] * 25), hits("y", [True] * 88 + [False] * 12)]
    x, y = changes(old, new, is_same_split=True).changes
    assert (x.classifier, x.old_accuracy, x.new_accuracy) == ("x", 0.9, 0.75)
    assert x.pair.difference == pytest.approx(-0.15)
    # 15 messages lost and none won: 2 / 2^15, doubled by Holm
    assert x.pair.holm_p_value == pytest.approx(4 / 2**15)
    assert x.is_regression
    assert not y.is_regression
    better, _ = changes(new, old, is_same_split=True).changes
    assert better.is_improvement
    assert not better.is_regression


def test_runs_without_a_classifier_in_common_cannot_be_compared() -> None:
    with pytest.raises(BenchError, match="no classifier in common"):
        changes([hits("x", [True, False])], [hits("y", [True, False])], is_same_split=True)


def test_messages_are_paired_by_text_and_gold_whatever_line_they_stand_on() -> None:
    """One row inserted at the top of the table moves every id by one."""
    right = [True, False, True, True, False, True]
    old = [hits("x", right)]
    moved = [replace(r, id=str(int(r.id) + 1)) for r in old[0].records]
    inserted = record(0, "b", "b")
    new = [row("x", [replace(inserted, text="a new message"), *moved])]
    diff = changes(old, new, is_same_split=False)
    (change,) = diff.changes
    assert (change.old_accuracy, change.new_accuracy, change.pair.n) == (4 / 6, 4 / 6, 6)
    assert (change.pair.only_first_right, change.pair.only_second_right) == (0, 0), "paired by id, 3 would differ"
    assert (diff.only_old, diff.only_new, diff.is_by_id) == (0, 1, False)


def test_a_message_with_another_gold_label_is_left_out_and_counted() -> None:
    old = [hits("x", [True, True, False])]
    first, *rest = old[0].records
    diff = changes(old, [row("x", [replace(first, gold=("b",)), *rest])], is_same_split=False)
    assert (diff.only_old, diff.only_new) == (1, 1)
    assert (diff.changes[0].pair.n, diff.changes[0].old_accuracy) == (2, 0.5)


def test_a_text_that_stands_twice_is_two_messages() -> None:
    twice = [replace(record(i, "a", said), text="same") for i, said in enumerate("ab")]
    (change,) = changes([row("x", twice)], [row("x", twice[::-1])], is_same_split=False).changes
    assert (change.pair.n, change.old_accuracy, change.new_accuracy) == (2, 0.5, 0.5)


def test_a_row_that_stopped_early_is_compared_on_what_both_runs_answered_and_said_to_be() -> None:
    whole, slow = hits("x", [True] * 4 + [False] * 2), hits("y", [True] * 5 + [False])
    part = with_cell(replace(slow, records=slow.records[2:5]), stopped=STOPPED)
    diff = changes([whole, slow], [whole, part], is_same_split=True)
    y = diff.changes[1]
    assert (y.classifier, y.pair.n, y.old_accuracy, y.new_accuracy) == ("y", 3, 1.0, 1.0)
    assert (diff.only_old, diff.only_new) == (0, 0), "what it did not come to is not left out of the data"
    (note,) = diff.stopped
    assert note.startswith("y, after: stopped after 3 of 6 test messages: decided (worse than x); it is compared on")
    assert note.endswith("on the 3 messages that both runs answered")
    table = changes_table(run_record(), run_record(), diff)
    assert any(note in line for line in table.notes)


def test_flips_are_the_messages_right_in_one_run_only() -> None:
    old, new = [hits("x", [True, True, False, False])], [hits("x", [True, False, True, False])]
    lost, won = changes(old, new, is_same_split=True).flips
    assert (lost.id, lost.gold, lost.before, lost.after, lost.is_right) == ("1", ("a",), ("a",), ("b",), False)
    assert (won.id, won.before, won.after, won.is_right) == ("2", ("b",), ("a",), True)


def test_without_texts_ids_pair_the_messages_of_one_split_and_of_no_other() -> None:
    bare = [row("x", [replace(r, text="") for r in hits("x", [True, False, True]).records])]
    diff = changes(bare, bare, is_same_split=True)
    assert (diff.is_by_id, diff.changes[0].pair.n) == (True, 3)
    with pytest.raises(BenchError, match="do not have the same split"):
        changes(bare, bare, is_same_split=False)


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


@pytest.mark.slow
def test_ci_can_stop_on_a_regression(results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["--results", str(results), "compare"]
    assert main([*command, "old", "new"]) == 0
    assert "worse" in capsys.readouterr().out
    assert main([*command, "old", "new", "--fail-on-regression"]) == 3
    assert main([*command, "new", "old", "--fail-on-regression"]) == 0
    assert main([*command, "old", "gone"]) == 2


@pytest.mark.slow
def test_history_lists_runs_with_their_best(results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--results", str(results), "history"]) == 0
    out = capsys.readouterr().out
    assert out.index("new") < out.index("old") or "old" in out
    assert out.count("encoder-then-llm 94.7 %") == 2
    assert main(["--results", str(results / "none"), "history"]) == 2


@pytest.mark.slow
def test_scores_csv_has_a_line_a_metric(results: Path) -> None:
    assert main(["--results", str(results), "report", "old"]) == 0
    with (results / "old" / "scores.csv").open(newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    found = {(row["classifier"], row["metric"]): row for row in rows}
    assert float(found["encoder", "accuracy"]["value"]) == pytest.approx(228 / 244)
    assert ("majority", "first-attempt accuracy") not in found
    assert found["llama_cpp", "serving memory"]["unit"] == "bytes"
