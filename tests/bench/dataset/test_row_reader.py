"""Rows of JSONL and Parquet, with the class names that data sets of the Hub keep in a file's metadata."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import parquet

from bench.config.tables import DataConfig
from bench.dataset.load import load_task
from bench.dataset.row_reader import read_rows
from classifiers.errors import BenchError


def write(folder: Path, columns: dict[str, list[Any]], features: object = None) -> Path:
    table = pa.table(columns)
    if features is not None:
        table = table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})
    parquet.write_table(table, folder / "d.parquet")
    return folder / "d.parquet"


CLASS = {"names": ["order", "refund"], "_type": "ClassLabel"}


def test_class_numbers_become_the_names_of_the_metadata(tmp_path: Path) -> None:
    path = write(tmp_path, {"text": ["a", "b", "c"], "label": [1, 0, -1]}, {"label": CLASS})
    assert [row["label"] for _, row in read_rows(path, ("text",))] == ["refund", "order", None]


def test_lists_of_class_numbers_become_names(tmp_path: Path) -> None:
    features = {"label": {"feature": CLASS, "_type": "Sequence"}}
    path = write(tmp_path, {"text": ["a", "b"], "label": [[1, 0], []]}, features)
    loaded = load_task(DataConfig(path=str(path), labels_per_message="any"))
    assert [m.labels for m in loaded.messages] == [("order", "refund"), ()]


def test_a_number_without_a_class_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path, {"text": ["a"], "label": [2]}, {"label": CLASS})
    with pytest.raises(BenchError, match=r"d.parquet:1: column 'label' is 2, but the file names 2 classes, 0 to 1"):
        list(read_rows(path, ("text",)))


@pytest.mark.parametrize("features", [[], {"label": 3}, {"label": {"names": 3}}, {"label": {"feature": {}}}, {}])
def test_metadata_of_another_form_is_left_alone(tmp_path: Path, features: object) -> None:
    path = write(tmp_path, {"text": ["a"], "label": [1]}, features)
    assert [row["label"] for _, row in read_rows(path, ("text",))] == [1]


def test_binary_texts_are_read_as_utf_8(tmp_path: Path) -> None:
    path = write(tmp_path, {"text": ["café".encode(), b"where is it"], "label": [b"x", b"y"]})
    loaded = load_task(DataConfig(path=str(path)))
    assert [(m.text, m.label) for m in loaded.messages] == [("café", "x"), ("where is it", "y")]


def test_chat_cells_are_refused_with_what_they_are(tmp_path: Path) -> None:
    path = write(tmp_path, {"text": [[{"content": "hi", "role": "user"}]], "label": ["x"]})
    words = r"d.parquet:1: column 'text' holds a list of objects with the keys 'content', 'role'"
    with pytest.raises(BenchError, match=words):
        load_task(DataConfig(path=str(path)))


def test_a_key_that_stands_twice_is_refused(tmp_path: Path) -> None:
    (tmp_path / "d.jsonl").write_text('{"text": "a", "text": "b", "label": "x"}\n')
    with pytest.raises(BenchError, match=r"d.jsonl:1: not JSON: a key stands twice"):
        list(read_rows(tmp_path / "d.jsonl", ("text",)))
