"""Other people's data, configs and records: whatever is in them, the only error is the project's own."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from bench.config.run import load_config, make_config
from bench.config.tables import DataConfig
from bench.dataset.load import load_task
from classifiers.errors import BenchError
from classifiers.registry import backend_names, check_settings, find_backend, make_classifier

pytestmark = pytest.mark.slow

FUZZ = settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
CONFIGS = (
    DataConfig(),
    DataConfig(labels_per_message="any"),
    DataConfig(separator=";"),
    DataConfig(label_columns=("label",), text="label"),
)
DEEP = b"[" * 100_000
LONG_NUMBER = b"9" * 5000

any_text = st.text(st.characters(), max_size=20)  # halves of surrogate pairs too, which st.text() leaves out
any_number = st.integers() | st.floats() | st.sampled_from([2**31, 2**63, -(2**64), 10**400, 1e308])
any_json = st.recursive(
    st.none() | st.booleans() | any_number | any_text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(any_text, inner, max_size=3),
    max_leaves=6,
)


def unharmed(run: Callable[[], object]) -> None:
    """Run what may refuse its input, and may not fail in any other way."""
    with suppress(BenchError):
        run()


def load_bytes(data: bytes, ending: str, config: DataConfig = CONFIGS[0]) -> None:
    """Load a table; what is loaded can be written to a record."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"data{ending}"
        path.write_bytes(data)
        loaded = load_task(config.model_copy(update={"path": str(path), "contradictions": "report"}))
    for message in loaded.messages:
        json.dumps([message.text, message.labels, dict(message.columns)], ensure_ascii=False).encode()


SCRAPS = [b"text", b"label", b"a", b"b;c", b"1", b",", b"\t", b"\n", b"\r\n", b'"', b"\0", b"\xff", b"\xef\xbb\xbf"]
scraps = st.lists(st.sampled_from(SCRAPS), max_size=30).map(b"".join)


@pytest.mark.parametrize("ending", [".csv", ".tsv", ".jsonl", ".parquet"])
@FUZZ
@given(data=st.binary(max_size=200) | scraps | scraps.map(b"text,label\n".__add__), config=st.sampled_from(CONFIGS))
def test_no_bytes_break_a_loader(ending: str, data: bytes, config: DataConfig) -> None:
    unharmed(lambda: load_bytes(data, ending, config))


rows = st.dictionaries(st.sampled_from(["text", "label", "__line__", "other"]) | any_text, any_json, max_size=5)


@FUZZ
@given(
    rows=st.lists(rows, min_size=1, max_size=5),
    texts=st.lists(any_text, min_size=5, max_size=5),
    config=st.sampled_from(CONFIGS),
)
def test_no_json_breaks_the_loader(rows: list[dict[str, Any]], texts: list[str], config: DataConfig) -> None:
    rows = [{"text": text, "label": str(i % 2), **row} for i, (row, text) in enumerate(zip(rows, texts, strict=False))]
    unharmed(lambda: load_bytes("\n".join(map(json.dumps, rows)).encode(), ".jsonl", config))


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b'{"text": ' + DEEP, r"data.jsonl:1: not JSON"),
        (b'{"text": "a", "label": "x", "n": ' + LONG_NUMBER + b"}", r"data.jsonl:1: not JSON: Exceeds the limit"),
        (b'{"text": "a", "label": "x"}\n{"text": "b\\ud83d", "label": "y"}', r"data.jsonl:2: a cell holds \\ud83d"),
        (b'{"text": "a", "label": "\\udc00"}', r"data.jsonl:1: a cell holds \\udc00"),
        (b'{"text": "a", "label": "x", "\\udc00": 1}', r"the name of a column holds \\udc00"),
    ],
)
def test_json_that_is_no_data_names_its_line(data: bytes, words: str) -> None:
    with pytest.raises(BenchError, match=words) as caught:
        load_bytes(data, ".jsonl")
    assert len(str(caught.value)) < 400
    assert "\n" not in str(caught.value)


def test_line_with_more_cells_than_the_header_is_refused() -> None:
    """Pandas would take the first cell for the row's name, and the label for the text."""
    with pytest.raises(BenchError, match=r"data.csv:2: the line has more cells than the header"):
        load_bytes(b"text,label\nhi there,x,mail\nho there,y,mail\n", ".csv")


def parquet_bytes(table: pa.Table) -> bytes:
    stream = pa.BufferOutputStream()
    parquet.write_table(table, stream)
    return bytes(stream.getvalue())


PLAIN = parquet_bytes(pa.table({"text": ["a", "b", "c"], "label": ["x", "y", "x"]}))


@FUZZ
@given(at=st.integers(0, len(PLAIN)), cut=st.integers(0, 8), put=st.binary(max_size=8))
def test_no_damage_to_a_parquet_file_breaks_the_loader(at: int, cut: int, put: bytes) -> None:
    unharmed(lambda: load_bytes(PLAIN[:at] + put + PLAIN[at + cut :], ".parquet"))


CELLS: list[list[object]] = [
    [1, 2, None],
    [[1], [], None],
    [{"a": [1]}, None, {"a": []}],
    [b"\xff", b"", b"a"],
    [Decimal("1.5"), None, Decimal("0")],
    [datetime(1, 1, 1), datetime(9999, 1, 1), None],
    [float("nan"), float("inf"), 1e300],
]


@pytest.mark.parametrize("column", ["text", "label", "other"])
@pytest.mark.parametrize("config", CONFIGS)
@pytest.mark.parametrize("cells", CELLS)
def test_parquet_cells_of_any_type_are_read_or_refused(column: str, config: DataConfig, cells: list[object]) -> None:
    columns = {"text": ["a", "b", "c"], "label": ["x", "y", "x"], column: cells}
    unharmed(lambda: load_bytes(parquet_bytes(pa.table(columns)), ".parquet", config))


def test_what_pandas_wrote_into_a_parquet_file_is_not_believed() -> None:
    table = pa.table({"text": ["a", "b"], "label": ["x", "y"], "__index_level_0__": [7, 8]})
    for lie in (b"{", b"{}", b'{"index_columns": ["nothing"], "columns": [{}]}', b"[" * 5000):
        load_bytes(parquet_bytes(table.replace_schema_metadata({b"pandas": lie})), ".parquet")


def test_two_columns_of_one_name_are_refused() -> None:
    arrays = [pa.array(["a", "b"])] * 3
    with pytest.raises(BenchError, match="two columns have the same name"):
        load_bytes(parquet_bytes(pa.Table.from_arrays(arrays, names=["text", "text", "label"])), ".parquet")


TASK = 'name = "t"\nlabels = [{{name = "x", file = "x.txt"}}, {{name = "y", file = {file}}}]\n'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A task's folder with a secret beside it, a link to that, a pipe nobody writes to and a folder."""
    inside = tmp_path / "task"
    (inside / "sub").mkdir(parents=True)
    (tmp_path / "secret.txt").write_text("secret")
    (inside / "x.txt").write_text("one\ntwo\n")
    (inside / "link.txt").symlink_to(tmp_path / "secret.txt")
    os.mkfifo(inside / "pipe.txt")
    return inside


@pytest.mark.parametrize(
    "name",
    ["../secret.txt", "sub/../../secret.txt", "link.txt", "/etc/hostname", "pipe.txt", "sub", ".", "a\0b", "a" * 5000],
)
def test_no_name_in_a_task_file_leads_out_of_its_folder(folder: Path, name: str) -> None:
    for line in (
        TASK.format(file=json.dumps(name)),
        f'name = "t"\nmessages = {json.dumps(name)}\nlabels = [{{name = "x"}}, {{name = "y"}}]\n',
    ):
        (folder / "task.toml").write_text(line)
        with pytest.raises(BenchError) as caught:
            load_task(DataConfig(path=str(folder)))
        assert "secret\n" not in str(caught.value)


TOML_SCRAPS = ["a", ".", "=", "[", "]", "{", "}", ",", "\n", '"', "'''", "9" * 5000, "[" * 3000, "nan", "1979-05-27"]
TOML_SCRAPS += ["name", "labels", "classifiers", "data", "\0", "\ufeff", "{a=" * 2000]
toml = st.lists(st.sampled_from(TOML_SCRAPS), max_size=12).map("".join).map(str.encode) | st.binary(max_size=100)


@FUZZ
@given(data=toml)
def test_no_bytes_break_the_readers_of_toml(data: bytes) -> None:
    with tempfile.TemporaryDirectory() as path:
        for name in ("config.toml", "task.toml"):
            (Path(path) / name).write_bytes(data)
        unharmed(lambda: load_config(f"{path}/config.toml"))
        unharmed(lambda: load_task(DataConfig(path=path)))


toml_text = st.text(max_size=20)  # TOML has no way to write half of a surrogate pair
any_toml = st.recursive(
    st.booleans() | any_number | toml_text | st.dates() | st.datetimes() | st.times(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(toml_text, inner, max_size=3),
    max_leaves=6,
)


def some_of(names: list[str]) -> st.SearchStrategy[dict[str, Any]]:
    """Return tables that have some of these keys, or keys nobody knows, with values of any type."""
    return st.dictionaries(st.sampled_from(names) | toml_text, any_toml, max_size=4)


ROW = ["backend", "seeds", "train_per_label", "model", "strengths", "model_config"]
RUN = ["name", "seed", "threads", "jobs", "data", "split", "cost", "classifiers", "cascades", "latency_messages"]
configs = st.builds(
    lambda run, row, tables: {"classifiers": {"linear": row}, **run, **tables},
    some_of(RUN),
    some_of(ROW),
    st.dictionaries(st.sampled_from(["data", "split", "cost", "cascades"]), some_of(list(DataConfig.model_fields))),
)


@FUZZ
@given(values=configs)
def test_no_values_break_the_config(values: dict[str, Any]) -> None:
    def use() -> None:
        config = make_config(values, where="c.toml")
        json.dumps(config.model_dump(mode="json"))
        for cell in config.cells():
            make_classifier(cell.backend, cell.settings, where=cell.name, seed=cell.seed)

    unharmed(use)


@pytest.mark.parametrize("name", backend_names())
@FUZZ
@given(data=st.data())
def test_no_values_break_a_backends_settings(name: str, data: st.DataObject) -> None:
    backend = find_backend(name)
    values = data.draw(some_of(list(backend.settings_type.model_fields) or ["none"]))
    unharmed(lambda: check_settings(backend, values, where=name))


@pytest.mark.parametrize("name", ["../../out", "/tmp/out", "a\\b", "a\0b", "a\nb"])
def test_no_run_is_named_out_of_the_results_folder(name: str) -> None:
    with pytest.raises(BenchError, match="cannot be part of a folder's name"):
        make_config({"name": name, "classifiers": {"majority": {}}}, where="c.toml")


@pytest.mark.parametrize("path", ["a" * 5000, "a\0b", "\0", "/dev/null", "/proc/self/mem"])
def test_no_path_of_data_is_more_than_an_error(path: str) -> None:
    for config in (DataConfig(path=path), DataConfig(train=path, test=path), DataConfig(train=f"{path}.csv", test="")):
        with pytest.raises(BenchError):
            load_task(config)
