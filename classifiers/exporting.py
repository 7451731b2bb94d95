"""What a trained classifier is exported as, for programs that people already use.

A backend that can be exported writes a form that another program opens, and says by which lines. The caller adds what
a run knows and a backend does not: thresholds on its probabilities, scores, and where the data came from.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal, Protocol, runtime_checkable

import tomli

from classifiers.errors import BenchError
from classifiers.interface import Message, Task

Graph = Literal["onnx", "onnx-int8"]
USAGES = Path(__file__).with_name("usages.toml")


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which ONNX graphs to add, and messages on which their answers are compared with the model's."""

    graphs: tuple[Graph, ...] = ()
    messages: Sequence[Message] = ()

    def refuse_graphs(self, what: str) -> None:
        """See that no graph is asked of what has none.

        Raises:
            BenchError: if one is.
        """
        if self.graphs:
            raise BenchError(f"{what} has no ONNX form; leave out --onnx and --int8")


@dataclass(frozen=True, slots=True)
class Usage:
    """Lines that run an exported classifier in its folder, the program they run under and their language."""

    program: str
    language: str
    code: str


@dataclass(frozen=True, slots=True)
class Deployment:
    """What an export wrote.

    Attributes:
        library: the program that opens it, as the Hub names it.
        usages: how it is run, the plainest way first.
        base_model: the model it was made from, by the name in the config; empty where it was made from none.
        max_length: tokens behind which a message is cut; None where none is.
        thresholds: from which probability each label is given, in the task's order, where a message may have several.
        n_messages: messages of the data that can be read in its files.
        notes: what its users must be told.
    """

    library: str
    usages: tuple[Usage, ...]
    base_model: str = ""
    max_length: int | None = None
    thresholds: tuple[float, ...] = ()
    n_messages: int = 0
    notes: tuple[str, ...] = ()


@runtime_checkable
class Exportable(Protocol):
    """A classifier that other programs run once it is exported."""

    def export(self, folder: Path, wanted: Wanted) -> Deployment:
        """Write everything that another program needs into `folder`, which exists and is empty.

        Raises:
            BenchError: if there is no such form of it as it was fitted; the line says why.
        """


def usage(name: str, task: Task) -> Usage:
    """Return the lines by which a program runs what is exported, by their name in usages.toml.

    They begin with `texts` and end with `labels`, what is answered to each.
    """
    shown = _usages()[name]
    decide = "several" if task.takes_several else "one"
    return Usage(shown["program"], "python", shown["code"] + (_usages()["decide"][decide] if shown["decides"] else ""))


@cache
def _usages() -> dict[str, dict[str, str]]:
    """Read the usages; `decides` says of those that give probabilities that the labels follow from them."""
    usages: dict[str, dict[str, str]] = tomli.loads(USAGES.read_text(encoding="utf-8"))
    return usages
