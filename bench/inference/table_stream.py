"""Read and write tables of any size piece by piece: CSV, TSV, JSONL and Parquet, with pyarrow.

A piece is a record batch of a few thousand rows. Where its bounds fall depends on the file alone, so
that a job which was broken off finds the same pieces again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from classifiers.errors import BenchError

if TYPE_CHECKING:
    import pyarrow as pa

KINDS = (".csv", ".tsv", ".jsonl", ".parquet")
BLOCK_BYTES = 1 << 18
PARQUET_ROWS = 2048

Piece = tuple["pa.RecordBatch", float]
"""Some rows, and the share of the file that has been read with them, 0 to 1."""


def read_pieces(path: Path) -> Iterator[Piece]:
    """Give a file's rows in pieces; cells of CSV and TSV stay the texts they are.

    Raises:
        BenchError: if the file cannot be read; one line that names it.
    """
    import pyarrow as pa

    check_kind(path)
    try:
        with path.open("rb") as stream:
            yield from _read_parquet(stream) if path.suffix == ".parquet" else _read_lines(path, stream)
    except pa.ArrowException as error:
        raise BenchError(f"{path}: cannot be read: {str(error).strip().splitlines()[0]}") from error
    except OSError as error:
        raise BenchError(f"{path}: cannot be read: {error.strerror or error}") from error


def check_kind(path: Path) -> None:
    """See that a file's name ends in a kind that can be read and written."""
    if path.suffix not in KINDS:
        raise BenchError(f"{path}: unknown kind of file (known: {', '.join(KINDS)})")


def _read_parquet(stream: Any) -> Iterator[Piece]:
    from pyarrow import parquet

    file = parquet.ParquetFile(stream)
    done = 0
    for batch in file.iter_batches(PARQUET_ROWS):
        done += batch.num_rows
        yield batch, done / max(file.metadata.num_rows, 1)


def _read_lines(path: Path, stream: Any) -> Iterator[Piece]:
    size = max(path.stat().st_size, 1)
    for batch in _open_jsonl(stream) if path.suffix == ".jsonl" else _open_csv(stream, _separator(path)):
        if batch.num_rows:
            yield batch, stream.tell() / size


def _open_jsonl(stream: Any) -> Any:
    from pyarrow import json

    return json.open_json(stream, json.ReadOptions(block_size=BLOCK_BYTES, use_threads=False))


def _open_csv(stream: Any, separator: str) -> Any:
    """Open with every column as text: types guessed from the first block would fail on a later one."""
    import pyarrow as pa
    from pyarrow import csv

    reading = csv.ReadOptions(block_size=BLOCK_BYTES, use_threads=False)
    parsing = csv.ParseOptions(delimiter=separator, newlines_in_values=True)
    names = csv.open_csv(stream, reading, parsing).schema.names
    stream.seek(0)
    texts = csv.ConvertOptions(column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=False)
    return csv.open_csv(stream, reading, parsing, texts)


def _separator(path: Path) -> str:
    return "\t" if path.suffix == ".tsv" else ","


def write_pieces(path: Path, pieces: Iterable[pa.RecordBatch]) -> int:
    """Write a new file beside `path` and rename it when it is whole; give the number of rows.

    Raises:
        BenchError: if it cannot be written, or a column has no form in this kind of file.
    """
    import pyarrow as pa

    check_kind(path)
    beside = path.with_name(f".{path.name}.new")
    writers = {".parquet": _parquet_writer, ".jsonl": _jsonl_writer}
    rows = 0
    try:
        with writers.get(path.suffix, _csv_writer)(beside) as write:
            for piece in pieces:
                write(piece)
                rows += piece.num_rows
        beside.replace(path)
    except (pa.ArrowException, OSError) as error:
        raise BenchError(f"{path}: cannot be written: {str(error).strip().splitlines()[0]}") from error
    finally:
        beside.unlink(missing_ok=True)
    return rows


Write = Callable[[Any], None]


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

    def write(piece: Any) -> None:
        nonlocal writer
        writer = writer or make(piece.schema)
        writer.write(piece)

    path.touch()
    yield write
    if writer:
        writer.close()


@contextmanager
def _jsonl_writer(path: Path) -> Iterator[Write]:
    import json

    with path.open("w", encoding="utf-8") as stream:

        def write(piece: Any) -> None:
            stream.writelines(json.dumps(row, ensure_ascii=False, default=str) + "\n" for row in piece.to_pylist())

        yield write
