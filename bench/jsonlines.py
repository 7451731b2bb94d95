"""A file of records, one JSON object a line: appended and flushed line by line, or replaced whole."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, Generic, TypeVar

from pydantic import TypeAdapter, ValidationError

from classifiers.interface import BenchError

R = TypeVar("R")


class JsonLines(Generic[R]):
    """One JSON Lines file of one record type."""

    def __init__(self, path: Path, kind: type[R]) -> None:
        self.path = path
        self._adapter: TypeAdapter[R] = TypeAdapter(kind)

    def read(self) -> list[R]:
        """Read all records; a last line that was cut off in writing is left out.

        Raises:
            BenchError: naming file and line, if any other line is broken.
        """
        return list(self._records())

    def repair(self) -> list[R]:
        """Read all records and cut a broken last line off the file, so that it can be appended to."""
        records = self.read()
        if self.path.exists():
            whole = self.path.read_bytes().splitlines(keepends=True)[: len(records)]
            replace_file(self.path, b"".join(whole))
        return records

    def append(self, records: Iterable[R], stream: IO[bytes]) -> None:
        """Write records at the end of an open file and flush them to the system."""
        stream.write(b"".join(self._adapter.dump_json(record) + b"\n" for record in records))
        stream.flush()

    def write(self, records: Iterable[R]) -> None:
        """Write a whole new file beside the old one and rename it."""
        replace_file(self.path, b"".join(self._adapter.dump_json(record) + b"\n" for record in records))

    def _records(self) -> Iterator[R]:
        if not self.path.exists():
            return
        lines = self.path.read_bytes().splitlines(keepends=True)
        for number, line in enumerate(lines, start=1):
            try:
                yield self._adapter.validate_json(line)
            except ValidationError as error:
                if number == len(lines) and not line.endswith(b"\n"):
                    return
                reason = error.errors()[0]["msg"]
                raise BenchError(
                    f"{self.path}:{number}: broken record ({reason}); delete the run and redo it"
                ) from error


def replace_file(path: Path, data: bytes) -> None:
    """Write a file beside `path` and rename it, so that nobody ever sees half of it."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        beside.write_bytes(data)
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)
