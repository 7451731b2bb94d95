"""What a table's cell says: its text, or the labels of its message, in the forms that files and data sets have them."""

from __future__ import annotations

import ast
import json
from collections.abc import Mapping

from bench.config.tables import DataConfig
from classifiers.errors import BenchError

YES, NO = ("1", "1.0", "true", "yes"), ("", "0", "0.0", "false", "no")
MAX_LIST = 10_000
"""Characters of a cell that is tried as a written list."""


def plain(value: object) -> str:
    """Return any cell as text without surrounding spaces, empty where there is none; lists in their Python form."""
    is_nan = isinstance(value, float) and value != value
    if isinstance(value, bytes):
        value = value.decode(errors="replace")
    return "" if value is None or is_nan else str(value).strip()


def text_of(value: object, where: str) -> str:
    """Return a cell that must be text or a number; raises BenchError that says what it is instead."""
    if isinstance(value, Mapping | list | tuple):
        raise BenchError(f"{where} holds {describe(value)}; give a column of plain texts")
    try:
        return plain(value.decode() if isinstance(value, bytes) else value)
    except UnicodeDecodeError as error:
        raise BenchError(f"{where} holds bytes that are not UTF-8 ({error.reason}); save it as text") from error


def describe(value: object) -> str:
    """Say what a nested cell is: `a list of objects with the keys 'role', 'content'`."""
    if isinstance(value, Mapping):
        return "an object with the keys " + ", ".join(f"'{key}'" for key in value)
    if isinstance(value, list | tuple):
        inside = describe(value[0]).removeprefix("an ").replace("object with", "objects with", 1) if value else ""
        return f"a list of {inside}" if inside and isinstance(value[0], Mapping) else "a list"
    return "plain text"


def labels_of(row: Mapping[str, object], where: str, config: DataConfig) -> tuple[str, ...]:
    """Read a message's labels: columns of 0 and 1, a list, a text with separators or a written list, or one label."""
    if config.label_columns:
        marks = {column: text_of(row.get(column), where).casefold() for column in config.label_columns}
        if strange := [column for column, mark in marks.items() if mark not in (*YES, *NO)]:
            raise BenchError(f"{where}: column '{strange[0]}' must be 0 or 1")
        return tuple(column for column, mark in marks.items() if mark in YES)
    cell = f"{where}: column '{config.label}'"
    value = row.get(config.label)
    listed = value if isinstance(value, list | tuple) else _written_list(value, cell)
    if config.takes_several:
        parts = [value] if listed is None else listed
        if config.separator and isinstance(value, str) and listed is None:
            parts = value.split(config.separator)
        return tuple(dict.fromkeys(name for part in parts if (name := text_of(part, cell))))
    if listed is not None:
        raise BenchError(f'{cell} holds lists; give labels_per_message = "any"')
    if not (label := text_of(value, cell)):
        raise BenchError(f"{cell} is empty")
    return (label,)


def _written_list(value: object, where: str) -> list[object] | None:
    """Read a list that was written into a text cell, as JSON or as Python; None for any other cell.

    Raises:
        BenchError: for one that Python would read otherwise than it stands, such as numpy's without commas.
    """
    text = value.strip() if isinstance(value, str) else ""
    if not (text.startswith("[") and text.endswith("]")) or len(text) > MAX_LIST:
        return None
    for read in (json.loads, ast.literal_eval):
        try:
            listed = read(text)
        except (ValueError, SyntaxError, RecursionError, MemoryError):
            continue
        if read is json.loads or repr(listed) == text:
            return list(listed)
        raise BenchError(f"{where} holds {text[:40]}, a list that cannot be read; write it as JSON")
    return None
