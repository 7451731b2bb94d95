"""A cascade's bound, answers and costs, worked out by hand; and the command on the reference run."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from conftest import REPOSITORY
from samples import record, row, with_cell

from bench.analysis.cascade import Choice, Point, cascade_row, choose, points
from bench.analysis.rows import Cascade, full_data_rows, why_stopped
from bench.analysis.scored_run import with_cascades
from bench.analysis.thresholds import ABOVE_ALL
from bench.cli import main
from bench.config.run import make_config
from bench.config.tables import CascadeConfig
from bench.records.conditions import Stopped
from bench.records.store import RunFolder
from bench.records.types import Latency
from classifiers.errors import BenchError

# the first is right where it is sure; the second is right on all but message 4
FIRST = [record(1, "a", "a", 0.9), record(2, "a", "a", 0.8), record(3, "a", "b", 0.6), record(4, "a", "b", 0.55)]
SECOND = [record(1, "a", "a"), record(2, "a", "a"), record(3, "a", "a"), record(4, "a", "b")]


def config(**values: object) -> CascadeConfig:
    return CascadeConfig.model_validate({"first": "x", "second": "y", **values})


def test_every_bound_and_what_it_gives() -> None:
    found = [(p.threshold, p.passed_on, p.accuracy) for p in points(FIRST, SECOND)]
    assert found == [(0.0, 0.0, 0.5), (0.6, 0.25, 0.5), (0.8, 0.5, 0.75), (0.9, 0.75, 0.75), (1.01, 1.0, 0.75)]


def test_the_threshold_is_chosen_for_budget_or_as_the_best() -> None:
    curve = points(FIRST, SECOND)
    assert choose(curve, config(), 4) == Choice(curve[2], None)
    assert choose(curve, config(budget=0.3), 4).point.threshold == 0.0


def test_a_wanted_accuracy_has_to_be_shown() -> None:
    # of the first's 200 answers the 40 least sure are wrong, and the second gets all of them right
    curve = [Point(0.0, 0.0, 0.8), Point(0.6, 0.1, 0.9), Point(0.7, 0.2, 1.0), Point(ABOVE_ALL, 1.0, 1.0)]
    # four thresholds share the error of 5 %: 180 of 200 show 0.8424, 200 of 200 show 0.0125^(1/200) = 0.9783
    assert choose(curve, config(accuracy=0.84), 200) == Choice(curve[1], True)
    assert choose(curve, config(accuracy=0.89), 200) == Choice(curve[2], True), "0.9 on validation does not show it"
    assert choose(curve, config(accuracy=0.97), 200) == Choice(curve[2], True)
    assert choose(curve, config(accuracy=0.98), 200) == Choice(curve[2], False), "out of reach: the best there is"
    assert choose(curve, config(accuracy=0.97, budget=0.15), 200) == Choice(curve[1], False)


def test_the_promised_accuracy_is_kept_in_95_percent_of_draws() -> None:
    rng, n, wanted, kept, used = np.random.default_rng(0), 200, 0.9, 0, 0
    for _ in range(400):
        sure = np.round(rng.uniform(0.5, 1, n), 6)
        drawn = zip(rng.random(n) < sure, sure, strict=True)
        first = [record(i, "a", "a" if hit else "b", p) for i, (hit, p) in enumerate(drawn)]
        second = [record(i, "a", "a" if hit else "b") for i, hit in enumerate(rng.random(n) < 0.95)]
        choice = choose(points(first, second), config(accuracy=wanted), n)
        # of new messages, those below the threshold t are 0.95 right and the others (t + 1) / 2
        t = min(max(choice.point.threshold, 0.5), 1.0)
        passed_on = 2 * (t - 0.5)
        used += bool(choice.is_shown)
        kept += not choice.is_shown or passed_on * 0.95 + (1 - passed_on) * (t + 1) / 2 >= wanted
    assert kept / 400 >= 0.95
    assert used > 100, "a promise that is never made would be kept too"


def test_messages_of_one_confidence_are_passed_on_together() -> None:
    first = [record(1, "a", "b", 0.6), record(2, "a", "a", 0.6)]
    assert [p.passed_on for p in points(first, SECOND)] == [0.0, 1.0]


def test_an_answer_that_is_no_label_is_passed_on_first() -> None:
    first = [record(1, "a", None), record(2, "a", "a", 0.7)]
    assert [(p.threshold, p.accuracy) for p in points(first, SECOND)][:2] == [(0.0, 0.5), (0.7, 1.0)]


def test_a_cascades_answers_and_costs_come_from_both() -> None:
    x = row("x", [replace(r, seconds=0.1) for r in FIRST], FIRST)
    y = row("y", [replace(r, seconds=1.0) for r in SECOND], SECOND)
    of_x = {"latency_ms": Latency(5, 6, 50), "peak_memory_bytes": 100, "n_labelled": 40, "predict_seconds": 0.4}
    of_y = {"latency_ms": Latency(100, 200, 50), "peak_memory_bytes": 900, "n_labelled": 6, "predict_seconds": 4.0}
    x, y = with_cell(x, **of_x), with_cell(y, **of_y)
    found = cascade_row("both", x, y, config())
    assert found.scores is not None
    assert found.scores.accuracy == 0.75
    assert [r.predicted for r in found.records] == [("a",), ("a",), ("a",), ("b",)]
    assert found.resources.predict_seconds == pytest.approx(4 * 0.1 + 2 * 1.0)
    assert found.resources.latency_ms == Latency(5, 206, 50)
    assert (found.resources.peak_memory_bytes, found.resources.n_labelled) == (1000, 40)
    assert found.notes[0].startswith("'x' answers what it is at least 80.0% sure of, 'y' the other 50.0%")


def test_a_second_row_that_was_asked_only_what_the_budget_passes_on_gives_the_same_threshold() -> None:
    x = row("x", FIRST, FIRST)
    whole = cascade_row("both", x, row("y", SECOND, SECOND), config(budget=0.5))
    asked = cascade_row("both", x, row("y", SECOND, SECOND[2:]), config(budget=0.5))
    assert asked.cascade == whole.cascade == Cascade("x", "y", 0.8, 0.5)
    for wanted in (config(budget=0.75), config()):
        with pytest.raises(BenchError, match="'y' was asked too few validation messages; name the cascade in"):
            cascade_row("both", x, row("y", SECOND, SECOND[2:]), wanted)
    # a row with probabilities answers a sample: what both answered stands for the rest
    sampled = [replace(r, probabilities={"a": 0.6, "b": 0.4}) for r in SECOND[1:3]]
    assert cascade_row("both", x, row("y", SECOND, sampled), config()).cascade == Cascade("x", "y", 0.8, 0.5)


def test_a_cascade_with_answers_of_unknown_time_is_not_shown_as_fast() -> None:
    x = row("x", [replace(r, seconds=0.1) for r in FIRST], FIRST)
    x = with_cell(x, predict_seconds=0.4)
    found = cascade_row("both", x, row("y", SECOND, SECOND), config())
    assert (found.resources.predict_seconds, found.resources.throughput_per_s) == (None, None)


def test_a_cascade_that_passes_nothing_on_is_its_first_row_and_leaves_the_table() -> None:
    x, y = row("x", FIRST, FIRST), row("y", SECOND, SECOND)
    rows = with_cascades([x, y], {"idle": config(budget=0.0), "both": config()})
    idle, both = rows[2:]
    assert idle.records == x.records
    assert idle.notes == ("passes nothing on: it is 'x' alone, and stands in no table",)
    assert both.cascade == Cascade("x", "y", 0.8, 0.5)
    assert [r.name for r in full_data_rows(rows)] == ["x", "y", "both"]


STOPPED = Stopped(3, 40, "better", "z", 0.1, 0.5, 0.95)
WHY = "was stopped after 3 of 40 test messages: decided (better than z)"


@pytest.mark.parametrize(
    ("of_x", "of_y", "said", "n"),
    [
        (None, None, "", 4),
        (STOPPED, None, f"x {WHY}", 3),
        (None, STOPPED, f"y {WHY}", 3),
        (STOPPED, replace(STOPPED, n=2), f"x {WHY}; y {WHY.replace('3', '2')}", 2),
    ],
)
def test_a_cascade_says_which_of_its_rows_stopped_early(
    of_x: Stopped | None, of_y: Stopped | None, said: str, n: int
) -> None:
    x, y = row("x", FIRST[: of_x.n if of_x else 4], FIRST), row("y", SECOND[: of_y.n if of_y else 4], SECOND)
    both = cascade_row("both", with_cell(x, stopped=of_x), with_cell(y, stopped=of_y), config())
    assert why_stopped(both) == said
    assert both.scores is not None
    assert (both.scores.n, both.scores.always_valid) == (n, bool(said))
    assert both.stopped == min(filter(None, (of_x, of_y)), key=lambda part: part.n, default=None)
    rejecting = cascade_row("reject", with_cell(x, stopped=of_x), None, CascadeConfig(first="x", other="b"))
    assert why_stopped(rejecting) == (f"x {WHY}" if of_x else "")


def test_what_a_cascade_rejects_costs_nothing_more() -> None:
    x = row("x", [replace(r, seconds=0.1) for r in FIRST], FIRST)
    x = with_cell(x, latency_ms=Latency(5, 6, 50), peak_memory_bytes=100, predict_seconds=0.4)
    rejecting = cascade_row("reject", x, None, CascadeConfig(first="x", other="b"))
    assert [r.predicted for r in rejecting.records] == [("a",), ("a",), ("b",), ("b",)]
    assert rejecting.resources.predict_seconds == pytest.approx(0.4)
    assert (rejecting.resources.latency_ms, rejecting.resources.peak_memory_bytes) == (Latency(5, 6, 50), 100)
    assert rejecting.cell is None, "it never ran"


def test_what_cannot_be_a_cascade_says_why() -> None:
    x, y = row("x", FIRST), row("y", SECOND, SECOND)
    with pytest.raises(BenchError, match="'x' gives no probabilities; it cannot go first"):
        cascade_row("both", y, x, config())
    with pytest.raises(BenchError, match="no answers to validation messages"):
        cascade_row("both", x, y, config())
    rows = {"classifiers": {"linear": {}}, "cascades": {"both": {"first": "linear", "second": "llm"}}}
    with pytest.raises(BenchError, match="cascade 'both' names 'llm', which is no row"):
        make_config(rows, where="x")


@pytest.mark.slow
def test_a_cascade_of_the_config_is_a_row_and_a_broken_one_a_failed_row() -> None:
    from bench.analysis.scored_run import rows_of

    run = RunFolder(REPOSITORY / "results" / "reference" / "default")
    cascades = {
        "both": CascadeConfig(first="encoder", second="llama_cpp-tuned"),
        "bad": CascadeConfig(first="llama_cpp", second="encoder"),
    }
    rows = {r.name: r for r in with_cascades(rows_of(run), cascades)}
    both, bad = rows["both"], rows["bad"]
    assert both.scores is not None
    assert both.scores.n == 244
    assert bad.status == "failed"
    assert "gives no probabilities" in bad.cause


@pytest.mark.slow
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


@pytest.mark.slow
def test_only_leaves_out_the_cascades_of_rows_that_are_not_run(tmp_path) -> None:
    text = "latency_messages = 0\n[classifiers.majority]\n[classifiers.linear]\nstrengths = [1.0]\n"
    text += "[classifiers.encoder]\n"
    (tmp_path / "c.toml").write_text(text + '[cascades.both]\nfirst = "linear"\nsecond = "encoder"\n')
    command = ["--results", str(tmp_path), "run", str(tmp_path / "c.toml"), "--only", "majority,linear", "--run", "r"]
    assert main(command) == 0
    assert RunFolder(tmp_path / "r").read().config.cascades == {}
