"""Read the rows of CSV, TSV, JSONL and Parquet files as plain Python values, each with the line it stands on.

The files are other people's: whatever is in them, what comes out is rows or a BenchError that names file and line.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.dataset.separated import check_columns, read_separated
from classifiers.errors import BenchError

if TYPE_CHECKING:
    import pyarrow as pa

KINDS = (".csv", ".tsv", ".jsonl", ".parquet")
PIECE = 10_000
"""Parquet rows that are read at a time."""
PANDAS_INDEX = "__index_level_"
"""How pandas names the numbers of rows where it keeps them in a Parquet file."""

Row = tuple[int, Mapping[str, object]]
"""A line's number, counted from 1, and its cells."""


def check_kind(path: Path) -> None:
    """See that a file's name ends in a kind that can be read and written."""
    if path.suffix not in KINDS:
        raise BenchError(f"{path}: unknown kind of file (known: {', '.join(KINDS)})")


def read_rows(path: Path, wanted: Sequence[str]) -> Iterator[Row]:
    """Read a file's rows; `wanted` are columns that its header must name.

    Raises:
        BenchError: naming file and line.
    """
    check_kind(path)
    readers = {".jsonl": _read_jsonl, ".parquet": _read_parquet}
    with reading(path):
        yield from readers.get(path.suffix, read_separated)(path, wanted)


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turn what readers of files raise into one line that names the file."""
    import pyarrow as pa

    try:
        yield
    except UnicodeDecodeError as error:
        raise BenchError(f"{path}:{_line_not_utf8(path)}: not UTF-8; save it as UTF-8") from error
    except OSError as error:
        raise BenchError(f"{path}: cannot be read: {error.strerror or first_line(error)}") from error
    except RecursionError as error:
        raise BenchError(f"{path}: a cell is nested too deeply to be read") from error
    except (pa.ArrowException, csv.Error, ValueError, OverflowError) as error:
        raise BenchError(f"{path}: cannot be read: {first_line(error)}") from error


def first_line(error: Exception) -> str:
    """Return the first line of an error's text, or its type where it has none."""
    return next(iter(str(error).strip().splitlines()), type(error).__name__)


def _line_not_utf8(path: Path) -> int:
    """Find the first line of a file that is not UTF-8."""
    with path.open("rb") as stream:
        for number, line in enumerate(stream, start=1):
            try:
                line.decode()
            except UnicodeDecodeError:
                return number
    return 1


def _read_jsonl(path: Path, wanted: Sequence[str]) -> Iterator[Row]:
    for number, _, row in read_json_lines(path):
        yield number, row


def read_json_lines(path: Path) -> Iterator[tuple[int, str, dict[str, object]]]:
    """Read the objects of a JSONL file, each with its line's number and its text; blank lines are left out."""
    with path.open(encoding="utf-8-sig", newline="\n") as stream:
        for number, line in enumerate(stream, start=1):
            if line.strip():
                yield number, line, _json_row(line, f"{path}:{number}")


def _json_row(line: str, where: str) -> dict[str, object]:
    try:
        row = json.loads(line, object_pairs_hook=_without_doubles)
    except (ValueError, RecursionError) as error:
        raise BenchError(f"{where}: not JSON: {error}") from error
    if not isinstance(row, dict):
        raise BenchError(f"{where}: not a JSON object")
    for name in row:
        check_text(name, f"{where}: the name of a column")
    return row


def _without_doubles(pairs: Sequence[tuple[str, object]]) -> dict[str, object]:
    values = dict(pairs)
    if len(values) < len(pairs):
        raise ValueError("a key stands twice in one object")
    return values


def check_text(text: str, what: str) -> None:
    """See that a text can be written as UTF-8: JSON can hold half of a surrogate pair, which no file can."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        half = f"\\u{ord(text[error.start]):04x}"
        raise BenchError(f"{what} holds {half}, half of a surrogate pair, which is no text; correct it") from error


def _read_parquet(path: Path, wanted: Sequence[str]) -> Iterator[Row]:
    """Read rows as plain Python values; what pandas may have written of its own into the file is left alone."""
    from pyarrow import parquet

    with parquet.ParquetFile(path) as file:
        names = [name for name in file.schema_arrow.names if not name.startswith(PANDAS_INDEX)]
        check_columns(names, wanted, str(path))
        batches = (batch.select(names).to_pylist() for batch in file.iter_batches(PIECE))
        rows = (row for batch in batches for row in batch)
        yield from with_class_names(rows, file.schema_arrow, path.name)


def with_class_names(rows: Iterable[dict[str, Any]], schema: pa.Schema, name: str) -> Iterator[Row]:
    """Number rows from 1, and put names in place of class numbers where the schema has them, as the Hub's data do.

    Raises:
        BenchError: for a number that no class has.
    """
    classes = {column: names for column in schema.names if (names := _class_names(schema, column))}
    for number, row in enumerate(rows, start=1):
        named = {c: _named(row[c], names, f"{name}:{number}: column '{c}'") for c, names in classes.items()}
        yield number, {**row, **named}


def _class_names(schema: pa.Schema, column: str) -> list[str]:
    """Read the class names that `datasets` keeps in a schema's metadata; none where the column has none."""
    try:
        feature = json.loads(schema.metadata[b"huggingface"])["info"]["features"][column]
        names = feature.get("names") or feature["feature"]["names"]
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError):
        return []
    return names if isinstance(names, list) and all(isinstance(name, str) for name in names) else []


def _named(value: object, names: Sequence[str], where: str) -> object:
    if isinstance(value, list):
        return [_named(item, names, where) for item in value]
    if not isinstance(value, int) or value == -1:  # a row without a label, as of some test parts, has the number -1
        return value if isinstance(value, str) else None
    if not 0 <= value < len(names):
        raise BenchError(f"{where} is {value}, but the file names {len(names)} classes, 0 to {len(names) - 1}")
    return names[value]
