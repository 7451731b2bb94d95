"""A changed cell is a new cell: nothing of the old one is kept, whatever changed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from bench.cli import main
from bench.records.store import RunFolder

pytestmark = pytest.mark.slow

BACKEND = """
import json
from pathlib import Path
from classifiers.interface import Classifier, Details, ModelFile, Prediction, Settings

WEIGHTS = Path(__file__).with_name("weights.txt")


class Own(Classifier[Settings]):
    def model_files(self):
        import hashlib
        data = WEIGHTS.read_bytes()
        return (ModelFile("weights.txt", hashlib.sha256(data).hexdigest(), len(data)),)

    def fit(self, task, train, validation, *, listen=print):
        self.answer = task.label_names[int(WEIGHTS.read_text())]

    def predict(self, texts):
        return (Prediction((self.answer,)) for _ in texts)

    def details(self):
        return Details(models=self.model_files())

    def save(self, folder):
        (folder / "answer.json").write_text(json.dumps(self.answer))

    def load_from(self, folder, task):
        self.answer = json.loads((folder / "answer.json").read_text())
"""


@pytest.fixture
def config(tmp_path: Path, data_folder: Path) -> Path:
    (tmp_path / "own.py").write_text(BACKEND)
    (tmp_path / "weights.txt").write_text("0")
    file = tmp_path / "c.toml"
    file.write_text(
        f"latency_messages = 0\nthreads = 1\n[data]\npath = '{data_folder}'\n"
        f"[classifiers.own]\nbackend = '{tmp_path}/own.py:Own'\n"
    )
    return file


def answers(config: Path, results: Path) -> set[str]:
    assert main(["--results", str(results), "run", str(config), "--run", "r"]) == 0
    return {label for record in RunFolder(results / "r").cell("own").predictions.read() for label in record.predicted}


def test_a_replaced_model_file_and_an_edited_backend_answer_anew(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    results = tmp_path / "results"
    assert answers(config, results) == {"Refund Request"}
    capsys.readouterr()
    assert answers(config, results) == {"Refund Request"}
    assert "finished before" in capsys.readouterr().out
    (tmp_path / "weights.txt").write_text("1")
    assert answers(config, results) == {"Order Inquiry"}
    (tmp_path / "own.py").write_text(BACKEND.replace("int(WEIGHTS.read_text())", "2"))
    assert answers(config, results) == {"General Feedback"}


def test_half_answers_of_another_cell_are_cleared_and_those_of_the_same_are_kept(config: Path, tmp_path: Path) -> None:
    results = tmp_path / "results"
    answers(config, results)
    folder = RunFolder(results / "r").cell("own")
    whole = folder.predictions.read()
    (folder.path / "cell.json").unlink()
    folder.predictions.write(whole[:2])
    stamp = folder.fitted.stat().st_mtime_ns
    assert answers(config, results) == {"Refund Request"}
    assert folder.fitted.stat().st_mtime_ns == stamp, "the same cell goes on with what it fitted"
    (folder.path / "cell.json").unlink()
    folder.predictions.write(whole[:2])
    (tmp_path / "weights.txt").write_text("1")
    assert answers(config, results) == {"Order Inquiry"}


def test_workers_read_the_run_folder_and_never_the_users_file(config: Path, tmp_path: Path, data_folder: Path) -> None:
    results = tmp_path / "results"
    answers(config, results)
    run = RunFolder(results / "r")
    parts = {record.part for record in run.messages.read()}
    assert parts == {"train", "validation", "test"}
    for file in data_folder.iterdir():
        file.unlink()
    before = [record.predicted for record in run.cell("own").predictions.read()]
    run.cell("own").predictions.path.unlink()
    command = [sys.executable, "-m", "bench.execution.worker", str(run.path), "own"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as worker:
        assert worker.wait() == 0, worker.stderr and worker.stderr.read()  # its input stays open, as a runner keeps it
    assert [record.predicted for record in run.cell("own").predictions.read()] == before
    assert before


HIDDEN = """
import builtins

real = builtins.__import__


def without(name, globals=None, *rest, **named):
    # packages that have a Windows part of their own, such as psutil, may import them here
    asking = (globals or {}).get("__name__", "").partition(".")[0]
    if name in ("fcntl", "resource") and asking in ("bench", "classifiers", "filelock", "__main__"):
        raise ImportError(name)
    return real(name, globals, *rest, **named)


builtins.__import__ = without
"""


def test_majority_and_linear_run_where_fcntl_and_resource_do_not_exist(tmp_path: Path, data_folder: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(HIDDEN)
    file = tmp_path / "c.toml"
    rows = "[classifiers.majority]\n[classifiers.linear]\n"
    file.write_text(f"latency_messages = 3\nthreads = 1\n[data]\npath = '{data_folder}'\n{rows}")
    path = os.pathsep.join([str(tmp_path), *filter(None, [os.environ.get("PYTHONPATH")])])
    command = [
        sys.executable,
        "-m",
        "bench.cli",
        "--results",
        str(tmp_path / "results"),
        "run",
        str(file),
        "--run",
        "r",
    ]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": path}, check=False)
    assert done.returncode == 0, done.stderr + done.stdout
    run = RunFolder(tmp_path / "results" / "r")
    for name in ("majority", "linear"):
        cell = run.cell(name).read()
        assert cell is not None
        assert cell.status == "ok"
        assert cell.predict_memory_bytes, "serving memory was measured in a process of its own"
        assert cell.machine["threads"] == 1
    assert json.loads((run.path / "run.json").read_text())["executor"] == "local"
