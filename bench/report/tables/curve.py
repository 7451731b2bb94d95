"""What a report says of several seeds and of learning curves."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from bench.analysis.learning_curve import Crossing, Group, curves, flat_lines
from bench.report.tables.table import Table, Topic
from bench.report.text import DASH, brackets, share
from classifiers.plurals import number_of

CURVE = "Learning curve"


def curve_tables(trained: Sequence[Group], crossings: Sequence[Crossing]) -> Iterator[Table]:
    """Return the learning curve where there is one."""
    if learners := curves(trained):
        yield _curve(learners, flat_lines(trained), crossings)


def seed_tables(trained: Sequence[Group]) -> Iterator[Table]:
    """Return the spread over seeds where rows have several."""
    if several := [group for group in trained if group.train_per_label is None and len(group.accuracies) > 1]:
        yield _seeds(several)


def _curve(learners: dict[str, list[Group]], flat: Sequence[Group], crossings: Sequence[Crossing]) -> Table:
    """Return a line per number of training examples per label, and a column per row of the config."""
    whole = {g.per_label for points in learners.values() for g in points if g.train_per_label is None}
    sizes = sorted({group.per_label for points in learners.values() for group in points})
    head = ("examples per label", *learners, *(group.row for group in flat))
    by_size = {row: {group.per_label: group for group in points} for row, points in learners.items()}
    body = tuple(
        (
            f"all ({_size_text(size)})" if size in whole else _size_text(size),
            *(_mean(by_size[row].get(size)) for row in learners),
            *(_mean(group) for group in flat),
        )
        for size in sizes
    )
    seeds = max(len(group.accuracies) for points in learners.values() for group in points)
    several = f"mean accuracy in % ± standard deviation over up to {seeds} seeds, each with its own draw of messages."
    notes = [several if seeds > 1 else "accuracy in % of one seed."]
    notes += map(crossing_text, crossings)
    if crossings:
        notes.append(
            "brackets: 95 % interval by bootstrap over the test messages; ± behind points: half of one by t test."
        )
    return Table(CURVE, head, body, notes=tuple(notes), can_turn=False, topic=Topic.CURVE, is_main=True)


def _size_text(size: float) -> str:
    """Return a number of examples per label: a mean over labels of which nobody needs the fraction."""
    return f"{size:,.0f}"


def _mean(group: Group | None) -> str:
    if group is None:
        return DASH
    return share(group.mean) + (f" ± {share(group.sd)}" if group.sd is not None else "")


def crossing_text(where: Crossing) -> str:
    """Say in one sentence whether and where a curve passes a rival."""
    rival = f"{where.rival} ({share(where.rival_accuracy)} %)"
    if where.at is None:
        text = f"{where.learner} does not pass {rival} with up to {_messages(where.last)}"
    elif where.at <= where.first:
        text = f"{where.learner} is ahead of {rival} from {_messages(where.first)} on"
    else:
        text = f"{where.learner} passes {rival} at about {_messages(where.at)} {_bounds(where)}"
    if where.before is None:
        return f"{text}."
    half = (where.before.interval.high - where.before.interval.low) / 2
    behind = f"{share(-where.before.difference)} ± {share(half)} points"
    return f"{text}; at {_size_text(where.before.per_label)} it is behind by {behind}."


def _messages(size: float) -> str:
    return f"{number_of(size, 'example')} per label"


def _bounds(where: Crossing) -> str:
    low, high = (
        f"more than {_size_text(where.last)}" if math.isinf(bound) else f"{bound:.0f}"
        for bound in (where.interval.low, where.interval.high)
    )
    return f"[{low}, {high}]"


def _seeds(several: Sequence[Group]) -> Table:
    body = tuple(
        (
            group.row,
            str(len(group.accuracies)),
            share(group.mean),
            share(group.sd),
            brackets(group.interval) if group.interval else DASH,
        )
        for group in several
    )
    head = ("classifier", "seeds", "mean accuracy %", "sd", "95 % interval of the mean")
    notes = ("the interval is that of other seeds and other test messages: a bootstrap that draws both.",)
    return Table("Several seeds", head, body, notes=notes, topic=Topic.CURVE)
