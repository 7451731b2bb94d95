"""Compare classifiers on the same messages: paired tests, and every message they differ on."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Literal

from bench.analysis.cascade import with_cascades
from bench.analysis.label_scores import Interval, bootstrap_interval
from bench.analysis.scores import Row, score
from bench.records.store import RunFolder
from bench.records.types import PredictionRecord
from classifiers.errors import BenchError

RESAMPLES = 5000
Right = Literal["first", "second", "both", "neither"]


@dataclass(frozen=True, slots=True)
class Pair:
    """Two classifiers on the same n messages: accuracy of the first minus the second, and its chance.

    `holm_p_value` is the p-value corrected for all pairs of the table (Holm 1979); `needed_n` is how many test
    messages would tell the two apart at 80 % power if they differ as they do here, None where they do not.
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
        """Give the data set's other columns of this message."""
        return next(iter(self.answers.values())).columns

    def is_right(self, classifier: str) -> bool:
        """Tell whether a classifier gave exactly the gold labels."""
        return self.answers[classifier].is_right


def rows_of(run: RunFolder) -> list[Row]:
    """Read and score every cell of a run, failed ones included, and add the config's cascades."""
    record = run.read()
    task = record.as_task()
    rows = []
    for cell, folder in run.cells():
        records = folder.predictions.read() if cell.status == "ok" else []
        rows.append(Row(cell, tuple(records), score(records, task.label_names, several=task.takes_several)))
    return with_cascades(rows, run, record.config.cascades)


def compare(first: Row, second: Row, *, seed: int = 0) -> Pair:
    """Test the accuracy difference of two classifiers on the messages both answered.

    The interval is a paired percentile bootstrap (scipy), the p-value McNemar's exact test
    (statsmodels): the same messages were put to both, so an unpaired test would waste power.
    """
    import numpy as np
    from statsmodels.stats.contingency_tables import mcnemar

    theirs = {record.id: record.is_right for record in second.records}
    pairs = [(record.is_right, theirs[record.id]) for record in first.records if record.id in theirs]
    if not pairs:
        raise BenchError(f"'{first.cell.classifier}' and '{second.cell.classifier}' answered no message in common")
    a, b = np.array(pairs, dtype=float).T
    only_a, only_b = int(((a == 1) & (b == 0)).sum()), int(((a == 0) & (b == 1)).sum())
    both, neither = int(((a == 1) & (b == 1)).sum()), int(((a == 0) & (b == 0)).sum())
    difference = float((a - b).mean())
    interval = Interval(difference, difference)
    if (a != b).any():
        interval = bootstrap_interval((a - b,), np.mean, n_resamples=RESAMPLES, seed=seed)
    p_value = float(mcnemar([[both, only_a], [only_b, neither]], exact=True).pvalue)
    needed = needed_messages(only_a / len(pairs), only_b / len(pairs))
    names = first.cell.classifier, second.cell.classifier
    return Pair(*names, len(pairs), difference, interval, p_value, only_a, only_b, p_value, needed)


def needed_messages(only_first: float, only_second: float, *, level: float = 0.05, power: float = 0.8) -> int | None:
    """Give how many messages McNemar's test needs to tell two classifiers apart.

    Args:
        only_first: share of messages that only the first gets right.
        only_second: share that only the second gets right.
        level: two-sided level of significance.
        power: chance of finding the difference.

    Returns:
        The sample size of Connor 1987 (Biometrics 43:207), or None where the shares are equal.
    """
    from scipy.stats import norm

    difference, differing = abs(only_first - only_second), only_first + only_second
    if not difference:
        return None
    alpha, beta = float(norm.ppf(1 - level / 2)), float(norm.ppf(power))
    root = alpha * math.sqrt(differing) + beta * math.sqrt(differing - difference**2)
    return math.ceil((root / difference) ** 2)


def all_pairs(rows: Sequence[Row]) -> list[Pair]:
    """Compare every two classifiers that have answers, p-values corrected for their number.

    Seeds of one row are not set against each other: their spread is what it is.
    """
    scored = combinations([row for row in rows if row.scores], 2)
    return corrected([compare(a, b) for a, b in scored if not a.cell.row or a.cell.row != b.cell.row])


def corrected(pairs: Sequence[Pair]) -> list[Pair]:
    """Give the pairs with p-values corrected for their number (Holm 1979, statsmodels)."""
    from statsmodels.stats.multitest import multipletests

    if not pairs:
        return []
    p_values = multipletests([pair.p_value for pair in pairs], method="holm")[1]
    return [replace(pair, holm_p_value=float(p)) for pair, p in zip(pairs, p_values, strict=True)]


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
    """Give the messages on which at least two classifiers agree against the gold label and none is for it."""
    found = []
    for message in answers_by_message(rows):
        answers = [record for record in message.answers.values() if record.valid]
        if len(answers) < 2 or any(record.is_right for record in answers):
            continue
        answer, n = Counter(record.predicted for record in answers).most_common(1)[0]
        sure = [r.confidence for r in answers if r.predicted == answer and r.confidence is not None]
        if n > 1:
            mean = sum(sure) / len(sure) if sure else None
            found.append(Suspect(message.id, message.text, message.gold, answer, n, len(message.answers), mean))
    return sorted(found, key=lambda one: (-one.n_agreeing, -(one.confidence or 0.0)))


def answers_by_message(rows: Sequence[Row]) -> Iterator[Disagreement]:
    """Give every test message that all classifiers answered, with the answers side by side."""
    scored = [row for row in rows if row.scores]
    by_id = {row.cell.classifier: {record.id: record for record in row.records} for row in scored}
    for record in scored[0].records if scored else ():
        if all(record.id in answers for answers in by_id.values()):
            answers = {name: found[record.id] for name, found in by_id.items()}
            yield Disagreement(record.id, record.text, record.gold, answers)


def disagreements(
    rows: Sequence[Row],
    *,
    pair: tuple[str, str] | None = None,
    label: str | None = None,
    right: Right | None = None,
) -> list[Disagreement]:
    """Give the messages on which classifiers differ.

    Args:
        rows: the table's rows.
        pair: look at these two only.
        label: only messages with this gold label.
        right: only where the first, the second, both or neither of the pair is right (needs a pair).
    """
    chosen = [row for row in rows if not pair or row.cell.classifier in pair]
    found = (d for d in answers_by_message(chosen) if d.differs)
    return [d for d in found if (not label or label in d.gold) and (not right or _who(d, pair) == right)]


def _who(disagreement: Disagreement, pair: tuple[str, str] | None) -> Right:
    first, second = (disagreement.is_right(name) for name in pair or tuple(disagreement.answers)[:2])
    if first and second:
        return "both"
    return "first" if first else "second" if second else "neither"
