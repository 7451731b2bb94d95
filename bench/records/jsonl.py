"""A file of records, one JSON object per line: appended and flushed line by line, or replaced whole."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import IO, Generic, TypeVar

from pydantic import TypeAdapter, ValidationError

from bench.files import replace_file
from classifiers.errors import BenchError

R = TypeVar("R")


def accept(_: object) -> None:
    """Find no fault with a record."""


MAX_SHOWN = 200
"""Characters of what an error text says of a record."""


class JsonLines(Generic[R]):
    """One JSON Lines file of one record type; `check` raises ValueError for a record that cannot be."""

    def __init__(self, path: Path, kind: type[R], check: Callable[[R], None] = accept) -> None:
        self.path = path
        self._adapter: TypeAdapter[R] = TypeAdapter(kind)
        self._check = check

    def read(self) -> list[R]:
        """Read all records; a last line that was cut off in writing is left out.

        Raises:
            BenchError: naming file and line, if any other line is broken.
        """
        return list(self._records())

    def repair(self) -> list[R]:
        """Read all records and make the file one that can be appended to: whole lines, the last one ended too."""
        records = self.read()
        if self.path.exists():
            whole = self.path.read_bytes().splitlines()[: len(records)]
            replace_file(self.path, b"".join(line + b"\n" for line in whole))
        return records

    def dump(self, records: Iterable[R]) -> bytes:
        """Return records as they stand in the file."""
        return b"".join(self._adapter.dump_json(record) + b"\n" for record in records)

    def append(self, records: Iterable[R], stream: IO[bytes]) -> None:
        """Write records at the end of an open file and flush them to the system."""
        stream.write(self.dump(records))
        stream.flush()

    def write(self, records: Iterable[R]) -> None:
        """Write a whole new file beside the old one and rename it."""
        replace_file(self.path, self.dump(records))

    def _records(self) -> Iterator[R]:
        if not self.path.exists():
            return
        lines = self._bytes().splitlines(keepends=True)
        for number, line in enumerate(lines, start=1):
            try:
                record = self._adapter.validate_json(line)
                self._check(record)
            except ValueError as error:
                if number == len(lines) and not line.endswith(b"\n"):
                    return
                raise BenchError(
                    f"{self.path}:{number}: broken record ({reason(error)}); delete the run and redo it"
                ) from error
            yield record

    def _bytes(self) -> bytes:
        try:
            return self.path.read_bytes()
        except OSError as error:
            raise BenchError(f"{self.path}: cannot be read: {error.strerror}") from error


def reason(error: Exception) -> str:
    """Return what is wrong with a record in one short line."""
    text = error.errors()[0]["msg"] if isinstance(error, ValidationError) else str(error)
    return " ".join(text.split())[:MAX_SHOWN]
