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

from bench.analysis.clusters import Clusters
from bench.analysis.paired import (
    PairedCounts,
    is_not_worse,
    needed_to_be_not_worse,
    needed_to_differ,
)

ERROR = 0.05
"""The chance of a wrong row that is allowed. Only one side of an interval can be wrong, so its level is 1 - 2 ERROR."""
SCREENING = 0.01
"""The part of that chance which is spent on leaving out the rows that are plainly behind."""
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


def select(
    hits: NDArray[np.bool_],
    prices: Sequence[Price],
    floors: Sequence[bool],
    margin: float,
    clusters: Clusters | None = None,
) -> Selection:
    """Select among rows that answered the same messages.

    Rows that are shown to be worse than another by more than the margin are left out first. Of the others, a row has
    to be shown to be not worse than every other one: one that is far behind the true best can be close to the one that
    came out best by chance. As every wrong row would have to pass against the true best, k rows make k - 1 comparisons
    to correct for. Rows that are left out make none, and neither do floors, which are no candidates.

    Args:
        hits: whether a row (first axis) answered a message right.
        prices: what is to be as low as possible; the first figure decides, the second among equals.
        floors: which rows are there to be passed, such as majority.
        margin: the largest loss of accuracy that does not matter, a share.
        clusters: the group of each message, where messages of a group are not independent.
    """

    def counts(i: int, j: int) -> PairedCounts:
        return PairedCounts.of(hits[i], hits[j], clusters)

    rows = [i for i, is_floor in enumerate(floors) if not is_floor] or list(range(len(hits)))
    screen = 1 - 2 * SCREENING / max(len(rows) - 1, 1)
    left = [i for i in rows if not any(is_not_worse(counts(j, i), -margin, level=screen) for j in rows if j != i)]
    level = 1 - 2 * (ERROR - SCREENING) / max(len(left) - 1, 1)
    best = max(rows, key=lambda i: (int(hits[i].sum()), [-price for price in prices[i]]))
    beaten = [i for i in range(len(hits)) if i not in rows]
    safe = [i for i in left if all(is_not_worse(counts(i, j), margin, level=level) for j in left if j != i)]
    passing = [i for i in safe if all(is_not_worse(counts(i, j), 0.0) for j in beaten)]
    told = all(is_not_worse(counts(best, j), 0.0) for j in beaten)
    if passing:
        return Selection(min(passing, key=lambda i: prices[i]), best, level, None, told)
    to_rows, to_floors = [counts(best, j) for j in left if j != best], [counts(best, j) for j in beaten]
    return Selection(None, best, level, _needed(to_rows, to_floors, margin, level), told)


def _needed(
    to_rows: Sequence[PairedCounts], to_floors: Sequence[PairedCounts], margin: float, level: float
) -> int | None:
    """Return the messages that the best's comparisons with rows and floors need; more than there are, in two digits."""
    sizes = [needed_to_be_not_worse(*c.shares, margin, level=1 - level, effect=c.design.effect) for c in to_rows]
    sizes += [needed_to_differ(*c.shares, effect=c.design.effect) if c.difference > 0 else None for c in to_floors]
    known = [size for size in sizes if size is not None]
    n = max((c.n for c in (*to_rows, *to_floors)), default=0)
    return None if len(known) < len(sizes) else two_digits(max([*known, n + 1]))


def two_digits(n: int) -> int:
    """Return a number rounded up to two significant digits: what is estimated is not known better."""
    unit = int(10 ** max(math.floor(math.log10(n)) - 1, 0))
    return -(-n // unit) * unit
