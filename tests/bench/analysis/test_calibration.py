"""Temperature and probability scores against figures worked out by hand."""

from __future__ import annotations

import math

import pytest
from samples import record

from bench.analysis.calibration import probability_scores, temperature
from bench.analysis.learning_curve import groups
from bench.analysis.rows import Row
from bench.analysis.scores import score
from bench.records.types import CellRecord, PredictionRecord


def sure(n_right: int, n_wrong: int, p: float) -> list[PredictionRecord]:
    outcomes = [True] * n_right + [False] * n_wrong
    return [record(i, "a" if hit else "b", "a", p) for i, hit in enumerate(outcomes)]


def test_the_temperature_makes_confidence_what_validation_says_it_is() -> None:
    # answers of 90 % of which 60 % are right: the logit ln 9 becomes ln 1.5, divided by T = ln 9 / ln 1.5
    degree = temperature(sure(60, 40, 0.9), ["a", "b"])
    assert degree == pytest.approx(math.log(9) / math.log(1.5), rel=1e-3)
    assert temperature([record(1, "a", None)], ["a", "b"]) is None


def test_recalibration_shows_the_error_before_and_after() -> None:
    quality = probability_scores(sure(30, 20, 0.9), ["a", "b"], sure(60, 40, 0.9))
    assert quality is not None
    assert quality.calibration_error == pytest.approx(0.3)
    assert quality.recalibrated_error == pytest.approx(0.0, abs=1e-4)
    # test messages of another kind: 80 % right at a recalibrated confidence of 60 %
    other = probability_scores(sure(40, 10, 0.9), ["a", "b"], sure(60, 40, 0.9))
    assert other is not None
    assert other.recalibrated_error == pytest.approx(0.2, abs=1e-4)


def test_an_unparsed_answer_stays_wrong_at_no_confidence_when_recalibrated() -> None:
    quality = probability_scores([record(1, "a", None), *sure(3, 2, 0.9)], ["a", "b"], sure(60, 40, 0.9))
    assert quality is not None
    assert quality.recalibrated_error == pytest.approx(0.0, abs=1e-4), "0 sure and 0 right; 60 % sure and 60 % right"


OUTSIDE = PredictionRecord("9", "t9", ("elsewhere",), ("a",), True, {"a": 0.8, "b": 0.2})


def test_a_label_nobody_was_told_of_has_no_part_in_log_loss_but_in_calibration() -> None:
    """It had a probability of 0 there, which log loss counts as 36 nats per message."""
    scores = score([*sure(3, 1, 0.8), OUTSIDE], ["a", "b", "elsewhere"], untold="elsewhere")
    assert scores is not None
    quality = scores.probability
    assert quality is not None
    assert quality.log_loss == pytest.approx(-(3 * math.log(0.8) + math.log(0.2)) / 4)
    assert quality.brier == pytest.approx((3 * 2 * 0.2**2 + 2 * 0.8**2) / 4)
    assert quality.calibration_error == pytest.approx(0.8 - 3 / 5)
    assert scores.accuracy == 3 / 5


def test_a_file_of_answers_may_hold_a_label_nobody_was_told_of() -> None:
    rejected = PredictionRecord("8", "t8", ("a",), ("elsewhere",), True, {"elsewhere": 1.0})
    quality = probability_scores([*sure(3, 2, 0.9), rejected], ["a", "b"], sure(60, 40, 0.9))
    assert quality is not None
    assert quality.recalibrated_error == pytest.approx(1 / 6, abs=1e-4), "one of 6 is wrong at a confidence of 1"
    assert quality.log_loss == pytest.approx(-(3 * math.log(0.9) + 2 * math.log(0.1) + math.log(0.5)) / 6)


def test_messages_per_label_are_counted_over_the_labels_that_are_learnt() -> None:
    records = [*sure(3, 1, 0.8), OUTSIDE]
    cell = CellRecord("x", "linear", "f", "ok", row="x", n_train=10)
    told, all_labels = (
        groups([Row.of(cell, records, score(records, ["a", "b", "elsewhere"], untold=untold))])[0].per_label
        for untold in ("elsewhere", "")
    )
    assert (told, all_labels) == (5.0, pytest.approx(10 / 3))
