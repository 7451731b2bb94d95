"""A cascade's bound, answers and costs, worked out by hand; and the command on the reference run."""

from __future__ import annotations

from dataclasses import replace

import pytest
from conftest import REPOSITORY
from samples import record, row

from bench.analysis.cascade import cascade_row, choose, points
from bench.analysis.scored_run import with_cascades
from bench.cli import main
from bench.config.run import make_config
from bench.config.tables import CascadeConfig
from bench.records.store import RunFolder
from bench.records.types import Latency
from classifiers.errors import BenchError

pytestmark = pytest.mark.slow

# the first is right where it is sure; the second is right on all but message 4
FIRST = [record(1, "a", "a", 0.9), record(2, "a", "a", 0.8), record(3, "a", "b", 0.6), record(4, "a", "b", 0.55)]
SECOND = [record(1, "a", "a"), record(2, "a", "a"), record(3, "a", "a"), record(4, "a", "b")]


def config(**values: object) -> CascadeConfig:
    return CascadeConfig.model_validate({"first": "x", "second": "y", **values})


def test_every_bound_and_what_it_gives() -> None:
    found = [(p.bound, p.passed_on, p.accuracy) for p in points(FIRST, SECOND)]
    assert found == [(0.0, 0.0, 0.5), (0.6, 0.25, 0.5), (0.8, 0.5, 0.75), (0.9, 0.75, 0.75), (1.01, 1.0, 0.75)]


def test_the_bound_is_chosen_for_accuracy_for_budget_or_as_the_best() -> None:
    found = points(FIRST, SECOND)
    assert choose(found, config()).bound == 0.8
    assert choose(found, config(accuracy=0.5)).bound == 0.0
    assert choose(found, config(accuracy=0.99)).bound == 0.8, "out of reach: the best there is"
    assert choose(found, config(budget=0.3)).bound == 0.0
    assert choose(found, config(budget=0.3, accuracy=0.7)).accuracy == 0.5


def test_messages_of_one_confidence_are_passed_on_together() -> None:
    first = [record(1, "a", "b", 0.6), record(2, "a", "a", 0.6)]
    assert [p.passed_on for p in points(first, SECOND)] == [0.0, 1.0]


def test_an_answer_that_is_no_label_is_passed_on_first() -> None:
    first = [record(1, "a", None), record(2, "a", "a", 0.7)]
    assert [(p.bound, p.accuracy) for p in points(first, SECOND)][:2] == [(0.0, 0.5), (0.7, 1.0)]


def test_a_cascades_answers_and_costs_come_from_both() -> None:
    x, y = row("x", [replace(r, seconds=0.1) for r in FIRST]), row("y", [replace(r, seconds=1.0) for r in SECOND])
    of_x = {"latency_ms": Latency(5, 6, 50), "peak_memory_bytes": 100, "n_labelled": 40, "predict_seconds": 0.4}
    of_y = {"latency_ms": Latency(100, 200, 50), "peak_memory_bytes": 900, "n_labelled": 6, "predict_seconds": 4.0}
    x, y = replace(x, cell=replace(x.cell, **of_x)), replace(y, cell=replace(y.cell, **of_y))
    found = cascade_row("both", x, y, (FIRST, SECOND), config())
    assert found.scores is not None
    assert found.scores.accuracy == 0.75
    assert [r.predicted for r in found.records] == [("a",), ("a",), ("a",), ("b",)]
    assert found.cell.predict_seconds == pytest.approx(4 * 0.1 + 2 * 1.0)
    assert found.cell.latency_ms == Latency(5, 206, 50)
    assert (found.cell.peak_memory_bytes, found.cell.n_labelled) == (1000, 40)
    assert found.cell.notes[0].startswith("'x' answers what it is at least 80.0% sure of, 'y' the other 50.0%")


def test_a_cascade_with_answers_of_unknown_time_is_not_shown_as_fast() -> None:
    x = row("x", [replace(r, seconds=0.1) for r in FIRST])
    x = replace(x, cell=replace(x.cell, predict_seconds=0.4))
    found = cascade_row("both", x, row("y", SECOND), (FIRST, SECOND), config())
    assert (found.cell.predict_seconds, found.cell.throughput_per_s) == (None, None)


def test_what_cannot_be_a_cascade_says_why() -> None:
    x, y = row("x", FIRST), row("y", SECOND)
    with pytest.raises(BenchError, match="'x' gives no probabilities; it cannot go first"):
        cascade_row("both", y, x, (SECOND, FIRST), config())
    with pytest.raises(BenchError, match="no answers to validation messages"):
        cascade_row("both", x, y, ([], SECOND), config())
    rows = {"classifiers": {"linear": {}}, "cascades": {"both": {"first": "linear", "second": "llm"}}}
    with pytest.raises(BenchError, match="cascade 'both' names 'llm', which is no row"):
        make_config(rows, where="x")


def test_a_cascade_of_the_config_is_a_row_and_a_broken_one_a_failed_row() -> None:
    from bench.analysis.scored_run import rows_of

    run = RunFolder(REPOSITORY / "results" / "reference" / "default")
    cascades = {
        "both": CascadeConfig(first="encoder", second="llama_cpp-tuned"),
        "bad": CascadeConfig(first="llama_cpp", second="encoder"),
    }
    rows = {r.cell.classifier: r for r in with_cascades(rows_of(run), cascades)}
    both, bad = rows["both"], rows["bad"]
    assert both.scores is not None
    assert both.scores.n == 244
    assert bad.cell.status == "failed"
    assert "gives no probabilities" in str(bad.cell.cause)


def test_the_command_shows_the_curve(capsys: pytest.CaptureFixture[str]) -> None:
    run = "results/reference/default"
    assert main(["cascade", run, "linear", "encoder", "--accuracy", "0.9"]) == 0
    out = capsys.readouterr().out
    assert "cascade" in out
    assert "100.0" in out
    assert main(["cascade", run, "linear", "encodr"]) == 2
    assert "did you mean 'encoder'" in capsys.readouterr().err
    assert main(["cascade", run, "linear", "encoder", "--budget", "7"]) == 2
    assert "budget" in capsys.readouterr().err


def test_only_leaves_out_the_cascades_of_rows_that_are_not_run(tmp_path) -> None:
    text = "latency_messages = 0\n[classifiers.majority]\n[classifiers.linear]\n[classifiers.encoder]\n"
    (tmp_path / "c.toml").write_text(text + '[cascades.both]\nfirst = "linear"\nsecond = "encoder"\n')
    command = ["--results", str(tmp_path), "run", str(tmp_path / "c.toml"), "--only", "majority,linear", "--run", "r"]
    assert main(command) == 0
    assert RunFolder(tmp_path / "r").read().config.cascades == {}
