"""Where the machines of a cluster leave results: a folder that all share, or an address fsspec knows (s3://bucket/...).

The storage holds runs as the results folder does, so a copy of it is one. A cell's last file is `cell.json`: where it
lies, the cell is whole.
"""

from __future__ import annotations

import posixpath
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench.execution.plan import Job
from bench.records.store import RunFolder
from classifiers.errors import BenchError

SHARED = ("run.json", "messages.jsonl")
"""The files of a run that all its cells need."""


def address_of(storage: str, run: RunFolder) -> str:
    """Return the address of a run in the storage."""
    return posixpath.join(storage, run.path.name)


def store_run(storage: str, run: RunFolder) -> None:
    """Copy what all cells of a run need; done before anything is trained, it shows that the storage can be written.

    Raises:
        BenchError: if it cannot be written.
    """
    with _one_line(storage):
        files, root = _open(address_of(storage, run))
        if Path(root) != run.path.resolve():
            for name in SHARED:
                _copy(files, run.path / name, f"{root}/{name}")


def store_cell(folder: Path, address: str) -> None:
    """Copy a cell's files to its address, `cell.json` last.

    Raises:
        BenchError: if they cannot be written there.
    """
    with _one_line(address):
        files, root = _open(address)
        copied = [file for file in folder.rglob("*") if file.is_file()]
        for file in sorted(copied, key=lambda file: (file.name == "cell.json", str(file))):
            _copy(files, file, f"{root}/{file.relative_to(folder).as_posix()}")


def is_stored(storage: str, job: Job) -> bool:
    """Tell whether a whole cell lies in the storage.

    Raises:
        BenchError: if the storage cannot be read.
    """
    with _one_line(storage):
        files, root = _open(f"{address_of(storage, job.plan.folder)}/{job.cell.name}")
        return bool(files.exists(f"{root}/cell.json"))


def fetch(storage: str, job: Job) -> None:
    """Copy a cell's files from the storage into the run's folder, unless that is where they are.

    Raises:
        BenchError: if the storage cannot be read.
    """
    target = job.folder.path
    beside = target.with_name(f".{target.name}.new")
    with _one_line(storage):
        files, root = _open(f"{address_of(storage, job.plan.folder)}/{job.cell.name}")
        if Path(root) == target.resolve():
            return
        shutil.rmtree(beside, ignore_errors=True)
        files.get(f"{root}/", str(beside), recursive=True)
    shutil.rmtree(target, ignore_errors=True)
    beside.rename(target)


def _open(address: str) -> tuple[Any, str]:
    """Return the file system of an address and the path in it."""
    import fsspec

    files, root = fsspec.url_to_fs(address)
    files.invalidate_cache()  # of listings: a worker on another machine may have written since
    return files, root


def _copy(files: Any, file: Path, target: str) -> None:
    folder = target.rpartition("/")[0]
    # a path that does not start at a root starts with a bucket, and making a misspelt one would hide the mistake
    if Path(folder).is_absolute():
        files.makedirs(folder, exist_ok=True)
    files.put_file(str(file), target)


@contextmanager
def _one_line(address: str) -> Iterator[None]:
    """Turn what a store raises into one line."""
    try:
        yield
    except Exception as error:  # every kind of store has errors of its own, which have no type in common
        reason = " ".join(str(error).split()) or type(error).__name__
        raise BenchError(f"storage '{address}' cannot be used: {reason}") from error
