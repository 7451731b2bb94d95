"""Numbers worked out by hand."""

from __future__ import annotations

import random

import pytest

from bench.analysis.compare import compare, disagreements
from bench.analysis.label_scores import Interval, resamples_at_once
from bench.analysis.rows import Row
from bench.analysis.scores import Scores, score, wilson_interval
from bench.records.types import CellRecord, PredictionRecord
from classifiers.interface import Attempt


def answer(i: int, gold: str, *tries: str) -> PredictionRecord:
    """A prediction whose attempts gave these labels; ? is an answer that is none."""
    attempts = tuple(Attempt(t, () if t == "?" else (t,), t != "?") for t in tries)
    last = attempts[-1]
    return PredictionRecord(str(i), f"text {i}", (gold,), last.labels, last.valid, None, attempts)


RECORDS = [
    answer(0, "a", "a"),
    answer(1, "a", "?", "a"),
    answer(2, "a", "?", "?", "?"),
    answer(3, "b", "b"),
    answer(4, "b", "?", "a"),
]


def row(name: str, records: list[PredictionRecord]) -> Row:
    return Row.of(CellRecord(name, "b", "f", "ok"), records, score(records, ("a", "b")))


def test_unparsable_answer_counts_as_wrong_and_nothing_is_dropped() -> None:
    got = score(RECORDS, ("a", "b"))
    assert got is not None
    assert (got.n, got.accuracy, got.first_attempt_accuracy) == (5, 0.6, 0.4)
    assert (got.parse_failure_rate, got.first_parse_failure_rate) == (0.2, 0.6)
    assert (got.valid_at, got.never) == ((2, 2, 0), 1)
    assert got.confusion == ((2, 0, 1), (1, 1, 0))


def test_per_label_scores_and_macro_f1() -> None:
    got = score(RECORDS, ("a", "b"))
    assert got is not None
    a, b = got.per_label
    assert (a.precision, a.recall, a.support) == (2 / 3, 2 / 3, 3)
    assert (b.precision, b.recall, b.support) == (1.0, 0.5, 2)
    assert got.macro_f1 == pytest.approx((2 / 3 + 2 / 3) / 2)


def test_wilson_interval_of_a_published_example() -> None:
    """Newcombe (1998), Statistics in Medicine 17, table I, method 3: 81 of 263 gives 0.2553 to 0.3662."""
    got = wilson_interval(81, 263)
    assert (round(got.low, 4), round(got.high, 4)) == (0.2553, 0.3662)


def test_no_data_is_no_score() -> None:
    assert score([], ("a",)) is None
    with pytest.raises(ValueError, match="no interval"):
        wilson_interval(0, 0)


def test_pair_is_tested_on_the_same_messages() -> None:
    first = row("x", [answer(i, "a", "a") for i in range(20)])
    second = row("y", [answer(i, "a", "a" if i >= 6 else "b") for i in range(20)])
    pair = compare(first, second)
    assert (pair.n, pair.only_first_right, pair.only_second_right) == (20, 6, 0)
    assert pair.difference == pytest.approx(0.3)
    assert pair.p_value == pytest.approx(2 * 0.5**6), "McNemar exact: 6 discordant pairs, all one way"
    assert 0.05 < pair.interval.low < 0.3 < pair.interval.high < 0.55
    assert compare(first, second) == pair, "seeded: the same every time"


def test_equal_classifiers_have_no_difference_but_few_messages_leave_room_for_one() -> None:
    same = compare(row("x", RECORDS), row("y", RECORDS))
    assert (same.difference, same.p_value) == (0, 1)
    # z² / (n + z²) with n = 5
    assert (same.interval.low, same.interval.high) == (
        pytest.approx(-0.43448, abs=1e-5),
        pytest.approx(0.43448, abs=1e-5),
    )


def test_one_message_can_be_compared_and_says_nearly_nothing() -> None:
    """A bootstrap of one message raised, and the run could not be reported."""
    pair = compare(row("x", [answer(0, "a", "a")]), row("y", [answer(0, "a", "b")]))
    assert (pair.n, pair.difference, pair.p_value) == (1, 1.0, 1.0)
    assert pair.interval.low < 0 < pair.interval.high == 1.0
    assert Scores((answer(0, "a", "a"),), ("a", "b")).macro_f1_interval == Interval(0.0, 1.0)


def test_disagreements_and_their_filters() -> None:
    rows = [row("x", [answer(0, "a", "a"), answer(1, "b", "a"), answer(2, "b", "b"), answer(3, "a", "?")])]
    rows += [row("y", [answer(0, "a", "b"), answer(1, "b", "b"), answer(2, "b", "b"), answer(3, "a", "b")])]
    pair = ("x", "y")
    assert [d.id for d in disagreements(rows)] == ["0", "1", "3"]
    assert [d.id for d in disagreements(rows, label="b")] == ["1"]
    assert [d.id for d in disagreements(rows, pair=pair, right="first")] == ["0"]
    assert [d.id for d in disagreements(rows, pair=pair, right="second")] == ["1"]
    assert [d.id for d in disagreements(rows, pair=pair, right="neither")] == ["3"]
    assert disagreements(rows, pair=pair, right="both") == []
    assert [d.id for d in disagreements(rows, pair=("y", "x"), right="first")] == ["1"], "order of the pair is kept"


def test_resamples_drawn_in_pieces_give_the_same_intervals(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of many messages they are drawn in pieces, since all of them at a time would be gigabytes."""
    chance = random.Random(0)
    first = row("a", [answer(i, "a", chance.choice("aab")) for i in range(200)])
    second = row("b", [answer(i, "a", chance.choice("ab")) for i in range(200)])
    assert resamples_at_once(200) > 5000
    whole = compare(first, second).interval, Scores(first.records, ("a", "b")).macro_f1_interval
    monkeypatch.setattr("bench.analysis.label_scores.MAX_DRAWN", 7 * 200)
    assert resamples_at_once(200) == 7
    assert (compare(first, second).interval, Scores(first.records, ("a", "b")).macro_f1_interval) == whole
