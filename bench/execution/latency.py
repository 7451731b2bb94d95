"""Time one message at a time, as many messages as the median needs.

A row that takes a second per message would spend most of a minute on the 50 messages that a fast one answers at once.
So timing stops once the median is known closely enough: from the tenth message on, where the distribution-free interval
of the median (order statistics, David & Nagaraja 2003, section 7.1) is narrow.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence

from bench.execution.predict import Clock, Tell
from bench.records.types import Latency

MIN_MESSAGES = 10
ENOUGH_SECONDS = 2.0
"""A row that takes less for all its messages times them all: nothing is saved by stopping."""
ENOUGH = 0.25
"""Width of the 95 % interval of the median, as a share of it, at which timing may stop."""


def measure_latency(
    answer: Callable[[str], object], texts: Sequence[str], *, clock: Clock, tell: Tell
) -> Latency | None:
    """Return milliseconds per message, of messages answered alone; None for fewer than two texts.

    Args:
        answer: has one message answered; warmed up before.
        texts: messages outside the test part, in a seeded order.
        clock: gives seconds.
        tell: is told how far it is.
    """
    if len(texts) < 2:
        return None
    taken: list[float] = []
    for done, text in enumerate(texts, start=1):
        started = clock()
        answer(text)
        taken.append(1000 * (clock() - started))
        tell("progress", done=done, total=len(texts))
        if sum(taken) > 1000 * ENOUGH_SECONDS and median_is_known(taken):
            break
    cuts = statistics.quantiles(taken, n=20, method="inclusive")
    return Latency(p50=statistics.median(taken), p95=cuts[-1], n=len(taken))


def median_is_known(taken: Sequence[float]) -> bool:
    """Tell whether the 95 % interval of the median is narrow beside the median itself."""
    from scipy.stats import binom

    n = len(taken)
    if n < MIN_MESSAGES:
        return False
    below = int(binom.ppf(0.025, n, 0.5))  # at most 2.5 % that so few of n lie below the median
    ordered = sorted(taken)
    return ordered[n - below] - ordered[below - 1] <= ENOUGH * statistics.median(ordered)
