"""Thresholds by hand, and by simulation: what is promised on validation is kept on new messages."""

from __future__ import annotations

import math

import numpy as np
import pytest
from samples import record

from bench.analysis.thresholds import ABOVE_ALL, accuracy_bound, min_answers, selective, unsure_below
from bench.records.types import PredictionRecord


def answers(*groups: tuple[float, int, int]) -> list[PredictionRecord]:
    """Return answers by probability: of each how many are right and how many wrong."""
    outcomes = [(p, hit) for p, right, wrong in groups for hit in [True] * right + [False] * wrong]
    return [record(i, "a" if hit else "b", "a", p) for i, (p, hit) in enumerate(outcomes)]


def test_the_bound_is_clopper_and_pearsons() -> None:
    # all of n right: the bound is error^(1/n); 9 of 10 and 5 %: Clopper & Pearson 1934 give 0.6058
    assert accuracy_bound(np.array([59, 9, 0]), np.array([59, 10, 10])) == pytest.approx(
        [0.05 ** (1 / 59), 0.60584, 0.0], abs=1e-5
    )
    assert (min_answers(0.95), min_answers(0.99), min_answers(1.0)) == (59, 299, None)


def test_the_threshold_is_the_lowest_at_which_the_accuracy_is_shown() -> None:
    # 60 right show 95 % (0.05^(1/60) = 0.951); 100 more with 8 wrong do not (152 of 160: bound 0.912)
    sure = answers((0.9, 60, 0), (0.6, 92, 8))
    assert unsure_below(sure, 0.95) == ABOVE_ALL, "two begins share the error: 60 are then too few, half are not"
    assert unsure_below(answers((0.9, 75, 0), (0.6, 92, 8)), 0.95) == 0.9
    assert unsure_below(answers((0.9, 60, 0), (0.6, 10, 8)), 0.95) == 0.9, "half of 78 are fewer than 59: one begin"
    assert unsure_below(answers((0.9, 58, 0)), 0.95) == ABOVE_ALL, "58 right answers are too few to show 95 %"
    assert unsure_below(answers((0.9, 58, 0)), 0.9) == 0.9


def test_half_of_the_messages_show_what_the_few_surest_cannot() -> None:
    # the surest one is wrong, so that 72 answers show nothing; of the surest half, 995 of 1,000 are right
    records = answers((0.99, 0, 1), (0.9, 995, 4), (0.5, 500, 500))
    assert unsure_below(records, 0.95) == 0.9


def test_answers_of_one_probability_stand_or_fall_together() -> None:
    assert unsure_below(answers((0.9, 59, 3)), 0.95) == ABOVE_ALL
    assert unsure_below(answers((0.9, 59, 3)), 0.8) == 0.9


def test_what_no_number_of_answers_can_show_marks_everything_unsure() -> None:
    assert unsure_below(answers((0.9, 500, 0)), 1.0) == ABOVE_ALL
    assert unsure_below([], 0.9) is None


@pytest.mark.parametrize(("n", "least_used"), [(120, 80), pytest.param(500, 200, marks=pytest.mark.slow)])
def test_the_promised_accuracy_is_kept_in_95_percent_of_draws(n: int, least_used: int) -> None:
    """With the best-looking threshold of the validation messages, as it was taken once, about half of draws keep it."""
    rng, wanted = np.random.default_rng(0), 0.9
    grid = np.linspace(0.5, 1, 20001)[:-1]
    is_right = 0.55 + 0.45 * (2 * grid - 1) ** 0.5  # the true share right at a confidence
    above = np.cumsum(is_right[::-1])[::-1] / np.arange(len(grid), 0, -1)
    kept, lucky, used = [], [], 0
    for _ in range(400):
        confidence = rng.uniform(0.5, 1, n)
        drawn = zip(confidence, rng.random(n) < np.interp(confidence, grid, is_right), strict=True)
        records = [record(i, "a" if hit else "b", "a", p) for i, (p, hit) in enumerate(drawn)]
        threshold = unsure_below(records, wanted)
        assert threshold is not None
        used += threshold < ABOVE_ALL
        kept.append(threshold == ABOVE_ALL or np.interp(threshold, grid, above) >= wanted)
        plain = selective(records, records, wanted)
        assert plain is not None
        lucky.append(plain.threshold == ABOVE_ALL or np.interp(plain.threshold, grid, above) >= wanted)
    assert np.mean(kept) >= 0.95
    assert used > least_used, "a promise that marks everything unsure would be kept too"
    assert np.mean(lucky) < 0.8


def test_coverage_is_chosen_on_validation_and_seen_on_test() -> None:
    # on validation 99 % are right down to 0.8 (198 of 200), and not down to 0.6
    validation = answers((0.9, 99, 1), (0.8, 99, 1), (0.6, 5, 5))
    test = answers((0.95, 40, 0), (0.85, 30, 10), (0.7, 10, 10))
    selected = selective(validation, test, 0.99)
    assert selected is not None
    assert (selected.threshold, selected.answered, selected.right) == (0.8, 80, 70)
    assert (selected.coverage, selected.kept) == (0.8, 70 / 80)
    nothing = selective(answers((0.9, 1, 1)), test, 0.99)
    assert nothing is not None
    assert (nothing.coverage, nothing.kept, nothing.threshold) == (0.0, None, ABOVE_ALL)
    assert selective([], test, 0.99) is None


def test_the_fewest_answers_are_those_the_bound_needs() -> None:
    for accuracy in (0.8, 0.9, 0.95):
        n = min_answers(accuracy)
        assert n is not None
        low, high = accuracy_bound(np.array([n - 1, n]), np.array([n - 1, n]))
        assert low < accuracy <= high
        assert n == math.ceil(math.log(0.05) / math.log(accuracy))
