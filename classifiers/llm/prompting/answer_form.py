"""How answers to a task are written, read and corrected: one label, or a list of them.

Everything else about prompting is the same for both, so that what asks (a model in this process, or a server)
needs to know only this.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from classifiers.errors import BenchError
from classifiers.interface import Task
from classifiers.llm.prompting.grammar import label_grammar, label_list_grammar
from classifiers.llm.prompting.label_names import untellable
from classifiers.llm.prompting.parse import Parsed, parse_answer, parse_labels
from classifiers.llm.prompting.spelling import exact


def readable_names(task: Task) -> tuple[str, ...]:
    """Return label names as words ("card_arrival" as "card arrival"), or as they are where two would be equal."""
    spaced = tuple(" ".join(name.replace("_", " ").split()) for name in task.label_names)
    return spaced if len(set(map(exact, spaced))) == len(spaced) else task.label_names


class AnswerForm(ABC):
    """The form of a task's answers; `names` are the labels as the model reads and writes them."""

    def __init__(self, task: Task) -> None:
        self.task = task
        self.names = readable_names(task)
        self._readable = dict(zip(task.label_names, self.names, strict=True))

    @abstractmethod
    def write(self, labels: Sequence[str]) -> str:
        """Return the answer that names these labels."""

    @abstractmethod
    def parse(self, raw: str) -> Parsed:
        """Read an answer."""

    @property
    @abstractmethod
    def request(self) -> str:
        """Say in a sentence what an answer must be, for an objection."""

    @property
    @abstractmethod
    def grammar(self) -> str:
        """Return the GBNF grammar of answers."""

    @property
    @abstractmethod
    def schema(self) -> dict[str, Any]:
        """Return the JSON schema of one answer within an object, for servers that hold answers to one."""

    @property
    @abstractmethod
    def longest(self) -> str:
        """Return the longest answer the grammar allows."""


class OneLabel(AnswerForm):
    """An answer is the name of one label."""

    def write(self, labels: Sequence[str]) -> str:
        """Return the answer that names this label."""
        (label,) = labels
        return self._readable[label]

    def parse(self, raw: str) -> Parsed:
        """Read an answer as exactly one label."""
        return parse_answer(raw, self.task.label_names)

    @property
    def request(self) -> str:
        """Ask for one label."""
        return f"Answer with exactly one of: {', '.join(self.names)}."

    @property
    def grammar(self) -> str:
        """Allow the label names."""
        return label_grammar(self.names)

    @property
    def schema(self) -> dict[str, Any]:
        """Allow the label names."""
        return {"type": "string", "enum": list(self.names)}

    @property
    def longest(self) -> str:
        """Return the longest name."""
        return max(self.names, key=lambda name: len(name.encode()))


class LabelList(AnswerForm):
    """An answer is a JSON list of none to several label names."""

    def write(self, labels: Sequence[str]) -> str:
        """Return the list of these labels."""
        return json.dumps([self._readable[label] for label in labels], ensure_ascii=False)

    def parse(self, raw: str) -> Parsed:
        """Read an answer as a list of labels."""
        return parse_labels(raw, self.task.label_names, self.task.max_labels)

    @property
    def request(self) -> str:
        """Ask for a list."""
        return f"Answer with a JSON list of the labels that apply, [] for none, out of: {', '.join(self.names)}."

    @property
    def grammar(self) -> str:
        """Allow lists of label names."""
        return label_list_grammar(self.names, self.task.max_labels)

    @property
    def schema(self) -> dict[str, Any]:
        """Allow lists of label names."""
        items = {"type": "string", "enum": list(self.names)}
        return {"type": "array", "items": items, "maxItems": self.task.max_labels}

    @property
    def longest(self) -> str:
        """Return a list as long as any."""
        longest = max(self.names, key=lambda name: len(json.dumps(name, ensure_ascii=False).encode()))
        return json.dumps([longest] * self.task.max_labels, ensure_ascii=False)


@lru_cache(maxsize=16)
def form_of(task: Task) -> AnswerForm:
    """Return the form of a task's answers.

    Raises:
        BenchError: if answers could not tell two of its labels apart.
    """
    if reason := unanswerable(task):
        raise BenchError(reason)
    return _form_of(task)


@lru_cache(maxsize=16)
def unanswerable(task: Task) -> str | None:
    """Return why a model's words cannot give this task's labels, or None where they can."""
    if reason := untellable(task.label_names):
        return reason
    form = _form_of(task)
    for label in task.label_names:
        for written in (form.write([label]), json.dumps({"label": form.write([label])})):
            if (read := form.parse(written).labels) != (label,) and not (task.takes_several and written[0] == "{"):
                return f"the label {label!r}, written {written!r}, would be read as {list(read)}; rename one of them"
    if task.takes_several and (read := form.parse(form.write([])).labels):
        return f"the label {read[0]!r} is how a message without labels is answered; rename it"
    return None


def _form_of(task: Task) -> AnswerForm:
    return LabelList(task) if task.takes_several else OneLabel(task)
