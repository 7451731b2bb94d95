"""Say which classifier to use, by rules and measured figures alone.

1. Rows that break a limit are out.
2. Of the rest, the cheapest one that is shown to be not worse than any other by the margin is recommended
   (`selection`): by cost where prices are given, else by time per message in batches.
3. Where no row is shown to be that, the most accurate is named and the verdict is that test messages are too few.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from bench.analysis.clusters import Clusters, clusters_of
from bench.analysis.compare import FLOOR
from bench.analysis.cost import cost_of
from bench.analysis.paired import LEVEL, PairedCounts, paired_interval, relation
from bench.analysis.reasons import more_messages, opening, spending, why
from bench.analysis.rows import Row, first_seeds, why_stopped
from bench.analysis.selection import Price, Selection, select
from bench.analysis.shared import shared_records
from bench.analysis.verdict import MARGIN, Candidates, Limits, Standing, Verdict
from bench.config.tables import CostConfig
from classifiers.errors import BenchError


def recommend(
    rows: Sequence[Row], limits: Limits, prices: CostConfig, *, margin: float = MARGIN, is_timed: bool = True
) -> Verdict:
    """Select among a run's classifiers.

    Args:
        rows: cells trained on the whole training part; of several seeds of a row the first counts.
        limits: what a classifier must keep.
        prices: what machine time and labels cost.
        margin: the largest loss of accuracy that does not matter, a share.
        is_timed: whether times mean something. If not, cost decides nothing.

    Raises:
        BenchError: if there is a limit on latency and times mean nothing.
    """
    fit, broken = within(limits, rows, is_timed=is_timed)
    if not fit:
        return none_fits(broken, margin)
    costs = [_price(row, limits, prices) if is_timed else (0.0, 0.0) for row in fit]
    candidates = _candidates(fit, costs, margin, is_timed=is_timed)
    selection = candidates.selection
    row = candidates.best if selection.row is None else fit[selection.row]
    headline, *details = opening(row, candidates)
    sure = (*details, *why(row, candidates))
    spent = tuple(spending(row, candidates, limits, prices))
    changes = (*more_messages(row, candidates), *(f"{name} is out: it {reason}." for name, reason in broken.items()))
    is_named = selection.row is not None or selection.told_from_floors
    return Verdict(
        classifier=row.name if is_named else None,
        sentences=(headline, *sure, *spent, *changes),
        is_decided=selection.row is not None,
        best=candidates.best.name,
        margin=margin,
        needed_n=selection.needed_n,
        standings=candidates.standings,
        sure=sure,
        costs=spent,
        changes=changes,
    )


def _candidates(fit: Sequence[Row], costs: Sequence[Price], margin: float, *, is_timed: bool) -> Candidates:
    """Select among rows that keep the limits, and say how each stands to the most accurate."""
    hits, clusters = hits_of(fit)
    selection = select(hits, costs, [row.backend == FLOOR for row in fit], margin, clusters)
    standings = _standings(fit, hits, clusters, selection, margin)
    return Candidates(tuple(fit), hits, clusters, selection, standings, margin, is_timed)


def within(limits: Limits, rows: Sequence[Row], *, is_timed: bool) -> tuple[list[Row], dict[str, str]]:
    """Return the scored rows that keep the limits, the first seed of each, and of the others the limit they break.

    Raises:
        BenchError: if there is a limit on latency and times cannot be compared.
    """
    if limits.latency_ms is not None and not is_timed:
        raise BenchError("times of this run cannot be compared: leave the latency limit out, or run with jobs = 1")
    scored = first_seeds([row for row in rows if row.scores])
    broken = {row.name: reason for row in scored if (reason := _decided(row) or _breaks(row, limits))}
    return [row for row in scored if row.name not in broken], broken


def _decided(row: Row) -> str | None:
    """Return why a row is not compared: it stopped, as it is no better than a faster one or the budget was spent."""
    parts = row.cascade.stopped.values() if row.cascade else [row.stopped] if row.stopped else []
    if all(stopped.decision == "better" for stopped in parts):
        return None
    return f"rests on a row that stopped early: {why_stopped(row)}" if row.cascade else f"was {why_stopped(row)}"


def none_fits(broken: Mapping[str, str], margin: float) -> Verdict:
    """Return the verdict where no row keeps the limits."""
    reasons = "; ".join(f"{name} {reason}" for name, reason in broken.items()) or "no classifier has answers"
    return Verdict(None, (f"None meets the limits: {reasons}.",), margin=margin)


def hits_of(rows: Sequence[Row]) -> tuple[NDArray[np.bool_], Clusters | None]:
    """Return whether each row (first axis) got each message right that all rows answered, and the messages' groups.

    Raises:
        BenchError: if there is no such message.
    """
    answers = shared_records([row.records for row in rows])
    if not answers[0]:
        raise BenchError("the classifiers answered no message in common")
    return np.array([[record.is_right for record in records] for records in answers]), clusters_of(answers[0])


def _standings(
    rows: Sequence[Row], hits: NDArray[np.bool_], clusters: Clusters | None, selection: Selection, margin: float
) -> tuple[Standing, ...]:
    standings = []
    for i, row in enumerate(rows):
        if i == selection.best:
            continue
        counts = PairedCounts.of(hits[i], hits[selection.best], clusters)
        level = 1 - LEVEL if row.backend == FLOOR else selection.level
        interval = paired_interval(counts, level=level)
        standings.append(Standing(row.name, counts.difference, interval, relation(interval, margin)))
    return tuple(standings)


def _breaks(row: Row, limits: Limits) -> str | None:
    """Return the limit a row breaks, with its figure; what was not measured breaks a limit on it."""
    taken = row.resources
    latency = taken.latency_ms.p50 if taken.latency_ms else math.inf
    memory = (taken.memory_bytes or math.inf) / 1e9
    if limits.latency_ms is not None and latency > limits.latency_ms:
        return f"takes {_or_unknown(latency, '.1f')} ms per message, over the limit of {limits.latency_ms:g}"
    if limits.memory_gb is not None and memory > limits.memory_gb:
        return f"needs {_or_unknown(memory, '.2f')} GB, over the limit of {limits.memory_gb:g}"
    if limits.labels is not None and (taken.n_labelled is None or taken.n_labelled > limits.labels):
        used = "an unknown number of" if taken.n_labelled is None else f"{taken.n_labelled:,}"
        return f"used {used} labelled messages, over the {limits.labels:,} there are"
    return None


def _or_unknown(value: float, form: str) -> str:
    return "an unknown number of" if math.isinf(value) else format(value, f",{form}")


def _price(row: Row, limits: Limits, prices: CostConfig) -> tuple[float, float]:
    cost = cost_of(row.resources, prices)
    if cost is None:
        return math.inf, 0.0
    return cost.total(limits.volume), cost.hours_per_million
