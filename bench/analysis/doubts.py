"""Reasons to doubt a figure, to be said beside it: what most likely went wrong, and what to do."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Literal

from bench.analysis.compare import FLOOR, compare
from bench.analysis.rows import Row, first_seeds
from classifiers.interface import Task

Kind = Literal["below frozen", "below majority", "one label", "definitions"]
ONE_LABEL = 0.9
"""The share of messages above which the same answer to all of them is suspicious."""
BEYOND_GOLD = 0.1
"""By how much that share has to exceed the label's own share of the messages."""


@dataclass(frozen=True, slots=True)
class Doubt:
    """Why figures of these classifiers may not mean what they seem to."""

    kind: Kind
    classifiers: tuple[str, ...]
    text: str


def doubts(rows: Sequence[Row], task: Task) -> list[Doubt]:
    """Return what there is to doubt about the rows of a table; of several seeds of a row the first counts."""
    scored = first_seeds([row for row in rows if row.scores and row.cell])
    return [*_below_frozen(scored), *_below_majority(scored, task), *_one_label(scored), *_definitions(scored, task)]


def _below_frozen(rows: Sequence[Row]) -> Iterator[Doubt]:
    """Find fine-tuned models that are less accurate than the same model with frozen weights."""
    tuned, frozen = ([row for row in rows if row.cell and row.cell.fine_tuned is kind] for kind in (True, False))
    for row, other in product(tuned, frozen):
        if not _model(row) or _model(row) != _model(other):
            continue
        pair = compare(row, other)
        if pair.difference >= 0:
            continue
        low, high = 100 * pair.interval.low, 100 * pair.interval.high
        sure = "measurably" if high < 0 else "though not measurably"
        text = (
            f"{-100 * pair.difference:.1f} points below {other.name}, the same model with frozen weights "
            f"({sure}: difference [{low:+.1f}, {high:+.1f}]): fine-tuning did not help; try more epochs or another "
            "learning rate"
        )
        yield Doubt("below frozen", (row.name,), text)


def _below_majority(rows: Sequence[Row], task: Task) -> Iterator[Doubt]:
    """Find rows that read the text and are less accurate than one that does not."""
    floor = next((row for row in rows if row.backend == FLOOR), None)
    for row in rows:
        if floor is None or not row.scores or not floor.scores or row.scores.accuracy >= floor.scores.accuracy:
            continue
        text = f"less accurate than {floor.name}, which ignores the text"
        if _is_prompted(row):
            advice = "reword the definitions" if uses_definitions(row, task) else "give definitions"
            text += f": the labels were probably not understood; {advice}"
        yield Doubt("below majority", (row.name,), text)


def _one_label(rows: Sequence[Row]) -> Iterator[Doubt]:
    """Find prompted rows that answer nearly every message alike."""
    for row in rows:
        answered = Counter(record.predicted for record in row.records if record.valid)
        if not (_is_prompted(row) and answered):
            continue
        answer, n = answered.most_common(1)[0]
        share = n / len(row.records)
        gold = sum(record.gold == answer for record in row.records) / len(row.records)
        if share > ONE_LABEL and share > gold + BEYOND_GOLD:
            label = ", ".join(answer) or "no label"
            text = f"answers '{label}' to {share:.0%} of the messages, of which {gold:.0%} have it"
            yield Doubt("one label", (row.name,), text)


def _definitions(rows: Sequence[Row], task: Task) -> Iterator[Doubt]:
    """Say which rows were told what the labels mean, where others were not."""
    learners = [row for row in rows if row.backend != FLOOR]
    told = tuple(row.name for row in learners if uses_definitions(row, task))
    others = [row.name for row in learners if row.name not in told]
    if told and others:
        yield Doubt("definitions", told, f"used the labels' definitions, which {', '.join(others)} were not given")


def uses_definitions(row: Row, task: Task) -> bool:
    """Tell whether a row was told what the labels mean, in its prompt or otherwise."""
    if row.cell is None:
        return False
    prompt = row.cell.prompt
    return row.cell.uses_definitions or any(label.definition and label.definition in prompt for label in task.labels)


def _is_prompted(row: Row) -> bool:
    return row.cell is not None and row.cell.is_prompted


def _model(row: Row) -> str:
    return row.cell.model if row.cell else ""
