"""Read messages from CSV, TSV, JSONL and Parquet files and from the Hub, with readers others keep.

The message's id is `file:line`, so that every complaint about it can be looked up. The files are other people's:
whatever is in them, what comes out is messages or a BenchError.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from bench.config_tables import DataConfig
from bench.records import Part
from classifiers.interface import BenchError, Message

if TYPE_CHECKING:
    import pandas as pd

LINE = "__line__"
"""The column a row's number is kept in."""
MOST_LISTED = 200
"""Characters of column names in an error text."""
DRAW = 0
"""The seed rows are drawn with: one for all runs, so that other seeds still work on the same messages."""
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
    frame = _frame(path)
    if frame.empty:
        raise BenchError(f"{path}: is empty; it needs a header line and messages")
    _check_columns(frame, f"{path}:1", config)
    try:
        return _table(frame, path.name, config)
    except RecursionError as error:
        raise BenchError(f"{path}: a cell is nested too deeply to be read") from error


def read_hub(name: str, config: DataConfig) -> dict[Part, Table]:
    """Read a data set of the Hub through `datasets`; class numbers become their names.

    Raises:
        BenchError: if it cannot be had or lacks the columns.
    """
    import datasets

    from classifiers.sources import hub_answers

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
    return _table(frame, name, config)


def _check_columns(frame: pd.DataFrame, where: str, config: DataConfig) -> None:
    names = [str(column) for column in frame.columns if column != LINE]
    for column in (config.text, *(config.label_columns or (config.label,))):
        if column not in names:
            listed = " ".join(", ".join(names).split())[:MOST_LISTED]
            raise BenchError(f"{where}: no column '{column}' (columns: {listed})")


def _table(frame: pd.DataFrame, name: str, config: DataConfig) -> Table:
    """Give a table's messages; of one with too many rows as many as may be, drawn by chance, in their order."""
    most = config.most_messages
    if len(frame) <= most:
        return Table(tuple(_messages(frame, name, config)))
    drawn = frame.sample(most, random_state=DRAW).sort_index()
    warning = f"{name}: {most:,} of {len(frame):,} rows were drawn by chance; most_messages under [data] takes more"
    return Table(tuple(_messages(drawn, name, config)), (warning,))


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


def _frame(path: Path) -> pd.DataFrame:
    import pandas as pd
    import pyarrow as pa

    readers = {".csv": _read_separated, ".tsv": _read_separated, ".jsonl": _read_jsonl, ".parquet": _read_parquet}
    if path.suffix not in readers:
        raise BenchError(f"{path}: unknown kind of file (known: {', '.join(readers)})")
    try:
        return readers[path.suffix](path)
    except pd.errors.EmptyDataError as error:
        raise BenchError(f"{path}: is empty; it needs a header line and messages") from error
    except UnicodeDecodeError as error:
        line = path.read_bytes()[: error.start].count(b"\n") + 1
        raise BenchError(f"{path}:{line}: not UTF-8; save it as UTF-8") from error
    except OSError as error:
        raise BenchError(f"{path}: cannot be read: {error.strerror or _first_line(error)}") from error
    except (pa.ArrowException, ValueError, OverflowError) as error:
        raise BenchError(f"{path}: cannot be read: {_first_line(error)}") from error


def _first_line(error: Exception) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__)


def _read_separated(path: Path) -> pd.DataFrame:
    import io

    import pandas as pd

    text = path.read_bytes().decode("utf-8-sig")
    frame = pd.read_csv(
        io.StringIO(text),
        sep="\t" if path.suffix == ".tsv" else ",",
        dtype=str,
        keep_default_na=False,
        skip_blank_lines=False,
    )
    if not isinstance(frame.index, pd.RangeIndex):
        # pandas would take the first cells for names of the rows, and every other cell for its neighbour
        raise BenchError(f"{path}:2: the line has more cells than the header")
    # a quoted cell may hold line breaks, so a row's line is counted, not computed
    breaks = sum((frame[c].astype(str).str.count("\n") for c in frame.columns), start=0)
    frame[LINE] = 2 + pd.Series(range(len(frame))) + (pd.Series(breaks).cumsum() - breaks)
    blank = (frame.drop(columns=LINE).fillna("") == "").all(axis=1)
    return frame[~blank]


def _read_jsonl(path: Path) -> pd.DataFrame:
    import json

    import pandas as pd

    rows = []
    for number, line in enumerate(path.read_bytes().decode("utf-8-sig").split("\n"), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise BenchError(f"{path}:{number}: not JSON: {error}") from error
        if not isinstance(row, dict):
            raise BenchError(f"{path}:{number}: not a JSON object")
        for name in row:
            _check_text(name, f"{path}:{number}: the name of a column")
        rows.append({**row, LINE: number})
    return pd.DataFrame(rows, dtype=object)


def _read_parquet(path: Path) -> pd.DataFrame:
    """Read rows as plain Python values; what pandas may have written of its own into the file is left alone."""
    import pandas as pd
    from pyarrow import parquet

    with parquet.ParquetFile(path) as file:
        table = file.read()
    names = [name for name in table.column_names if not name.startswith(PANDAS_INDEX)]
    if len(set(names)) < len(names):
        raise BenchError(f"{path}: two columns have the same name")
    frame = pd.DataFrame(table.select(names).to_pylist(), dtype=object)
    frame[LINE] = range(1, len(frame) + 1)
    return frame
