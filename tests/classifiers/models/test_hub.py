"""The Hub's own client against a server that speaks its API: what arrives, and what is said where nothing does.

Each download runs in a process of its own, because the client reads its address when it is imported.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from local_hub import GATED, GONE, LocalHub

from classifiers.models.download import sha256_of

pytestmark = pytest.mark.slow
MIB = 1 << 20
WEIGHTS = bytes(range(256)) * (4096 * 24)
"""24 MiB: the client keeps what came before an interruption in pieces of 10 MiB."""
FILES = {
    "config.json": json.dumps({"model_type": "bert"}).encode(),
    "model.safetensors": WEIGHTS,
    "tokenizer.json": b"{}",
    "tiny.gguf": b"GGUF" + WEIGHTS,
    "README.md": b"# not needed",
    "pytorch_model.bin": b"a pickle, never asked for",
}
FETCH = """
import sys
from classifiers.errors import BenchError
from classifiers.models.cache import _entry, pull
name, kind, sha256 = sys.argv[1:]
entry = _entry(name, kind)
try:
    print(pull(name, entry.model_copy(update={"sha256": sha256 or None})).path)
except BenchError as error:
    print(error, file=sys.stderr)
    sys.exit(2)
"""


@pytest.fixture
def hub() -> Iterator[LocalHub]:
    with LocalHub(dict(FILES)).serving() as serving:
        yield serving


def fetch(
    hub: LocalHub, cache: Path, name: str = "owner/tiny", *, kind: str = "encoder", sha256: str = ""
) -> subprocess.CompletedProcess[str]:
    settings = {"HF_ENDPOINT": hub.address, "BENCH_CACHE": str(cache), "HF_HOME": str(cache / "hf")}
    offline = {"HF_HUB_OFFLINE": "0", "HF_HUB_DISABLE_XET": "1", "no_proxy": "127.0.0.1"}
    command = [sys.executable, "-c", FETCH, name, kind, sha256]
    env = os.environ | settings | offline
    return subprocess.run(command, env=env, capture_output=True, text=True, timeout=120, check=False)


def left_over(cache: Path) -> list[str]:
    return sorted(path.name for path in cache.iterdir() if path.name != "hf" and path.suffix != ".lock")


def test_fresh_download_brings_weights_and_tokenizer_and_nothing_else(hub: LocalHub, tmp_path: Path) -> None:
    done = fetch(hub, tmp_path)
    folder = Path(done.stdout.strip())
    assert done.returncode == 0, done.stderr
    names = {path.name for path in folder.iterdir() if path.is_file()}
    assert names == {"config.json", "model.safetensors", "tokenizer.json", "manifest.json"}
    assert (folder / "model.safetensors").read_bytes() == WEIGHTS


def test_interrupted_download_goes_on_where_it_stopped(hub: LocalHub, tmp_path: Path) -> None:
    hub.broken = 1
    done = fetch(hub, tmp_path, "owner/tiny:tiny.gguf", kind="gguf")
    assert done.returncode == 0, done.stderr
    assert Path(done.stdout.strip()).read_bytes() == FILES["tiny.gguf"]
    assert hub.sent["tiny.gguf"] < 28 * MIB, "the 12 MiB that had arrived are not fetched again, but for the last piece"


def test_wrong_hash_is_refused_and_leaves_nothing(hub: LocalHub, tmp_path: Path) -> None:
    done = fetch(hub, tmp_path, sha256="0" * 64)
    assert done.returncode == 2
    assert "model.safetensors has SHA-256" in done.stderr
    assert left_over(tmp_path) == []


def test_right_hash_is_accepted(hub: LocalHub, tmp_path: Path) -> None:
    weights = tmp_path / "weights"
    weights.write_bytes(WEIGHTS)
    assert fetch(hub, tmp_path / "cache", sha256=sha256_of(weights)).returncode == 0


@pytest.mark.parametrize(
    ("name", "kind", "words"),
    [
        (GATED, "encoder", ("owner/gated", "gated", "hf auth login")),
        (GONE, "encoder", ("owner/gone", "does not exist")),
        (f"{GONE}:tiny.gguf", "gguf", ("owner/gone", "does not exist")),
        ("owner/tiny:other.gguf", "gguf", ("owner/tiny", "other.gguf")),
    ],
)
def test_what_the_hub_refuses_is_one_line_that_says_why(
    hub: LocalHub, tmp_path: Path, name: str, kind: str, words: tuple[str, ...]
) -> None:
    done = fetch(hub, tmp_path, name, kind=kind)
    assert done.returncode == 2
    assert len(done.stderr.strip().splitlines()) == 1, done.stderr
    for word in words:
        assert word in done.stderr
    assert left_over(tmp_path) == []


def test_two_processes_that_want_one_model_fetch_it_once(hub: LocalHub, tmp_path: Path) -> None:
    hub.delay_seconds = 1
    with ThreadPoolExecutor() as pool:
        both = list(pool.map(lambda _: fetch(hub, tmp_path), range(2)))
    assert [done.returncode for done in both] == [0, 0], both
    assert hub.sent["model.safetensors"] == len(WEIGHTS)


def test_slow_hub_is_waited_for(hub: LocalHub, tmp_path: Path) -> None:
    hub.delay_seconds = 4
    assert fetch(hub, tmp_path).returncode == 0


def test_hub_that_is_down_is_said_within_seconds(hub: LocalHub, tmp_path: Path) -> None:
    nowhere = LocalHub({}, address="http://127.0.0.1:9")
    done = fetch(nowhere, tmp_path)
    assert done.returncode == 2
    assert "the Hub cannot be reached" in done.stderr
