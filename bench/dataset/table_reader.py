"""Read messages from CSV, TSV, JSONL and Parquet files and from the Hub.

A message's id is `file:line`, so that every complaint about it can be looked up.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar, get_args

from bench.config.tables import DataConfig
from bench.dataset.cells import labels_of, plain, text_of
from bench.dataset.parts import Part
from bench.dataset.row_reader import Row, check_text, first_line, read_rows, reading, with_class_names
from bench.dataset.separated import SEPARATORS, check_columns
from classifiers.errors import BenchError
from classifiers.interface import Message
from classifiers.plurals import number_of

SAMPLED = "rows were sampled"
"""What the warning about a table says that was not read whole."""
SAMPLE_SEED = 0
"""The same in all runs, so that runs with other seeds work on the same messages."""
MAX_NAMED = 3
"""Lines that a warning names."""


@dataclass(frozen=True, slots=True)
class Table:
    """The messages of one table, and what a reader must be told where they are not all of its rows.

    `n_left_out` is how many rows were not sampled.
    """

    messages: tuple[Message, ...]
    warnings: tuple[str, ...] = ()
    n_left_out: int = 0


def read_table(path: Path, config: DataConfig, name: str = "") -> Table:
    """Read one file's messages; their ids begin with `name`, by default the file's.

    Raises:
        BenchError: naming file and line.
    """
    wanted = _wanted(config)
    rows, n = sample(read_rows(path, wanted), config.max_messages)
    if not n:
        raise BenchError(f"{path}: is empty; it needs a header line and messages")
    check_columns(_columns(rows), wanted, f"{path}:1")
    with reading(path):
        table = _table(rows, n, name or path.name, config)
    if path.suffix in (".csv", ".tsv"):
        _check_rows_are_whole(table.messages, _columns(rows), config)
    return table


def read_hub(
    name: str, config: DataConfig, subset: str | None = None, revision: str | None = None
) -> dict[Part, Table]:
    """Read a data set of the Hub, or a `subset` of it, through `datasets`; class numbers become their names.

    Raises:
        BenchError: if it cannot be read or lacks the columns.
    """
    import datasets

    from classifiers.models.download import hub_answers

    if not hub_answers():
        raise BenchError(f"hf:{name} is not available: the Hub cannot be reached; give the path of a local file")
    try:
        parts = datasets.load_dataset(name, subset, revision=revision)
    except (OSError, ValueError, datasets.exceptions.DatasetsError) as error:
        raise BenchError(f"hf:{name} is not available: {first_line(error)}") from error
    return {part: _hub_part(rows, f"{name}/{part}", config) for part, rows in parts.items() if part in get_args(Part)}


def _hub_part(dataset: object, name: str, config: DataConfig) -> Table:
    check_columns(dataset.column_names, _wanted(config), f"hf:{name}")  # type: ignore[attr-defined]
    schema = dataset.features.arrow_schema  # type: ignore[attr-defined]
    rows, n = sample(with_class_names(dataset, schema, name), config.max_messages)  # type: ignore[arg-type]
    return _table(rows, n, name, config)


def _wanted(config: DataConfig) -> tuple[str, ...]:
    group = (config.group,) if config.group else ()
    return (config.text, *(config.label_columns or (config.label,)), *group)


def _columns(rows: Iterable[Row]) -> list[str]:
    return list(dict.fromkeys(column for _, row in rows for column in row))


T = TypeVar("T")


def sample(rows: Iterable[T], most: int) -> tuple[list[T], int]:
    """Return all rows, or a random sample of `most` of them, in their order; and how many rows there are.

    Rows are sampled while they are read, so a table of any size takes only the memory of the sample.
    """
    import numpy as np

    rng = np.random.default_rng(SAMPLE_SEED)
    n = 0

    def with_lots() -> Iterator[tuple[float, int, T]]:
        nonlocal n
        for n, row in enumerate(rows, start=1):
            yield rng.random(), n, row

    kept = heapq.nsmallest(most, with_lots())
    return [row for _, _, row in sorted(kept, key=lambda lot: lot[1])], n


def sampled_table(name: str, kept: Sequence[Message], n: int) -> Table:
    """Return the messages that were sampled from n rows, with a warning where these are more."""
    return Table(tuple(kept), _sampled_warning(name, len(kept), n), n - len(kept))


def _sampled_warning(name: str, kept: int, n: int) -> tuple[str, ...]:
    text = f"{name}: {kept:,} of {n:,} {SAMPLED}; raise max_messages under [data] to take more"
    return (text,) if kept < n else ()


def _table(rows: Sequence[Row], n: int, name: str, config: DataConfig) -> Table:
    """Make messages of the rows that were sampled from n."""
    warnings = [*_sampled_warning(name, len(rows), n)]
    messages, blank = [], []
    for line, row in rows:
        message = _message(row, f"{name}:{line}", config)
        if message.text:
            messages.append(message)
        elif config.blanks == "refuse":
            raise BenchError(f"{name}:{line}: column '{config.text}' is empty; blanks = \"skip\" leaves such rows out")
        else:
            blank.append(line)
    if blank:
        shown = ", ".join(map(str, blank[:MAX_NAMED])) + (" …" if len(blank) > MAX_NAMED else "")
        rows_in_all = number_of(len(rows), "row")
        warnings.append(f"{name}: left out, as they have no text: {len(blank):,} of {rows_in_all} (line {shown})")
    if config.group and (alone := sum(not message.group for message in messages)):
        without = number_of(alone, "message")
        warnings.append(f"{name}: {without} without {config.group}, each counted as a group of its own")
    if not messages:
        raise BenchError(f"{name}: column '{config.text}' is empty in every row")
    return Table(tuple(messages), tuple(warnings), n - len(rows))


def _message(row: Mapping[str, object], id_: str, config: DataConfig) -> Message:
    text = text_of(row.get(config.text), f"{id_}: column '{config.text}'")
    used = _wanted(config)
    columns = {column: plain(value) for column, value in row.items() if column not in used}
    group = text_of(row.get(config.group), f"{id_}: column '{config.group}'") if config.group else ""
    message = Message(id_, text, labels_of(row, id_, config) if text else (), columns, group)
    for cell in (text, *message.labels, *columns.values(), group):
        check_text(cell, f"{id_}: a cell")
    return message


def _check_rows_are_whole(messages: Sequence[Message], columns: Sequence[str], config: DataConfig) -> None:
    """See that no cell of several lines holds rows, as where a later quote happens to close an earlier one."""
    if config.label not in columns:
        return
    labels = {label for message in messages for label in message.labels}
    place = list(columns).index(config.label)
    for message in messages:
        for line in message.text.splitlines()[:-1]:
            rows = [line.split(separator) for separator in SEPARATORS]
            if any(len(cells) == len(columns) and cells[place].strip() in labels for cells in rows):
                raise BenchError(f"{message.id}: a cell holds the row '{line[:40]}'; close the quote that opens here")
