"""`bench study` and `bench atlas` on small tables: broken off and gone on with, killed, on a cluster, and shown."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from conftest import REPOSITORY
from samples import WORDS, write_sweep

from bench.cli import main
from bench.records.atlas import AtlasScores, read_atlas
from bench.records.store import RunFolder

GUESS = """
from dataclasses import replace
from classifiers.interface import Classifier, Prediction, Settings

class Guess(Classifier[Settings]):
    "Asked in words and told no label: answers by the length of a message."
    learns_from_labels = False
    def fit(self, task, train, validation, *, listen=print):
        self.names = task.label_names
    def predict(self, texts):
        for text in texts:
            yield Prediction((self.names[len(text) % len(self.names)],))
    def details(self):
        return replace(super().details(), prompt="Which label?", n_labelled=0, n_parameters=3)
"""
ROWS = """
latency_messages = 0
threads = 1
keep_models = false
[split]
duplicates = 'report'
[classifiers.majority]
[classifiers.llm]
backend = '{folder}/guess.py:Guess'
[classifiers.curve]
backend = 'linear'
train_per_label = [1, 4, 'all']
"""
CELLS = {"majority", "llm", "curve-1", "curve-4", "curve"}
SETS = ("fruit", "cars")


def study(folder: Path) -> Path:
    """Write a study of two small tables: a floor, a row that is prompted and a curve."""
    (folder / "guess.py").write_text(GUESS)
    tables = ""
    for name in SETS:
        lines = [f"{text} number {i} {'of them' * (i % 3)},{label}" for label, text in WORDS[name] for i in range(15)]
        (folder / f"{name}.csv").write_text("text,label\n" + "\n".join(lines) + "\n")
        tables += f"[sweep.data.{name}]\npath = '{folder}/{name}.csv'\n"
    config = folder / "small.toml"
    config.write_text(ROWS.format(folder=folder) + tables)
    return config


def command(tmp_path: Path, where: str, config: Path, *more: str) -> list[str]:
    folder = tmp_path / where
    return ["--results", str(folder / "results"), "study", str(config), "--out", str(folder / "atlas"), *more]


def answered(folder: Path) -> dict[str, dict[str, str]]:
    """Return which messages every cell got right, by data set and cell: all that does not depend on times."""
    return {scores.data_set: {cell.name: cell.right for cell in scores.cells} for scores in read_atlas(folder)}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[AtlasScores]]:
    """The folder of a study that ran from end to end, and its scores."""
    folder = tmp_path_factory.mktemp("whole")
    assert main(command(folder, "a", study(folder))) == 0
    return folder, read_atlas(folder / "a" / "atlas")


@pytest.mark.slow
def test_a_study_writes_scores_without_texts(whole: tuple[Path, list[AtlasScores]]) -> None:
    folder, atlas = whole
    assert sorted(scores.data_set for scores in atlas) == sorted(SETS)
    for scores in atlas:
        assert {cell.name for cell in scores.cells} == CELLS
        assert (scores.missing, scores.n_labels) == ((), 3)
        assert scores.sha256 == ""
        assert {cell.row for cell in scores.cells if cell.is_prompted} == {"llm"}
        assert next(cell for cell in scores.cells if cell.row == "llm").needs_no_labels
        file = folder / "a" / "atlas" / f"{scores.data_set}.json"
        texts = [text for label, text in WORDS[scores.data_set]]
        assert not [text for text in texts if text in file.read_text()]
    (run,) = (folder / "a" / "results").glob("small-fruit-*/run.json")
    tested = [m.id for m in RunFolder(run.parent).messages.read() if m.part == "test"]
    fruit = next(scores for scores in atlas if scores.data_set == "fruit")
    assert list(fruit.ids) == sorted(tested)
    right = {r.id for r in RunFolder(run.parent).cell("curve").predictions.read() if r.is_right}
    curve = next(cell for cell in fruit.cells if cell.name == "curve")
    assert {id_ for id_, sign in zip(fruit.ids, curve.right, strict=True) if sign == "1"} == right


@pytest.mark.slow
def test_an_atlas_is_shown_and_written(
    whole: tuple[Path, list[AtlasScores]], capsys: pytest.CaptureFixture[str]
) -> None:
    folder = whole[0] / "a" / "atlas"
    assert main(["atlas", "show", str(folder)]) == 0
    shown = capsys.readouterr().out
    assert "Best row by number of labels" in shown
    assert "Nothing is said of fine-tuned encoders" in shown
    text = (folder / "atlas.md").read_text()
    assert "| data set | labels | test | majority | no labels | 8 per label | all labels |" in text
    assert "Where rows pass the LLM" in text
    assert "<script" in (folder / "atlas.html").read_text()


@pytest.mark.slow
def test_a_study_without_time_says_what_is_missing_and_goes_on(
    whole: tuple[Path, list[AtlasScores]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = command(tmp_path, "b", study(tmp_path), "--sets", "fruit")
    # the time is up before the first cell can end
    assert main([*arguments, "--hours", "1e-7"]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "0 of 5" in shown
    assert "majority 1, llm 1, curve 3" in shown
    (fruit,) = read_atlas(tmp_path / "b" / "atlas")
    assert (len(fruit.missing), fruit.cells) == (5, ())
    assert main(arguments) == 0
    assert "5 of 5" in capsys.readouterr().out
    there, here = (answered(folder / "atlas") for folder in (tmp_path / "b", whole[0] / "a"))
    assert there == {"fruit": here["fruit"]}


@pytest.mark.slow
def test_a_killed_study_goes_on_where_it_was(whole: tuple[Path, list[AtlasScores]], tmp_path: Path) -> None:
    arguments = command(tmp_path, "c", study(tmp_path))
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    process = subprocess.Popen(
        [sys.executable, "-m", "bench.cli", *arguments], env=environment, stdout=subprocess.DEVNULL, cwd=tmp_path
    )
    results = tmp_path / "c" / "results"
    while len(list(results.glob("*/*/cell.json"))) < 3:
        assert process.poll() is None
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()
    begun = list(results.glob("*/*/cell.json"))
    assert len(begun) < 10
    kept = {file: file.stat().st_mtime_ns for file in begun if json.loads(file.read_text())["status"] == "ok"}
    assert len(kept) >= 3
    assert main(arguments) == 0
    assert {file: file.stat().st_mtime_ns for file in kept} == kept
    assert answered(tmp_path / "c" / "atlas") == answered(whole[0] / "a" / "atlas")


@pytest.mark.slow
def test_a_cluster_gives_the_scores_of_one_machine(
    whole: tuple[Path, list[AtlasScores]], tmp_path: Path, cluster: Any
) -> None:
    for _ in range(2):
        cluster.add_node(num_cpus=1)
    options = ["--executor", "ray", "--address", cluster.address, "--sets", "fruit"]
    assert main(command(tmp_path, "d", study(tmp_path), *options)) == 0
    there, here = (answered(folder / "atlas")["fruit"] for folder in (tmp_path / "d", whole[0] / "a"))
    assert set(there) == CELLS
    assert there == here


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["study", "quick"], "a study needs data sets"),
        (["study", "atlas", "--sets", "banking78"], "did you mean 'banking77'?"),
        (["study", "atlas", "--only", "encodr"], "did you mean 'encoder'?"),
        (["study", "atlas", "--address", "x"], "give --executor ray with them"),
        (["atlas", "show", "nowhere"], "nowhere holds no scores"),
        (["atlas", "show", "a", "b"], "takes one folder"),
        (["atlas", "check"], "name the files of scores"),
        (["atlas", "check", "nowhere.json"], "nowhere.json: cannot be read"),
    ],
)
def test_bad_input_is_one_line(arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 2
    said = capsys.readouterr().err
    assert words in said
    assert said.count("\n") == 1


def test_a_study_has_no_seeds_of_its_split(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["study", str(write_sweep(tmp_path, seeds=[0, 1]))]) == 2
    assert "leave out [sweep] seeds" in capsys.readouterr().err


@pytest.mark.parametrize("hours", ["0", "-1", "nan", "inf", "soon"])
def test_hours_are_above_zero(hours: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["study", "--hours", hours])
    assert "--hours" in capsys.readouterr().err
