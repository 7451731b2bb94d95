"""Decisions while answers come in: right in 19 of 20 runs whenever they stop, and early where much differs."""

from __future__ import annotations

import math
from collections import Counter
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from conftest import REPOSITORY
from numpy.typing import NDArray
from scipy.special import betaln

from bench.analysis.paired import PairedCounts, paired_interval
from bench.analysis.sequential import (
    decide,
    difference_interval,
    log_evidence,
    log_evidence_against,
    share_interval,
)
from bench.records.store import RunFolder

RUNS, LENGTH, BATCH = 10_000, 320, 32
Counts = tuple[NDArray[np.int64], NDArray[np.int64]]


def simulated(only_first: float, only_second: float, *, seed: int = 0) -> Counts:
    """Return how many messages only the first, and only the second, got right after each batch of each run."""
    rng = np.random.default_rng(seed)
    shares = [only_first, only_second, 1 - only_first - only_second]
    per_batch = rng.multinomial(BATCH, shares, size=(RUNS, LENGTH // BATCH)).cumsum(axis=1)
    return per_batch[:, :, 0], per_batch[:, :, 1]


@cache
def against(n: int, first: int, second: int, difference: float) -> float:
    return log_evidence_against(PairedCounts(n, first, second), difference)


decided = cache(lambda n, first, second, margin: decide(PairedCounts(n, first, second), margin))


def test_the_evidence_is_that_of_the_beta_mixture_by_hand() -> None:
    # one discordant message says nothing: B(3/2, 1/2) / B(1/2, 1/2) is 1/2, and so is the likelihood
    assert log_evidence(1, 0) == pytest.approx(0.0)
    # two of two: (3/2 * 1/2) / (1 * 2) is 3/8, and the likelihood a quarter
    assert math.exp(log_evidence(2, 0)) == pytest.approx(1.5)
    assert log_evidence(3, 9) == log_evidence(9, 3)


def test_equal_rows_are_called_unequal_in_at_most_1_of_20_runs_at_any_time() -> None:
    # looking after every single discordant message, 2,000 of them
    flips = np.random.default_rng(1).integers(0, 2, size=(RUNS, 2000), dtype=np.int32).cumsum(axis=1)
    n, k = np.arange(1, 2001)[:, None], np.arange(2001)
    # by how many of how many messages the first got right; nobody looks where that is more than all
    evidence = betaln(k + 0.5, np.maximum(n - k, 0) + 0.5) - betaln(0.5, 0.5) + n * math.log(2)
    assert evidence[40, 17] == pytest.approx(log_evidence(17, 24))
    highest = np.zeros(RUNS)
    for i in range(2000):
        np.maximum(highest, evidence[i, flips[:, i]], out=highest)
    assert (highest >= math.log(20)).mean() <= 0.05


@pytest.mark.parametrize(("only_first", "only_second"), [(0.15, 0.15), (0.3, 0.05), (0.02, 0.03), (0.01, 0.0)])
def test_the_sequence_holds_the_true_difference_at_all_times_in_19_of_20_runs(
    only_first: float, only_second: float
) -> None:
    first, second = simulated(only_first, only_second)
    missed = np.zeros(RUNS, dtype=bool)
    for i in range(first.shape[1]):
        n = (i + 1) * BATCH
        pairs = zip(first[:, i].tolist(), second[:, i].tolist(), strict=True)
        missed |= np.array([against(n, b, c, only_first - only_second) for b, c in pairs]) >= math.log(20)
    assert 1 - missed.mean() >= 0.95


@pytest.mark.parametrize(
    ("only_first", "only_second", "margin", "false"),
    [
        (0.1, 0.1, 0.02, {"worse", "better"}),
        (0.12, 0.1, 0.02, {"worse", "better"}),
        (0.15, 0.05, 0.1, {"worse", "better", "within the margin"}),
        (0.05, 0.15, 0.1, {"better", "within the margin"}),
    ],
)
def test_a_false_decision_is_made_in_at_most_1_of_20_runs(
    only_first: float, only_second: float, margin: float, false: set[str]
) -> None:
    first, second = simulated(only_first, only_second)
    decisions: list[str | None] = [None] * RUNS
    for i in range(first.shape[1]):
        n = (i + 1) * BATCH
        for r in range(RUNS):
            decisions[r] = decisions[r] or decided(n, int(first[r, i]), int(second[r, i]), margin)
    counts = Counter(decisions)
    assert sum(counts[decision] for decision in false) / RUNS <= 0.05


def test_intervals_hold_what_was_observed_and_are_wider_than_those_for_a_fixed_number() -> None:
    counts = PairedCounts(100, 5, 30)
    always, fixed = difference_interval(counts), paired_interval(counts)
    assert always.low < fixed.low < counts.difference < fixed.high < always.high
    assert log_evidence_against(counts, always.high) == pytest.approx(math.log(20), abs=1e-6)
    wide = difference_interval(counts, level=0.01)
    assert wide.low < always.low < always.high < wide.high
    assert difference_interval(PairedCounts(5, 5, 0)).high == pytest.approx(1)
    assert share_interval(0, 10).low == 0.0
    assert share_interval(10, 10).high == 1.0
    low, high = share_interval(68, 100).low, share_interval(68, 100).high
    assert low < 0.68 < high
    assert share_interval(32, 100).low == pytest.approx(1 - high)


def test_what_is_decided_by_hand() -> None:
    assert decide(PairedCounts(0, 0, 0), 0.02) is None
    assert decide(PairedCounts(100, 0, 0), 0.02) is None
    assert decide(PairedCounts(4000, 0, 0), 0.02) == "within the margin"
    assert decide(PairedCounts(100, 3, 30), 0.02) == "worse"
    assert decide(PairedCounts(100, 40, 3), 0.02) == "better"
    # more accurate beyond doubt, but perhaps not by the margin: go on
    assert log_evidence(20, 2) > math.log(20)
    assert decide(PairedCounts(1000, 20, 2), 0.02) is None
    with pytest.raises(ValueError, match="without messages"):
        difference_interval(PairedCounts(0, 0, 0))


def answers(run: Path, row: str) -> dict[str, bool]:
    return {record.id: record.is_right for record in RunFolder(run).cell(row).predictions.read()}


def test_encoder_against_a_plain_llm_is_decided_after_a_median_of_under_120_messages() -> None:
    run = REPOSITORY / "results" / "reference" / "default"
    encoder, llm = answers(run, "encoder"), answers(run, "llama_cpp")
    pairs = np.array([(llm[id_], encoder[id_]) for id_ in encoder])
    rng = np.random.default_rng(0)
    ended = []
    for _ in range(200):
        drawn = pairs[rng.integers(0, len(pairs), 3000)]
        for n in range(100, 3001, 4):  # from the 100th message on, as is the default
            if decision := decide(PairedCounts.of(drawn[:n, 0], drawn[:n, 1]), 0.02):
                break
        ended.append((n, decision))
    assert {decision for _, decision in ended} == {"worse"}
    assert np.median([n for n, _ in ended]) < 120
