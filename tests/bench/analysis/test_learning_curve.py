"""Several seeds and learning curves: figures worked out by hand, cells run for real."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from samples import hits, with_cell

from bench.analysis.learning_curve import Group, crossing, curves, first_crossing, flat_lines, gap, groups
from bench.cli import main
from bench.config.run import make_config
from bench.dataset.split import first_per_label
from bench.records.store import RunFolder
from bench.report.tables.curve import crossing_text
from classifiers.errors import BenchError
from classifiers.interface import Message

pytestmark = pytest.mark.slow


def group(row, per_label, accuracy, *, n=200, size=1, seeds=(0.0,)):
    return Group(row, size, per_label, np.array([np.arange(n) < round((accuracy + s) * n) for s in seeds]))


def test_a_row_with_seeds_and_sizes_becomes_a_cell_for_each():
    rows = {"linear": {"seeds": 2, "train_per_label": [4, "all"]}, "majority": {}}
    cells = make_config({"seed": 5, "classifiers": rows}, where="x").cells()
    found = [(c.name, c.row, c.backend, c.seed, c.train_per_label, c.settings) for c in cells]
    assert found == [
        ("linear-4", "linear", "linear", 5, 4, {}),
        ("linear-4-seed1", "linear", "linear", 6, 4, {}),
        ("linear", "linear", "linear", 5, None, {}),
        ("linear-seed1", "linear", "linear", 6, None, {}),
        ("majority", "majority", "majority", 5, None, {}),
    ]


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        ({"linear": {"train_per_label": [0]}}, "0 is no number of messages per label; give numbers above 0, or 'all'"),
        ({"linear": {"train_per_label": ["al"]}}, "'al' is no number of messages per label"),
        ({"linear": {"seeds": 0}}, "greater than 0"),
        ({"linear": {"seeds": 2}, "linear-seed1": {"backend": "linear"}}, "both be run as 'linear-seed1'; rename one"),
    ],
)
def test_an_impossible_row_is_one_clear_line(rows, reason):
    with pytest.raises(BenchError, match=reason):
        make_config({"classifiers": rows}, where="x")


def test_smaller_draws_are_part_of_larger_ones_and_seeds_differ():
    messages = [Message(str(i), f"text {i}", ("ab"[i % 2],)) for i in range(40)]
    draws = [{m.id for m in first_per_label(messages, k, seed=3)} for k in (1, 2, 8, 100)]
    assert [len(draw) for draw in draws] == [2, 4, 16, 40]
    assert draws[0] < draws[1] < draws[2] < draws[3]
    assert {m.id for m in first_per_label(messages, 2, seed=4)} != draws[1]
    assert sorted(m.label for m in first_per_label(messages, 2, seed=3)) == ["a", "a", "b", "b"]


def test_the_crossing_lies_on_the_straight_line_over_the_logarithm():
    # 0.7 is half way from 0.6 at 4 to 0.8 at 16, and half way from 4 to 16 on a logarithmic axis is 8
    assert first_crossing([1, 4, 16], [0.5, 0.6, 0.8], 0.7) == pytest.approx(8.0)
    assert first_crossing([1, 4, 16], [0.5, 0.6, 0.8], 0.4) == 1
    assert first_crossing([1, 4, 16], [0.5, 0.6, 0.8], 0.9) is None


def test_mean_and_spread_over_seeds():
    seeds = group("encoder", 100, 0.82, seeds=(-0.02, 0.0, 0.02))
    assert seeds.accuracies == (pytest.approx(0.80), pytest.approx(0.82), pytest.approx(0.84))
    assert seeds.mean == pytest.approx(0.82)
    assert seeds.sd == pytest.approx(0.02)
    assert (group("encoder", 1, 0.8).sd, group("encoder", 1, 0.8).interval) == (None, None)


def test_the_interval_over_seeds_and_messages_holds_the_spread_of_both():
    def width(right) -> float:
        interval = Group("encoder", None, 100, right).interval
        assert interval is not None
        return interval.high - interval.low

    # equal seeds: only messages vary, 1.96 · 2 · √(0.8 · 0.2 / 400) = 0.0784
    messages_alone = np.tile(np.arange(400) < 320, (5, 1))
    assert width(messages_alone) == pytest.approx(0.0784, abs=0.006)
    # equal messages: only seeds vary; of five seeds two are right, 1.96 · 2 · √(0.4 · 0.6 / 5) = 0.859, in steps of 0.2
    seeds_alone = np.repeat([[True], [True], [False], [False], [False]], 400, axis=1)
    assert width(seeds_alone) == pytest.approx(0.8, abs=0.01)
    # both at once: seeds at 0.7 to 0.9 add their standard error, 0.0707 / √5 (n, not n - 1), to that of the messages
    both = np.array([np.arange(400) < 400 * share for share in (0.7, 0.75, 0.8, 0.85, 0.9)])
    of_messages = 2 * 1.96 * both.mean(axis=0).std() / 20
    assert of_messages < width(both) < of_messages + 2 * 1.96 * 0.0707 / 5**0.5 + 0.02
    assert width(both) == pytest.approx(2 * 1.96 * ((of_messages / 3.92) ** 2 + 0.0707**2 / 5) ** 0.5, rel=0.15)


def test_seeds_that_stopped_at_unlike_places_are_set_against_each_other_on_what_all_answered():
    first, second = hits("slow", [True] * 6 + [False] * 4), hits("slow-seed1", [True] * 8)
    second = with_cell(second, row="slow")
    (both,) = groups([first, second])
    assert both.right.tolist() == [[True] * 6 + [False] * 2, [True] * 8]
    assert both.mean == pytest.approx((6 / 8 + 1) / 2)


def test_a_crossing_has_an_interval_and_says_how_far_behind_it_was():
    curve = [group("encoder", 1, 0.5), group("encoder", 4, 0.6), group("encoder", 16, 0.8)]
    found = crossing(curve, group("llm", 300, 0.7, size=None))
    assert found.at == pytest.approx(8.0)
    assert 1 <= found.interval.low <= 8 <= found.interval.high <= 16
    assert found.before is not None
    assert (found.before.per_label, found.before.difference) == (4, pytest.approx(-0.1))
    text = crossing_text(found)
    assert text.startswith("encoder passes llm (70.0 %) at about 8 examples per label [")
    assert "at 4 it is behind by 10.0 ± 4.2 points" in text  # 1.972 · √(0.1·0.9 · 200/199 / 200)


def test_a_curve_that_stays_below_says_so():
    found = crossing([group("encoder", 1, 0.3), group("encoder", 8, 0.5)], group("llm", 300, 0.9, size=None))
    assert found.at is None
    assert math.isinf(found.interval.high)
    assert crossing_text(found).startswith("encoder does not pass llm (90.0 %) with up to 8 examples per label")


def test_one_test_message_leaves_the_crossing_open():
    found = crossing(
        [group("encoder", 1, 0.0, n=1), group("encoder", 4, 1.0, n=1)], group("llm", 300, 1.0, n=1, size=None)
    )
    assert (found.at, found.interval.low, math.isinf(found.interval.high)) == (pytest.approx(4), 1, True)


def test_a_gap_without_any_difference_has_no_width():
    same = group("encoder", 4, 0.6)
    assert gap(same, same).interval.low == gap(same, same).interval.high == 0.0


@pytest.fixture(scope="module")
def curve_run(tmp_path_factory) -> RunFolder:
    folder = tmp_path_factory.mktemp("curve")
    config = folder / "c.toml"
    config.write_text(
        "jobs = 2\nlatency_messages = 0\nkeep_models = false\n[classifiers.majority]\n[classifiers.linear]\n"
        "strengths = [10.0]\nseeds = 2\ntrain_per_label = [1, 8, 'all']\n"
    )
    command = ["--results", str(folder), "curve", str(config), "--sizes", "1,16,all", "--run", "run"]
    assert main(command) == 0
    return RunFolder(folder / "run")


def test_a_curve_is_run_resumed_and_read_back(curve_run, capsys):
    cells = {cell.classifier: cell for cell, _ in curve_run.cells()}
    assert list(cells) == [
        "majority", "linear-1", "linear-1-seed1", "linear-16", "linear-16-seed1", "linear", "linear-seed1",
    ]  # fmt: skip
    assert [cells[name].n_train for name in ("linear-1", "linear-16", "linear")] == [3, 48, 851]
    assert [cells[name].seed for name in ("linear-16", "linear-16-seed1")] == [0, 1]
    assert not (curve_run.path / "linear" / "model").exists()


def test_points_of_a_curve_stand_in_its_table_and_charts(curve_run, capsys):
    from bench.analysis.scored_run import rows_of

    rows = rows_of(curve_run)
    found = groups(rows)
    assert [g.row for g in flat_lines(found)] == ["majority"]
    curve = curves(found)["linear"]
    assert [g.per_label for g in curve] == [1, 16, pytest.approx(851 / 3)]
    assert curve[0].mean < curve[1].mean < curve[2].mean
    report = (curve_run.path / "report.md").read_text()
    assert "## Learning curve" in report
    assert "2 classifiers ran at a time: their times are left out" in report
    assert "## Speed" not in report
    assert "linear-16" not in report
    assert (curve_run.path / "charts" / "curve.png").read_bytes().startswith(b"\x89PNG")
    assert "<svg" in (curve_run.path / "charts" / "curve.svg").read_text()


def test_two_reports_of_a_curve_are_equal(curve_run):
    def contents() -> dict[str, bytes]:
        names = ("report.md", "scores.json", "charts/curve.svg")
        return {name: Path(curve_run.path / name).read_bytes() for name in names}

    before = contents()
    assert main(["--results", str(curve_run.path.parent), "report", "run"]) == 0
    assert contents() == before
