"""Read CSV and TSV row by row without losing any.

Python's csv reads in strict mode. Pandas and pyarrow take a quote that is never closed for the beginning of a cell and
put all rows up to the next quote into it, without a word; here such a quote is an error that names its line.
"""

from __future__ import annotations

import csv
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from classifiers.errors import BenchError

SEPARATORS = (",", ";", "\t", "|")
DECLARED = "sep="
"""How spreadsheets name the separator in a line above the header."""
MAX_LISTED = 200
"""Characters of column names in an error text."""


@dataclass(frozen=True, slots=True)
class Header:
    """The header of a CSV or TSV file: its column names without surrounding spaces, and what separates cells."""

    names: tuple[str, ...]
    separator: str
    line: int
    has_spaces: bool = False


def read_separated(path: Path, wanted: Sequence[str]) -> Iterator[tuple[int, dict[str, str]]]:
    """Read each row with the line it begins on; blank rows are left out, cells that a short row lacks are empty.

    Raises:
        BenchError: naming the line of a quote without end, of a row with more cells than the header or equal to it.
    """
    with path.open(encoding="utf-8-sig", newline="") as stream:
        header = read_header(path, stream, wanted)
        width = len(header.names)
        for line, cells in _cells(path, stream, header):
            if not any(cells):
                continue
            if len(cells) > width:
                raise BenchError(f"{path}:{line}: the line has more cells than the header ({len(cells)}, not {width})")
            if [cell.strip() for cell in cells] == list(header.names):
                raise BenchError(f"{path}:{line}: the line repeats the header, as joined files do; delete it")
            yield line, dict(zip(header.names, [*cells, *[""] * (width - len(cells))], strict=True))


def read_header(path: Path, stream: Any, wanted: Sequence[str]) -> Header:
    """Read the header, and find the separator with which it names the wanted columns.

    The usual separator of the file's kind is tried first; a first line such as `sep=;` decides.
    """
    csv.field_size_limit(sys.maxsize)  # one message may be longer than csv's 128 KiB
    line, first = 1, stream.readline()
    separators = sorted(SEPARATORS, key=lambda separator: separator != ("\t" if path.suffix == ".tsv" else ","))
    if first.casefold().startswith(DECLARED):
        separators = [first.rstrip("\r\n")[len(DECLARED) :] or ","]
        line, first = 2, stream.readline()
    while first and not first.strip():
        line, first = line + 1, stream.readline()
    if not first:
        raise BenchError(f"{path}: is empty; it needs a header line and messages")
    headers = [_header(path, first, separator, line) for separator in separators]
    header = next((header for header in headers if set(wanted) <= set(header.names)), headers[0])
    check_columns(header.names, wanted, f"{path}:{line}")
    return header


def _header(path: Path, text: str, separator: str, line: int) -> Header:
    try:
        cells = next(csv.reader([text], delimiter=separator, strict=True))
    except (csv.Error, TypeError, ValueError) as error:
        raise BenchError(f"{path}:{line}: the header cannot be read: {error}") from error
    names = [cell.strip() for cell in cells]
    if names.count("") > 1:  # trailing separators, as spreadsheets write them
        names = [name or f"column {i}" for i, name in enumerate(names, start=1)]
    return Header(tuple(names), separator, line, any(cell.startswith(" ") for cell in cells))


def check_columns(names: Sequence[str], wanted: Sequence[str], where: str) -> None:
    """See that no column stands twice and that the wanted ones are there: that of the texts, then that of the labels.

    Raises:
        BenchError: with the nearest name where one is missing.
    """
    keys = dict(zip(wanted, ("text", "label"), strict=False)) if len(wanted) <= 2 else {}
    if double := next((name for name, n in Counter(names).items() if n > 1), None):
        raise BenchError(f"{where}: two columns have the same name, '{double}'; rename one")
    for column in wanted:
        if column not in names:
            by_folded = {name.strip().casefold(): name for name in names}
            close = get_close_matches(column.casefold(), by_folded, n=1, cutoff=0.6)
            hint = f"; did you mean '{by_folded[close[0]]}'" if close else ""
            listed = " ".join(", ".join(f"'{name}'" for name in names).split())[:MAX_LISTED]
            key = f"; `{keys[column]}` (--{keys[column]}) names another" if column in keys else ""
            raise BenchError(f"{where}: no column '{column}' (columns: {listed}){hint}{key}")


def _cells(path: Path, stream: Any, header: Header) -> Iterator[tuple[int, list[str]]]:
    lines = _Remembered(stream)
    reader = csv.reader(
        lines, delimiter=header.separator, strict=True, skipinitialspace=header.has_spaces and header.separator != "\t"
    )
    while True:
        begin = header.line + reader.line_num + 1
        lines.row = []
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise BenchError(f"{path}:{begin}: {_why(lines.row, str(error))}") from error
        yield begin, cells


class _Remembered:
    """Lines of a stream; `row` holds those of the row that is being read, for the error text."""

    def __init__(self, stream: Iterator[str]) -> None:
        self._stream = stream
        self.row: list[str] = []

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = next(self._stream)
        self.row.append(line)
        return line


def _why(row: Sequence[str], error: str) -> str:
    """Say what is wrong with the quotes of a row that csv refuses."""
    if '\\"' in "".join(row):
        return 'a quote is escaped by a backslash, \\"; write it twice, ""'
    if len(row) > 1 or "end of data" in error:
        return (
            'a quote opens here and is not closed; close it, or quote the cell and write the quote inside it twice, ""'
        )
    return f'a quote stands inside a quoted cell; write it twice, "" ({error})'
