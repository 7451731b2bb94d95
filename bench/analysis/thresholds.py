"""Thresholds of confidence that are chosen on answers to validation messages, never on test messages."""

from __future__ import annotations

from collections.abc import Sequence

from bench.records.types import PredictionRecord

ABOVE_ALL = 1.01
"""A threshold that no probability reaches."""


def unsure_below(records: Sequence[PredictionRecord], accuracy: float) -> float | None:
    """Return the lowest probability at and above which answers are right often enough.

    Args:
        records: answers to validation messages, never to test messages.
        accuracy: the share of the answers kept that shall be right.

    Returns:
        A threshold for the probability of the answered label; above 1 where no threshold is good enough, None
        where no answer has a probability.
    """
    pairs = [(r.confidence, r.is_right) for r in records if r.confidence is not None]
    if not pairs:
        return None
    best, right = ABOVE_ALL, 0
    ordered = sorted(pairs, reverse=True)
    for n, (probability, is_right) in enumerate(ordered, start=1):
        right += is_right
        is_last_of_its_value = n == len(ordered) or ordered[n][0] < probability
        if is_last_of_its_value and right >= accuracy * n:
            best = probability
    return best
