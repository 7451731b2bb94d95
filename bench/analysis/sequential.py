"""Decide between two rows while answers still come in, and figures that stay valid whenever one stops.

A test or an interval for a fixed number of messages is wrong far more often than it says if one looks after every batch
and stops once it pleases. What is here holds at all times together (Ramdas et al. 2023, "Game-theoretic statistics and
safe anytime-valid inference"; Waudby-Smith & Ramdas 2024, "Estimating means of bounded random variables by betting"):
an e-process grows beyond 1/alpha with probability alpha at most, however long one looks (Ville's inequality).

All of it needs counts alone, so it does not matter whether a run was broken off in between.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from bench.analysis.label_scores import Interval
from bench.analysis.paired import LEVEL, NEAR_ONE, PairedCounts, share_of_second
from bench.records.conditions import Decision

TINY = 1e-300


def log_evidence(first: int, second: int) -> float:
    """Return the logarithm of the e-value against "either is as likely to be the only one that is right".

    Of the messages that exactly one of two rows got right, `first` went to one and `second` to the other. Their
    likelihood under a mixture of all shares, Beta(1/2, 1/2), is divided by that under a share of one half.
    """
    return _log_mixture(first, second) + (first + second) * math.log(2)


def _log_mixture(first: int, second: int) -> float:
    from scipy.special import betaln

    return float(betaln(first + 0.5, second + 0.5) - betaln(0.5, 0.5))


def share_interval(successes: int, n: int, *, level: float = LEVEL) -> Interval:
    """Return a proportion's confidence sequence at n: the shares that the same mixture gives no evidence against.

    Raises:
        ValueError: if n is 0; "no data" is never a score of 0.
    """
    if n == 0:
        raise ValueError("no interval without messages")
    mixture = _log_mixture(successes, n - successes)

    def evidence(share: float) -> float:
        likelihood = successes * math.log(max(share, TINY)) + (n - successes) * math.log(max(1 - share, TINY))
        return mixture - likelihood

    return _not_refuted(evidence, successes / n, (0.0, 1.0), level)


def difference_interval(counts: PairedCounts, *, level: float = LEVEL) -> Interval:
    """Return the confidence sequence, at these counts, of the first's accuracy minus the second's.

    The counts' likelihood under a Dirichlet(1/2, 1/2, 1/2) mixture is divided by the largest one under a given
    difference, whose shares are those of Tango 1998: less than an e-process for the true shares, so the sequence holds.

    Raises:
        ValueError: if n is 0.
    """
    if counts.n == 0:
        raise ValueError("no interval without messages")
    return _not_refuted(lambda d: log_evidence_against(counts, d), counts.difference, (-NEAR_ONE, NEAR_ONE), level)


def log_evidence_against(counts: PairedCounts, difference: float) -> float:
    """Return the logarithm of the e-value against a difference in accuracy."""
    n, first, second = counts.n, counts.only_first, counts.only_second
    only_second = share_of_second(first / n, second / n, difference)
    shares = (only_second + difference, only_second, 1 - 2 * only_second - difference)
    kinds = (first, second, n - first - second)
    likelihood = sum(count * math.log(max(share, TINY)) for count, share in zip(kinds, shares, strict=True))
    mixture = sum(math.lgamma(count + 0.5) - math.lgamma(0.5) for count in kinds)
    return mixture + math.lgamma(1.5) - math.lgamma(n + 1.5) - likelihood


def _not_refuted(
    evidence: Callable[[float], float], observed: float, ends: tuple[float, float], level: float
) -> Interval:
    """Return where the evidence stays below 1/level; it is smallest at what was observed and grows to both sides."""
    from scipy.optimize import brentq

    def beyond(value: float) -> float:
        return evidence(value) + math.log(level)

    middle = min(max(observed, ends[0]), ends[1])
    low, high = (float(brentq(beyond, end, middle)) if beyond(end) > 0 > beyond(middle) else end for end in ends)
    return Interval(low, high)


def decide(counts: PairedCounts, margin: float, *, level: float = LEVEL) -> Decision | None:
    """Say how the first, slower row stands to the second, or None where more messages are needed.

    *worse*: less accurate, so nothing speaks for it. *better*: more accurate by more than the margin. *within the
    margin*: neither way does the difference matter.

    Args:
        counts: of the messages that both have answered.
        margin: the loss of accuracy that does not matter, a share.
        level: the chance of a wrong decision, whenever it is made.
    """
    if counts.n == 0:
        return None
    differs = log_evidence(counts.only_first, counts.only_second) >= -math.log(level)
    if differs and counts.only_first < counts.only_second:
        return "worse"
    interval = difference_interval(counts, level=level)
    if interval.low > margin:
        return "better"
    return "within the margin" if -margin < interval.low and interval.high < margin else None
