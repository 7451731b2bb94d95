"""Results by slice: where a classifier is weaker than its overall accuracy tells."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from bench.analysis.clusters import right_design
from bench.analysis.compare import Disagreement, answers_by_message
from bench.analysis.label_scores import Interval
from bench.analysis.rows import Row
from bench.analysis.scores import wilson_interval

MAX_VALUES = 20
LENGTH = "length"
LENGTHS = ((6, "up to 6 words"), (12, "7 to 12 words"), (25, "13 to 25 words"))
LONGEST = "over 25 words"


@dataclass(frozen=True, slots=True)
class Part:
    """One value of a slice: its messages and each classifier's accuracy on them with a Wilson interval."""

    value: str
    n: int
    accuracy: dict[str, tuple[float, Interval]]


@dataclass(frozen=True, slots=True)
class Slice:
    """The test messages divided by one property: lengths from short to long, else the commonest value first."""

    name: str
    parts: tuple[Part, ...]


def slices(rows: Sequence[Row]) -> Iterator[Slice]:
    """Divide the test messages by length and by every column of the data set with 2 to 20 values."""
    messages = list(answers_by_message(rows))
    if not messages:
        return
    yield _slice(LENGTH, messages, lambda m: length_of(m.text))
    for name in sorted({name for message in messages for name in message.columns}):
        values = {message.columns.get(name, "") for message in messages}
        if 2 <= len(values) <= MAX_VALUES:
            yield _slice(name, messages, lambda m, name=name: m.columns.get(name, ""))  # type: ignore[misc]


def length_of(text: str) -> str:
    """Return the band of a text's number of words."""
    n = len(text.split())
    return next((name for most, name in LENGTHS if n <= most), LONGEST)


def _slice(name: str, messages: Sequence[Disagreement], value: Callable[[Disagreement], str]) -> Slice:
    groups: dict[str, list[Disagreement]] = {}
    for message in messages:
        groups.setdefault(value(message), []).append(message)
    parts = [
        Part(value, len(members), {c: _accuracy(members, c) for c in members[0].answers})
        for value, members in groups.items()
    ]
    bands = [band for _, band in LENGTHS]
    in_order = (lambda p: bands.index(p.value) if p.value in bands else len(bands)) if name == LENGTH else None
    return Slice(name, tuple(sorted(parts, key=in_order or (lambda part: -part.n))))


def _accuracy(messages: Sequence[Disagreement], classifier: str) -> tuple[float, Interval]:
    records = [message.answers[classifier] for message in messages]
    right, n = sum(record.is_right for record in records), len(records)
    return right / n, wilson_interval(right, n, design=right_design(records))
