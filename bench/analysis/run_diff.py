"""Compare two runs: what got measurably better or worse on the messages that both tested."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bench.analysis.compare import Pair, compare, corrected
from bench.analysis.scores import Row
from classifiers.errors import BenchError

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


def changes(old: Sequence[Row], new: Sequence[Row]) -> list[Change]:
    """Compare the classifiers that both runs have, each with itself, on the messages both tested.

    A row that has no answers any more counts as a regression by its absence: it is an error, not left out.

    Raises:
        BenchError: if nothing can be compared, or a classifier of the old run has no answers in the new one.
    """
    before = {row.cell.classifier: row for row in old if row.scores}
    after = {row.cell.classifier: row for row in new if row.scores}
    if gone := [name for name in before if name not in after and name in {row.cell.classifier for row in new}]:
        raise BenchError(f"'{gone[0]}' failed in the new run; bench report tells why")
    pairs = [compare(after[name], before[name]) for name in before if name in after]
    if not pairs:
        raise BenchError("the two runs have no classifier in common")
    return [_change(before[pair.first], after[pair.first], pair) for pair in corrected(pairs)]


def _change(old: Row, new: Row, pair: Pair) -> Change:
    """Return both accuracies on the messages of the pair, not on those that only one of the runs tested."""
    shared = {record.id for record in old.records} & {record.id for record in new.records}
    right = {
        name: sum(record.is_right for record in row.records if record.id in shared)
        for name, row in (("old", old), ("new", new))
    }
    return Change(new.cell.classifier, right["old"] / len(shared), right["new"] / len(shared), pair)
