"""A trained classifier over a whole file: every kind, resumed, in several processes, memory flat."""

from __future__ import annotations

import csv
import json
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from pyarrow import parquet

from bench.cli import main
from bench.inference.batch import BatchJob, answer_columns, is_unsure, written
from classifiers.interface import Prediction

pytestmark = pytest.mark.slow


def test_an_answer_that_is_no_label_is_unsure():
    assert is_unsure(Prediction((), valid=False), 0.5)
    assert is_unsure(Prediction(("a",), probabilities={"a": 0.4, "b": 0.6}), 0.5)
    assert not is_unsure(Prediction(("a",), probabilities={"a": 0.6, "b": 0.4}), 0.5)
    assert not is_unsure(Prediction(("a",)), None)


def test_the_added_columns_are_the_same_whatever_the_answers_are():
    job = BatchJob("r", "linear", "in.csv", "out.csv", "text", 0.5, probabilities=True, labels=("a", "b"))
    sure = Prediction(("a",), probabilities={"a": 0.75, "b": 0.25})
    unread = Prediction((), valid=False)
    assert job.added == ["predicted", "probability", "unsure", "p(a)", "p(b)"]
    assert [c.to_pylist() for c in answer_columns(job, [unread])] == [[None], [None], [True], [None], [None]]
    assert [c.to_pylist() for c in answer_columns(job, [sure])] == [["a"], [0.75], [False], [0.75], [0.25]]
    types = [[column.type for column in answer_columns(job, [p])] for p in (sure, unread)]
    assert types[0] == types[1]


def test_no_label_is_told_from_a_label_of_that_name():
    assert written(Prediction(()), ["a", "b"]) == "no label"
    assert written(Prediction(()), ["a", "no label"]) == "(no label)"
    assert written(Prediction((), valid=False), ["a"]) is None
    assert written(Prediction(("a", "b")), ["a", "b"]) == "a, b"


@pytest.fixture
def results(shipped_results) -> Path:
    return shipped_results


ROWS = 9000
"""Five pieces of work."""
TEXTS = ["where is my parcel 88?", "I want my\nmoney back", 'she said "great", thanks', "", "ünïcødé ✓"]


def write_source(path: Path, rows: int) -> Path:
    with path.open("w", newline="", encoding="utf-8") as stream:
        lines = csv.writer(stream)
        lines.writerow(["id", "text"])
        lines.writerows([[f"{i:05}", TEXTS[i % len(TEXTS)]] for i in range(rows)])
    return path


@pytest.fixture(scope="module")
def source(tmp_path_factory) -> Path:
    return write_source(tmp_path_factory.mktemp("source") / "in.csv", ROWS)


@pytest.fixture(scope="module")
def answered(shipped_results, source) -> Path:
    """What one process makes of the whole file, with the probabilities."""
    assert predict(shipped_results, source, source.with_name("whole.csv"), "--probabilities") == 0
    return source.with_name("whole.csv")


def predict(results: Path, *rest: object) -> int:
    return main(["--results", str(results), "predict", "r/linear", *map(str, rest)])


def rows_of_csv(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def test_every_row_is_answered_in_order_and_kept_as_it_was(answered):
    rows = rows_of_csv(answered)
    assert [(row["id"], row["text"]) for row in rows] == [(f"{i:05}", TEXTS[i % 5]) for i in range(ROWS)]
    first = rows[1]
    assert first["predicted"] == "Refund Request"
    names = [name for name in first if name.startswith("p(")]
    assert sum(float(first[name]) for name in names) == pytest.approx(1)
    assert float(first["probability"]) == max(float(first[name]) for name in names)
    assert not Path(f"{answered}.parts").exists()


def test_any_kind_of_file_and_any_number_of_processes_give_the_same_answers(results, tmp_path):
    source = write_source(tmp_path / "in.csv", ROWS // 2)
    assert predict(results, source, tmp_path / "a.jsonl") == 0
    assert predict(results, source, tmp_path / "b.parquet", "--workers", 2) == 0
    lines = [json.loads(line) for line in (tmp_path / "a.jsonl").read_text(encoding="utf-8").splitlines()]
    assert parquet.read_table(tmp_path / "b.parquet").to_pylist() == lines
    assert predict(results, tmp_path / "b.parquet", tmp_path / "c.csv") == 2  # it has the answers' columns already
    assert predict(results, source, tmp_path / "d.tsv") == 0
    assert [line["predicted"] for line in lines] == [
        row["predicted"] for row in csv.DictReader((tmp_path / "d.tsv").open(newline=""), delimiter="\t")
    ]


def test_a_job_that_was_killed_goes_on_and_ends_the_same(results, source, answered, tmp_path, capsys):
    out = tmp_path / "out.csv"
    given = (source, out, "--probabilities")
    command = [sys.executable, "-m", "bench.cli", "--results", results, "predict", "r/linear", *given]
    process = subprocess.Popen(list(map(str, command)), stdout=subprocess.DEVNULL)
    parts = Path(f"{out}.parts")
    while process.poll() is None and len(list(parts.glob("*.parquet"))) < 2:
        time.sleep(0.01)
    process.kill()
    process.wait()
    assert not out.exists()
    capsys.readouterr()
    assert predict(results, *given) == 0
    assert "pieces kept from before" in " ".join(capsys.readouterr().out.split())
    assert out.read_bytes() == answered.read_bytes()


def test_pieces_of_another_job_are_not_taken_for_this_one(results, source, tmp_path, capsys):
    parts = tmp_path / "out.csv.parts"
    parts.mkdir()
    (parts / "job.json").write_text("{}")
    assert predict(results, source, tmp_path / "out.csv") == 2
    assert "holds pieces of another job; delete it" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("content", "name", "reason"),
    [
        (
            "message\nhello\n",
            "in.csv",
            "in.csv:1: no column 'text' (columns: 'message'); `text` (--text) names another",
        ),
        ("text,predicted\nhello,x\n", "in.csv", "has a column 'predicted' already; rename it"),
        ("text\n", "in.csv", "is empty; it needs rows to answer"),
        ("", "in.csv", "is empty; it needs a header line and messages"),
        ("{broken", "in.jsonl", "in.jsonl:1: not JSON"),
        ("not parquet", "in.parquet", "cannot be read"),
        ("x", "in.xlsx", "unknown kind of file (known: .csv, .tsv, .jsonl, .parquet)"),
        (None, "none.csv", "there is no such file"),
    ],
)
def test_a_bad_file_is_one_line_and_exit_code_2(results, tmp_path, capsys, content, name, reason):
    if content is not None:
        (tmp_path / name).write_text(content)
    assert predict(results, tmp_path / name, tmp_path / "out.csv") == 2
    error = capsys.readouterr().err
    assert reason in error
    assert len(error.splitlines()) == 1
    assert not list(tmp_path.glob("out.csv*"))


def test_an_error_while_a_process_loads_is_reported_as_itself(results, tmp_path, capsys):
    shutil.copytree(results / "r", tmp_path / "broken")
    for file in (tmp_path / "broken" / "linear" / "model").iterdir():
        file.write_bytes(b"")
    (tmp_path / "in.csv").write_text("text\nhello\n")
    command = ["predict", f"{tmp_path}/broken/linear", str(tmp_path / "in.csv"), str(tmp_path / "out.csv")]
    assert main(command) == 2
    error = capsys.readouterr().err
    assert "memory" not in error
    assert "linear" in error
    assert not list(tmp_path.glob("out.csv*"))


@pytest.mark.parametrize(
    ("column", "reason"),
    [("unsure", "has a column 'unsure' already"), ("p(Refund Request)", "has a column 'p(Refund Request)' already")],
)
def test_a_column_of_an_answers_name_is_refused(results, tmp_path, capsys, column, reason):
    (tmp_path / "in.jsonl").write_text(json.dumps({"text": "a"}) + "\n" + json.dumps({"text": "b", column: 1}) + "\n")
    assert predict(results, tmp_path / "in.jsonl", tmp_path / "out.jsonl", "--probabilities") == 2
    assert reason in capsys.readouterr().err


def test_a_folder_as_output_is_refused(results, source, tmp_path, capsys):
    (tmp_path / "out.csv").mkdir()
    assert predict(results, source, tmp_path / "out.csv") == 2
    assert "out.csv is a folder; give the name of a file" in capsys.readouterr().err


def test_a_classifier_that_is_not_there_is_named(results, source, tmp_path, capsys):
    command = ["--results", str(results), "predict"]
    assert main([*command, "r/linaer", str(source), str(tmp_path / "o.csv")]) == 2
    assert "unknown saved classifier 'linaer'; did you mean 'linear'" in capsys.readouterr().err
    assert main([*command, "linear", str(source), str(tmp_path / "o.csv")]) == 2
    assert "give RUN/CLASSIFIER, such as latest/encoder" in capsys.readouterr().err
