"""Statistics against figures worked out by hand, against the libraries called directly, and by simulation."""

from __future__ import annotations

import math

import numpy as np
import pytest
from samples import hits, record, row, with_cell
from sklearn.metrics import f1_score
from statsmodels.stats.contingency_tables import mcnemar

from bench.analysis.calibration import probability_scores
from bench.analysis.compare import all_pairs, compare, suspects
from bench.analysis.label_scores import Sets, label_sets, macro_f1_interval
from bench.analysis.paired import needed_to_differ
from bench.analysis.slices import length_of, slices

pytestmark = pytest.mark.slow


def sets(names: list[str], labels: list[str]) -> Sets:
    return label_sets([[name] for name in names], labels)


def test_mcnemar_is_statsmodels_and_holm_is_by_hand() -> None:
    rows = [
        hits("x", [True] * 90 + [False] * 10),
        hits("y", [True] * 80 + [False] * 20),
        hits("z", [True] * 85 + [False] * 15),
    ]
    pairs = {(p.first, p.second): p for p in all_pairs(rows)}
    xy, xz, yz = pairs["x", "y"], pairs["x", "z"], pairs["y", "z"]
    assert xy.p_value == pytest.approx(mcnemar([[80, 10], [0, 10]], exact=True).pvalue) == pytest.approx(2 / 2**10)
    assert xz.p_value == yz.p_value == pytest.approx(2 / 2**5)
    # Holm over the two comparisons with x, the most accurate: the smallest times 2, the next as it is
    assert xy.holm_p_value == pytest.approx(2 * 2 / 2**10)
    assert xz.holm_p_value == pytest.approx(2 / 2**5)
    assert yz.holm_p_value == yz.p_value, "nothing is made of this comparison"


def test_floors_and_seeds_do_not_weaken_a_comparison() -> None:
    x, y = hits("x", [True] * 90 + [False] * 10), hits("y", [True] * 80 + [False] * 20)
    (alone,) = all_pairs([x, y])
    floor = with_cell(hits("majority", [True] * 40 + [False] * 60), backend="majority")
    seed = with_cell(y, classifier="y-seed1")
    among = {(p.first, p.second): p for p in all_pairs([x, y, floor, seed])}
    assert among["x", "y"] == alone
    assert alone.holm_p_value == alone.p_value


def test_needed_messages_are_for_the_corrected_test() -> None:
    rows = [hits("x", [True] * 90 + [False] * 10), *(hits(n, [True] * 80 + [False] * 20) for n in "yz")]
    pairs = {(p.first, p.second): p for p in all_pairs(rows)}
    assert pairs["x", "y"].needed_n == needed_to_differ(0.1, 0.0, level=0.025)


def test_equal_answers_on_ten_messages_are_not_called_equal_beyond_doubt() -> None:
    pair = compare(hits("x", [True] * 10), hits("y", [True] * 10))
    # z² / (n + z²) with z = 1.96
    assert (pair.interval.low, pair.interval.high) == (
        pytest.approx(-0.2775, abs=1e-4),
        pytest.approx(0.2775, abs=1e-4),
    )


def test_one_message_in_common_is_no_ground_for_a_comparison() -> None:
    assert all_pairs([hits("x", [True]), hits("y", [False])]) == []


def test_the_interval_of_macro_f1_lies_around_scikit_learns_figure() -> None:
    chance = np.random.default_rng(2)
    gold = list(chance.choice(["a", "b"], 300, p=[0.8, 0.2]))
    predicted = [g if chance.random() < 0.8 else "a" for g in gold]
    value = f1_score(gold, predicted, labels=["a", "b"], average="macro")
    found = macro_f1_interval(sets(gold, ["a", "b"]), sets(predicted, ["a", "b"]))
    assert found.low < value < found.high
    # one resample by scikit-learn, over and over, gives the same interval
    picks = chance.integers(0, 300, (400, 300))
    drawn = [
        f1_score(np.array(gold)[p], np.array(predicted)[p], labels=["a", "b"], average="macro", zero_division=0)
        for p in picks
    ]
    assert (found.low, found.high) == pytest.approx(tuple(np.percentile(drawn, [2.5, 97.5])), abs=0.02)


def test_the_interval_of_macro_f1_holds_it_with_many_labels_and_few_messages() -> None:
    chance = np.random.default_rng(3)
    labels = [f"label {i}" for i in range(77)]
    gold = [labels[i] for i in chance.integers(0, 60, 100)]
    predicted = [g if chance.random() < 0.8 else labels[chance.integers(77)] for g in gold]
    value = f1_score(gold, predicted, labels=sorted(set(gold)), average="macro")
    found = macro_f1_interval(sets(gold, labels), sets(predicted, labels))
    assert found.low < value < found.high


def test_scores_of_probabilities_by_hand() -> None:
    records = [record(1, "a", "a", 0.9), record(2, "a", "a", 0.8), record(3, "b", "a", 0.85), record(4, "b", "b", 0.6)]
    found = probability_scores(records, ["b", "a"])
    assert found is not None
    assert found.log_loss == pytest.approx(-(math.log(0.9) + math.log(0.8) + math.log(0.15) + math.log(0.6)) / 4)
    assert found.brier == pytest.approx(2 * (0.1**2 + 0.2**2 + 0.85**2 + 0.4**2) / 4)
    # bins: 0.6 alone, 0.8 and 0.85 with 1 of 2 right, 0.9 alone
    assert [(b.n, b.confidence, b.accuracy) for b in found.bins] == [
        (1, pytest.approx(0.6), 1.0), (2, pytest.approx(0.825), 0.5), (1, pytest.approx(0.9), 1.0),
    ]  # fmt: skip
    assert found.calibration_error == pytest.approx((0.4 + 2 * 0.325 + 0.1) / 4)
    assert [(c.share, c.accuracy) for c in found.coverage] == [
        (0.25, 1.0), (0.5, 0.5), (0.75, pytest.approx(2 / 3)), (1.0, 0.75),
    ]  # fmt: skip
    assert (found.temperature, found.recalibrated_error, found.selective) == (None, None, None), "no validation"


def test_an_unparsed_answer_is_wrong_at_no_confidence() -> None:
    found = probability_scores([record(1, "a", "a", 0.9), record(2, "a", None)], ["a", "b"])
    assert found is not None
    assert found.log_loss == pytest.approx(-(math.log(0.9) + math.log(0.5)) / 2)
    assert probability_scores([record(1, "a", "a")], ["a", "b"]) is None


def test_suspects_are_messages_on_which_all_contradict_the_label() -> None:
    first = row(
        "x", [record(1, "a", "b", 0.9), record(2, "a", "b", 0.6), record(3, "a", "a", 0.9), record(4, "a", None)]
    )
    second = row(
        "y", [record(1, "a", "b", 0.7), record(2, "a", "a", 0.9), record(3, "a", "b", 0.9), record(4, "a", "b")]
    )
    (found,) = suspects([first, second])
    assert (found.id, found.gold, found.answer, found.n_agreeing) == ("1", ("a",), ("b",), 2)
    assert found.confidence == pytest.approx(0.8)


def test_slices_by_length_and_by_a_column() -> None:
    kinds = ["typo", "typo", "sarcasm"]
    rows = [row("x", [record(i, "a", "a" if i else "b", kind=kind, id2=str(i)) for i, kind in enumerate(kinds)])]
    length, by_id, by_kind = slices(rows)
    assert (length.name, by_id.name, by_kind.name) == ("length", "id2", "kind")
    assert [(p.value, p.n, p.accuracy["x"][0]) for p in by_kind.parts] == [("typo", 2, 0.5), ("sarcasm", 1, 1.0)]
    assert [(p.value, p.n) for p in length.parts] == [("up to 6 words", 3)]
    assert [length_of("w " * n) for n in (6, 7, 26)] == ["up to 6 words", "7 to 12 words", "over 25 words"]
