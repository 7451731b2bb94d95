"""What corrected gold labels change: how many, every row's accuracy, and the verdict."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from bench.analysis.rows import Row
from bench.dataset.corrections import Corrections, left_out, marked

MAX_NAMED = 4
"""Rows whose change is told; scores.json and the tables have all of them."""


@dataclass(frozen=True, slots=True)
class CorrectionEffect:
    """A run's rows before a file of corrections was applied to them, and after.

    `changed` counts the test messages with another gold label, `n` all of them, and `marks` says how many of the test
    messages are ambiguous or confirmed, and how many corrections are of messages that were not sampled. `judged` are
    the ids of all that a person looked at.
    """

    path: str
    before: tuple[Row, ...]
    changed: int
    n: int
    marks: str
    judged: frozenset[str]

    def accuracies(self, rows: Sequence[Row]) -> Iterator[tuple[str, float, float]]:
        """Yield the rows whose accuracy changed, with that before and after."""
        old = {row.name: row.scores.accuracy for row in self.before if row.scores}
        for row in rows:
            if row.scores and (before := old.get(row.name)) not in (None, row.scores.accuracy):
                yield row.name, before or 0.0, row.scores.accuracy

    @property
    def note(self) -> str:
        """Say in one line what the corrections changed of the gold labels."""
        return f"{self.path}: {self.changed} of {self.n:,} gold labels of the test messages are corrected{self.marks}"

    def sentence(self, rows: Sequence[Row], verdict: str) -> str:
        """Say how much the corrections changed; `verdict` is the first sentence of the verdict without them."""
        changes = [f"{name} from {100 * a:.1f} to {100 * b:.1f} % right" for name, a, b in self.accuracies(rows)]
        more = f" and {len(changes) - MAX_NAMED} more" if len(changes) > MAX_NAMED else ""
        told = f": {', '.join(changes[:MAX_NAMED])}{more}" if changes else ", which changes no row's accuracy"
        return f"{self.note}{told}. Without them: {verdict}"


def effect(
    corrections: Corrections, before: Sequence[Row], after: Sequence[Row], n_left_out: int = 0
) -> CorrectionEffect:
    """Compare a run's rows before and after a file of corrections; `n_left_out` of them are of other messages."""
    golds = {r.id: (r.text, r.gold) for row in before for r in row.records}
    new = {r.id: r.gold for row in after for r in row.records}
    about = {id_: entry for id_, (text, gold) in golds.items() if (entry := corrections.last(text, gold))}
    changed = sum(new[id_] != gold for id_, (_, gold) in golds.items())
    marks = marked(about.values()) + left_out(n_left_out)
    return CorrectionEffect(corrections.path, tuple(before), changed, len(golds), marks, frozenset(about))
