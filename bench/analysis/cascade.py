"""Two classifiers in a row: the first answers what it is sure of, the second the rest.

A cascade needs no run of its own. What it would have answered follows from both classifiers' stored
answers, and where the threshold lies follows from their answers to validation messages.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from bench.analysis.clusters import INDEPENDENT, Design, clusters_of, design_of
from bench.analysis.resources import cascaded
from bench.analysis.rows import Cascade, Row
from bench.analysis.scores import score
from bench.analysis.shared import shared_records
from bench.analysis.thresholds import ABOVE_ALL, ERROR, accuracy_bound
from bench.config.tables import CascadeConfig
from bench.records.types import PredictionRecord
from classifiers.errors import BenchError

STEPS = 10
"""Thresholds that are tried for a wanted accuracy, at equal steps of the share passed on."""
Records = Sequence[PredictionRecord]
AGAIN = "name the cascade in the config's [cascades] and run the same command again"


@dataclass(frozen=True, slots=True)
class Point:
    """A confidence threshold: below it the second classifier answers. Shares are of all messages."""

    threshold: float
    passed_on: float
    accuracy: float


def _sure(record: PredictionRecord) -> float:
    """Return an answer's confidence, 0 for an answer that is no label."""
    return record.confidence or 0.0


def points(first: Records, second: Records) -> list[Point]:
    """Return every threshold that makes a difference, from passing nothing on to passing on everything.

    Only messages that both classifiers answered count.

    Raises:
        BenchError: if there are none.
    """
    theirs = {record.id: record for record in second}
    pairs = [(_sure(r), r.is_right, theirs[r.id].is_right) for r in first if r.id in theirs]
    if not pairs:
        raise BenchError("the two classifiers of the cascade answered no message in common")
    pairs.sort()
    n, right = len(pairs), sum(first_right for _, first_right, _ in pairs)
    curve = [Point(0.0, 0.0, right / n)]
    for i, (sure, first_right, second_right) in enumerate(pairs, start=1):
        right += second_right - first_right
        following = pairs[i][0] if i < n else ABOVE_ALL
        if following > sure:  # messages of one confidence are passed on together
            curve.append(Point(following, i / n, right / n))
    return curve


@dataclass(frozen=True, slots=True)
class Choice:
    """The threshold of a cascade; `is_shown` tells whether it is shown at 95 % confidence to give what was asked for.

    It is None where no accuracy was asked for.
    """

    point: Point
    is_shown: bool | None


def choose(
    curve: Sequence[Point], config: CascadeConfig, n: int, design_at: Callable[[float], Design] = lambda _: INDEPENDENT
) -> Choice:
    """Choose a threshold: least passed on for the wanted accuracy, or the most accurate within the budget.

    The wanted accuracy has to be shown (Clopper & Pearson's bound), and as the least passed on would be the luckiest
    of many, only thresholds at tenths of the messages are tried, with a chance of error of 5 % for all of them together
    (Bonferroni; "Learn then Test", Angelopoulos et al. 2021). Where none is shown, the most accurate one is taken.

    Args:
        curve: every threshold, with its accuracy on validation.
        config: what is wanted.
        n: how many validation messages there were.
        design_at: how much they say of the accuracy at a threshold, where messages come in groups.
    """
    allowed = [point for point in curve if config.budget is None or point.passed_on <= config.budget]
    best = max(allowed, key=lambda point: (point.accuracy, -point.passed_on))
    if config.accuracy is None:
        return Choice(best, None)
    tried = list(dict.fromkeys(min(allowed, key=lambda p: abs(p.passed_on - i / STEPS)) for i in range(STEPS + 1)))
    error = ERROR / len(tried)
    right = np.array([round(point.accuracy * n) for point in tried])
    says = np.array([design_at(point.threshold).effective(1 - 2 * error) for point in tried])
    bounds = accuracy_bound(right * says, n * says, error)
    shown = [point for point, bound in zip(tried, bounds, strict=True) if bound >= config.accuracy]
    return Choice(min(shown, key=lambda p: p.passed_on), True) if shown else Choice(best, False)


def cascade_row(name: str, first: Row, second: Row | None, config: CascadeConfig) -> Row:
    """Return the row that a cascade would have been; what it takes follows from what those two take.

    `second` gets the rest; it is None where the config's label `other` does.

    Raises:
        BenchError: if the first classifier gives no probabilities, or one has no answers to choose the threshold by.
    """
    if not first.scores or (second and not second.scores):
        raise BenchError(f"cascade '{name}' needs answers of '{config.first}' and '{config.second}'")
    if all(record.probabilities is None for record in first.records):
        raise BenchError(f"cascade '{name}': '{config.first}' gives no probabilities; it cannot go first")
    choice = _choice(name, first, second, config)
    threshold = choice.point.threshold
    rest = second.records if second else rejected(first.records, config.other)
    records = _answers(first.records, rest, threshold)
    passed_on = sum(_sure(record) < threshold for record in first.records) / len(first.records)
    parts = {config.first: first.stopped, config.second: second.stopped if second else None}
    stopped = {row: part for row, part in parts.items() if part}
    cascade = Cascade(config.first, config.second or config.other, threshold, passed_on, stopped)
    scores = score(
        records,
        first.scores.labels,
        several=first.scores.takes_several,
        untold=first.scores.untold,
        always_valid=bool(stopped),
    )
    return Row(
        name,
        records,
        scores,
        cascaded(first.resources, second.resources if second else None, records, passed_on),
        cascade=cascade,
        notes=(_note(cascade, config, choice),),
        stopped=min(stopped.values(), key=lambda part: part.n, default=None),
        max_attempts=second.max_attempts if second else 1,
    )


def _choice(name: str, first: Row, second: Row | None, config: CascadeConfig) -> Choice:
    """Choose the threshold on the validation messages that both rows answered."""
    mine = first.validation
    theirs = _second_opinions(name, mine, second.validation, config) if second else rejected(mine, config.other)
    if not (mine and theirs):
        raise BenchError(f"cascade '{name}': no answers to validation messages to choose the threshold by; {AGAIN}")
    n = len({record.id for record in mine} & {record.id for record in theirs})
    return choose(points(mine, theirs), config, n, designs(mine, theirs))


def _answers(first: Records, rest: Records, threshold: float) -> tuple[PredictionRecord, ...]:
    """Return the answers of the first where it is sure enough, else those of the second."""
    theirs = {record.id: record for record in rest}
    return tuple(
        _joined(record, theirs[record.id]) if _sure(record) < threshold else record
        for record in first
        if record.id in theirs
    )


def designs(first: Records, second: Records) -> Callable[[float], Design]:
    """Return what tells how much validation messages say of a cascade's accuracy at a threshold."""
    mine, theirs = shared_records([first, second])
    clusters, sure = clusters_of(mine), np.array([_sure(record) for record in mine])
    first_right, second_right = (np.array([record.is_right for record in answers]) for answers in (mine, theirs))
    return lambda threshold: design_of(np.where(sure < threshold, second_right, first_right), clusters)


def _note(cascade: Cascade, config: CascadeConfig, choice: Choice) -> str:
    """Say how the cascade answers, and what is known of its threshold."""
    if cascade.is_first_alone:
        return f"passes nothing on: it is '{cascade.first}' alone, and stands in no table"
    text = (
        f"'{cascade.first}' answers what it is at least {cascade.threshold:.1%} sure of, '{cascade.second}' the other "
        f"{cascade.passed_on:.1%}; the threshold was chosen on validation"
    )
    if choice.is_shown is None or config.accuracy is None:
        return text
    shown = f"shows {config.accuracy:.1%} right" if choice.is_shown else f"does not show {config.accuracy:.1%} right"
    return f"{text}, which {shown} at 95 % confidence"


def _second_opinions(name: str, mine: Records, theirs: Records, config: CascadeConfig) -> Records:
    """Return the second row's answers to validation messages.

    A row without probabilities is asked only what a cascade within its budget may pass on. The first row's own answers
    stand in for the rest, which is beyond the budget: no threshold that may be chosen passes it on.

    Raises:
        BenchError: if the second was asked less than that.
    """
    asked = {record.id for record in theirs}
    rest = [record for record in mine if record.id not in asked]
    if not theirs or not rest or any(record.probabilities is not None for record in theirs):
        return theirs
    within = sorted(mine, key=_sure)[: int((1.0 if config.budget is None else config.budget) * len(mine))]
    if any(record.id not in asked for record in within):
        raise BenchError(f"cascade '{name}': '{config.second}' was asked too few validation messages; {AGAIN}")
    return [*theirs, *rest]


def rejected(records: Records, other: str) -> list[PredictionRecord]:
    """Return the answers of somebody who gives every message the label `other`, at no cost."""
    return [
        PredictionRecord(r.id, r.text, r.gold, (other,), valid=True, columns=r.columns, group=r.group) for r in records
    ]


def _joined(first: PredictionRecord, second: PredictionRecord) -> PredictionRecord:
    """Return the second classifier's answer with the time of both; its attempts are what a person wants to see."""
    return replace(second, seconds=first.seconds + second.seconds)
