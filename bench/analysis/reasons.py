"""The sentences of a verdict: rules and measured figures alone, no prose is made up."""

from __future__ import annotations

from collections.abc import Iterator

from bench.analysis.clusters import design_of
from bench.analysis.compare import FLOOR
from bench.analysis.cost import break_even, cost_of
from bench.analysis.rows import Row
from bench.analysis.scores import wilson_interval
from bench.analysis.verdict import Candidates, Limits
from bench.config.tables import CostConfig
from classifiers.plurals import number_of


def _percent(row: Row, candidates: Candidates) -> str:
    hits = candidates.hits[candidates.rows.index(row)]
    right = int(hits.sum())
    interval = wilson_interval(right, candidates.n, design=design_of(hits, candidates.clusters))
    return f"{100 * right / candidates.n:.1f} % right [{100 * interval.low:.1f}, {100 * interval.high:.1f}]"


def _points(share: float) -> str:
    """Return a margin in points, without a needless decimal."""
    return f"{100 * share:g} point{'' if share == 0.01 else 's'}"


def opening(row: Row, candidates: Candidates) -> Iterator[str]:
    """Say what to use, or that the test messages do not tell."""
    name, selection = row.name, candidates.selection
    if selection.row is not None:
        yield f"Use {name}: {_percent(row, candidates)} on {number_of(candidates.n, 'message')}."
    else:
        enough = f"about {selection.needed_n:,} would do, there are" if selection.needed_n else "there are"
        yield f"Too few test messages to decide: {enough} {candidates.n:,}."
        yield f"{name} is the most accurate so far: {_percent(row, candidates)}."
    if not selection.told_from_floors:
        floors = [other.name for other in candidates.rows if other.backend == FLOOR]
        yield f"Not even {name} is measurably better than {', '.join(floors)}, which ignores the text."


def why(row: Row, candidates: Candidates) -> Iterator[str]:
    """Say how the rows stand to the most accurate one, and how far that one's figure can be trusted."""
    best, name = candidates.best.name, row.name
    if row is not candidates.best:
        yield _behind(row, candidates)
    margin = _points(candidates.margin)
    if close := [other for other in candidates.named("equivalent", "not worse") if other != name]:
        yield f"Shown to be not worse than {best} by {margin} either: {', '.join(close)}."
    if worse := [other for other in candidates.named("worse") if other != name]:
        yield f"Measurably less accurate: {', '.join(worse)}."
    contenders = sum(other.backend != FLOOR for other in candidates.rows)
    if contenders > 1:
        yield (
            f"{best} is the best of {contenders} on the same messages, so on new ones its accuracy is likely to be "
            "a little lower."
        )


def more_messages(row: Row, candidates: Candidates) -> Iterator[str]:
    """Say what more test messages would decide."""
    best, name = candidates.best.name, row.name
    if undecided := [other for other in candidates.named("undecided") if other != name]:
        yield (
            f"More test messages would show whether these are worse than {best} by {_points(candidates.margin)}: "
            f"{', '.join(undecided)}."
        )


def _behind(row: Row, candidates: Candidates) -> str:
    name, best = row.name, candidates.best
    standing = next(s for s in candidates.standings if s.classifier == name)
    low, high = (100 * end for end in (standing.interval.low, standing.interval.high))
    text = (
        f"{best.name} is {-100 * standing.difference:.1f} points ahead, but {name} is shown to be not worse "
        f"by {_points(candidates.margin)} (difference [{low:+.1f}, {high:+.1f}])"
    )
    if not (candidates.is_timed and row.resources.throughput_per_s and best.resources.throughput_per_s):
        return f"{text}."
    ratio = row.resources.throughput_per_s / best.resources.throughput_per_s
    return f"{text}; it answers {_times(ratio)} times as fast."


def _times(ratio: float) -> str:
    return f"{ratio:,.0f}" if ratio >= 10 else f"{ratio:.1f}"


def spending(row: Row, candidates: Candidates, limits: Limits, prices: CostConfig) -> Iterator[str]:
    """Say what the row costs at the given prices, and from how many messages on another one is cheaper."""
    if not candidates.is_timed:
        yield "Times of this run cannot be compared, so they decide nothing."
        return
    if not prices.are_set:
        return
    mine = cost_of(row.resources, prices)
    if mine is None:
        return
    unit = prices.currency
    yield (
        f"It costs {mine.total(limits.volume):,.2f} {unit} for {number_of(limits.volume, 'message')}: labelling "
        f"{mine.labelling:,.2f}, training {mine.training:,.2f}, answering {mine.per_million:,.2f} per million."
    )
    close = {candidates.best.name, *candidates.named("equivalent", "not worse")}
    for rival in candidates.rows:
        other = cost_of(rival.resources, prices)
        if rival is row or rival.name not in close or other is None:
            continue
        if volume := break_even(mine, other):
            a, b = (row, rival) if mine.per_million < other.per_million else (rival, row)
            names = a.name, b.name
            above = number_of(volume, "message")
            yield f"{names[0]} is cheaper than {names[1]} above {above}, and more expensive below."
