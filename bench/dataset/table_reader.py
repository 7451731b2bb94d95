"""Read messages from CSV, TSV, JSONL and Parquet files and from the Hub, with readers others keep.

The message's id is `file:line`, so that every complaint about it can be looked up. The files are other people's:
whatever is in them, what comes out is messages or a BenchError.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from bench.config.tables import DataConfig
from bench.dataset.parts import Part
from classifiers.errors import BenchError
from classifiers.interface import Message

if TYPE_CHECKING:
    import pandas as pd

LINE = "__line__"
"""The column a row's number is kept in."""
MAX_LISTED = 200
"""Characters of column names in an error text."""
DRAW = 0
"""The seed rows are drawn with: one for all runs, so that other seeds still work on the same messages."""
LOT = "__lot__"
"""The column of the numbers that decide which rows are drawn: the lowest."""
PIECE = 50_000
"""Rows that are read at a time."""
PANDAS_INDEX = "__index_level_"
"""How pandas names the numbers of rows where it keeps them in a Parquet file."""


@dataclass(frozen=True, slots=True)
class Table:
    """The messages of one table, and what a reader must be told where they are not all of its rows."""

    messages: tuple[Message, ...]
    warnings: tuple[str, ...] = ()


def read_table(path: Path, config: DataConfig) -> Table:
    """Read one file's messages.

    Raises:
        BenchError: naming file and line.
    """
    frame, n = _frame(path, config.max_messages)
    if not n:
        raise BenchError(f"{path}: is empty; it needs a header line and messages")
    _check_columns(frame, f"{path}:1", config)
    try:
        return _table(frame, n, path.name, config)
    except RecursionError as error:
        raise BenchError(f"{path}: a cell is nested too deeply to be read") from error


def read_hub(name: str, config: DataConfig) -> dict[Part, Table]:
    """Read a data set of the Hub through `datasets`; class numbers become their names.

    Raises:
        BenchError: if it cannot be had or lacks the columns.
    """
    import datasets

    from classifiers.models.download import hub_answers

    if not hub_answers():
        raise BenchError(f"hf:{name} cannot be had: the Hub cannot be reached; give the path of a local file")
    try:
        parts = datasets.load_dataset(name)
    except (OSError, ValueError, datasets.exceptions.DatasetsError) as error:
        raise BenchError(f"hf:{name} cannot be had: {str(error).splitlines()[0]}") from error
    return {part: _hub_part(rows, f"{name}/{part}", config) for part, rows in parts.items() if part in get_args(Part)}


def _hub_part(rows: object, name: str, config: DataConfig) -> Table:
    import pandas as pd

    frame = pd.DataFrame(rows.to_list(), dtype=object)  # type: ignore[attr-defined]
    feature = rows.features.get(config.label)  # type: ignore[attr-defined]
    names = getattr(feature, "names", None)
    names_in_lists = getattr(getattr(feature, "feature", None), "names", None)
    _check_columns(frame, f"hf:{name}", config)
    if names:
        # a row without a label, as of some test parts, has the number -1
        frame[config.label] = [names[i] if i is not None and i >= 0 else None for i in frame[config.label]]
    elif names_in_lists:
        frame[config.label] = [[names_in_lists[i] for i in own] for own in frame[config.label]]
    frame[LINE] = range(1, len(frame) + 1)
    return _table(*_drawn([frame], config.max_messages), name, config)


def _check_columns(frame: pd.DataFrame, where: str, config: DataConfig) -> None:
    names = [str(column) for column in frame.columns if column != LINE]
    for column in (config.text, *(config.label_columns or (config.label,))):
        if column not in names:
            listed = " ".join(", ".join(names).split())[:MAX_LISTED]
            raise BenchError(f"{where}: no column '{column}' (columns: {listed})")


def _drawn(frames: Iterable[pd.DataFrame], most: int) -> tuple[pd.DataFrame, int]:
    """Give all rows, or as many as may be, drawn by chance, in their order; and how many there are.

    Rows are drawn while they are read, so that a table of any size takes the memory of those drawn.
    """
    import numpy as np
    import pandas as pd

    chance = np.random.default_rng(DRAW)
    kept: list[pd.DataFrame] = []
    n = 0
    for frame in frames:
        n += len(frame)
        kept.append(frame.assign(**{LOT: chance.random(len(frame))}))
        if n > most:
            kept = [pd.concat(kept).nsmallest(most, LOT).sort_values(LINE)]
    return (pd.concat(kept).drop(columns=LOT) if kept else pd.DataFrame()), n


def _table(frame: pd.DataFrame, n: int, name: str, config: DataConfig) -> Table:
    """Give the messages of rows that were drawn of n."""
    messages = tuple(_messages(frame, name, config))
    if len(frame) == n:
        return Table(messages)
    drawn = f"{name}: {len(frame):,} of {n:,} rows were drawn by chance; max_messages under [data] takes more"
    return Table(messages, (drawn,))


def _messages(frame: pd.DataFrame, name: str, config: DataConfig) -> Iterator[Message]:
    used = (config.text, LINE, *(config.label_columns or (config.label,)))
    others = [c for c in frame.columns if c not in used]
    for row in frame.to_dict("records"):
        id_ = f"{name}:{row[LINE]}"
        text = _cell(row[config.text])
        if not text:
            raise BenchError(f"{id_}: column '{config.text}' is empty")
        message = Message(id_, text, _labels(row, id_, config), {str(c): _cell(row[c]) for c in others})
        for found in (text, *message.labels, *message.columns.values()):
            _check_text(found, f"{id_}: a cell")
        yield message


def _check_text(text: str, what: str) -> None:
    """See that a text can be written as UTF-8: JSON can hold half of a surrogate pair, which no file can."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        half = f"\\u{ord(text[error.start]):04x}"
        raise BenchError(f"{what} holds {half}, half of a surrogate pair, which is no text; correct it") from error


YES, NO = ("1", "1.0", "true", "yes"), ("", "0", "0.0", "false", "no")


def _labels(row: Mapping[Hashable, object], id_: str, config: DataConfig) -> tuple[str, ...]:
    """Read a message's labels: columns of 0 and 1, a list, a text with separators, or one label."""
    if config.label_columns:
        marks = {column: _cell(row[column]).casefold() for column in config.label_columns}
        if strange := [column for column, mark in marks.items() if mark not in (*YES, *NO)]:
            raise BenchError(f"{id_}: column '{strange[0]}' must be 0 or 1")
        return tuple(column for column, mark in marks.items() if mark in YES)
    value = row[config.label]
    if config.takes_several:
        parts = [value] if isinstance(value, str) else value if isinstance(value, Iterable) else [_cell(value)]
        if config.separator and isinstance(value, str):
            parts = value.split(config.separator)
        return tuple(dict.fromkeys(name for part in parts if (name := _cell(part))))
    if not isinstance(value, str) and isinstance(value, Iterable):
        raise BenchError(f"{id_}: column '{config.label}' holds lists; give labels_per_message = \"any\"")
    if not (label := _cell(value)):
        raise BenchError(f"{id_}: column '{config.label}' is empty")
    return (label,)


def _cell(value: object) -> str:
    is_nan = isinstance(value, float) and value != value
    return "" if value is None or is_nan else str(value).strip()


def _frame(path: Path, most: int) -> tuple[pd.DataFrame, int]:
    """Give at most so many of a file's rows, and how many it has."""
    import pandas as pd
    import pyarrow as pa

    readers = {".csv": _read_separated, ".tsv": _read_separated, ".jsonl": _read_jsonl, ".parquet": _read_parquet}
    if path.suffix not in readers:
        raise BenchError(f"{path}: unknown kind of file (known: {', '.join(readers)})")
    try:
        return _drawn(readers[path.suffix](path), most)
    except pd.errors.EmptyDataError as error:
        raise BenchError(f"{path}: is empty; it needs a header line and messages") from error
    except UnicodeDecodeError as error:
        raise BenchError(f"{path}:{_line_not_utf8(path)}: not UTF-8; save it as UTF-8") from error
    except OSError as error:
        raise BenchError(f"{path}: cannot be read: {error.strerror or _first_line(error)}") from error
    except (pa.ArrowException, ValueError, OverflowError) as error:
        raise BenchError(f"{path}: cannot be read: {_first_line(error)}") from error


def _line_not_utf8(path: Path) -> int:
    """Find the first line of a file that is not UTF-8."""
    with path.open("rb") as stream:
        for number, line in enumerate(stream, start=1):
            try:
                line.decode()
            except UnicodeDecodeError:
                return number
    return 1


def _first_line(error: Exception) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__)


def _read_separated(path: Path) -> Iterator[pd.DataFrame]:
    import pandas as pd

    line = 2
    with (
        path.open(encoding="utf-8-sig", newline="") as stream,
        pd.read_csv(
            stream,
            sep="\t" if path.suffix == ".tsv" else ",",
            dtype=str,
            keep_default_na=False,
            skip_blank_lines=False,
            chunksize=PIECE,
        ) as pieces,
    ):
        for frame in pieces:
            if not isinstance(frame.index, pd.RangeIndex):
                # pandas would take the first cells for names of the rows, and every other cell for its neighbour
                raise BenchError(f"{path}:2: the line has more cells than the header")
            # a quoted cell may hold line breaks, so a row's line is counted, not computed
            breaks = sum((frame[c].astype(str).str.count("\n") for c in frame.columns), start=0)
            lines = 1 + pd.Series(breaks, index=frame.index)
            frame[LINE] = line + lines.cumsum() - lines
            line += int(lines.sum())
            blank = (frame.drop(columns=LINE).fillna("") == "").all(axis=1)
            yield frame[~blank]


def _read_jsonl(path: Path) -> Iterator[pd.DataFrame]:
    with path.open(encoding="utf-8-sig", newline="\n") as stream:
        numbered = enumerate(stream, start=1)
        while rows := [_json_row(line, f"{path}:{number}", number) for number, line in islice(numbered, PIECE)]:
            yield _rows([row for row in rows if row])


def _json_row(line: str, where: str, number: int) -> dict[str, object]:
    """Give an object with its line's number, empty for a blank line."""
    import json

    if not line.strip():
        return {}
    try:
        row = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise BenchError(f"{where}: not JSON: {error}") from error
    if not isinstance(row, dict):
        raise BenchError(f"{where}: not a JSON object")
    for name in row:
        _check_text(name, f"{where}: the name of a column")
    return {**row, LINE: number}


def _rows(rows: Sequence[Mapping[str, object]]) -> pd.DataFrame:
    """Give rows as a table of plain Python values."""
    import pandas as pd

    return pd.DataFrame(rows, dtype=object)


def _read_parquet(path: Path) -> Iterator[pd.DataFrame]:
    """Read rows as plain Python values; what pandas may have written of its own into the file is left alone."""
    from pyarrow import parquet

    number = 1
    with parquet.ParquetFile(path) as file:
        names = [name for name in file.schema_arrow.names if not name.startswith(PANDAS_INDEX)]
        if len(set(names)) < len(names):
            raise BenchError(f"{path}: two columns have the same name")
        for batch in file.iter_batches(PIECE):
            frame = _rows(batch.select(names).to_pylist())
            frame[LINE] = range(number, number + len(frame))
            number += len(frame)
            yield frame
