"""Read tables of any size piece by piece: CSV, TSV, JSONL and Parquet.

A first look through the whole file finds everything that would stop a job later: rows that cannot be read, cells that
hold no text, columns that the output has no form for. Where pieces end depends on the file alone, so that a job that
was broken off finds the same pieces again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.dataset.cells import text_of
from bench.dataset.row_reader import check_kind, check_text, read_json_lines, reading
from bench.dataset.separated import check_columns, read_separated
from bench.inference.column_types import ColumnTypes, as_text, table_schema
from classifiers.errors import BenchError

if TYPE_CHECKING:
    import pyarrow as pa

PIECE_ROWS = 2048
PIECE_CHARACTERS = 1 << 20
SURROGATE = "\\ud"
"""How JSON begins half of a surrogate pair."""
LINE = "__line__"
"""The column of a JSONL row's text where the output is JSONL too: its values then stay as they came."""


@dataclass(frozen=True, slots=True)
class Layout:
    """What a first look through a file has shown; `schema` is that of its pieces, `names` are the file's columns."""

    names: tuple[str, ...]
    schema: pa.Schema
    rows: int


@dataclass(frozen=True, slots=True)
class Piece:
    """Some rows, their texts, and the share of the file that has been read with them, 0 to 1."""

    batch: pa.RecordBatch
    texts: tuple[str, ...]
    share: float


@dataclass(frozen=True, slots=True)
class _Row:
    """A row of a CSV or JSONL file; `line` is what stands in the file, where it is JSONL."""

    text: str
    values: Mapping[str, Any]
    size: int
    line: str = ""


def examine(source: Path, target: Path, text: str) -> Layout:
    """Look through a whole file, and decide in what form its columns are written to `target`.

    Raises:
        BenchError: if a row cannot be read, the column `text` is missing or holds no texts, or there are no rows.
    """
    check_kind(source)
    check_kind(target)
    with reading(source):
        layout = _examine_parquet(source, target, text) if source.suffix == ".parquet" else None
        layout = layout or _examine_rows(source, target, text)
    if not layout.rows:
        raise BenchError(f"{source}: is empty; it needs rows to answer")
    return layout


def _examine_rows(source: Path, target: Path, text: str) -> Layout:
    import pyarrow as pa

    types = ColumnTypes(typed=source.suffix == ".jsonl" and target.suffix == ".parquet")
    n = 0
    for piece in _pieces(_read_rows(source, text)):
        n += len(piece)
        types.add([row.values for row in piece])
    if n:
        check_columns(types.names, [text], str(source))
    same = source.suffix == target.suffix == ".jsonl"
    return Layout(tuple(types.names), pa.schema([(LINE, pa.string())]) if same else types.schema(), n)


def _examine_parquet(source: Path, target: Path, text: str) -> Layout:
    from pyarrow import parquet

    with parquet.ParquetFile(source) as file:
        schema = file.schema_arrow
        check_columns(schema.names, [text], str(source))
        texts = chain.from_iterable(batch.column(0).to_pylist() for batch in file.iter_batches(columns=[text]))
        for number, value in enumerate(texts, start=1):
            text_of(value, f"{source}:{number}: column '{text}'")
        return Layout(tuple(schema.names), table_schema(schema, target), file.metadata.num_rows)


def read_pieces(source: Path, text: str, layout: Layout) -> Iterator[Piece]:
    """Read a file's rows in pieces of the layout's schema.

    Raises:
        BenchError: if the file cannot be read; one line that names it.
    """
    import pyarrow as pa

    done = 0
    with reading(source):
        batches = _read_parquet(source, text, layout) if source.suffix == ".parquet" else None
        for batch, texts in batches or _read_batches(source, text, layout):
            done += len(texts)
            yield Piece(pa.record_batch(batch, schema=layout.schema), texts, done / layout.rows)


def _read_batches(source: Path, text: str, layout: Layout) -> Iterator[tuple[Sequence[Any], tuple[str, ...]]]:
    import pyarrow as pa

    for piece in _pieces(_read_rows(source, text)):
        if layout.schema.names == [LINE]:
            columns = [pa.array([row.line for row in piece])]
        else:
            columns = [_column(field, [row.values.get(field.name) for row in piece]) for field in layout.schema]
        yield columns, tuple(row.text for row in piece)


def _column(field: pa.Field, values: Sequence[Any]) -> pa.Array:
    """Return values in the type that all of their column have in common."""
    import pyarrow as pa

    if field.type == pa.string():
        values = list(map(as_text, values))
    elif field.type == pa.float64():  # Arrow refuses whole numbers above 2^53 there
        values = [None if value is None else float(value) for value in values]
    return pa.array(values, field.type)


def _read_parquet(source: Path, text: str, layout: Layout) -> Iterator[tuple[Sequence[Any], tuple[str, ...]]]:
    from pyarrow import parquet

    with parquet.ParquetFile(source) as file:
        for batch in file.iter_batches(PIECE_ROWS):
            fields = zip(layout.schema, batch.columns, strict=True)
            columns = [c if field.type == c.type else _column(field, c.to_pylist()) for field, c in fields]
            texts = batch.column(text).to_pylist()
            yield columns, tuple(text_of(value, f"{source}: column '{text}'") for value in texts)


def _read_rows(source: Path, text: str) -> Iterator[_Row]:
    if source.suffix == ".jsonl":
        for number, line, values in read_json_lines(source):
            content = text_of(values.get(text), f"{source}:{number}: column '{text}'")
            if SURROGATE in line.casefold():
                check_text(as_text(values) or "", f"{source}:{number}: a cell")
            yield _Row(content, values, len(line), line)
        return
    for _, cells in read_separated(source, [text]):
        yield _Row(cells[text].strip(), cells, sum(map(len, cells.values())))


def _pieces(rows: Iterator[_Row]) -> Iterator[list[_Row]]:
    """Put rows together to pieces; one row longer than a piece may be is a piece of its own."""
    piece: list[_Row] = []
    size = 0
    for row in rows:
        if piece and (len(piece) == PIECE_ROWS or size + row.size > PIECE_CHARACTERS):
            yield piece
            piece, size = [], 0
        piece.append(row)
        size += row.size
    if piece:
        yield piece
