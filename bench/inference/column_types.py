"""Find the Arrow types in which a table's columns can be kept, before any of its rows is answered."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa


class ColumnTypes:
    """The columns of rows that are looked through piece by piece, and the types their values have in common.

    A column whose values have no type in common, or one that no Parquet file has, is kept as text: its texts as they
    are, everything else as JSON. Without `typed` every column is.
    """

    def __init__(self, *, typed: bool) -> None:
        self._typed = typed
        self._types: dict[str, pa.DataType | None] = {}

    @property
    def names(self) -> list[str]:
        """Return the names of all columns, in the order they came."""
        return list(self._types)

    def add(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Take some rows into account."""
        import pyarrow as pa

        for name in dict.fromkeys(name for row in rows for name in row):
            known = self._types.get(name, pa.null())
            self._types[name] = _common(known, _inferred([row.get(name) for row in rows])) if self._typed else None

    def schema(self) -> pa.Schema:
        """Return the type of every column."""
        import pyarrow as pa

        return pa.schema([(name, kind if _fits_parquet(kind) else pa.string()) for name, kind in self._types.items()])


def _inferred(values: Sequence[Any]) -> pa.DataType | None:
    import pyarrow as pa

    try:
        return pa.array(values).type
    except (pa.ArrowException, ValueError, OverflowError, TypeError):
        return None


def _common(a: pa.DataType | None, b: pa.DataType | None) -> pa.DataType | None:
    import pyarrow as pa

    if a is None or b is None:
        return None
    schemas = [pa.schema([("column", kind)]) for kind in (a, b)]
    try:
        return pa.unify_schemas(schemas, promote_options="permissive").field(0).type
    except pa.ArrowException:
        return None


def _fits_parquet(kind: pa.DataType | None) -> bool:
    """Tell whether there is a type and Parquet knows it: objects without keys, for one, it does not."""
    import pyarrow as pa
    from pyarrow import parquet

    try:
        parquet.write_table(pa.schema([("column", kind)]).empty_table(), pa.BufferOutputStream())
    except (pa.ArrowException, TypeError):
        return False
    return True


def table_schema(schema: pa.Schema, target: Path) -> pa.Schema:
    """Return the schema in which a Parquet file's columns are written to `target`: CSV has no lists and objects."""
    import pyarrow as pa

    if target.suffix not in (".csv", ".tsv"):
        return schema.remove_metadata() if target.suffix != ".parquet" else schema
    return pa.schema([(field.name, field.type if _fits_csv(field.type) else pa.string()) for field in schema])


def _fits_csv(kind: pa.DataType) -> bool:
    import pyarrow as pa
    from pyarrow import csv

    try:
        csv.write_csv(pa.schema([("column", kind)]).empty_table(), pa.BufferOutputStream())
    except pa.ArrowException:
        return False
    return True


def as_text(value: Any) -> str | None:
    """Return a value as the text it is written as where its column is text."""
    return value if value is None or isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=_text)


def _text(value: object) -> str:
    """Return what JSON has no form for, such as a time or bytes, as text."""
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)
