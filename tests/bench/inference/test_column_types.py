"""The types a column's values have in common, and the text of those that have none."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from bench.inference.column_types import ColumnTypes, as_text, table_schema


@pytest.mark.parametrize(
    ("pieces", "kind"),
    [
        ([[1, 2], [3]], pa.int64()),
        ([[1], [1.5]], pa.float64()),
        ([[None], ["later a text"]], pa.string()),
        ([[1], ["A-20"]], pa.string()),
        ([[1, "A-20"]], pa.string()),
        ([[True], [1]], pa.string()),
        ([[2**80]], pa.string()),
        ([[{}]], pa.string()),
        ([[{"a": 1}], [{"b": "x"}]], pa.struct([("a", pa.int64()), ("b", pa.string())])),
        ([[[1]], [[]]], pa.list_(pa.int64())),
        ([[None]], pa.null()),
    ],
)
def test_a_column_has_the_type_its_values_have_in_common(pieces: list[list[Any]], kind: pa.DataType) -> None:
    types = ColumnTypes(typed=True)
    for piece in pieces:
        types.add([{"column": value} for value in piece])
    assert types.schema() == pa.schema([("column", kind)])


def test_columns_are_those_of_all_rows_in_the_order_they_came() -> None:
    types = ColumnTypes(typed=False)
    types.add([{"b": 1}, {"a": 1}])
    types.add([{"c": 1, "a": 2}])
    assert types.names == ["b", "a", "c"]
    assert types.schema().types == [pa.string()] * 3


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, None), ("ü", "ü"), (1, "1"), (1.5, "1.5"), (True, "true"), (["ü"], '["ü"]'), ([b"x"], '["x"]')],
)
def test_values_as_text(value: object, text: str | None) -> None:
    assert as_text(value) == text


def test_a_time_inside_an_object_is_written_as_text() -> None:
    assert as_text({"day": date(2026, 1, 2)}) == '{"day": "2026-01-02"}'


def test_lists_are_text_in_csv_and_stay_lists_elsewhere() -> None:
    schema = pa.schema([("text", pa.string()), ("tags", pa.list_(pa.string())), ("n", pa.int64())])
    assert table_schema(schema, Path("out.csv")).types == [pa.string(), pa.string(), pa.int64()]
    assert table_schema(schema, Path("out.parquet")) == schema
    assert table_schema(schema, Path("out.jsonl")) == schema
