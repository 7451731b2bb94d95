"""Sweeps over data sets and seeds, on this machine and on a real Ray cluster that loses a machine."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

import pytest
from samples import WAITING, WORDS, write_sweep

from bench.analysis.metrics import METRICS
from bench.analysis.scored_run import rows_of
from bench.cli import main
from bench.config.run import load_config
from bench.execution import memory_gate as memory
from bench.execution.memory_gate import MemoryGate, needed_bytes
from bench.records.store import RunFolder
from classifiers.errors import BenchError

pytestmark = pytest.mark.slow

MEASURED = ("ms", "s", "/s", "B")


def answers(results: Path) -> dict[str, Any]:
    """Return everything that was answered and scored, without times."""
    found: dict[str, Any] = {}
    for file in sorted(results.glob("*/run.json")):
        for row in rows_of(RunFolder(file.parent)):
            assert row.status == "ok", row.cause
            assert row.scores is not None
            said = [(r.id, r.predicted, r.probabilities) for r in row.records]
            scores = {
                metric.name: (metric.value(row), metric.interval(row))
                for metric in METRICS
                if metric.unit not in MEASURED
            }
            found[f"{file.parent.name}/{row.name}"] = (said, scores)
    return found


def test_sweep_runs_every_data_set_with_every_seed(swept: Path, capsys: pytest.CaptureFixture[str]) -> None:
    results, config, shown = swept / "results", swept / "wide.toml", (swept / "shown.txt").read_text()
    names = sorted(file.parent.name.rpartition("-")[0] for file in results.glob("*/run.json"))
    assert names == sorted(f"wide-{data}-seed{seed}" for data in WORDS for seed in (0, 1))
    assert len(answers(results)) == 6 * 4
    assert "wide-fruit-seed0/linear: done" in shown
    assert "Over all data sets" in shown
    assert (results / "wide-across" / "across.md").is_file()

    stamps = {file: file.stat().st_mtime_ns for file in results.rglob("predictions.jsonl")}
    assert main(["--results", str(results), "run", str(config)]) == 0
    assert "wide-fruit-seed0/linear: finished before, kept" in capsys.readouterr().out
    assert {file: file.stat().st_mtime_ns for file in results.rglob("predictions.jsonl")} == stamps


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[sweep]\n", "needs data sets"),
        ("[sweep.data.'a/b']\npath = 'x.csv'\n", "cannot be a folder's name"),
        ("[sweep]\nseed = [1]\n", "did you mean 'seeds'"),
    ],
)
def test_bad_sweep_is_one_line(tmp_path: Path, text: str, words: str) -> None:
    file = tmp_path / "c.toml"
    file.write_text(f"{text}[classifiers.majority]\n")
    with pytest.raises(BenchError, match=words):
        load_config(str(file))


def test_options_that_a_sweep_sets_itself_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = write_sweep(tmp_path, seeds=[0])
    assert main(["run", str(config), "--data", "elsewhere.csv"]) == 2
    assert "leave out --data" in capsys.readouterr().err
    assert main(["run", str(config), "--text", "body", "--label", "topic"]) == 2
    assert "leave out --text and --label" in capsys.readouterr().err
    assert main(["run", str(config), "--storage", "s3://nowhere"]) == 2
    assert "--executor ray" in capsys.readouterr().err


def test_memory_a_cell_needs_grows_with_its_model(tmp_path: Path) -> None:
    file = tmp_path / "c.toml"
    file.write_text(
        "[classifiers.majority]\n[classifiers.encoder]\nmodel = 'minilm-l6'\n[classifiers.llama_cpp]\n"
        "[classifiers.distilled]\n[classifiers.linear]\nmemory_gb = 0.5\n"
    )
    config = load_config(str(file))
    needed = {cell.row: needed_bytes(cell, config.classifiers[cell.row]) for cell in config.cells()}
    assert needed["linear"] == 500_000_000
    assert needed["majority"] == memory.LIBRARIES < needed["encoder"] < needed["llama_cpp"] == needed["distilled"]
    assert needed["llama_cpp"] > memory.LIBRARIES + 2e9  # Qwen 1.5B is a file of 1.1 GB


def test_no_cell_begins_before_its_memory_is_free(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "free_memory_bytes", lambda: 10)
    gate = MemoryGate()
    with pytest.raises(BenchError, match="needs about"):
        gate.enter("huge", 11)
    gate.enter("first", 6)
    begun: list[float] = []

    def second() -> None:
        gate.enter("second", 6)
        begun.append(time.monotonic())

    thread = threading.Thread(target=second)
    thread.start()
    time.sleep(0.3)
    assert not begun
    left = time.monotonic()
    gate.leave("first")
    thread.join(timeout=5)
    assert begun[0] >= left


def test_cell_that_never_fits_is_a_failed_row(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = "[classifiers.huge]\nbackend = 'majority'\nmemory_gb = 1e6\n"
    config = write_sweep(tmp_path, seeds=[0], names=("fruit",), seeded=False, rows=rows, top="jobs = 2\n")
    assert main(["--results", str(tmp_path / "results"), "run", str(config)]) == 1
    assert "huge: FAILED: it needs about 1000000.0 GB of memory" in capsys.readouterr().out


@pytest.mark.slow
def test_ray_gives_the_same_answers_though_a_machine_is_lost(tmp_path: Path, cluster: Any) -> None:
    (tmp_path / "slow.py").write_text(WAITING)
    rows = f"[classifiers.slow]\nbackend = '{tmp_path / 'slow.py'}:Slow'\n"
    names = ("fruit", "cars")
    config = write_sweep(tmp_path, seeds=[0], names=names, seeded=False, rows=rows)
    machines = [cluster.add_node(num_cpus=1) for _ in range(2)]

    def lose_one() -> None:
        # cells of that row wait for the loss, so that with two of them begun both machines are at one
        while len(list(tmp_path.glob("started-*"))) < 2:
            time.sleep(0.1)
        cluster.remove_node(machines[0], allow_graceful=False)
        (tmp_path / "go").touch()

    killer = threading.Thread(target=lose_one, daemon=True)
    killer.start()
    storage = tmp_path / "bucket"
    ray_results, local_results = tmp_path / "by-ray", tmp_path / "by-processes"
    options = ["--executor", "ray", "--address", cluster.address, "--storage", f"file://{storage}"]
    assert main(["--results", str(ray_results), "run", str(config), *options]) == 0
    killer.join()
    assert len(list(tmp_path.glob("started-*"))) > len(names), "no cell was run again"
    assert main(["--results", str(local_results), "run", str(config)]) == 0
    assert answers(ray_results) == answers(local_results)
    assert len(list(storage.glob("*/*/cell.json"))) == len(names) * 3

    # another machine takes up what the storage holds and runs nothing
    begun, elsewhere = set(tmp_path.glob("started-*")), tmp_path / "elsewhere"
    assert main(["--results", str(elsewhere), "run", str(config), *options]) == 0
    assert set(tmp_path.glob("started-*")) == begun
    assert answers(elsewhere) == answers(local_results)
