"""Compare two runs: what got measurably better or worse on the messages that both tested.

An id is a file and a line: one row inserted at the top of a table gives every message its neighbour's. Messages are
therefore paired by text and gold labels.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from bench.analysis.compare import Pair, compare, corrected
from bench.analysis.rows import Row, why_stopped
from bench.records.types import PredictionRecord
from classifiers.errors import BenchError
from classifiers.plurals import number_of

LEVEL = 0.05


@dataclass(frozen=True, slots=True)
class Change:
    """One classifier in two runs; `pair` is the new one (first) against the old one (second)."""

    classifier: str
    old_accuracy: float
    new_accuracy: float
    pair: Pair

    @property
    def is_regression(self) -> bool:
        """Tell whether it got worse by more than chance explains, corrected for the number of classifiers."""
        return self.pair.difference < 0 and self.pair.holm_p_value < LEVEL

    @property
    def is_improvement(self) -> bool:
        """Tell whether it got better by more than chance explains."""
        return self.pair.difference > 0 and self.pair.holm_p_value < LEVEL


@dataclass(frozen=True, slots=True)
class Flip:
    """A message that a classifier got right in one run and wrong in the other; `id` is that of the new run.

    `before` and `after` are the answers, without labels where there was no valid one; `is_right` tells of the new one.
    """

    classifier: str
    id: str
    text: str
    gold: tuple[str, ...]
    before: tuple[str, ...]
    after: tuple[str, ...]
    is_right: bool


@dataclass(frozen=True, slots=True)
class RunDiff:
    """The changes from one run to another, the messages that flipped, and how many messages of each are in no pair.

    A message is left out where the other run tested none with the same text and gold labels; rows that stopped early do
    not count there, and `stopped` says which messages they are compared on. `is_by_id` says that records hold no texts,
    so that messages were paired by their ids, which the same split allows.
    """

    changes: tuple[Change, ...]
    only_old: int
    only_new: int
    is_by_id: bool
    stopped: tuple[str, ...] = ()
    flips: tuple[Flip, ...] = ()


def changes(old: Sequence[Row], new: Sequence[Row], *, is_same_split: bool) -> RunDiff:
    """Compare the classifiers that both runs have, each with itself, on the messages both tested.

    A row that has no answers any more counts as a regression by its absence: it is an error, not left out.

    Args:
        old: the rows of the run before.
        new: the rows of the run after.
        is_same_split: whether both runs have the same messages in the same parts, so that ids mean the same.

    Raises:
        BenchError: if nothing can be compared, or a classifier of the old run has no answers in the new one.
    """
    before = {row.name: row for row in old if row.scores}
    after = {row.name: row for row in new if row.scores}
    if gone := [name for name in before if name not in after and name in {row.name for row in new}]:
        raise BenchError(f"'{gone[0]}' failed in the new run; bench report tells why")
    names = [name for name in before if name in after]
    if not names:
        raise BenchError("the two runs have no classifier in common")
    is_by_id = not all(record.text for name in names for row in (before[name], after[name]) for record in row.records)
    if is_by_id and not is_same_split:
        raise BenchError("the records hold no texts, and ids do not pair messages: the runs do not have the same split")
    same = {name: _on_same_messages(before[name], after[name], is_by_id=is_by_id) for name in names}
    pairs = corrected([compare(now, then) for then, now in same.values()])
    whole = [name for name in names if not why_stopped(before[name]) + why_stopped(after[name])]
    return RunDiff(
        changes=tuple(_change(*same[pair.first], pair) for pair in pairs),
        only_old=max((len(before[name].records) - len(same[name][0].records) for name in whole), default=0),
        only_new=max((len(after[name].records) - len(same[name][1].records) for name in whole), default=0),
        is_by_id=is_by_id,
        stopped=tuple(_stopped({"before": before, "after": after}, same)),
        flips=tuple(flip for name in names for flip in _flips(*same[name])),
    )


def _stopped(runs: Mapping[str, Mapping[str, Row]], same: Mapping[str, tuple[Row, Row]]) -> Iterator[str]:
    """Say which rows stopped early in which run, and how many messages both runs answered."""
    for name, (row, _) in same.items():
        for when, rows in runs.items():
            if text := why_stopped(rows[name]):
                both = number_of(len(row.records), "message")
                yield f"{name}, {when}: {text}; it is compared on the {both} that both runs answered"


def _flips(old: Row, new: Row) -> list[Flip]:
    """Return the messages that one of two rows on the same messages got right, the losses first."""
    flipped = [
        Flip(new.name, now.id, now.text, now.gold, then.predicted, now.predicted, now.is_right)
        for then, now in zip(old.records, new.records, strict=True)
        if then.is_right != now.is_right
    ]
    return sorted(flipped, key=lambda flip: flip.is_right)


def _on_same_messages(old: Row, new: Row, *, is_by_id: bool) -> tuple[Row, Row]:
    """Return both rows with their answers to the same messages, under the new run's ids and in its order."""
    then, now = _by_message(old, is_by_id=is_by_id), _by_message(new, is_by_id=is_by_id)
    shared = [key for key in now if key in then]
    renamed = tuple(replace(then[key], id=now[key].id) for key in shared)
    return replace(old, records=renamed), replace(new, records=tuple(now[key] for key in shared))


def _by_message(row: Row, *, is_by_id: bool) -> dict[Hashable, PredictionRecord]:
    """Return a row's answers by what tells messages apart: a text that stands twice is the first and the second."""
    if is_by_id:
        return {record.id: record for record in row.records}
    seen: Counter[tuple[str, frozenset[str]]] = Counter()
    answers: dict[Hashable, PredictionRecord] = {}
    for record in row.records:
        message = record.text, frozenset(record.gold)
        answers[message, seen[message]] = record
        seen[message] += 1
    return answers


def _change(old: Row, new: Row, pair: Pair) -> Change:
    """Return both accuracies on the messages of the pair, not on those that only one of the runs tested."""
    right = [sum(record.is_right for record in row.records) for row in (old, new)]
    return Change(new.name, right[0] / pair.n, right[1] / pair.n, pair)
