"""Bad input at the command line: one line, exit code 2, nothing half-written."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest
from conftest import REPOSITORY

from bench.cli import main
from bench.config.run import load_config, preset_names
from classifiers.registry import check_settings, find_backend

pytestmark = pytest.mark.slow


def refuse(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    assert main(arguments) == 2
    said = capsys.readouterr().err
    assert said.startswith("error: ")
    assert said.count("\n") == 1
    assert "Traceback" not in said
    return said


ROWS = "[classifiers.majority]\n"
BENCH = str(Path(sys.executable).with_name("bench"))


def config(tmp_path: Path, data: Path, rows: str = ROWS, head: str = "") -> str:
    path = tmp_path / "c.toml"
    path.write_text(f'{head}\n[data]\npath = "{data}"\n{rows}')
    return str(path)


@pytest.mark.parametrize(
    ("rows", "head", "words"),
    [
        ("[classifiers.majorty]\n", "", "unknown backend 'majorty'; did you mean 'majority'"),
        ('[classifiers.e]\nbackend = "encoder"\nepoch = 3\n', "", "unknown key 'epoch'; did you mean 'epochs'"),
        ('[classifiers.e]\nbackend = "encoder"\nmodel = "minilm"\n', "", "did you mean 'minilm-l6'"),
        ('[classifiers.l]\nbackend = "llama_cpp"\nmodel = "qwen"\n', "", "unknown model 'qwen'"),
        (ROWS, "sed = 1", "unknown key 'sed'; did you mean 'seed'"),
        (ROWS, 'seed = "x"', "seed: Input should be a valid integer"),
        (ROWS + "[split]\nmethd = 'tail'\n", "", "unknown key 'methd'; did you mean 'method'"),
        (ROWS + "[split]\ntest = 0.95\n", "", "must be below 1"),
        ("", "", "classifiers: Field required"),
        ("[classifiers.'../x']\nbackend='majority'\n", "", "cannot be a folder's name"),
    ],
)
def test_bad_config_is_explained(
    tmp_path: Path, data_folder: Path, rows: str, head: str, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    results = tmp_path / "r"
    said = refuse(["--results", str(results), "run", config(tmp_path, data_folder, rows, head)], capsys)
    assert words in said
    assert not results.exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["run", "defualt"], "unknown preset 'defualt'; did you mean 'default'"),
        (["run", "nothing.toml"], "config 'nothing.toml' cannot be read"),
        (["run", "quick", "--only", "linaer"], "unknown classifier 'linaer'; did you mean 'linear'"),
        (["run", "quick", "--data", "nowhere.csv"], "data 'nowhere.csv' does not exist"),
        (["report", "no-run"], "unknown run 'no-run'"),
        (["models", "pull", "minilm-l7"], "did you mean 'minilm-l6'"),
        (["models", "pull"], "name the models to pull"),
    ],
)
def test_bad_command_is_explained(
    tmp_path: Path, arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert words in refuse(["--results", str(tmp_path / "r"), *arguments], capsys)


def test_model_that_cannot_be_had_offline_is_refused_before_anything_is_written(
    tmp_path: Path, data_folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("classifiers.models.download.hub_answers", lambda: False)
    rows = '[classifiers.encoder]\nmodel = "distilbert-base-uncased"\n'
    monkeypatch.setenv("BENCH_CACHE", str(tmp_path / "cache"))
    said = refuse(["--results", str(tmp_path / "r"), "run", config(tmp_path, data_folder, rows)], capsys)
    assert "model 'distilbert-base-uncased' is not available: the Hub cannot be reached" in said
    assert not (tmp_path / "r").exists()


def test_gguf_that_is_none_is_refused(tmp_path: Path, data_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "x.gguf").write_bytes(b"nonsense")
    rows = f'[classifiers.llama_cpp]\nmodel = "{tmp_path}/x.gguf"\n'
    said = refuse(["--results", str(tmp_path / "r"), "run", config(tmp_path, data_folder, rows)], capsys)
    assert "is no GGUF file" in said


def test_results_that_cannot_be_written_are_one_line(
    tmp_path: Path, data_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "r").write_text("a file where the folder should be")
    said = refuse(["--results", str(tmp_path / "r"), "run", config(tmp_path, data_folder)], capsys)
    assert "cannot write results to" in said


def test_help_imports_nothing_heavy() -> None:
    """The half second that bench --help may take is spent by imports; so none of these may be among them."""
    code = """
import sys
from bench.cli import make_parser
make_parser().format_help()
heavy = {"torch", "transformers", "sklearn", "pandas", "numpy", "llama_cpp", "datasets", "scipy", "rich"}
print(sorted(heavy & set(sys.modules)))
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


def test_import_rules_hold() -> None:
    folder = Path(__file__).parents[2]
    command = [Path(sys.executable).with_name("lint-imports"), "--no-cache"]
    run = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout


@pytest.mark.parametrize("name", preset_names())
def test_shipped_preset_is_valid(name: str) -> None:
    for cell in load_config(name).cells():
        check_settings(find_backend(cell.backend), cell.settings, where=name)


def test_disk_full_is_one_line_and_the_run_goes_on_later(
    tmp_path: Path, data_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A file that cannot grow stands for the full disk; the real one is a mount that needs root."""
    import resource

    results = ["--results", str(tmp_path / "r")]
    command = [*results, "run", config(tmp_path, data_folder)]
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, limits[1]))
    try:
        said = refuse(command, capsys)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert "cannot write results to" in said
    assert main(command) == 0


@pytest.mark.parametrize("option", ["--rounds", "--messages"])
@pytest.mark.parametrize("number", ["0", "-1", "1.5", "many"])
def test_a_speed_of_nothing_is_refused(option: str, number: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["speed", "minilm-l6", option, number])
    assert f"argument {option}: give a number of 1 or more, not '{number}'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("command", "field"),
    [
        (["history"], "accuracy"),
        (["models"], "cached"),
        (["doctor"], "good"),
        (["disagreements", "default", "--limit", "2"], "answers"),
    ],
)
def test_lists_are_given_as_json_too(command: list[str], field: str, capsys: pytest.CaptureFixture[str]) -> None:
    main(["--results", str(REPOSITORY / "results" / "reference"), *command, "--json"])
    found = json.loads(capsys.readouterr().out)
    assert found
    assert all(field in one for one in found)


def test_a_verdict_is_given_as_json_too(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--results", str(REPOSITORY / "results" / "reference"), "recommend", "default", "--json"]) == 0
    verdict = json.loads(capsys.readouterr().out)
    assert (verdict["classifier"], verdict["is_decided"], verdict["margin"]) == ("encoder-then-llm", True, 0.02)
    assert verdict["standings"][0]["classifier"] == "majority"


@pytest.mark.parametrize("shell", ["bash", "zsh", "tcsh"])
def test_shells_can_complete_commands(shell: str, tmp_path: Path) -> None:
    script = subprocess.run([BENCH, "--print-completion", shell], capture_output=True, text=True, check=True).stdout
    assert all(word in script for word in ("disagreements", "across", "executor"))
    if shell == "bash":
        file = tmp_path / "completion.sh"
        file.write_text(script)
        subprocess.run(["bash", "-n", str(file)], check=True)


@pytest.mark.parametrize("terminal", [True, False])
def test_no_colour_where_none_is_wanted(terminal: bool) -> None:
    """In a terminal with NO_COLOR set, and where the output is no terminal at all."""
    command = [BENCH, "--results", str(REPOSITORY / "results" / "reference"), "history"]
    wanted = {key: value for key, value in os.environ.items() if key not in ("FORCE_COLOR", "NO_COLOR")}
    if not terminal:
        shown = subprocess.run(command, capture_output=True, env=wanted, check=True).stdout
        assert b"\x1b" not in shown
        return
    parent, child = pty.openpty()
    with subprocess.Popen(command, stdout=child, env={**wanted, "NO_COLOR": "1", "TERM": "xterm"}) as process:
        os.close(child)
        shown = b""
        with suppress(OSError):  # the end of a terminal is an error
            while piece := os.read(parent, 4096):
                shown += piece
    os.close(parent)
    assert process.returncode == 0
    assert b"Runs" in shown
    assert not re.search(rb"\x1b\[(3|4|9|10)\d", shown), "a colour"
