"""Results on a store that speaks S3: a real server on this machine, in place of a folder that machines share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest

from bench.cli import main
from bench.execution.ray_cluster import check_storage, store
from bench.records.store import RunFolder
from classifiers.errors import BenchError

ROWS = "text,label\n" + "".join(f"word{i} thing{i % 7},{'xy'[i % 2]}\n" for i in range(60))
OPEN_TO_ALL = b"1000000000"
"""After so many requests the server asks who somebody is."""


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    from moto.server import ThreadedMotoServer

    running = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    running.start()
    host, port = running.get_host_and_port()
    yield f"http://{host}:{port}"
    running.stop()


@pytest.fixture
def bucket(server: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """An empty bucket, `results`, and the file system that it is in; whoever asks with its key may do all."""
    import s3fs

    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_ENDPOINT_URL", server)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    ask(f"{server}/moto-api/reset")
    s3fs.S3FileSystem.clear_instance_cache()
    files = s3fs.S3FileSystem()
    files.mkdir("results")
    yield files
    ask(f"{server}/moto-api/reset-auth", OPEN_TO_ALL)
    s3fs.S3FileSystem.clear_instance_cache()


def ask(address: str, data: bytes = b"") -> None:
    with urlopen(Request(address, data=data, method="POST")) as response:
        assert response.status == 200


def listed(files: Any, place: str) -> list[str]:
    files.invalidate_cache()
    return sorted(path.removeprefix(f"{place}/") for path in files.find(place))


def test_a_store_that_can_be_written_is_left_as_it_was(bucket: Any) -> None:
    check_storage("s3://results/some/place")
    assert listed(bucket, "results") == []


def test_a_cell_is_stored_whole_and_its_record_last(bucket: Any, tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    for name in ("cell.json", "predictions.jsonl", "model/weights"):
        (tmp_path / name).write_text(name)
    store(tmp_path, "s3://results/run/linear")
    assert listed(bucket, "results/run/linear") == ["cell.json", "model/weights", "predictions.jsonl"]
    assert bucket.cat_file("results/run/linear/model/weights") == b"model/weights"


def test_a_missing_bucket_is_one_clear_line_and_is_not_made(bucket: Any) -> None:
    with pytest.raises(BenchError, match=r"^storage 's3://elsewhere/x' cannot be used: there is no such bucket; make"):
        check_storage("s3://elsewhere/x")
    assert bucket.ls("") == ["results"]


def test_wrong_credentials_are_one_clear_line(
    bucket: Any, server: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "m.csv").write_text(ROWS)
    ask(f"{server}/moto-api/reset-auth", b"0")
    command = ["--results", str(tmp_path), "run", "quick", "--data", str(tmp_path / "m.csv"), "--only", "majority"]
    assert main([*command, "--executor", "ray", "--storage", "s3://results/x"]) == 2
    said = capsys.readouterr().err.strip().splitlines()
    assert len(said) == 1
    assert "storage 's3://results/x' cannot be used: The AWS Access Key Id you provided does not exist" in said[0]
    for variable in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(variable)
    type(bucket).clear_instance_cache()
    with pytest.raises(BenchError, match=r"storage 's3://results/x' cannot be used: Unable to locate credentials"):
        check_storage("s3://results/x")


def test_a_kind_of_store_that_nobody_knows_is_one_clear_line() -> None:
    with pytest.raises(BenchError, match=r"storage 'nothing://x' cannot be used: Protocol not known: nothing"):
        check_storage("nothing://x")


@pytest.mark.slow
def test_a_run_is_stored_taken_up_elsewhere_and_read_back_from_a_copy(
    bucket: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import ray

    (tmp_path / "m.csv").write_text(ROWS)
    (tmp_path / "c.toml").write_text(
        f"latency_messages = 0\nthreads = 1\n[data]\npath = '{tmp_path}/m.csv'\n[classifiers.majority]\n"
        "[classifiers.again]\nbackend = 'majority'\n"
    )
    options = ["run", str(tmp_path / "c.toml"), "--run", "r", "--executor", "ray", "--storage", "s3://results/all"]
    try:
        assert main(["--results", str(tmp_path / "here"), *options]) == 0
        kept = listed(bucket, "results/all/r")
        assert {"run.json", "messages.jsonl", "majority/cell.json", "again/predictions.jsonl"} <= set(kept)
        written = {name: bucket.info(f"results/all/r/{name}")["LastModified"] for name in kept if "/" in name}

        # another machine takes up what the store holds and runs nothing
        assert main(["--results", str(tmp_path / "elsewhere"), *options]) == 0
        listed(bucket, "results/all/r")
        assert {name: bucket.info(f"results/all/r/{name}")["LastModified"] for name in written} == written
    finally:
        ray.shutdown()

    # a copy of the store is a folder of results
    bucket.get("results/all/", str(tmp_path / "copied"), recursive=True)
    capsys.readouterr()
    assert main(["--results", str(tmp_path / "copied"), "report", "r"]) == 0
    assert main(["--results", str(tmp_path / "copied"), "history"]) == 0
    assert "majority" in capsys.readouterr().out
    of_cell = [RunFolder(tmp_path / place / "r").cell("majority").predictions.read() for place in ("here", "copied")]
    assert of_cell[0] == of_cell[1] != []
