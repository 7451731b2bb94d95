"""Results in a bucket: a real server on this machine that speaks S3, in place of a folder that machines share."""

from __future__ import annotations

import filecmp
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from samples import WAITING

from bench.cli import main
from bench.execution.storage import store_cell
from bench.records.store import RunFolder

pytestmark = pytest.mark.slow

RCLONE = Path(sys.executable).with_name("rclone")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def bucket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder in which a server keeps the bucket `results`; the environment holds its key."""
    import s3fs

    folder, port = tmp_path / "buckets" / "results", free_port()
    folder.mkdir(parents=True)
    command = [RCLONE, "serve", "s3", "--addr", f"127.0.0.1:{port}", "--auth-key", "key,secret", "--config", ""]
    server = subprocess.Popen([*command, folder.parent], stderr=subprocess.DEVNULL)
    values = {"ACCESS_KEY_ID": "key", "SECRET_ACCESS_KEY": "secret", "ENDPOINT_URL": f"http://127.0.0.1:{port}"}
    for name, value in {**values, "DEFAULT_REGION": "us-east-1", "MAX_ATTEMPTS": "1"}.items():
        monkeypatch.setenv(f"AWS_{name}", value)
    s3fs.S3FileSystem.clear_instance_cache()  # another test's keys
    for _ in range(100):
        with socket.socket() as tried:
            if not tried.connect_ex(("127.0.0.1", port)):
                break
        time.sleep(0.1)
    yield folder
    server.kill()
    server.wait()


def times_in(folder: Path) -> dict[str, int]:
    """Return when each file below a folder was written."""
    return {
        file.relative_to(folder).as_posix(): file.stat().st_mtime_ns for file in folder.rglob("*") if file.is_file()
    }


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A config of a row that is done at once and one that waits for the file `go`."""
    lines = [f"word{i} thing{i % 7},{'xy'[i % 2]}\n" for i in range(60)]
    (tmp_path / "m.csv").write_text("text,label\n" + "".join(lines))
    (tmp_path / "slow.py").write_text(WAITING)
    file = tmp_path / "c.toml"
    file.write_text(
        f"latency_messages = 0\nthreads = 1\n[data]\npath = '{tmp_path}/m.csv'\n[classifiers.majority]\n"
        f"[classifiers.slow]\nbackend = '{tmp_path}/slow.py:Slow'\n"
    )
    return file


def command(results: Path, config: Path, storage: str) -> list[str]:
    return ["--results", str(results), "run", str(config), "--run", "r", "--executor", "ray", "--storage", storage]


def kill(process: subprocess.Popen[bytes], begun: list[Path]) -> None:
    """Kill a command, and wait until the workers of its cluster are gone too."""
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    for file in begun:
        worker = Path("/proc") / file.name.rpartition("-")[2]
        for _ in range(300):
            if not worker.exists():
                break
            time.sleep(0.1)
        assert not worker.exists()


def test_a_killed_run_goes_on_from_the_bucket_whose_copy_is_a_folder_of_results(
    bucket: Path, config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import ray

    storage = "s3://results/all/"
    started = [sys.executable, "-m", "bench.cli", *command(tmp_path / "here", config, storage)]
    process = subprocess.Popen(started, stdout=subprocess.DEVNULL, start_new_session=True)
    while not (bucket / "all/r/majority/cell.json").exists() or not list(tmp_path.glob("started-*")):
        assert process.poll() is None
        time.sleep(0.1)
    kill(process, list(tmp_path.glob("started-*")))
    stored = times_in(bucket / "all" / "r" / "majority")
    assert {"cell.json", "cell-identity.json", "predictions.jsonl"} <= set(stored)
    assert not (bucket / "all/r/slow").exists()

    # from another folder, as from another machine
    (tmp_path / "go").touch()
    try:
        assert main(command(tmp_path / "there", config, storage)) == 0
    finally:
        ray.shutdown()
    assert times_in(bucket / "all" / "r" / "majority") == stored
    assert len(list(tmp_path.glob("started-*"))) == 2

    shutil.copytree(bucket / "all", tmp_path / "copy")
    capsys.readouterr()
    assert main(["--results", str(tmp_path / "copy"), "report", "r"]) == 0
    shown = capsys.readouterr().out
    assert "majority" in shown
    assert "slow" in shown
    for name in ("majority", "slow"):
        copied, fetched = (RunFolder(tmp_path / place / "r").cell(name) for place in ("copy", "there"))
        assert copied.predictions.read() == fetched.predictions.read() != []


def test_a_file_that_is_sent_in_parts_arrives_whole(bucket: Path, tmp_path: Path) -> None:
    """From 100 MB on s3fs sends 50 MB at a time."""
    weights = tmp_path / "cell" / "model" / "weights"
    weights.parent.mkdir(parents=True)
    with weights.open("wb") as file:
        for part in range(11):
            file.write(bytes([part]) * 10_000_000)
    (tmp_path / "cell" / "cell.json").write_text("{}")
    store_cell(tmp_path / "cell", "s3://results/r/cell")
    assert set(times_in(bucket)) == {"r/cell/cell.json", "r/cell/model/weights"}
    assert filecmp.cmp(weights, bucket / "r/cell/model/weights", shallow=False)


@pytest.mark.parametrize(
    ("storage", "changed", "reason"),
    [
        ("s3://elsewhere/x", {}, "The specified bucket does not exist"),
        ("s3://results/x", {"AWS_ACCESS_KEY_ID": "another"}, "The Access Key Id you provided does not exist"),
        ("s3://results/x", {"AWS_SECRET_ACCESS_KEY": "another"}, "The request signature we calculated does not match"),
        ("s3://results/x", {"AWS_ENDPOINT_URL": "http://127.0.0.1:9"}, "Could not connect to the endpoint URL"),
        ("nothing://x", {}, "Protocol not known: nothing"),
    ],
)
def test_a_storage_that_cannot_be_used_is_one_line_before_anything_runs(
    storage: str,
    changed: dict[str, str],
    reason: str,
    bucket: Path,
    config: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name, value in changed.items():
        monkeypatch.setenv(name, value)
    assert main(command(tmp_path / "here", config, storage)) == 2
    (said,) = capsys.readouterr().err.strip().splitlines()
    assert said.startswith(f"error: storage '{storage}' cannot be used: {reason}")
    assert "secret" not in said
    assert [folder.name for folder in bucket.parent.iterdir()] == ["results"]
    assert times_in(bucket) == {}
    assert not list((tmp_path / "here").glob("*/*/cell.json"))
