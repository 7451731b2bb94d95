"""Absolute limits: the interval's lower end decides, and what is wrongly asked is one line."""

from __future__ import annotations

import pytest
from samples import hits, record, row

from bench.analysis.minimums import minimums
from classifiers.errors import BenchError


def test_the_lower_end_of_the_interval_decides() -> None:
    # Wilson, 95 %: 95 of 100 is at least 88.8 %, 950 of 1,000 at least 93.5 %
    small, large = hits("x", [True] * 95 + [False] * 5), hits("y", [True] * 950 + [False] * 50)
    outcomes = {m.classifier: m.outcome for m in minimums([small, large], {"accuracy": 0.9}, ["x", "y"])}
    assert outcomes == {"x": "not shown", "y": "kept"}
    (missed,) = minimums([large], {"accuracy": 0.96}, ["y"])
    assert (missed.outcome, missed.value, missed.n) == ("missed", 0.95, 1000)
    assert missed.interval.low == pytest.approx(0.9347, abs=1e-4)


def test_macro_f1_has_a_limit_of_its_own() -> None:
    # a: 90 of 90 right; b: 5 of 10 right. Accuracy 0.95; F1 of a is 180 / 185, of b 10 / 15, their mean 0.82
    records = [record(i, "a", "a") for i in range(90)] + [record(90 + i, "b", "ab"[i % 2]) for i in range(10)]
    checked = minimums([row("y", records)], {"accuracy": 0.8, "macro F1": 0.9}, ["y"])
    assert [(m.metric, m.outcome) for m in checked] == [("accuracy", "kept"), ("macro F1", "missed")]
    assert checked[1].value == pytest.approx((180 / 185 + 10 / 15) / 2)


@pytest.mark.parametrize(
    ("wanted", "names", "problem"),
    [
        ({"accuracy": 0.9}, [], "a limit needs the classifiers that it is for: --of"),
        ({"accuracy": 90.0}, ["x"], "the least accuracy 90 is no share"),
        ({"accuracy": 0.9}, ["z"], "unknown classifier 'z'"),
        ({"accuracy": 0.9}, ["failed"], "'failed' has no scores: it failed"),
    ],
)
def test_what_cannot_be_judged_is_one_line(wanted: dict, names: list[str], problem: str) -> None:
    with pytest.raises(BenchError, match=problem):
        minimums([hits("x", [True]), row("failed", [])], wanted, names)
