"""Fit a table into a terminal: no word is broken, no figure wrapped, nothing lost but the middle of long names.

A table that is too wide is turned on its side where that helps, or else divided into several, each beginning with
the first column.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from rich.cells import cell_len, chop_cells, set_cell_size

from bench.report.tables.table import Table

GAP = 2
"""Signs between two columns, and as many for the edges together."""
PROSE = 26
"""Signs above which a cell of several words may be wrapped between them."""
NAME_SHARE = 0.4
"""The share of the terminal that a name may take before its middle is left out."""
NARROWEST_NAME = 12
ARROWS = ("↑", "↓")


@dataclass(frozen=True, slots=True)
class Fitted:
    """A table, or a part of one, with the width of each of its columns."""

    table: Table
    widths: tuple[int, ...]


def fit(table: Table, width: int) -> list[Fitted]:
    """Return the tables to draw, each no wider than the terminal."""
    for candidate in _candidates(table, width):
        if widths := _widths(candidate, width):
            return [Fitted(candidate, widths)]
    return list(_divided(_short_names(table, width), width))


def fits(table: Table, width: int) -> bool:
    """Tell whether a table fits into `width` characters, its heads and prose wrapped between words."""
    return _widths(table, width) is not None


def _candidates(table: Table, width: int) -> Iterator[Table]:
    """Yield the ways to show a table whole, the best first."""
    short = _short_names(table, width)
    yield table
    if table.can_turn:
        yield _turned(table)
    yield short
    if table.can_turn:
        yield _turned(short)


def _widths(table: Table, width: int) -> tuple[int, ...] | None:
    """Return the columns' widths, heads and then prose wrapped between words where they must be; None: too wide."""
    room = width - GAP * len(table.head)
    columns = table.columns()
    cells = [_longest(column) for column in columns]
    whole = [max(cell, cell_len(head)) for cell, head in zip(cells, table.head, strict=True)]
    heads = [max(cell, _longest(_head_words(head))) for cell, head in zip(cells, table.head, strict=True)]
    prose = [
        max(min(least, PROSE), _longest(_head_words(head)), _longest_word(column)) if _is_prose(column) else least
        for least, head, column in zip(heads, table.head, columns, strict=True)
    ]
    for least in (whole, heads, prose):
        if sum(least) <= room:
            return tuple(_widened(least, whole, room - sum(least)))
    return None


def _widened(least: Sequence[int], wanted: Sequence[int], left: int) -> Iterator[int]:
    for narrow, most in zip(least, wanted, strict=True):
        more = min(most - narrow, left)
        left -= more
        yield narrow + more


def _is_prose(column: Sequence[str]) -> bool:
    return any(" " in cell and cell_len(cell) > PROSE for cell in column)


def _longest(texts: Sequence[str]) -> int:
    return max((cell_len(text) for text in texts), default=0)


def _longest_word(texts: Sequence[str]) -> int:
    return _longest([word for text in texts for word in text.split(" ")])


def head_lines(head: str, width: int) -> str:
    """Wrap a head between words; an arrow stays with what it stands behind."""
    lines = [""]
    for word in _head_words(head):
        longer = f"{lines[-1]} {word}".strip()
        if cell_len(longer) <= width:
            lines[-1] = longer
        else:
            lines.append(word)
    return "\n".join(filter(None, lines))


def _head_words(head: str) -> list[str]:
    words: list[str] = []
    for word in head.split(" "):
        if words and word in ARROWS:
            words[-1] += f" {word}"
        else:
            words.append(word)
    return words


def _divided(table: Table, width: int) -> Iterator[Fitted]:
    """Divide a table's columns among several; the notes stand under the last."""
    parts: list[list[int]] = []
    kept = [0]
    for j in range(1, len(table.head)):
        if len(kept) > 1 and _widths(_part(table, [*kept, j]), width) is None:
            parts.append(kept)
            kept = [0]
        kept.append(j)
    parts.append(kept)
    for i, places in enumerate(parts):
        part = _part(table, places, title=f"{table.title} ({i + 1} of {len(parts)})" if len(parts) > 1 else table.title)
        part = part if i == len(parts) - 1 else replace(part, notes=())
        yield Fitted(part, _widths(part, width) or _squeezed(part, width))


def _squeezed(table: Table, width: int) -> tuple[int, ...]:
    """Return widths that fit whatever is lost: only where a single column is wider than the terminal."""
    room = width - GAP * len(table.head)
    most = max(room // len(table.head), 1)
    return tuple(min(_longest([head, *column]), most) for head, column in zip(table.head, table.columns(), strict=True))


def _part(table: Table, places: Sequence[int], title: str = "") -> Table:
    """Return the columns at these places; a place in bold moves along."""
    pick = {j: new for new, j in enumerate(places)}
    return replace(
        table,
        title=title or table.title,
        head=tuple(table.head[j] for j in places),
        body=tuple(tuple(cells[j] for j in places) for cells in table.body),
        bold=frozenset((i, pick[j]) for i, j in table.bold if j in pick),
    )


def _turned(table: Table) -> Table:
    head = (table.head[0], *(row[0] for row in table.body))
    body = tuple((table.head[j], *(row[j] for row in table.body)) for j in range(1, len(table.head)))
    bold = frozenset((j - 1, i + 1) for i, j in table.bold if j)
    return replace(table, head=head, body=body, bold=bold)


def _short_names(table: Table, width: int) -> Table:
    """Leave out the middle of words longer than a share of the terminal, in heads and cells alike."""
    most = max(int(NAME_SHARE * width) - GAP, NARROWEST_NAME)

    def short(text: str) -> str:
        return " ".join(shortened_name(word, most) for word in text.split(" "))

    body = tuple(tuple(short(cell) for cell in cells) for cells in table.body)
    return replace(table, head=tuple(map(short, table.head)), body=body)


def shortened_name(name: str, most: int) -> str:
    """Leave out the middle of a name that is longer: names often begin alike and differ at their ends."""
    if cell_len(name) <= most:
        return name
    end = (most - 1) // 2
    tail = chop_cells(name[::-1], end)[0][::-1] if end else ""
    return set_cell_size(name, most - 1 - cell_len(tail)).rstrip() + "…" + tail
