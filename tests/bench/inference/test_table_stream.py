"""Tables are looked through before they are read in pieces, and written with every row as it came."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import parquet

from bench.inference.table_stream import Layout, Piece, examine, read_pieces
from bench.inference.table_writer import write_pieces
from classifiers.errors import BenchError


def read(source: Path, target: Path) -> tuple[Layout, list[Piece]]:
    layout = examine(source, target, "text")
    return layout, list(read_pieces(source, "text", layout))


def copy(source: Path, target: Path) -> list[str]:
    """Write a table's rows with one column more, and give its texts."""
    _, pieces = read(source, target)
    batches = [piece.batch.append_column("predicted", pa.array(["x"] * piece.batch.num_rows)) for piece in pieces]
    assert write_pieces(target, batches) == sum(piece.batch.num_rows for piece in pieces)
    return [text for piece in pieces for text in piece.texts]


CHANGING: list[dict[str, Any]] = [
    {"id": 1, "text": "a", "note": None, "n": 1},
    *({"id": i, "text": f"row {i}", "note": None, "n": i} for i in range(2, 5000)),
    {"id": "A-20", "text": "b", "note": "later", "n": 1.5, "more": [1, "x"]},
    {"id": 2**70, "text": "c" * 670_000, "note": "", "n": None},
]


@pytest.fixture
def changing(tmp_path: Path) -> Path:
    path = tmp_path / "in.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in CHANGING))
    return path


def test_json_rows_whose_types_change_are_kept_as_they_came(changing: Path, tmp_path: Path) -> None:
    assert copy(changing, tmp_path / "out.jsonl") == [row["text"] for row in CHANGING]
    lines = (tmp_path / "out.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in lines] == [{**row, "predicted": "x"} for row in CHANGING]


def test_json_rows_whose_types_change_can_be_written_as_parquet(changing: Path, tmp_path: Path) -> None:
    copy(changing, tmp_path / "out.parquet")
    rows = parquet.read_table(tmp_path / "out.parquet").to_pylist()
    assert [rows[i]["id"] for i in (0, -2, -1)] == ["1", "A-20", str(2**70)]
    assert [rows[i]["n"] for i in (0, -2, -1)] == [1.0, 1.5, None]
    assert [rows[i]["note"] for i in (0, -2, -1)] == [None, "later", ""]
    assert [rows[i]["more"] for i in (0, -2)] == [None, '[1, "x"]']


def test_json_numbers_stay_to_the_letter(tmp_path: Path) -> None:
    (tmp_path / "in.jsonl").write_text('{"text": "a", "price": 1.50, "big": 1e400}\n  { }\n{"text": "b"}')
    copy(tmp_path / "in.jsonl", tmp_path / "out.jsonl")
    first, second, third = (tmp_path / "out.jsonl").read_text().splitlines()
    assert first == '{"text": "a", "price": 1.50, "big": 1e400, "predicted": "x"}'
    assert json.loads(second) == {"predicted": "x"}
    assert third == '{"text": "b", "predicted": "x"}'


def test_a_piece_has_so_many_rows_or_characters(tmp_path: Path) -> None:
    path = tmp_path / "in.csv"
    path.write_text("text\n" + "a\n" * 3000 + "b" * 2_000_000 + "\nc\n")
    layout, pieces = read(path, tmp_path / "out.csv")
    assert layout.rows == 3002
    assert [piece.batch.num_rows for piece in pieces] == [2048, 952, 1, 1]
    assert [piece.share for piece in pieces] == [2048 / 3002, 3000 / 3002, 3001 / 3002, 1]


def test_parquet_lists_become_json_in_a_csv(tmp_path: Path) -> None:
    parquet.write_table(pa.table({"text": [b"a", "ü".encode()], "tags": [["x", "y"], None]}), tmp_path / "in.parquet")
    assert copy(tmp_path / "in.parquet", tmp_path / "out.csv") == ["a", "ü"]
    with (tmp_path / "out.csv").open(newline="") as stream:
        assert list(csv.reader(stream)) == [["text", "tags", "predicted"], ["a", '["x", "y"]', "x"], ["ü", "", "x"]]


def test_cells_of_a_csv_stay_the_texts_they_are(tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text("id;text\n007;true\n1.50;\n")
    _, (piece,) = read(tmp_path / "in.csv", tmp_path / "out.parquet")
    assert piece.batch.to_pylist() == [{"id": "007", "text": "true"}, {"id": "1.50", "text": ""}]


def test_formulas_are_defused_where_a_csv_is_made_and_left_where_one_is_kept(tmp_path: Path) -> None:
    batch = pa.record_batch({"text": ["=1+1", "-1"], "n": [-1, 2]})
    write_pieces(tmp_path / "made.csv", [batch])
    write_pieces(tmp_path / "kept.csv", [batch], kept=["text", "n"])
    assert [line.split(",")[0].strip('"') for line in (tmp_path / "made.csv").read_text().splitlines()[1:]] == [
        "'=1+1",
        "-1",
    ]
    assert (tmp_path / "kept.csv").read_text().splitlines()[1].strip().startswith(("=1+1", '"=1+1"'))


BAD = {
    "in.csv": [
        (b"text,text\na,b\n", r"in.csv:1: two columns have the same name, 'text'"),
        (b'text,label\na,x\n"b,y\nc,x\n"d,y\n', r"in.csv:3: a quote opens here and is not closed"),
        (b"text\na\n\xff\n", r"in.csv:3: not UTF-8"),
        (b"text,n\na,1\nb,2,3\n", r"in.csv:3: the line has more cells than the header"),
    ],
    "in.jsonl": [
        (b'{"text": "a"}\n{"text": ["b"]}\n', r"in.jsonl:2: column 'text' holds a list"),
        (b'{"text": "a"}\n[1]\n', r"in.jsonl:2: not a JSON object"),
        (b'{"text": "a"}\n{"text": "\\ud83d"}\n', r"in.jsonl:2: a cell holds .ud83d"),
        (b'{"body": "a"}\n', r"in.jsonl: no column 'text' \(columns: 'body'\)"),
        (b"\n", r"in.jsonl: is empty"),
    ],
}


@pytest.mark.parametrize(("name", "content", "words"), [(name, *case) for name, cases in BAD.items() for case in cases])
def test_what_would_stop_a_job_is_known_before_its_first_answer(
    tmp_path: Path, name: str, content: bytes, words: str
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(BenchError, match=words) as caught:
        examine(tmp_path / name, tmp_path / "out.csv", "text")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("column", "words"),
    [
        ([[{"role": "user"}]], r"in.parquet:1: column 'text' holds a list of objects with the keys 'role'"),
        ([b"\xff"], r"in.parquet:1: column 'text' holds bytes that are not UTF-8"),
    ],
)
def test_parquet_texts_that_are_none_are_refused(tmp_path: Path, column: list[Any], words: str) -> None:
    parquet.write_table(pa.table({"text": column}), tmp_path / "in.parquet")
    with pytest.raises(BenchError, match=words):
        examine(tmp_path / "in.parquet", tmp_path / "out.csv", "text")


@pytest.mark.parametrize("name", ["out.parquet", "out.csv", "out.jsonl"])
def test_what_fails_on_the_way_leaves_no_file(tmp_path: Path, name: str) -> None:
    def pieces() -> Iterator[pa.RecordBatch]:
        yield pa.record_batch({"a": [1]})
        raise BenchError("the second piece cannot be read")

    with pytest.raises(BenchError, match="the second piece"):
        write_pieces(tmp_path / name, pieces())
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_cannot_be_written_to_is_named(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match=r"none/out.csv: cannot be written: "):
        write_pieces(tmp_path / "none" / "out.csv", [pa.record_batch({"a": [1]})])
