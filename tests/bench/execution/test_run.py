"""Whole runs through the command line: real models, real processes, real kills."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from samples import hear_interrupts

from bench.cli import main
from bench.records.store import RunFolder

pytestmark = pytest.mark.slow

BREAKING = """
import ctypes, os, signal
from classifiers.majority import Majority

class Segfault(Majority):
    def predict(self, texts):
        ctypes.string_at(0)

class Killed(Majority):
    def fit(self, task, train, validation, *, listen=None):
        os.kill(os.getpid(), signal.SIGKILL)

class Raises(Majority):
    def predict(self, texts):
        raise ZeroDivisionError("on purpose")

class DropsOne(Majority):
    def predict(self, texts):
        return list(super().predict(texts))[1:]

class Invents(Majority):
    def predict(self, texts):
        self.answer = ("Spam",)
        return super().predict(texts)

class Slow(Majority):
    batch_size = 1
    def predict(self, texts):
        import time
        time.sleep(0.3)
        return super().predict(texts)
"""


@pytest.fixture
def breaking(tmp_path: Path) -> Path:
    file = tmp_path / "breaking.py"
    file.write_text(BREAKING)
    return file


def write_config(path: Path, data: Path, rows: str, *, latency_messages: int = 0) -> Path:
    path.write_text(f'latency_messages = {latency_messages}\n[data]\npath = "{data}"\n{rows}')
    return path


def run_of(results: Path) -> RunFolder:
    (file,) = results.glob("*/run.json")
    return RunFolder(file.parent)


def test_whole_benchmark_on_real_models(
    tmp_path: Path, data_folder: Path, minilm: Path, smollm: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = f"""
[classifiers.majority]
[classifiers.linear]
[classifiers.encoder]
model = ["nobody/has-this", "{minilm}"]
epochs = 2
[classifiers.llama_cpp]
model = "{smollm}"
retries = 1
max_tokens = 8
"""
    results = tmp_path / "results"
    config = write_config(tmp_path / "small.toml", data_folder, rows, latency_messages=3)
    assert main(["--results", str(results), "run", str(config)]) == 0
    shown = capsys.readouterr().out
    assert "was run in place of 'nobody/has-this'" in shown
    assert "first-attempt" in shown
    run = run_of(results)
    assert run.path.name.startswith("small-")
    cells = {cell.classifier: (cell, folder) for cell, folder in run.cells()}
    assert [cell.status for cell, _ in cells.values()] == ["ok"] * 4
    test_ids = [line.id for line in run.messages.read() if line.part == "test"]
    for _, folder in cells.values():
        assert [record.id for record in folder.predictions.read()] == test_ids
    encoder, folder = cells["encoder"]
    assert len(folder.epochs.read()) == 2
    assert (folder.model / "0_Transformer" / "model.safetensors").is_file()
    assert all((encoder.n_parameters, encoder.bytes_on_disk, encoder.latency_ms, encoder.throughput_per_s))
    llm, folder = cells["llama_cpp"]
    assert llm.models[0].sha256.startswith("b179c9523d0e")
    assert llm.tokens.prompt > 0
    assert all(1 <= len(record.attempts) <= 2 for record in folder.predictions.read())
    scores = json.loads((run.path / "scores.json").read_text())
    assert list(scores["classifiers"]) == ["majority", "linear", "encoder", "llama_cpp"]
    assert len(scores["pairs"]) == 6

    # a second run of the same command does nothing again, and a report needs neither data nor models
    stamps = {file: file.stat().st_mtime_ns for file in run.path.rglob("predictions.jsonl")}
    assert main(["--results", str(results), "run", str(config)]) == 0
    assert {file: file.stat().st_mtime_ns for file in run.path.rglob("predictions.jsonl")} == stamps
    for file in data_folder.iterdir():
        file.unlink()
    before = (run.path / "report.md").read_text()
    assert main(["--results", str(results), "report"]) == 0
    assert (run.path / "report.md").read_text() == before

    capsys.readouterr()
    assert main(["--results", str(results), "try", "latest", "give me my money back"]) == 0
    answers = capsys.readouterr().out
    assert all(name in answers for name in cells)

    table = tmp_path / "d.csv"
    assert main(["--results", str(results), "disagreements", "--csv", str(table)]) == 0
    with table.open(newline="") as stream:
        lines = list(csv.DictReader(stream))
    assert {"id", "gold", "llama_cpp raw", "encoder right"} <= set(lines[0])


@pytest.mark.parametrize(
    ("name", "cause"),
    [
        ("Segfault", "SIGSEGV"),
        ("Killed", "most likely because memory ran out"),
        ("Raises", "ZeroDivisionError: on purpose"),
        ("DropsOne", "predictions for"),
        ("Invents", "label 'Spam', which the task does not have"),
    ],
)
def test_failing_classifier_is_a_row_and_the_others_finish(
    tmp_path: Path, data_folder: Path, breaking: Path, name: str, cause: str, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = f'[classifiers.bad]\nbackend = "{breaking}:{name}"\n[classifiers.majority]\n'
    config = write_config(tmp_path / "c.toml", data_folder, rows)
    assert main(["--results", str(tmp_path / "r"), "run", str(config)]) == 1
    (bad, _), (good, _) = run_of(tmp_path / "r").cells()
    assert (bad.status, good.status) == ("failed", "ok")
    assert bad.cause is not None
    assert cause in bad.cause
    assert "bad: failed: " in capsys.readouterr().out


def start(config: Path, results: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "bench.cli", "--results", str(results), "run", str(config)]
    return subprocess.Popen(
        command,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        start_new_session=True,
        preexec_fn=hear_interrupts,
    )


def wait_for_lines(results: Path, n: int) -> Path:
    for _ in range(600):
        for file in results.glob("*/slow/predictions.jsonl"):
            if file.read_bytes().count(b"\n") >= n:
                return file
        time.sleep(0.05)
    raise AssertionError("the run never got that far")


def test_killed_run_goes_on_and_repeats_no_message(tmp_path: Path, data_folder: Path, breaking: Path) -> None:
    config = write_config(tmp_path / "c.toml", data_folder, f'[classifiers.slow]\nbackend = "{breaking}:Slow"\n')
    process = start(config, tmp_path / "r")
    file = wait_for_lines(tmp_path / "r", 2)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    kept = file.read_bytes()
    assert not (file.parent / "cell.json").exists()
    assert main(["--results", str(tmp_path / "r"), "run", str(config)]) == 0
    whole = file.read_bytes()
    assert whole.startswith(kept[: kept.rindex(b"\n") + 1])
    ids = [record.id for record in run_of(tmp_path / "r").cell("slow").predictions.read()]
    assert len(ids) == len(set(ids)) == 5


def test_two_runs_on_one_folder_the_second_refuses(
    tmp_path: Path, data_folder: Path, breaking: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = f'[classifiers.slow]\nbackend = "{breaking}:Slow"\n'
    config = write_config(tmp_path / "c.toml", data_folder, rows, latency_messages=3)  # it is to last
    process = start(config, tmp_path / "r")
    wait_for_lines(tmp_path / "r", 1)
    assert main(["--results", str(tmp_path / "r"), "run", str(config)]) == 2
    assert "another run is at work" in capsys.readouterr().err
    assert process.wait() == 0


def test_interrupt_stops_the_worker_and_says_how_to_go_on(tmp_path: Path, data_folder: Path, breaking: Path) -> None:
    config = write_config(tmp_path / "c.toml", data_folder, f'[classifiers.slow]\nbackend = "{breaking}:Slow"\n')
    process = start(config, tmp_path / "r")
    wait_for_lines(tmp_path / "r", 1)
    os.killpg(process.pid, signal.SIGINT)
    _, said = process.communicate(timeout=20)
    assert process.returncode == 130
    assert b"goes on where it stopped" in said


def test_thirty_line_backend_of_the_readme_runs(tmp_path: Path, data_folder: Path) -> None:
    readme = (Path(__file__).parents[3] / "README.md").read_text(encoding="utf-8")
    block = readme.split("<!-- backend -->")[1].split("```python\n")[1].split("```")[0]
    assert len(block.splitlines()) < 30
    (tmp_path / "keywords.py").write_text(block)
    config = write_config(
        tmp_path / "c.toml", data_folder, f'[classifiers.keywords]\nbackend = "{tmp_path}/keywords.py:Keywords"\n'
    )
    assert main(["--results", str(tmp_path / "r"), "run", str(config)]) == 0
    ((cell, folder),) = run_of(tmp_path / "r").cells()
    assert cell.status == "ok"
    assert len(folder.predictions.read()) == 5


def test_answers_of_a_file_are_a_row_without_times_and_a_file_that_does_not_fit_ends_before_anything_runs(
    tmp_path: Path, data_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, results = tmp_path / "vendor.csv", tmp_path / "results"
    labels = {"refunds": "Refund Request", "inquiries": "Order Inquiry", "feedback": "General Feedback"}
    texts = {(data_folder / f"{name}.txt"): label for name, label in labels.items()}
    lines = [(line, label) for path, label in texts.items() for line in path.read_text().splitlines()]
    rows = f'[classifiers.majority]\n[classifiers.vendor]\nbackend = "answers"\nfile = "{file}"\n'
    config = write_config(tmp_path / "small.toml", data_folder, rows, latency_messages=3)
    with file.open("w", newline="") as stream:
        csv.writer(stream).writerows([("text", "label", "probability"), *((*line, 0.9) for line in lines)])
    assert main(["--results", str(results), "run", str(config)]) == 0
    shown = capsys.readouterr().out
    assert "answers read from vendor.csv" in shown
    cells = {cell.classifier: (cell, folder) for cell, folder in run_of(results).cells()}
    vendor, folder = cells["vendor"]
    assert all(record.is_right for record in folder.predictions.read())
    assert {record.confidence for record in folder.validation.read()} == {0.9}
    unknown = (vendor.predict_seconds, vendor.throughput_per_s, vendor.latency_ms, vendor.fit_seconds)
    assert (*unknown, vendor.peak_memory_bytes, vendor.bytes_on_disk) == (None,) * 6
    assert (vendor.n_labelled, vendor.models[0].name) == (0, "vendor.csv")
    assert cells["majority"][0].throughput_per_s

    file.write_text(file.read_text() + "no such message,Order Inquiry,0.5\n")
    again = tmp_path / "again"
    assert main(["--results", str(again), "run", str(config)]) == 2
    assert f"vendor.csv:{len(lines) + 2}: 'no such message' is no message of the task" in capsys.readouterr().err
    assert not list(again.glob("*/*/cell.json"))
