"""Refuse data that cannot be used, and say what a reader of the results must know of the rest."""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterator, Sequence

from bench.config.tables import DataConfig
from classifiers.errors import BenchError
from classifiers.interface import Message, Task
from classifiers.plurals import number_of

NUMBER = re.compile(r"[+-]?\d+(\.\d+)?")


def check_messages(task: Task, messages: Sequence[Message], config: DataConfig) -> tuple[str, ...]:
    """Refuse what cannot be used; return what a reader of the results must be told.

    Raises:
        BenchError: naming the first message, or the label, that is at fault.
    """
    if not any(message.labels for message in messages):
        raise BenchError(f"{task.name}: no message has a label")
    _check_labels(task, config)
    for message in messages:
        if not message.labels and not task.takes_several:
            raise BenchError(f'{message.id}: has no label; where that may be, give labels_per_message = "any"')
        if len(message.labels) > task.max_labels:
            labels = number_of(len(message.labels), "label")
            raise BenchError(f"{message.id}: has {labels}; allowed are at most {task.max_labels}")
    return (*_contradiction_warning(messages, config), *_look_alikes(task))


def _check_labels(task: Task, config: DataConfig) -> None:
    for name in task.label_names:
        if control := [character for character in name if unicodedata.category(character) == "Cc"]:
            raise BenchError(f"label {name!r} holds the control character {control[0]!r}; take it out")
    other = config.oos_label
    if other and (task.takes_several or other not in task.label_names):
        raise BenchError(f"oos_label '{other}' must be a label of the data, whose messages have one label each")
    if len(config.learnt(task).labels) < 2:
        raise BenchError(f"{task.name}: all messages have one label; two or more are needed")


def _contradiction_warning(messages: Sequence[Message], config: DataConfig) -> Iterator[str]:
    pairs = _contradictions(messages)
    if pairs and config.contradictions == "refuse":
        raise BenchError(f'{pairs[0]}; correct one of them, or give contradictions = "report"')
    if pairs:
        contradicting = number_of(len(pairs), "message")
        yield f"{contradicting} with another label than the same text before: nobody is right on all ({pairs[0]})"


def _contradictions(messages: Sequence[Message]) -> list[str]:
    """Name every text that stands twice with different labels: one of the two must be wrong."""
    first: dict[str, Message] = {}
    pairs = []
    for message in messages:
        other = first.setdefault(message.text, message)
        if other.labels != message.labels:
            both = f"'{', '.join(message.labels)}', but {other.id} gives it '{', '.join(other.labels)}'"
            pairs.append(f"{message.id}: the same text has label {both}")
    return pairs


def _look_alikes(task: Task) -> Iterator[str]:
    """Warn of labels that people would take for one: `TRUE` and `true`, `1` and `1.0`, NFC and NFD, odd spaces."""
    groups: dict[str, list[str]] = defaultdict(list)
    for name in task.label_names:
        groups[_look(name)].append(name)
    for names in groups.values():
        if len(names) > 1:
            shown = ", ".join(f"{name!a}" for name in names)
            yield f"the labels {shown} look alike and are taken for different ones; write them in one way"


def _look(name: str) -> str:
    text = unicodedata.normalize("NFKC", name).casefold()
    text = " ".join("".join(c for c in text if unicodedata.category(c) != "Cf").split())
    return repr(float(text)) if NUMBER.fullmatch(text) else text
