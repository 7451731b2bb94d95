"""As many single messages are timed as the median needs, by a clock that the test moves."""

from __future__ import annotations

import random

import pytest

from bench.execution.latency import measure_latency, median_is_known
from bench.records.types import Latency


def timed(seconds: list[float]) -> tuple[Latency | None, int]:
    """Return the latency of messages that take so long each, and how many were answered."""
    now, answered = 0.0, 0

    def answer(text: str) -> None:
        nonlocal now, answered
        now, answered = now + float(text), answered + 1

    latency = measure_latency(answer, [str(s) for s in seconds], clock=lambda: now, tell=lambda *a, **k: None)
    return latency, answered


def test_a_slow_row_of_even_times_is_timed_on_ten_messages() -> None:
    latency, answered = timed([0.7] * 50)
    assert answered == 10
    assert latency == Latency(p50=pytest.approx(700), p95=pytest.approx(700), n=10)


def test_uneven_times_are_timed_on_more() -> None:
    rng = random.Random(0)
    latency, answered = timed([rng.choice([0.3, 1.5]) for _ in range(50)])
    assert latency is not None
    assert answered == latency.n == 50


def test_a_fast_row_times_them_all_and_one_message_is_no_latency() -> None:
    latency, answered = timed([0.01] * 50)
    assert answered == 50
    assert latency is not None
    assert (latency.p50, latency.p95) == (pytest.approx(10), pytest.approx(10))
    assert timed([0.5]) == (None, 0)
    assert timed([]) == (None, 0)


def test_the_interval_of_the_median_lies_between_the_second_and_the_ninth_of_ten() -> None:
    # of ten values the median lies between the 2nd and the 9th in 97.9 % of all samples, as binomial tables say
    assert median_is_known([100, 100, 100, 100, 100, 100, 100, 100, 124, 400])
    assert not median_is_known([100, 100, 100, 100, 100, 100, 100, 100, 126, 400])
    assert not median_is_known([100] * 9)


def test_the_median_is_held_by_its_interval_when_timing_stops() -> None:
    # stopping at the first narrow interval must not make the median wrong: log-normal times, true median 1 s
    rng = random.Random(1)
    medians = []
    for _ in range(300):
        latency, _ = timed([rng.lognormvariate(0, 0.3) for _ in range(50)])
        assert latency is not None
        medians.append(latency.p50 / 1000)
    within = sum(abs(median - 1) < 0.2 for median in medians) / len(medians)
    assert within > 0.95
