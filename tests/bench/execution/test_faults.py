"""Whole runs in trouble: killed, interrupted, out of memory or disk, with a clock that goes back."""

from __future__ import annotations

import fcntl
import json
import multiprocessing
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import psutil
import pytest
from samples import hear_interrupts

from bench.cli import main
from bench.execution.runner import LOCK
from bench.records.store import CellFolder, RunFolder
from bench.records.types import PredictionRecord
from classifiers.testing import TEXTS

pytestmark = pytest.mark.slow

BACKENDS = """
import resource, signal, time
from pathlib import Path
from classifiers.encoder.backend import Encoder
from classifiers.interface import Attempt, Prediction
from classifiers.llm.llama_cpp import LlamaCpp
from classifiers.majority import Majority

LIMIT = Path(__file__).with_name("limit")
GIGABYTES = 8

def confine(megabytes=20):
    "Let this process have no more than so much beyond what it has."
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit = pages * resource.getpagesize() + megabytes * 1_000_000
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))

class Steady(Majority):
    "Takes its time; where a limit is written down, the system kills it in the middle of the write that passes it."
    batch_size = 2
    def fit(self, task, train, validation, *, listen=None):
        time.sleep(0.2)
        super().fit(task, train, validation)
    def predict(self, texts):
        if LIMIT.exists():
            signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
            limit = int(LIMIT.read_text())
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
        time.sleep(0.04)
        names = list(self.shares)
        for text in texts:
            answer = (names[len(text) % len(names)],)
            yield Prediction(answer, probabilities=self.shares, attempts=(Attempt("word " * 40, answer, True),))

class Wordy(Majority):
    "Writes much more than fits a small disk."
    batch_size = 1
    def predict(self, texts):
        for text in texts:
            yield Prediction(self.answer, attempts=(Attempt("word " * 8000, self.answer, True),))

class Hungry(Majority):
    def fit(self, task, train, validation, *, listen=None):
        confine()
        self.weights = bytearray(GIGABYTES << 30)

class HungryTensor(Majority):
    def fit(self, task, train, validation, *, listen=None):
        import torch
        confine()
        self.weights = torch.empty(GIGABYTES << 30, dtype=torch.uint8)

class ConfinedEncoder(Encoder):
    def load(self):
        import transformers.models.bert.modeling_bert
        confine()
        super().load()

class ConfinedLlama(LlamaCpp):
    "Has room for the file of 90 MB once: enough to look it over, not to work with it."
    def load(self):
        import classifiers.llm.engine.engine
        confine(120)
        super().load()
"""
CLOCK_THAT_GOES_BACK = """
import itertools, time
start, steps = time.time(), itertools.count()
time.time = lambda: start - 3600.0 * next(steps)
time.time_ns = lambda: int(time.time() * 1e9)
"""


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """84 messages, pairs of the small task's."""
    table = tmp_path / "messages.jsonl"
    rows = [{"text": f"{a} {b}", "label": name} for name, own in TEXTS.items() for a, b in combinations(own, 2)]
    table.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return table


@pytest.fixture
def backends(tmp_path: Path) -> Path:
    file = tmp_path / "backends.py"
    file.write_text(BACKENDS)
    return file


def write_config(path: Path, data: Path, rows: str, *, latency_messages: int = 0) -> Path:
    head = f"latency_messages = {latency_messages}\nthreads = 1\n"
    split = '[split]\ntest = 0.5\nduplicates = "report"\n'
    path.write_text(f'{head}[data]\npath = "{data}"\n{split}{rows}', encoding="utf-8")
    return path


def command(config: Path, results: Path, name: str = "run") -> list[str]:
    return [sys.executable, "-m", "bench.cli", "--results", str(results), "run", str(config), "--run", name]


def start(command: list[str], **more: str) -> subprocess.Popen[str]:
    """Start a run as a terminal does: in a process group of its own."""
    pipe = subprocess.PIPE
    environment = {**os.environ, "COLUMNS": "120", **more}
    return subprocess.Popen(
        command,
        stdout=pipe,
        stderr=pipe,
        env=environment,
        text=True,
        start_new_session=True,
        preexec_fn=hear_interrupts,
    )


def wait_until(is_so: Callable[[], object], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.005)


def lines(cell: CellFolder) -> int:
    path = cell.path / "predictions.jsonl"
    return path.read_bytes().count(b"\n") if path.exists() else 0


def workers_of(process: subprocess.Popen[str] | multiprocessing.process.BaseProcess) -> list[psutil.Process]:
    try:
        return psutil.Process(process.pid).children()
    except psutil.NoSuchProcess:
        return []


def outcome(run: RunFolder) -> tuple[str, list[list[PredictionRecord]]]:
    """Return a finished run's scores as written and its answers; only times and its name may differ from another's."""
    answers = [[replace(record, seconds=0.0) for record in folder.predictions.read()] for _, folder in run.cells()]
    assert [cell.status for cell, _ in run.cells()] == ["ok", "ok"]
    return (run.path / "scores.json").read_text().replace(json.dumps(run.path.name), '"run"'), answers


def preloaded() -> multiprocessing.context.ForkServerContext:
    """Return what starts processes that have imported what a run needs, to save a second each."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(
        ["bench.execution.runner", "bench.report.files", "iterstrat.ml_stratifiers", "pandas"]
    )
    return context


def is_free(lock: Path) -> bool:
    """Tell whether no process holds a run's folder."""
    with lock.open("w") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True


class Killer:
    """Starts a run and kills it one way or the other; each way leaves nothing of it running."""

    def __init__(self, arguments: list[str], run: RunFolder, limit: Path, chance: random.Random) -> None:
        self.arguments, self.run, self.limit, self.chance = arguments, run, limit, chance

    def strike(self, way: str, moment: float) -> bool:
        """Kill a run after so many seconds; False where it was finished before."""
        self.limit.unlink(missing_ok=True)
        if way == "write":
            (self.run.cell("steady").path / "cell.json").unlink(missing_ok=True)  # of an earlier kill
            path = self.run.cell("steady").path / "predictions.jsonl"
            size = path.stat().st_size if path.exists() else 0
            self.limit.write_text(str(max(size, 1000) + self.chance.randint(20, 2000)))
        process = preloaded().Process(target=main, args=(self.arguments,))
        process.start()
        workers = self._strike(process, way, moment)
        process.kill()
        process.join()
        for worker in workers if way == "both" else ():
            with suppress(psutil.NoSuchProcess):
                worker.kill()
        _, alive = psutil.wait_procs(workers, timeout=5)
        assert not alive, "a worker outlived its runner"
        # one that was started in the last moment ends with the runner too, and lets go of the folder with it
        wait_until(lambda: not (self.run.path / LOCK).exists() or is_free(self.run.path / LOCK))
        return process.exitcode == -signal.SIGKILL

    def _strike(self, process: multiprocessing.process.BaseProcess, way: str, moment: float) -> list[psutil.Process]:
        """Wait for the moment and give the workers there are then; a worker that is to die alone is killed."""
        if way == "write":
            wait_until(lambda: not process.is_alive() or self._has_failed())
            return workers_of(process)
        process.join(moment)
        wait_until(lambda: not process.is_alive() or way != "worker" or workers_of(process))
        workers = workers_of(process)
        if way == "worker" and workers:
            workers[0].kill()
            wait_until(lambda: not process.is_alive() or workers_of(process) != workers)
        return workers

    def _has_failed(self) -> bool:
        cell = self.run.cell("steady").read()
        return cell is not None and cell.status == "failed"


def test_run_killed_at_twenty_moments_ends_as_one_left_alone(tmp_path: Path, data: Path, backends: Path) -> None:
    """Runner and worker together, either alone, and the worker in the middle of a write."""
    rows = f'[classifiers.steady]\nbackend = "{backends}:Steady"\n[classifiers.majority]\n'
    config = write_config(tmp_path / "c.toml", data, rows, latency_messages=3)
    began = time.monotonic()
    whole = preloaded().Process(target=main, args=(command(config, tmp_path, "whole")[3:],))
    whole.start()
    wait_until((tmp_path / "whole" / "majority" / "cell.json").exists)
    span = time.monotonic() - began  # what comes after is the report
    whole.join()
    expected = outcome(RunFolder(tmp_path / "whole"))
    chance = random.Random(20)
    ways = ["both"] * 6 + ["runner"] * 5 + ["worker"] * 5 + ["write"] * 4
    chance.shuffle(ways)
    number, kills, cuts = 0, 0, 0
    while ways:
        run = RunFolder(tmp_path / f"killed{number}")
        killer = Killer(command(config, tmp_path, run.path.name)[3:], run, backends.with_name("limit"), chance)
        if killer.strike(ways[-1], chance.uniform(0.1, 0.75) * span):
            ways.pop()
            kills += 1
            path = run.cell("steady").path / "predictions.jsonl"
            cuts += path.exists() and path.stat().st_size > 0 and not path.read_bytes().endswith(b"\n")
        else:
            assert outcome(run) == expected
            number += 1
    backends.with_name("limit").unlink(missing_ok=True)
    assert main(command(config, tmp_path, run.path.name)[3:]) == 0
    assert outcome(run) == expected
    assert kills == 20
    assert cuts >= 1, "no write was cut off"


def test_cut_last_line_is_redone_when_the_run_goes_on(tmp_path: Path, data: Path) -> None:
    rows = "[classifiers.other]\nbackend = 'linear'\n[classifiers.majority]\n"  # of equal ones the faster would be best
    config = write_config(tmp_path / "c.toml", data, rows)
    run = RunFolder(tmp_path / "run")
    assert main(command(config, tmp_path)[3:]) == 0
    expected = outcome(run)
    kept = {}
    for name, missing in (("other", 40), ("majority", 1)):  # a part of the line; only the sign that ends it
        file = run.cell(name).path / "predictions.jsonl"
        written = file.read_bytes().splitlines(keepends=True)
        kept[file] = b"".join(written[:8])
        file.write_bytes(b"".join(written[:9])[:-missing])
        (run.cell(name).path / "cell.json").unlink()
    assert main(command(config, tmp_path)[3:]) == 0
    assert outcome(run) == expected
    assert all(file.read_bytes().startswith(whole) for file, whole in kept.items()), "whole lines stay as they are"


def test_line_broken_elsewhere_is_named(tmp_path: Path, data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = write_config(
        tmp_path / "c.toml", data, "[classifiers.first]\nbackend = 'majority'\n[classifiers.majority]\n"
    )
    run = RunFolder(tmp_path / "run")
    assert main(command(config, tmp_path)[3:]) == 0
    file = run.cell("first").path / "predictions.jsonl"
    one, two, *rest = file.read_bytes().splitlines(keepends=True)
    file.write_bytes(b"".join([one, two[:-9] + b"\n", *rest]))
    capsys.readouterr()
    assert main(["--results", str(tmp_path), "report", "run"]) == 2
    assert f"{file}:2: broken record" in capsys.readouterr().err
    (run.cell("first").path / "cell.json").unlink()
    assert main(command(config, tmp_path)[3:]) == 1
    (first, _), (majority, _) = run.cells()
    assert (first.status, majority.status) == ("failed", "ok")
    assert first.cause is not None
    assert f"{file}:2: broken record" in first.cause


@pytest.mark.parametrize("to", ["the whole group", "the runner alone"])
def test_interrupt_stops_at_once_and_shows_what_is_finished(
    tmp_path: Path, data: Path, backends: Path, to: str
) -> None:
    last = '[classifiers.last]\nbackend = "majority"\n'
    rows = f'[classifiers.majority]\n[classifiers.steady]\nbackend = "{backends}:Steady"\n{last}'
    config = write_config(tmp_path / "c.toml", data, rows)
    run = RunFolder(tmp_path / "run")
    process = start(command(config, tmp_path))
    wait_until(lambda: lines(run.cell("steady")) >= 4)
    workers = workers_of(process)
    assert len(workers) == 1
    (os.killpg if to == "the whole group" else os.kill)(process.pid, signal.SIGINT)
    shown, said = process.communicate(timeout=2)
    assert process.returncode == 130
    assert not any(worker.is_running() for worker in workers)
    assert "steady: interrupted: stopped before its end; its answers so far are kept" in shown
    scores = shown[shown.index("Results") :].splitlines()
    assert any(line.split()[:1] == ["majority"] and "33.3 [" in line for line in scores), shown
    assert any(line.split()[:1] == ["steady"] and "–" in line for line in scores), shown
    assert said == "interrupted; the same command goes on where it stopped\n"
    kept = lines(run.cell("steady"))
    assert kept < 42
    assert main(command(config, tmp_path)[3:]) == 0
    ids = [record.id for record in run.cell("steady").predictions.read()]
    assert len(ids) == len(set(ids)) == 42


@pytest.mark.parametrize("name", ["Hungry", "HungryTensor"])
def test_worker_out_of_memory_is_a_row_that_says_so(tmp_path: Path, data: Path, backends: Path, name: str) -> None:
    check_memory_row(tmp_path, data, f'backend = "{backends}:{name}"')


def test_encoder_that_memory_cannot_hold_is_a_row_that_says_so(
    tmp_path: Path, data: Path, backends: Path, minilm: Path
) -> None:
    check_memory_row(tmp_path, data, f'backend = "{backends}:ConfinedEncoder"\nmodel = "{minilm}"')


def test_llm_that_memory_cannot_hold_is_a_row_that_says_so(
    tmp_path: Path, data: Path, backends: Path, smollm: Path
) -> None:
    check_memory_row(tmp_path, data, f'backend = "{backends}:ConfinedLlama"\nmodel = "{smollm}"')


def check_memory_row(tmp_path: Path, data: Path, row: str) -> None:
    if sys.platform != "linux":
        pytest.skip("only Linux holds a process to RLIMIT_AS")
    config = write_config(tmp_path / "c.toml", data, f"[classifiers.large]\n{row}\n[classifiers.majority]\n")
    assert main(command(config, tmp_path)[3:]) == 1
    (large, _), (majority, _) = RunFolder(tmp_path / "run").cells()
    assert (large.status, majority.status) == ("failed", "ok")
    assert large.cause is not None
    assert large.cause.startswith("memory ran out ("), large.cause


def in_a_small_disk(tmp_path: Path, script: str) -> subprocess.CompletedProcess[str]:
    """Run a shell script in a mount namespace of its own, where it may mount what ends with it."""
    unshare = ["unshare", "--user", "--map-root-user", "--mount"]
    probe = [*unshare, "mount", "-t", "tmpfs", "none", str(tmp_path)]
    if not shutil.which("unshare") or subprocess.run(probe, capture_output=True, check=False).returncode:
        pytest.skip("this system lets no test mount a file system of its own")
    return subprocess.run([*unshare, "bash", "-euc", script], capture_output=True, text=True, check=False)


def test_disk_that_fills_up_during_a_run_is_one_line_and_the_run_goes_on_later(
    tmp_path: Path, data: Path, backends: Path
) -> None:
    rows = f'[classifiers.majority]\n[classifiers.wordy]\nbackend = "{backends}:Wordy"\n'
    config = write_config(tmp_path / "c.toml", data, rows)
    disk = tmp_path / "disk"
    disk.mkdir()
    run = " ".join(command(config, disk))
    script = f"""
        mount -t tmpfs -o size=1000k none {disk}
        {run} && exit 9 || echo code $?
        tail -c 9 {disk}/run/wordy/predictions.jsonl | grep -c '}}$' || echo cut
        mount -o remount,size=20m {disk}
        {run}
        cp -r {disk}/run {tmp_path}/run
    """
    done = in_a_small_disk(tmp_path, script)
    assert done.returncode == 0, done.stderr
    assert "code 2\n" in done.stdout
    assert "cut\n" in done.stdout
    assert done.stderr == f"error: cannot write results to {disk}/run: No space left on device\n"
    (_, _), (cell, folder) = RunFolder(tmp_path / "run").cells()
    ids = [record.id for record in folder.predictions.read()]
    assert cell.status == "ok"
    assert len(ids) == len(set(ids)) == 42


def test_results_that_are_read_only_are_one_line(tmp_path: Path, data: Path) -> None:
    config = write_config(tmp_path / "c.toml", data, "[classifiers.majority]\n")
    disk = tmp_path / "disk"
    disk.mkdir()
    run = " ".join(command(config, disk))
    done = in_a_small_disk(tmp_path, f"mount -t tmpfs -o ro none {disk}\n{run}")
    assert done.returncode == 2
    assert done.stderr == f"error: cannot write results to {disk}/run: Read-only file system\n"


def test_results_lie_on_a_path_with_spaces_and_other_scripts(tmp_path: Path, data: Path, backends: Path) -> None:
    folder = tmp_path / "résultats d'été" / "結果 😀"
    folder.mkdir(parents=True)
    moved = data.rename(folder / "сообщения 1.jsonl")
    mine = backends.rename(folder / "my backends.py")
    rows = f'[classifiers.wordy]\nbackend = "{mine}:Wordy"\n[classifiers.majority]\n'
    config = write_config(folder / "ü é.toml", moved, rows)
    process = start(command(config, folder, "mein Lauf"), LC_ALL="C")
    shown, said = process.communicate()
    assert process.returncode == 0, said
    assert "mein Lauf" in shown
    outcome(RunFolder(folder / "mein Lauf"))


def test_clock_that_goes_back_spoils_no_duration(
    tmp_path: Path, data: Path, backends: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "sitecustomize.py").write_text(CLOCK_THAT_GOES_BACK)
    rows = f'[classifiers.steady]\nbackend = "{backends}:Steady"\n[classifiers.majority]\n'
    config = write_config(tmp_path / "c.toml", data, rows, latency_messages=3)
    process = start(command(config, tmp_path), PYTHONPATH=str(tmp_path))
    _, said = process.communicate()
    assert process.returncode == 0, said
    (steady, folder), _ = RunFolder(tmp_path / "run").cells()
    assert all(record.seconds >= 0.02 for record in folder.predictions.read()), "a message's half of a pause of 0.04 s"
    assert steady.latency_ms is not None
    assert steady.latency_ms.p50 >= 40
    assert min(steady.load_seconds or -1, steady.fit_seconds or -1) > 0
    assert main(["--results", str(tmp_path), "history"]) == 0
    assert "steady 33.3 %" in capsys.readouterr().out
