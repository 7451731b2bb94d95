"""Paired differences against published examples, against the statistic itself, and by simulation."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from scipy.stats import norm

from bench.analysis.label_scores import Interval
from bench.analysis.paired import (
    PairedCounts,
    is_not_worse,
    needed_to_be_not_worse,
    needed_to_differ,
    paired_interval,
    relation,
    score_statistic,
)


@pytest.mark.parametrize(
    ("counts", "level", "low", "high", "tolerance"),
    [
        # Cavo et al. 2012 and Bentur et al. 2009, as worked out in Fagerland, Lydersen & Laake 2017, chapter 8 (the
        # R package contingencytables, Tango_asymptotic_score_CI_paired_2x2, has the same two as its examples)
        (PairedCounts(161, 6, 16), 0.95, -0.1240, -0.0054, 1e-4),
        (PairedCounts(21, 1, 7), 0.95, -0.517, -0.026, 5e-4),
        # Tango's own examples, as the R package ratesci (pairbinci) has them in its tests: x = c(4, 9, 3, 16) at 95 %
        # and x = c(43, 0, 1, 0), 44 pairs of which one differs, at 90 %
        (PairedCounts(32, 9, 3), 0.95, -0.027, 0.390, 5e-4),
        (PairedCounts(44, 0, 1), 0.90, -0.096, 0.037, 5e-4),
        # R's PropCIs 0.3-0, scoreci.mp(25, 28, 618, conf.level = 0.9), whose estimate is (c - b) / n
        (PairedCounts(618, 28, 25), 0.90, -0.0148, 0.0247, 1e-4),
    ],
)
def test_published_examples(counts: PairedCounts, level: float, low: float, high: float, tolerance: float) -> None:
    found = paired_interval(counts, level=level)
    assert (found.low, found.high) == (pytest.approx(low, abs=tolerance), pytest.approx(high, abs=tolerance))


@pytest.mark.parametrize("counts", [(161, 6, 16), (32, 9, 3), (44, 0, 1), (60, 2, 2)])
def test_the_interval_is_that_of_the_profile_likelihoods_own_maximum(counts: tuple[int, int, int]) -> None:
    """The same variance without the closed form: a general optimiser maximises the likelihood."""
    n, b, c = counts

    def z(difference: float) -> float:
        def loss(second: float) -> float:
            return -(b * math.log(second + difference) + c * math.log(second) + (n - b - c) * math.log(rest(second)))

        def rest(second: float) -> float:
            return 1 - 2 * second - difference

        least, most = max(0.0, -difference) + 1e-12, (1 - difference) / 2 - 1e-12
        second = minimize_scalar(loss, bounds=(least, most), method="bounded", options={"xatol": 1e-12}).x
        return (b - c - n * difference) / math.sqrt(n * (2 * second + difference * (1 - difference)))

    found = paired_interval(PairedCounts(*counts))
    assert z(found.low) == pytest.approx(norm.ppf(0.975), abs=1e-3)
    assert z(found.high) == pytest.approx(-norm.ppf(0.975), abs=1e-3)


def test_without_differences_the_interval_is_that_of_the_closed_form() -> None:
    # with b = c = 0 the statistic is √n d / √(d (1 - d)), so that the ends are ± z² / (n + z²)
    for n in (1, 10, 244):
        end = norm.ppf(0.975) ** 2 / (n + norm.ppf(0.975) ** 2)
        found = paired_interval(PairedCounts(n, 0, 0))
        assert (found.low, found.high) == (pytest.approx(-end, abs=1e-6), pytest.approx(end, abs=1e-6))


@pytest.mark.parametrize("counts", [(100, 12, 2), (10, 0, 10), (10, 10, 0), (1, 1, 0), (7, 3, 3), (2000, 1, 0)])
def test_the_interval_is_what_the_score_test_does_not_reject(counts: tuple[int, int, int]) -> None:
    pair = PairedCounts(*counts)
    found = paired_interval(pair)
    # everywhere in large steps, and in small ones where the ends ought to be
    ends = [np.arange(end - 0.002, end + 0.002, 1e-4) for end in (found.low, found.high)]
    tried = np.concatenate([np.linspace(-0.9999, 0.9999, 1001), *ends]).clip(-0.9999, 0.9999)
    kept = [d for d in tried if abs(score_statistic(pair, d)) <= norm.ppf(0.975)]
    assert (found.low, found.high) == (pytest.approx(min(kept), abs=2e-4), pytest.approx(max(kept), abs=2e-4))


def test_no_messages_have_no_interval() -> None:
    with pytest.raises(ValueError, match="without messages"):
        paired_interval(PairedCounts(0, 0, 0))


def test_the_interval_holds_the_true_difference_19_times_in_20_where_few_messages_differ() -> None:
    rng = np.random.default_rng(1)
    draws = rng.multinomial(60, [0.05, 0.02, 0.93], size=1000)
    held = [abs(score_statistic(PairedCounts(60, int(a), int(b)), 0.03)) <= norm.ppf(0.975) for a, b, _ in draws]
    # 1,000 draws of a chance of 95 %: a standard error of 0.7 points
    assert 0.93 <= np.mean(held) <= 0.99


def test_not_worse_is_the_lower_end_above_the_margin() -> None:
    pair = PairedCounts(100, 3, 2)
    low = paired_interval(pair).low
    assert is_not_worse(pair, -low + 1e-6)
    assert not is_not_worse(pair, -low - 1e-6)


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0.01, 0.05, "better"),
        (-0.01, 0.01, "equivalent"),
        (-0.01, 0.04, "not worse"),
        (-0.09, -0.03, "worse"),
        (-0.05, 0.05, "undecided"),
        (-0.015, -0.005, "equivalent"),
    ],
)
def test_relations(low: float, high: float, expected: str) -> None:
    assert relation(Interval(low, high), 0.02) == expected


def test_needed_to_differ_is_connors_formula_at_the_level_of_the_test() -> None:
    # shares 0.2 and 0.1: (1.95996 √0.3 + 0.84162 √(0.3 - 0.01))² / 0.01 = 233.1
    assert needed_to_differ(0.2, 0.1) == needed_to_differ(0.1, 0.2) == 234
    # corrected for five comparisons: z = 2.57583
    assert needed_to_differ(0.2, 0.1, level=0.01) == math.ceil((2.57583 * 0.3**0.5 + 0.84162 * 0.29**0.5) ** 2 / 0.01)
    assert needed_to_differ(0.1, 0.1) is None


def test_mcnemar_has_the_power_that_is_promised() -> None:
    n = needed_to_differ(0.2, 0.1)
    draws = np.random.default_rng(0).multinomial(n, [0.2, 0.1, 0.7], size=2000)
    # the test of the formula is McNemar's without the exact test's caution
    found = np.mean([abs(a - b) / math.sqrt(a + b) > norm.ppf(0.975) for a, b, _ in draws])
    assert found == pytest.approx(0.8, abs=0.03)


def test_the_test_of_not_being_worse_has_the_power_that_is_promised() -> None:
    n = needed_to_be_not_worse(0.06, 0.05, 0.02)
    assert n is not None
    draws = np.random.default_rng(0).multinomial(n, [0.06, 0.05, 0.89], size=1000)
    found = np.mean([is_not_worse(PairedCounts(n, int(a), int(b)), 0.02) for a, b, _ in draws])
    assert found == pytest.approx(0.8, abs=0.04)
    assert needed_to_be_not_worse(0.05, 0.08, 0.02) is None
