"""The one table type of a report, what it is about, and its lines in Markdown."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

from bench.report.sanitize import one_line

TEXT = re.compile(r"[^\W\d_]{3,}")
"""A word: figures carry units of two letters at most."""


class Topic(Enum):
    """What a table is about: the parts of a report, in their order, by their headings."""

    SUMMARY = "Results"
    CURVE = "Learning curve"
    QUALITY = "Quality"
    COST = "Speed and cost"
    DIFFERENCES = "Differences"
    LABELS = "Per label"
    LLM = "Prompts and retries"
    ROBUSTNESS = "Robustness"


@dataclass(frozen=True, slots=True)
class Table:
    """A table of texts; `bold` holds (row, column) places.

    `can_turn` says that rows and columns may change places where the table is too wide; `is_main` that it belongs to
    the few which a terminal shows unasked; `is_drawn` that a chart shows the same figures.
    """

    title: str
    head: tuple[str, ...]
    body: tuple[tuple[str, ...], ...]
    bold: frozenset[tuple[int, int]] = frozenset()
    notes: tuple[str, ...] = ()
    can_turn: bool = True
    topic: Topic = Topic.QUALITY
    is_main: bool = False
    is_drawn: bool = False

    def columns(self) -> list[tuple[str, ...]]:
        """Return the body's cells column by column."""
        return [tuple(cells[j] for cells in self.body) for j in range(len(self.head))]

    @property
    def is_text(self) -> tuple[bool, ...]:
        """Tell of each column whether it holds words, which stand on the left; figures stand on the right."""
        return tuple(j == 0 or any(map(TEXT.search, column)) for j, column in enumerate(self.columns()))


def table_section(table: Table) -> list[str]:
    """Return a table as a section of a document: heading, lines and notes."""
    return [f"## {escaped(table.title)}", "", *table_lines(table), "", *map(escaped, table.notes), ""]


def titled_lines(table: Table) -> list[str]:
    """Return a table as a part of a section: its title in bold, lines and notes."""
    notes = [*map(escaped, table.notes), ""] if table.notes else []
    return [f"**{escaped(table.title)}**", "", *table_lines(table), "", *notes]


def table_lines(table: Table) -> Iterator[str]:
    """Yield a table's lines, the best figures in bold."""
    yield "| " + " | ".join(map(escaped, table.head)) + " |"
    yield "|" + "".join(" --- |" if is_text else " ---: |" for is_text in table.is_text)
    for i, cells in enumerate(table.body):
        texts = (f"**{escaped(c)}**" if (i, j) in table.bold else escaped(c) for j, c in enumerate(cells))
        yield "| " + " | ".join(texts) + " |"


def escaped(text: str) -> str:
    """Keep a text from being read as Markdown or HTML, and on one line: a line break would end a table's row."""
    text = one_line(text)
    for sign in "\\|<>*_`[]":
        text = text.replace(sign, f"\\{sign}" if sign not in "<>" else {"<": "&lt;", ">": "&gt;"}[sign])
    return text
