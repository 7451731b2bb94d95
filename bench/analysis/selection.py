"""The rule by which a classifier is selected: the cheapest one shown to be not worse than any other by a margin.

"Not significantly different" is not "equal": with ten test messages nothing differs significantly. So what is asked
for is evidence of being good enough (non-inferiority), and where there is none, that is the result.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bench.analysis.paired import (
    PairedCounts,
    is_not_worse,
    needed_to_be_not_worse,
    needed_to_differ,
    paired_interval,
)

ERROR = 0.05
"""The chance of a wrong row that is allowed. Only one side of an interval can be wrong, so its level is 1 - 2 ERROR."""
Price = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Selection:
    """Which row is selected, as an index; `row` is None where the test messages are too few to say.

    `best` is the most accurate row. `level` is that of the intervals, corrected for the comparisons used (Bonferroni).
    `needed_n` is how many test messages would decide at 80 % power if shares are as here; None where it is decided, or
    where no number would do. `told_from_floors` tells whether the best is measurably better than every floor.
    """

    row: int | None
    best: int
    level: float
    needed_n: int | None
    told_from_floors: bool


def select(hits: NDArray[np.bool_], prices: Sequence[Price], floors: Sequence[bool], margin: float) -> Selection:
    """Select among rows that answered the same messages.

    A row has to be shown to be not worse than every other one: one row that is far behind the true best can be close
    to the one that came out best by chance. As every wrong row would have to pass against the true best, k rows make
    k - 1 comparisons to correct for; floors are no candidates and do not count.

    Args:
        hits: whether a row (first axis) answered a message right.
        prices: what is to be as low as possible; the first figure decides, the second among equals.
        floors: which rows are there to be passed, such as majority.
        margin: the largest loss of accuracy that does not matter, a share.
    """
    rows = [i for i, is_floor in enumerate(floors) if not is_floor] or list(range(len(hits)))
    level = 1 - 2 * ERROR / max(len(rows) - 1, 1)
    best = max(rows, key=lambda i: (int(hits[i].sum()), [-price for price in prices[i]]))
    beaten = [i for i in range(len(hits)) if i not in rows]
    safe = [i for i in rows if _is_safe(i, hits, [j for j in rows if j != i], margin, level)]
    passing = [i for i in safe if all(_is_told_from(hits[i], hits[j]) for j in beaten)]
    told = all(_is_told_from(hits[best], hits[j]) for j in beaten)
    if passing:
        return Selection(min(passing, key=lambda i: prices[i]), best, level, None, told)
    return Selection(None, best, level, _needed(hits, best, rows, beaten, margin), told)


def _is_safe(i: int, hits: NDArray[np.bool_], others: Sequence[int], margin: float, level: float) -> bool:
    return all(is_not_worse(PairedCounts.of(hits[i], hits[j]), margin, level=level) for j in others)


def _is_told_from(first: NDArray[np.bool_], floor: NDArray[np.bool_]) -> bool:
    return paired_interval(PairedCounts.of(first, floor)).low > 0


def _needed(
    hits: NDArray[np.bool_], best: int, rows: Sequence[int], floors: Sequence[int], margin: float
) -> int | None:
    """Return the messages that all comparisons of the best need; more than there are, in two digits."""
    n = hits.shape[1]
    level = 2 * ERROR / max(len(rows) - 1, 1)
    sizes: list[int | None] = []
    for j in (*rows, *floors):
        counts = PairedCounts.of(hits[best], hits[j])
        shares = counts.only_first / n, counts.only_second / n
        if j in floors:
            sizes.append(needed_to_differ(*shares) if counts.difference > 0 else None)
        elif j != best:
            sizes.append(needed_to_be_not_worse(*shares, margin, level=level))
    known = [size for size in sizes if size is not None]
    return None if len(known) < len(sizes) else two_digits(max([*known, n + 1]))


def two_digits(n: int) -> int:
    """Return a number rounded up to two significant digits: what is estimated is not known better."""
    unit = int(10 ** max(math.floor(math.log10(n)) - 1, 0))
    return -(-n // unit) * unit
