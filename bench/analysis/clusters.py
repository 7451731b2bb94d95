"""Messages in groups, such as those of one customer, are not independent: counted so, they say too much.

A bootstrap draws groups instead of messages (Field & Welsh 2007, JRSS B 69:369). Shares and their differences have
score intervals for as many independent messages as say as much: their number divided by the design effect (Rao & Scott
1992, Biometrics 48:577; for paired answers Obuchowski 1998, Stat. Med. 17:1495), with the quantile of Student's t for
the number of groups minus one (Korn & Graubard 1998, Survey Methodology 24:193).
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.records.types import PredictionRecord

Clusters = NDArray[np.intp]
"""The number of each message's group, counted from 0."""


@dataclass(frozen=True, slots=True)
class Design:
    """How much n messages say: as much as n / `effect` independent ones.

    `n_groups` is None where the messages are independent.
    """

    effect: float = 1.0
    n_groups: int | None = None

    def critical(self, level: float) -> float:
        """Return by how many standard errors a two-sided interval of this level reaches; infinite for one group."""
        return _quantile(self.n_groups, level)

    def effective(self, level: float = 0.95) -> float:
        """Return what share of the messages, were they independent, gives as wide a score interval; 0 for one group."""
        return (INDEPENDENT.critical(level) / self.critical(level)) ** 2 / self.effect if self.n_groups else 1.0


@cache
def _quantile(n_groups: int | None, level: float) -> float:
    from scipy.stats import norm, t

    if n_groups is None:
        return float(norm.ppf((1 + level) / 2))
    return float(t.ppf((1 + level) / 2, n_groups - 1)) if n_groups > 1 else math.inf


INDEPENDENT = Design()


def clusters_of(records: Sequence[PredictionRecord]) -> Clusters | None:
    """Return the number of each message's group, in order of appearance; None where no two messages share one.

    A message without a group is one by itself.
    """
    places: dict[Hashable, int] = {}
    keys = [record.group or (record.id,) for record in records]
    numbers = [places.setdefault(key, len(places)) for key in keys]
    return np.array(numbers, dtype=np.intp) if len(places) < len(keys) else None


def totals(values: NDArray[Any], clusters: Clusters | None) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return sum and number of the values of every group, which is every value itself without groups."""
    if clusters is None:
        return values.astype(float), np.ones(len(values))
    sums: NDArray[np.float64] = np.bincount(clusters, weights=values.astype(float)).astype(float)
    return sums, np.bincount(clusters).astype(float)


def mean_error(values: NDArray[Any], clusters: Clusters | None) -> float:
    """Return the standard error of a mean by the spread of the groups' totals; infinite for one group."""
    sums, _ = totals(values - values.mean(), clusters)
    k = len(sums)
    return math.sqrt(k / (k - 1) * float((sums**2).sum())) / len(values) if k > 1 else math.inf


def design_of(values: NDArray[Any], clusters: Clusters | None) -> Design:
    """Return the design of a mean: its variance by groups over that of independent messages, at least 1.

    Where all values are equal they show no variance, and a group is taken to say as much as one message. Less than 1
    would be groups that are more mixed than chance makes them, which few groups seem to be now and then.
    """
    if clusters is None:
        return INDEPENDENT
    sizes = np.bincount(clusters)
    n, n_groups = len(values), len(sizes)
    if n_groups < 2 or values.min() == values.max():
        return Design(float((sizes**2).sum()) / n, n_groups)
    return Design(max((mean_error(values, clusters) / mean_error(values, None)) ** 2, 1.0), n_groups)


def right_design(records: Sequence[PredictionRecord]) -> Design:
    """Return the design of the share of answers that are right."""
    return design_of(np.array([record.is_right for record in records], dtype=bool), clusters_of(records))
