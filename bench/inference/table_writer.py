"""Write tables piece by piece: CSV, TSV, JSONL and Parquet, beside the output and renamed when it is whole."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.dataset.row_reader import check_kind, first_line
from bench.inference.column_types import as_text
from bench.inference.formulas import defused
from bench.inference.table_stream import LINE
from classifiers.errors import BenchError

if TYPE_CHECKING:
    import pyarrow as pa

Write = Callable[["pa.RecordBatch"], None]


def write_pieces(path: Path, pieces: Iterable[pa.RecordBatch], *, kept: Collection[str] = ()) -> int:
    """Write a new file and return its number of rows.

    In CSV and TSV, texts that a spreadsheet would run as a formula get an apostrophe, except those of columns in
    `kept`, which stay as they came.

    Raises:
        BenchError: if it cannot be written.
    """
    import pyarrow as pa

    check_kind(path)
    beside = path.with_name(f".{path.name}.new")
    writers = {".parquet": _parquet_writer, ".jsonl": _jsonl_writer}
    is_separated = path.suffix not in writers
    rows = 0
    try:
        with writers.get(path.suffix, _csv_writer)(beside) as write:
            for piece in pieces:
                write(_defused(piece, kept) if is_separated else piece)
                rows += piece.num_rows
        beside.replace(path)
    except (pa.ArrowException, OSError) as error:
        raise BenchError(f"{path}: cannot be written: {first_line(error)}") from error
    finally:
        beside.unlink(missing_ok=True)
    return rows


def _defused(piece: pa.RecordBatch, kept: Collection[str]) -> pa.RecordBatch:
    import pyarrow as pa

    columns = [
        pa.array([None if text is None else defused(text) for text in column.to_pylist()], pa.string())
        if name not in kept and column.type in (pa.string(), pa.large_string())
        else column
        for name, column in zip(piece.schema.names, piece.columns, strict=True)
    ]
    return pa.RecordBatch.from_arrays(columns, names=piece.schema.names)


@contextmanager
def _csv_writer(path: Path) -> Iterator[Write]:
    from pyarrow import csv

    options = csv.WriteOptions(delimiter="\t" if ".tsv" in path.suffixes else ",", quoting_style="needed")
    with _arrow_writer(path, lambda schema: csv.CSVWriter(path, schema, write_options=options)) as write:
        yield write


@contextmanager
def _parquet_writer(path: Path) -> Iterator[Write]:
    from pyarrow import parquet

    with _arrow_writer(path, lambda schema: parquet.ParquetWriter(path, schema)) as write:
        yield write


@contextmanager
def _arrow_writer(path: Path, make: Callable[[Any], Any]) -> Iterator[Write]:
    """Open one of pyarrow's writers with the first piece, whose columns it needs to know."""
    writer = None

    def write(piece: pa.RecordBatch) -> None:
        nonlocal writer
        writer = writer or make(piece.schema)
        writer.write(piece)

    path.touch()
    try:
        yield write
    finally:
        if writer:
            writer.close()


@contextmanager
def _jsonl_writer(path: Path) -> Iterator[Write]:
    with path.open("w", encoding="utf-8", newline="\n") as stream:

        def write(piece: pa.RecordBatch) -> None:
            stream.writelines(_json_line(row) + "\n" for row in piece.to_pylist())

        yield write


def _json_line(row: dict[str, Any]) -> str:
    """Return a row as JSON; one that came as JSON stays to the letter, and what is new stands behind it."""
    line = row.pop(LINE, None)
    values = as_text(row) or ""
    if line is None:
        return values
    before = line.rstrip().removesuffix("}").rstrip()
    return f"{before}{'' if before.endswith('{') else ', '}{values[1:]}"
