"""The one table type of a report, and its lines in Markdown."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Table:
    """A table of texts; `bold` holds (row, column) places; the first column is left-aligned.

    `can_turn` says that rows and columns may change places where the table is too wide.
    """

    title: str
    head: tuple[str, ...]
    body: tuple[tuple[str, ...], ...]
    bold: frozenset[tuple[int, int]] = frozenset()
    notes: tuple[str, ...] = ()
    can_turn: bool = True


def table_section(table: Table) -> list[str]:
    """Give a table as a section of a document: heading, lines and notes."""
    return [f"## {table.title}", "", *table_lines(table), "", *map(escaped, table.notes), ""]


def table_lines(table: Table) -> Iterator[str]:
    """Give a table's lines, the best figures in bold."""
    yield "| " + " | ".join(map(escaped, table.head)) + " |"
    yield "|" + " --- |" + " ---: |" * (len(table.head) - 1)
    for i, cells in enumerate(table.body):
        texts = (f"**{escaped(c)}**" if (i, j) in table.bold else escaped(c) for j, c in enumerate(cells))
        yield "| " + " | ".join(texts) + " |"


def escaped(text: str) -> str:
    """Keep a text from being read as Markdown or HTML."""
    for sign in "\\|<>*_`[]":
        text = text.replace(sign, f"\\{sign}" if sign not in "<>" else {"<": "&lt;", ">": "&gt;"}[sign])
    return text
