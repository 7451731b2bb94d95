"""Exporting: what cannot be exported is one line, nothing half-written stays, and decisions come from validation."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from conftest import CUSTOMER_MESSAGES
from samples import ask_stranger, run_record

from bench.analysis.calibration import temperature
from bench.analysis.thresholds import unsure_below
from bench.cli import main
from bench.inference.export import check_exportable
from bench.records.store import RunFolder
from classifiers.errors import BenchError

ROWS = {
    "majority": {},
    "server": {"base_url": "http://127.0.0.1:9/v1"},
    "answers": {"file": "gpt.csv"},
    "knn": {},
    "linear": {},
    "encoder": {},
}


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("majority", "'majority' cannot be exported: no other program answers as the backend 'majority' does"),
        ("server", "'server' cannot be exported"),
        ("answers", "'answers' cannot be exported"),
        ("knn", "'knn' cannot be exported"),
        ("linear", "has kept no model of 'linear'; run the benchmark again with keep_models = true"),
        ("encodr", "unknown classifier 'encodr'; did you mean 'encoder'"),
    ],
)
def test_a_row_that_cannot_be_exported_is_one_line(name: str, problem: str, tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    run.write(run_record(classifiers=ROWS))
    with pytest.raises(BenchError, match=problem):
        check_exportable(run, name)


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("export")
    config = f"latency_messages = 0\n[data]\npath = '{CUSTOMER_MESSAGES}'\n[classifiers.linear]\n"
    (folder / "c.toml").write_text(config)
    assert main(["--results", str(folder), "run", str(folder / "c.toml"), "--run", "r"]) == 0
    return folder


def export(results: Path, *options: str) -> int:
    return main(["--results", str(results), "export", *options])


@pytest.mark.slow
def test_an_exported_pipeline_runs_by_the_lines_of_its_card(
    results: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "deep" / "linear"
    assert export(results, "r/linear", str(folder)) == 0
    assert "runs under: scikit-learn and skops" in " ".join(capsys.readouterr().out.split())
    cell = RunFolder(results / "r").cell("linear")
    records, validation = cell.predictions.read(), cell.validation.read()
    shown = (folder / "README.md").read_text(encoding="utf-8").split("```python\n")[1].partition("```")[0]
    code = shown.replace('texts = ["where is my parcel?"]', 'texts = given["texts"]')
    answers = ask_stranger(f"{code}\nanswer = [labels, answers]", folder, texts=[r.text for r in records])
    assert answers[0] == [record.predicted[0] for record in records]
    for answer, record in zip(answers[1], records, strict=True):
        assert answer == pytest.approx(record.probabilities, abs=1e-6)
    decision = json.loads((folder / "decision.json").read_text(encoding="utf-8"))
    labels = decision["labels"]
    assert decision["temperature"] == pytest.approx(temperature(validation, labels))
    below = unsure_below(validation, 0.95)
    assert below is not None
    assert decision["unsure"] == (None if below > 1 else {"accuracy": 0.95, "below": below})
    assert decision["thresholds"] == {}
    assert {file.name for file in folder.parent.iterdir()} == {"linear"}, "nothing half-written is left beside"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (["--onnx"], "TF-IDF with a logistic regression has no ONNX form; leave out --onnx and --int8"),
        (["--accuracy", "95"], "--accuracy 95 must be above 0 and at most 1"),
    ],
)
def test_what_cannot_be_written_leaves_nothing(
    results: Path, tmp_path: Path, options: list[str], problem: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert export(results, "r/linear", str(tmp_path / "out"), *options) == 2
    assert problem in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_a_folder_in_use_stays_as_it_is(results: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "mine.txt").write_text("keep me")
    assert export(results, "r/linear", str(tmp_path)) == 2
    assert "is in use; name a folder that does not exist or is empty" in capsys.readouterr().err
    assert [file.name for file in tmp_path.iterdir()] == ["mine.txt"]
