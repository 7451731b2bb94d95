"""What an LLM is asked in other words: the same labels in another order, or with other definitions.

An answer that depends on either says as much of the prompt as of the message. Only classifiers that build a prompt of
the task when they are taken up can be asked so; to all others order and definitions are of no account.
"""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import tomli

from classifiers.errors import BenchError, check_known
from classifiers.interface import Task

AS_CONFIGURED = "as configured"
NO_DEFINITIONS = "no definitions"
MAX_DRAWS = 100
"""Draws of an order until one is new; two labels have but one other order."""

Definitions = Mapping[str, Mapping[str, str]]
"""A definition by label, for every variant by its name; a label that a variant leaves out keeps its own."""


@dataclass(frozen=True, slots=True)
class Wording:
    """One way to put a task, by name."""

    name: str
    task: Task

    @property
    def fingerprint(self) -> str:
        """Return a hash of the labels' order and definitions, 8 hexadecimal digits."""
        labels = [(label.name, label.definition) for label in self.task.labels]
        return hashlib.sha256(json.dumps(labels).encode()).hexdigest()[:8]


def wordings(task: Task, *, orders: int, definitions: Definitions, seed: int) -> list[Wording]:
    """Return the task as it is and every other wording of it; empty where there is no other.

    The task as it is gets asked anew: in other batches a quantised model rounds otherwise, and an answer that changes
    with the batch must not count as one that changes with the wording.

    Args:
        task: as classifiers are told it.
        orders: how many other orders of the labels are drawn, where there are so many.
        definitions: variants a person declared.
        seed: of the orders.
    """
    others = [Wording(f"option order {i}", other) for i, other in enumerate(_orders(task, orders, seed), start=1)]
    if any(label.definition for label in task.labels):
        others.append(Wording(NO_DEFINITIONS, _defined(task, dict.fromkeys(task.label_names, ""))))
    others += [Wording(f"definitions: {name}", _defined(task, texts)) for name, texts in definitions.items()]
    return [Wording(AS_CONFIGURED, task), *others] if others else []


def _orders(task: Task, n: int, seed: int) -> Iterator[Task]:
    rng = random.Random(f"{seed}:option order")
    seen = {task.labels}
    for _ in range(n * MAX_DRAWS):
        if len(seen) > n:
            return
        labels = tuple(rng.sample(task.labels, len(task.labels)))
        if labels not in seen:
            seen.add(labels)
            yield replace(task, labels=labels)


def _defined(task: Task, definitions: Mapping[str, str]) -> Task:
    labels = (replace(label, definition=definitions.get(label.name, label.definition)) for label in task.labels)
    return replace(task, labels=tuple(labels))


def read_definitions(path: Path, task: Task) -> dict[str, dict[str, str]]:
    """Read declared variants: a TOML file with a table per variant, in it a definition per label.

    Raises:
        BenchError: if it cannot be read, is no such file, or names a label that is none.
    """
    try:
        variants = tomli.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomli.TOMLDecodeError) as error:
        raise BenchError(f"{path} cannot be read: {error}; give a TOML file with a table per variant") from error
    for name, texts in variants.items():
        if not isinstance(texts, dict) or not all(isinstance(text, str) for text in texts.values()):
            raise BenchError(
                f'{path}: {name} must be a table of definitions, such as [{name}] "{task.label_names[0]}" = "..."'
            )
        check_known(texts, task.label_names, what=f"label in [{name}] of {path}")
    return variants
