"""Say which classifier to use, by rules and measured figures alone; no prose is made up.

1. Rows that break a limit are out.
2. Of the rest, the cheapest one that is shown to be not worse than any other by the margin is recommended
   (`selection`): by cost where prices are given, else by time per message in batches.
3. Where no row is shown to be that, the most accurate is named and the verdict is that test messages are too few.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bench.analysis.compare import FLOOR
from bench.analysis.cost import break_even, cost_of
from bench.analysis.label_scores import Interval
from bench.analysis.paired import LEVEL, PairedCounts, Relation, paired_interval, relation
from bench.analysis.scores import Row, wilson_interval
from bench.analysis.selection import Selection, select
from bench.config.tables import CostConfig
from classifiers.errors import BenchError

MARGIN = 0.02


@dataclass(frozen=True, slots=True)
class Limits:
    """What must hold of a classifier; None is no limit. `volume` is messages in all, for the cost."""

    latency_ms: float | None = None
    memory_gb: float | None = None
    labels: int | None = None
    volume: float = 1e6


@dataclass(frozen=True, slots=True)
class Standing:
    """How a row stands to the most accurate one: accuracy of the row minus that one's, paired, with its interval.

    `interval` has the level that is corrected for the comparisons made; `relation` follows from it and the margin.
    """

    classifier: str
    difference: float
    interval: Interval
    relation: Relation


@dataclass(frozen=True, slots=True)
class Verdict:
    """The classifier to use and the sentences that say why.

    `classifier` is None where none meets the limits or none is measurably better than a floor. Where `is_decided` is
    false it is only the most accurate so far: test messages are too few, and about `needed_n` would do. `margin` is a
    share, and `standings` are against `best`, the most accurate row. `sure`, `costs` and `changes` are those of the
    sentences that say how sure that is, what it costs, and what would change it.
    """

    classifier: str | None
    sentences: tuple[str, ...]
    is_decided: bool = False
    best: str | None = None
    margin: float = MARGIN
    needed_n: int | None = None
    standings: tuple[Standing, ...] = ()
    sure: tuple[str, ...] = ()
    costs: tuple[str, ...] = ()
    changes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Candidates:
    """The rows that meet the limits and what was selected of them; `hits` says which messages each got right."""

    rows: tuple[Row, ...]
    hits: NDArray[np.bool_]
    selection: Selection
    standings: tuple[Standing, ...]
    margin: float
    is_timed: bool

    @property
    def best(self) -> Row:
        """Return the most accurate row."""
        return self.rows[self.selection.best]

    @property
    def n(self) -> int:
        """Return how many test messages all rows answered."""
        return int(self.hits.shape[1])

    def named(self, *relations: Relation) -> list[str]:
        """Name the rows that stand so to the most accurate."""
        return [standing.classifier for standing in self.standings if standing.relation in relations]


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
    if limits.latency_ms is not None and not is_timed:
        raise BenchError("classifiers of this run shared the machine: their latency is unknown; run with jobs = 1")
    scored = _first_seeds([row for row in rows if row.scores])
    broken = {row.cell.classifier: why for row in scored if (why := _breaks(row, limits))}
    fit = [row for row in scored if row.cell.classifier not in broken]
    if not fit:
        reasons = "; ".join(f"{name} {why}" for name, why in broken.items()) or "no classifier has answers"
        return Verdict(None, (f"None meets the limits: {reasons}.",), margin=margin)
    costs = [_price(row, limits, prices) if is_timed else (0.0, 0.0) for row in fit]
    hits = hits_of(fit)
    selection = select(hits, costs, [row.cell.backend == FLOOR for row in fit], margin)
    candidates = Candidates(tuple(fit), hits, selection, _standings(fit, hits, selection, margin), margin, is_timed)
    row = candidates.best if selection.row is None else fit[selection.row]
    opening, *details = _opening(row, candidates)
    sure = (*details, *_why(row, candidates))
    spent = tuple(_cost(row, candidates, limits, prices))
    changes = (*_open(row, candidates), *(f"{name} is out: it {why}." for name, why in broken.items()))
    is_named = selection.row is not None or selection.told_from_floors
    return Verdict(
        classifier=row.cell.classifier if is_named else None,
        sentences=(opening, *sure, *spent, *changes),
        is_decided=selection.row is not None,
        best=candidates.best.cell.classifier,
        margin=margin,
        needed_n=selection.needed_n,
        standings=candidates.standings,
        sure=sure,
        costs=spent,
        changes=changes,
    )


def _first_seeds(rows: Sequence[Row]) -> list[Row]:
    """Return one cell per row of the config: what is selected is a way of classifying, not a lucky seed."""
    first: dict[str, Row] = {}
    for row in rows:
        first.setdefault(row.cell.row or row.cell.classifier, row)
    return list(first.values())


def hits_of(rows: Sequence[Row]) -> NDArray[np.bool_]:
    """Return whether each row (first axis) got each message right that all rows answered.

    Raises:
        BenchError: if there is no such message.
    """
    by_id = [{record.id: record.is_right for record in row.records} for row in rows]
    shared = [id_ for id_ in by_id[0] if all(id_ in answers for answers in by_id)]
    if not shared:
        raise BenchError("the classifiers answered no message in common")
    return np.array([[answers[id_] for id_ in shared] for answers in by_id], dtype=bool)


def _standings(
    rows: Sequence[Row], hits: NDArray[np.bool_], selection: Selection, margin: float
) -> tuple[Standing, ...]:
    standings = []
    for i, row in enumerate(rows):
        if i == selection.best:
            continue
        counts = PairedCounts.of(hits[i], hits[selection.best])
        level = 1 - LEVEL if row.cell.backend == FLOOR else selection.level
        interval = paired_interval(counts, level=level)
        standings.append(Standing(row.cell.classifier, counts.difference, interval, relation(interval, margin)))
    return tuple(standings)


def _breaks(row: Row, limits: Limits) -> str | None:
    """Return the limit a row breaks, with its figure; what was not measured breaks a limit on it."""
    cell = row.cell
    latency = cell.latency_ms.p50 if cell.latency_ms else math.inf
    memory = (cell.predict_memory_bytes or cell.peak_memory_bytes or math.inf) / 1e9
    if limits.latency_ms is not None and latency > limits.latency_ms:
        return f"takes {latency:,.1f} ms per message, over the limit of {limits.latency_ms:g}"
    if limits.memory_gb is not None and memory > limits.memory_gb:
        return f"needs {memory:.2f} GB, over the limit of {limits.memory_gb:g}"
    if limits.labels is not None and (cell.n_labelled is None or cell.n_labelled > limits.labels):
        used = "an unknown number of" if cell.n_labelled is None else f"{cell.n_labelled:,}"
        return f"used {used} labelled messages, over the {limits.labels:,} there are"
    return None


def _price(row: Row, limits: Limits, prices: CostConfig) -> tuple[float, float]:
    cost = cost_of(row.cell, prices)
    if cost is None:
        return math.inf, 0.0
    return cost.total(limits.volume), cost.hours_per_million


def _percent(row: Row, candidates: Candidates) -> str:
    right = int(candidates.hits[candidates.rows.index(row)].sum())
    interval = wilson_interval(right, candidates.n)
    return f"{100 * right / candidates.n:.1f} % right [{100 * interval.low:.1f}, {100 * interval.high:.1f}]"


def _points(share: float) -> str:
    """Return a margin in points, without a needless decimal."""
    return f"{100 * share:g} point{'' if share == 0.01 else 's'}"


def _opening(row: Row, candidates: Candidates) -> Iterator[str]:
    """Say what to use, or that the test messages do not tell."""
    name, selection = row.cell.classifier, candidates.selection
    if selection.row is not None:
        yield f"Use {name}: {_percent(row, candidates)} on {candidates.n:,} messages."
    else:
        enough = f"about {selection.needed_n:,} would do, there are" if selection.needed_n else "there are"
        yield f"Too few test messages to decide: {enough} {candidates.n:,}."
        yield f"{name} is the most accurate so far: {_percent(row, candidates)}."
    if not selection.told_from_floors:
        floors = [other.cell.classifier for other in candidates.rows if other.cell.backend == FLOOR]
        yield f"Not even {name} is measurably better than {', '.join(floors)}, which ignores the text."


def _why(row: Row, candidates: Candidates) -> Iterator[str]:
    """Say how the rows stand to the most accurate one, and how far that one's figure can be trusted."""
    best, name = candidates.best.cell.classifier, row.cell.classifier
    if row is not candidates.best:
        yield _behind(row, candidates)
    margin = _points(candidates.margin)
    if close := [other for other in candidates.named("equivalent", "not worse") if other != name]:
        yield f"Shown to be not worse than {best} by {margin} either: {', '.join(close)}."
    if worse := [other for other in candidates.named("worse") if other != name]:
        yield f"Measurably less accurate: {', '.join(worse)}."
    contenders = sum(other.cell.backend != FLOOR for other in candidates.rows)
    if contenders > 1:
        yield (
            f"{best} is the best of {contenders} on the same messages, so on new ones its accuracy is likely to be "
            "a little lower."
        )


def _open(row: Row, candidates: Candidates) -> Iterator[str]:
    """Say what more test messages would decide."""
    best, name = candidates.best.cell.classifier, row.cell.classifier
    if undecided := [other for other in candidates.named("undecided") if other != name]:
        yield (
            f"More test messages would show whether these are worse than {best} by {_points(candidates.margin)}: "
            f"{', '.join(undecided)}."
        )


def _behind(row: Row, candidates: Candidates) -> str:
    name, best = row.cell.classifier, candidates.best
    standing = next(s for s in candidates.standings if s.classifier == name)
    low, high = (100 * end for end in (standing.interval.low, standing.interval.high))
    text = (
        f"{best.cell.classifier} is {-100 * standing.difference:.1f} points ahead, but {name} is shown to be not worse "
        f"by {_points(candidates.margin)} (difference [{low:+.1f}, {high:+.1f}])"
    )
    if not (candidates.is_timed and row.cell.throughput_per_s and best.cell.throughput_per_s):
        return f"{text}."
    return f"{text}; it answers {_times(row.cell.throughput_per_s / best.cell.throughput_per_s)} times as fast."


def _times(ratio: float) -> str:
    return f"{ratio:,.0f}" if ratio >= 10 else f"{ratio:.1f}"


def _cost(row: Row, candidates: Candidates, limits: Limits, prices: CostConfig) -> Iterator[str]:
    if not candidates.is_timed:
        yield "Classifiers ran at the same time, so their times decide nothing."
        return
    if not prices.are_set:
        return
    mine = cost_of(row.cell, prices)
    if mine is None:
        return
    unit = prices.currency
    yield (
        f"It costs {mine.total(limits.volume):,.2f} {unit} for {limits.volume:,.0f} messages: labelling "
        f"{mine.labelling:,.2f}, training {mine.training:,.2f}, answering {mine.per_million:,.2f} per million."
    )
    close = {candidates.best.cell.classifier, *candidates.named("equivalent", "not worse")}
    for rival in candidates.rows:
        other = cost_of(rival.cell, prices)
        if rival is row or rival.cell.classifier not in close or other is None:
            continue
        if volume := break_even(mine, other):
            a, b = (row, rival) if mine.per_million < other.per_million else (rival, row)
            names = a.cell.classifier, b.cell.classifier
            yield f"{names[0]} is cheaper than {names[1]} above {volume:,.0f} messages, and more expensive below."
