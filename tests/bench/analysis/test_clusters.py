"""Messages in groups: figures by hand and by statsmodels, and intervals that keep their word where groups are alike."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray
from samples import record, row
from scipy.stats import norm, t

from bench.analysis.cascade import choose, designs, points
from bench.analysis.clusters import INDEPENDENT, Design, clusters_of, design_of, mean_error
from bench.analysis.compare import all_pairs, compare
from bench.analysis.label_scores import Interval, macro_f1_interval
from bench.analysis.learning_curve import Group, crossing, gap, groups
from bench.analysis.mistake_cost import cost_interval, difference_interval, mistake_costs
from bench.analysis.out_of_scope import rejection
from bench.analysis.paired import PairedCounts, differ_p_value, is_not_worse, needed_to_differ, paired_interval
from bench.analysis.recommend import recommend
from bench.analysis.rows import Row
from bench.analysis.scores import wilson_interval
from bench.analysis.selection import select
from bench.analysis.slices import slices
from bench.analysis.thresholds import ABOVE_ALL, unsure_below
from bench.analysis.verdict import Limits
from bench.config.tables import CascadeConfig, CostConfig
from bench.records.types import PredictionRecord

FOUR_GROUPS = np.repeat(np.arange(4), 2)
RIGHT = np.array([1, 1, 1, 1, 0, 0, 1, 0], dtype=bool)


def grouped(right: NDArray[np.bool_], clusters: NDArray[np.intp] | None, p: float = 0.9) -> list[PredictionRecord]:
    """Return answers to messages of these groups; None puts them in none."""
    names = [""] * len(right) if clusters is None else [f"customer {i}" for i in clusters]
    return [
        replace(record(i, "ab"[i % 2], "ab"[(i + 1 - int(hit)) % 2], p), group=name)
        for i, (hit, name) in enumerate(zip(right, names, strict=True))
    ]


def drawn(
    rng: np.random.Generator, accuracies: list[float], *, n_groups: int, size: int, alike: float
) -> NDArray[np.bool_]:
    """Return which messages rows (first axis) get right; answers within a group correlate by a share of `alike`."""
    groups = np.sqrt(alike) * rng.normal(size=(len(accuracies), n_groups)).repeat(size, axis=1)
    alone = np.sqrt(1 - alike) * rng.normal(size=(len(accuracies), n_groups * size))
    return np.asarray(groups + alone < norm.ppf(accuracies)[:, None])


def holds(interval: Interval, value: float) -> bool:
    return interval.low <= value <= interval.high


def test_the_design_effect_by_hand() -> None:
    # 5 of 8 are right; the groups' totals miss 2 · 5/8 by 0.75, 0.75, -1.25 and -0.25: 4/3 · 2.75 = 3.667, where
    # independent messages have 8/7 · 8 · 5/8 · 3/8 = 2.143
    assert design_of(RIGHT, FOUR_GROUPS).effect == pytest.approx(3.6667 / 2.142857, abs=1e-4)
    assert mean_error(RIGHT, FOUR_GROUPS) == pytest.approx(math.sqrt(3.6667) / 8, abs=1e-5)
    # where nothing varies, a group says as much as one message: 8 messages as much as 4
    assert design_of(np.ones(8), FOUR_GROUPS) == Design(2.0, 4)
    # groups that are more mixed than chance makes them do not make an interval shorter
    assert design_of(np.tile([1, 0], 4), FOUR_GROUPS) == Design(1.0, 4)
    assert design_of(RIGHT, np.zeros(8, dtype=np.intp)) == Design(8.0, 1)
    assert design_of(RIGHT, None) == INDEPENDENT


def test_the_standard_error_is_statsmodels_by_groups() -> None:
    import statsmodels.api as sm

    rng = np.random.default_rng(0)
    clusters = np.sort(rng.integers(0, 12, 100))
    values = rng.normal(size=12)[clusters] + rng.normal(size=100)
    fitted = sm.OLS(values, np.ones(100)).fit(cov_type="cluster", cov_kwds={"groups": clusters})
    assert mean_error(values, clusters) == pytest.approx(fitted.bse[0])
    assert mean_error(values, None) == pytest.approx(values.std(ddof=1) / 10)


def test_a_score_interval_is_that_of_fewer_messages_with_students_quantile() -> None:
    design = Design(2.5, 8)
    found = wilson_interval(80, 100, design=design)
    # Wilson by hand: z² / n is t² · 2.5 / 100 with 7 degrees of freedom
    ratio = t.ppf(0.975, 7) ** 2 * 2.5 / 100
    middle = (0.8 + ratio / 2) / (1 + ratio)
    width = math.sqrt(0.8 * 0.2 * ratio + ratio**2 / 4) / (1 + ratio)
    assert (found.low, found.high) == (pytest.approx(middle - width), pytest.approx(middle + width))
    assert wilson_interval(80, 100, design=INDEPENDENT) == wilson_interval(80, 100)
    assert wilson_interval(8, 8, design=Design(8.0, 1)) == Interval(0.0, 1.0), "one group shows nothing"


def test_a_pair_counts_as_many_messages_as_its_groups_say() -> None:
    alone = PairedCounts(400, 40, 20)
    same = PairedCounts(400, 40, 20, Design(4.0, 10_000_000))
    quarter = paired_interval(PairedCounts(100, 10, 5))
    found = paired_interval(same)
    assert (found.low, found.high) == (pytest.approx(quarter.low, abs=1e-6), pytest.approx(quarter.high, abs=1e-6))
    assert paired_interval(alone).low > 0 > found.low
    assert (is_not_worse(alone, 0.02), is_not_worse(same, 0.02)) == (True, False)
    assert differ_p_value(same) == pytest.approx(2 * norm.sf((40 - 20) / math.sqrt(40 + 20) / 2), rel=1e-4)
    assert differ_p_value(PairedCounts(8, 4, 0, Design(8.0, 1))) == 1.0
    assert paired_interval(PairedCounts(8, 4, 0, Design(8.0, 1))) == Interval(-1.0, 1.0)
    assert needed_to_differ(0.1, 0.05, effect=4.0) == pytest.approx(4 * (needed_to_differ(0.1, 0.05) or 0), abs=4)


def test_groups_are_numbered_as_they_come_and_a_message_without_one_is_alone() -> None:
    answers = [replace(record(i, "a", "a"), group=name) for i, name in enumerate(["x", "", "y", "x", ""])]
    clusters = clusters_of(answers)
    assert clusters is not None
    assert clusters.tolist() == [0, 1, 2, 0, 3]
    assert clusters_of(answers[:3]) is None, "no two messages share a group"


def all_figures(rows: list[Row]) -> list[object]:
    """Return every figure that has an interval or a test."""
    prices = CostConfig.model_validate({"wrong": {"a": {"b": 3.0}}})
    return [
        [r.scores and r.scores.as_json() for r in rows],
        all_pairs(rows),
        recommend(rows, Limits(), CostConfig.model_validate({})),
        mistake_costs(rows, prices),
        list(slices(rows)),
        [rejection(r.records, "b") for r in rows],
        [(g.mean, g.interval) for g in groups(rows)],
    ]


def test_groups_of_one_message_change_no_figure() -> None:
    rng = np.random.default_rng(1)
    right = rng.random((2, 120)) < [[0.9], [0.8]]
    alone = [row(name, grouped(hits, None)) for name, hits in zip("xy", right, strict=True)]
    one_each = [row(name, grouped(hits, np.arange(120))) for name, hits in zip("xy", right, strict=True)]
    assert all_figures(one_each) == all_figures(alone)
    ten_each = [row(name, grouped(hits, np.arange(120) // 10)) for name, hits in zip("xy", right, strict=True)]
    assert all_figures(ten_each) != all_figures(alone)


def test_figures_of_groups_say_so() -> None:
    rng = np.random.default_rng(2)
    right = drawn(rng, [0.9, 0.8], n_groups=40, size=10, alike=0.6)
    x, y = (row(name, grouped(hits, np.arange(400) // 10)) for name, hits in zip("xy", right, strict=True))
    assert x.scores is not None
    assert x.scores.design.n_groups == 40
    assert x.scores.as_json()["design_effect"] == x.scores.design.effect > 2
    pair = compare(x, y)
    assert pair.design_effect is not None
    assert pair.design_effect > 2
    assert pair.p_value == differ_p_value(PairedCounts.of(right[0], right[1], np.arange(400) // 10))
    plain = compare(row("x", grouped(right[0], None)), row("y", grouped(right[1], None)))
    assert plain.design_effect is None
    assert pair.interval.low < plain.interval.low < plain.interval.high < pair.interval.high
    assert pair.difference == plain.difference


SHAPE = {"n_groups": 60, "size": 10, "alike": 0.7}
CLUSTERS = np.repeat(np.arange(60), 10)


def test_accuracies_of_groups_that_are_alike_lie_in_their_intervals_and_not_in_those_of_messages() -> None:
    rng, kept = np.random.default_rng(3), {"groups": 0, "messages": 0}
    for _ in range(1000):
        (right,) = drawn(rng, [0.9], **SHAPE)  # type: ignore[arg-type]
        n = int(right.sum())
        kept["groups"] += holds(wilson_interval(n, 600, design=design_of(right, CLUSTERS)), 0.9)
        kept["messages"] += holds(wilson_interval(n, 600), 0.9)
    assert kept["groups"] >= 930
    assert kept["messages"] < 750


@pytest.mark.slow
def test_macro_f1_of_groups_that_are_alike_lies_in_its_interval_and_not_in_that_of_messages() -> None:
    rng, kept = np.random.default_rng(4), {"groups": 0, "messages": 0}
    for i in range(200):
        (right,) = drawn(rng, [0.9], **SHAPE)  # type: ignore[arg-type]
        is_first = rng.random(600) < 0.5  # of two labels that are as frequent and as hard, macro F1 is the accuracy
        gold = np.stack([is_first, ~is_first], axis=1)
        answered = np.where(right[:, None], gold, ~gold)
        kept["groups"] += holds(macro_f1_interval(gold, answered, CLUSTERS, seed=i), 0.9)
        kept["messages"] += holds(macro_f1_interval(gold, answered, seed=i), 0.9)
    assert kept["groups"] >= 0.93 * 200
    assert kept["messages"] < 0.75 * 200


def test_differences_of_groups_that_are_alike_lie_in_their_intervals_and_no_row_passes_falsely() -> None:
    """The second row is worse by exactly the margin, so that it must not be called not worse in more than 5 %."""
    rng, margin = np.random.default_rng(5), 0.05
    kept, passed = {"groups": 0, "messages": 0}, {"groups": 0, "messages": 0}
    for _ in range(1000):
        first, second = drawn(rng, [0.9, 0.85], **SHAPE)  # type: ignore[arg-type]
        for way, clusters in (("groups", CLUSTERS), ("messages", None)):
            kept[way] += holds(paired_interval(PairedCounts.of(first, second, clusters)), 0.05)
            passed[way] += is_not_worse(PairedCounts.of(second, first, clusters), margin, level=0.9)
    assert kept["groups"] >= 930
    assert kept["messages"] < 800
    assert passed["groups"] <= 70
    assert passed["messages"] > 120


def test_the_verdict_on_groups_that_are_alike_is_true_in_19_of_20_draws() -> None:
    rng, kept = np.random.default_rng(6), {"groups": 0, "messages": 0}
    for _ in range(300):
        hits = drawn(rng, [0.9, 0.85], **SHAPE)  # type: ignore[arg-type]
        for way, clusters in (("groups", CLUSTERS), ("messages", None)):
            found = select(hits, [(2.0, 0.0), (1.0, 0.0)], [False, False], 0.02, clusters)
            kept[way] += found.row in (None, 0)
    assert kept["groups"] >= 0.95 * 300
    assert kept["messages"] < kept["groups"]


def test_many_messages_of_few_groups_decide_nothing() -> None:
    """Twelve customers with 50 messages each: by messages the less accurate row is chosen in half of the draws."""
    clusters, rows = np.repeat(np.arange(12), 50), {"groups": [], "messages": []}
    for seed in range(12):
        hits = drawn(np.random.default_rng(seed), [0.9, 0.85], n_groups=12, size=50, alike=0.9)
        found = select(hits, [(2.0, 0.0), (1.0, 0.0)], [False, False], 0.02, clusters)
        assert found.row is not None or (found.needed_n or 0) > 600
        rows["groups"].append(found.row)
        rows["messages"].append(select(hits, [(2.0, 0.0), (1.0, 0.0)], [False, False], 0.02).row)
    assert rows["groups"].count(None) >= 10
    assert 1 not in rows["groups"]
    assert rows["messages"].count(1) >= 4


def test_costs_of_groups_that_are_alike_have_longer_intervals() -> None:
    (right,) = drawn(np.random.default_rng(8), [0.8], **SHAPE)  # type: ignore[arg-type]
    costs = np.where(right, 0.0, 2.0)
    for interval in (cost_interval, difference_interval):
        groups, messages = interval(costs, 2.0, clusters=CLUSTERS), interval(costs, 2.0)
        error = 1.96 * mean_error(costs, CLUSTERS)
        assert groups.high - groups.low == pytest.approx(2 * error, rel=0.25)
        assert groups.high - groups.low > 1.5 * (messages.high - messages.low)
    assert cost_interval(costs, 2.0, clusters=np.arange(600)) == cost_interval(costs, 2.0)


def test_seeds_and_groups_go_together_in_one_interval() -> None:
    rng = np.random.default_rng(9)
    (base,) = drawn(rng, [0.85], **SHAPE)  # type: ignore[arg-type]
    right = np.array([base ^ (rng.random(600) < share) for share in (0.02, 0.05, 0.08)])

    def width(clusters: NDArray[np.intp] | None) -> float:
        interval = Group("encoder", None, 100, right, clusters).interval
        assert interval is not None
        return interval.high - interval.low

    of_groups = 3.92 * mean_error(right.mean(axis=0), CLUSTERS)
    of_seeds = 3.92 * right.mean(axis=1).std() / math.sqrt(3)
    assert width(CLUSTERS) == pytest.approx(math.hypot(of_groups, of_seeds), rel=0.2)
    assert width(CLUSTERS) > 1.5 * width(None)
    assert width(np.arange(600)) == pytest.approx(width(None))


def test_a_curves_crossing_and_gap_count_groups() -> None:
    rng = np.random.default_rng(10)
    hits = drawn(rng, [0.6, 0.7, 0.8, 0.72], **SHAPE)  # type: ignore[arg-type]

    def curve(clusters: NDArray[np.intp] | None) -> tuple[list[Group], Group]:
        *learnt, flat = (Group("x", i, 4.0**i, right[None], clusters) for i, right in enumerate(hits))
        return learnt, flat

    learnt, flat = curve(CLUSTERS)
    alone, flat_alone = curve(None)
    found, plain = gap(learnt[0], flat), gap(alone[0], flat_alone)
    half = t.ppf(0.975, 59) * mean_error(learnt[0].hits - flat.hits, CLUSTERS)
    ends = found.difference - half, found.difference + half
    assert (found.interval.low, found.interval.high) == (pytest.approx(ends[0]), pytest.approx(ends[1]))
    assert found.interval.low < plain.interval.low < plain.interval.high < found.interval.high
    at, at_alone = crossing(learnt, flat), crossing(alone, flat_alone)
    assert at.at == at_alone.at
    assert at.interval.low <= at_alone.interval.low
    assert crossing(*curve(np.arange(600))) == at_alone


def promised(rng: np.random.Generator, n_groups: int, size: int) -> list[PredictionRecord]:
    """Return answers that are right as often as they are sure, but whose groups are all right or all wrong."""
    confidence = np.round(rng.uniform(0.5, 1, n_groups).repeat(size), 9) - np.tile(np.arange(size), n_groups) * 1e-6
    hits = (rng.random(n_groups) < confidence[::size]).repeat(size)
    groups = np.arange(n_groups).repeat(size)
    return [
        replace(record(i, "a", "a" if hit else "b", float(p)), group=f"g{group}")
        for i, (hit, p, group) in enumerate(zip(hits, confidence, groups, strict=True))
    ]


@pytest.mark.slow
def test_the_accuracy_promised_of_answers_in_groups_is_kept_in_95_percent_of_draws() -> None:
    """At a confidence of t and above (t + 1) / 2 are right: 0.6 and above gives 0.8."""
    rng, kept, broken, used = np.random.default_rng(11), 0, 0, 0
    for _ in range(60):
        answers = promised(rng, 150, 10)
        threshold = unsure_below(answers, 0.8)
        alone = unsure_below([replace(answer, group="") for answer in answers], 0.8)
        assert threshold is not None
        assert alone is not None
        used += threshold < ABOVE_ALL
        kept += threshold == ABOVE_ALL or threshold >= 0.6 - 1e-4
        broken += alone < 0.6 - 1e-4
    assert kept >= 0.95 * 60
    assert broken > 0.2 * 60, "messages counted one by one promise too much"
    assert used > 30, "a promise that is never made would be kept too"


@pytest.mark.slow
def test_the_accuracy_promised_of_a_cascade_counts_groups() -> None:
    rng, kept, broken, used = np.random.default_rng(12), 0, 0, 0
    config = CascadeConfig.model_validate({"first": "x", "second": "y", "accuracy": 0.9})
    for _ in range(60):
        first = promised(rng, 100, 20)
        right = (rng.random(100) < 0.95).repeat(20)
        second = [replace(r, predicted=("a" if hit else "b",)) for r, hit in zip(first, right, strict=True)]
        curve = points(first, second)

        def is_true(threshold: float) -> bool:
            bound = min(max(threshold, 0.5), 1.0)
            return 2 * (bound - 0.5) * 0.95 + 2 * (1 - bound) * (bound + 1) / 2 >= 0.9

        choice, alone = choose(curve, config, 2000, designs(first, second)), choose(curve, config, 2000)
        used += bool(choice.is_shown)
        kept += not choice.is_shown or is_true(choice.point.threshold)
        broken += bool(alone.is_shown) and not is_true(alone.point.threshold)
    assert kept >= 0.95 * 60
    assert broken > 0.1 * 60
    assert used > 5
