"""The one table type of a report."""

from __future__ import annotations

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
