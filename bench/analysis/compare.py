"""Compare classifiers on the same messages: paired tests, and every message they differ on."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Literal

import numpy as np

from bench.analysis.clusters import clusters_of
from bench.analysis.label_scores import Interval
from bench.analysis.paired import LEVEL, PairedCounts, differ_p_value, needed_to_differ, paired_interval
from bench.analysis.rows import Row, complete_rows
from bench.analysis.sequential import difference_interval, log_evidence
from bench.analysis.shared import shared_records
from bench.dataset.corrections import text_hash
from bench.records.types import PredictionRecord
from classifiers.errors import BenchError

FLOOR = "majority"
"""The backend that learns nothing from a message's text: it is there to be passed."""
MIN_MESSAGES = 2
Right = Literal["first", "second", "both", "neither"]


@dataclass(frozen=True, slots=True)
class Pair:
    """Two classifiers on the same n messages: accuracy of the first minus the second, and its chance.

    `holm_p_value` is the p-value corrected for the comparisons with the most accurate row (Holm 1979), and that of the
    pair alone for other pairs; `needed_n` is how many test messages would tell the two apart by that test at 80 % power
    if they differ as they do here, None where they do not. `design_effect` is that of messages in groups.
    """

    first: str
    second: str
    n: int
    difference: float
    interval: Interval
    p_value: float
    only_first_right: int
    only_second_right: int
    holm_p_value: float
    needed_n: int | None
    design_effect: float | None = None


@dataclass(frozen=True, slots=True)
class Disagreement:
    """One test message with every classifier's answer, in the table's order."""

    id: str
    text: str
    gold: tuple[str, ...]
    answers: dict[str, PredictionRecord]

    @property
    def differs(self) -> bool:
        """Tell whether any two classifiers answered differently."""
        return len({(record.valid, frozenset(record.predicted)) for record in self.answers.values()}) > 1

    @property
    def columns(self) -> dict[str, str]:
        """Return the data set's other columns of this message."""
        return next(iter(self.answers.values())).columns

    @property
    def text_hash(self) -> str:
        """Return the hash by which corrections name this message."""
        return text_hash(self.text)

    def is_right(self, classifier: str) -> bool:
        """Tell whether a classifier gave exactly the gold labels."""
        return self.answers[classifier].is_right


def compare(first: Row, second: Row) -> Pair:
    """Compare the accuracy of two classifiers on the messages both answered.

    The interval is Tango's score interval, the p-value McNemar's exact test (statsmodels): the same messages were put
    to both, so an unpaired test would waste power. Of messages in groups it is that interval's score test. Where one of
    them stopped early, both are those that hold whenever that was (`sequential`).

    Raises:
        BenchError: if they have no message in common.
    """
    mine, theirs = shared_records([first.records, second.records])
    if not mine:
        raise BenchError(f"'{first.name}' and '{second.name}' answered no message in common")
    a, b = (np.array([record.is_right for record in records]) for records in (mine, theirs))
    counts = PairedCounts.of(a, b, clusters_of(mine))
    design = counts.design
    is_early = any(row.scores and row.scores.always_valid for row in (first, second))
    evidence = log_evidence(counts.only_first, counts.only_second)
    p_value = min(math.exp(-evidence), 1.0) if is_early else differ_p_value(counts)
    return Pair(
        first=first.name,
        second=second.name,
        n=counts.n,
        difference=counts.difference,
        interval=difference_interval(counts) if is_early else paired_interval(counts),
        p_value=p_value,
        only_first_right=counts.only_first,
        only_second_right=counts.only_second,
        holm_p_value=p_value,
        needed_n=needed_to_differ(counts.only_first / counts.n, counts.only_second / counts.n, effect=design.effect),
        design_effect=design.effect if design.n_groups else None,
    )


def all_pairs(rows: Sequence[Row]) -> list[Pair]:
    """Compare every two classifiers that have answers.

    Seeds of one row are not set against each other: their spread is what it is. Only comparisons with the most
    accurate row are made use of, so only their p-values and needed messages are corrected for their number: a floor
    or a second seed that is added changes none of them. One message in common is no ground for a comparison.
    """
    scored = [row for row in rows if row.scores]
    pairs = [compare(a, b) for a, b in combinations(scored, 2) if a.config_row != b.config_row]
    used = _used(scored)
    with_best = corrected([pair for pair in pairs if frozenset((pair.first, pair.second)) in used])
    changed = {(pair.first, pair.second): pair for pair in with_best}
    return [changed.get((pair.first, pair.second), pair) for pair in pairs if pair.n >= MIN_MESSAGES]


def _used(scored: Sequence[Row]) -> set[frozenset[str]]:
    """Return the pairs of the most accurate row with each other row's first seed, floors left out."""
    first: dict[str, str] = {}
    for row in scored:
        if row.backend != FLOOR:
            first.setdefault(row.config_row, row.name)
    accuracy = {row.name: row.scores.accuracy for row in scored if row.scores}
    best = max(first.values(), key=lambda name: accuracy[name], default="")
    return {frozenset((best, name)) for name in first.values() if name != best}


def corrected(pairs: Sequence[Pair]) -> list[Pair]:
    """Return the pairs with p-values corrected for their number (Holm 1979, statsmodels), and the messages it takes."""
    from statsmodels.stats.multitest import multipletests

    if not pairs:
        return []
    p_values = multipletests([pair.p_value for pair in pairs], method="holm")[1]
    return [
        replace(
            pair,
            holm_p_value=float(p),
            needed_n=needed_to_differ(
                pair.only_first_right / pair.n,
                pair.only_second_right / pair.n,
                level=LEVEL / len(pairs),
                effect=pair.design_effect or 1.0,
            ),
        )
        for pair, p in zip(pairs, p_values, strict=True)
    ]


@dataclass(frozen=True, slots=True)
class Suspect:
    """A test message whose gold label may be wrong: no classifier gives it, and `n_agreeing` give the same other.

    `confidence` is the mean probability of that answer where there are any.
    """

    id: str
    text: str
    gold: tuple[str, ...]
    answer: tuple[str, ...]
    n_agreeing: int
    n_classifiers: int
    confidence: float | None


def suspects(rows: Sequence[Row]) -> list[Suspect]:
    """Return the messages on which at least two classifiers agree against the gold label and none is for it."""
    listed = []
    for message in answers_by_message(rows):
        answers = [record for record in message.answers.values() if record.valid]
        if len(answers) < 2 or any(record.is_right for record in answers):
            continue
        answer, n = Counter(record.predicted for record in answers).most_common(1)[0]
        sure = [r.confidence for r in answers if r.predicted == answer and r.confidence is not None]
        if n > 1:
            mean = sum(sure) / len(sure) if sure else None
            listed.append(Suspect(message.id, message.text, message.gold, answer, n, len(message.answers), mean))
    return sorted(listed, key=lambda suspect: (-suspect.n_agreeing, -(suspect.confidence or 0.0)))


def answers_by_message(rows: Sequence[Row]) -> Iterator[Disagreement]:
    """Return every test message that all classifiers answered, with the answers side by side."""
    scored = [row for row in rows if row.scores]
    by_id = {row.name: {record.id: record for record in row.records} for row in scored}
    for record in scored[0].records if scored else ():
        if all(record.id in answers for answers in by_id.values()):
            answers = {name: records[record.id] for name, records in by_id.items()}
            yield Disagreement(record.id, record.text, record.gold, answers)


def disagreements(
    rows: Sequence[Row],
    *,
    pair: tuple[str, str] | None = None,
    label: str | None = None,
    right: Right | None = None,
) -> list[Disagreement]:
    """Return the messages on which classifiers differ.

    Args:
        rows: the table's rows.
        pair: look at these two only.
        label: only messages with this gold label.
        right: only where the first, the second, both or neither of the pair is right (needs a pair).
    """
    compared = [row for row in rows if row.name in pair] if pair else complete_rows(rows)
    differing = (d for d in answers_by_message(compared) if d.differs)
    return [d for d in differing if (not label or label in d.gold) and (not right or _who(d, pair) == right)]


def _who(disagreement: Disagreement, pair: tuple[str, str] | None) -> Right:
    first, second = (disagreement.is_right(name) for name in pair or tuple(disagreement.answers)[:2])
    if first and second:
        return "both"
    return "first" if first else "second" if second else "neither"
