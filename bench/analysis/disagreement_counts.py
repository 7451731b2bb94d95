"""How often classifiers disagree, and how often each of them stands alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bench.analysis.compare import answers_by_message
from bench.analysis.rows import Row


@dataclass(frozen=True, slots=True)
class Alone:
    """One classifier's wrong answers, and the messages that it alone gets right or wrong."""

    classifier: str
    wrong: int
    only_right: int
    only_wrong: int


@dataclass(frozen=True, slots=True)
class DisagreementCounts:
    """Of `n` messages that all classifiers answered: on how many any two differ, and how many none gets right."""

    n: int
    differ: int
    none_right: int
    all_right: int
    classifiers: tuple[Alone, ...]


def disagreement_counts(rows: Sequence[Row]) -> DisagreementCounts:
    """Count over the messages that all of these classifiers answered."""
    names = [row.name for row in rows if row.scores]
    messages = list(answers_by_message(rows))
    right = [[name for name in names if message.is_right(name)] for message in messages]
    wrong = [[name for name in names if name not in who] for who in right]
    return DisagreementCounts(
        n=len(messages),
        differ=sum(message.differs for message in messages),
        none_right=sum(not who for who in right),
        all_right=sum(not who for who in wrong),
        classifiers=tuple(
            Alone(name, sum(name in who for who in wrong), right.count([name]), wrong.count([name])) for name in names
        ),
    )
