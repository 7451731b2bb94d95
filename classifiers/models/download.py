"""Models from the Hub, and the check of a file's hash.

The Hub is asked only after one quick reachability check, because a client on a closed network otherwise retries for
most of a minute.
"""

from __future__ import annotations

import hashlib
import socket
import threading
from functools import cache
from pathlib import Path
from urllib.parse import urlsplit

from classifiers.errors import BenchError
from classifiers.interface import FetchReport, ModelFile
from classifiers.models.catalogue import Entry

HUB_WAIT_SECONDS = 3.0
CHUNK = 1 << 20
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
    from huggingface_hub.errors import GatedRepoError, HfHubHTTPError, RepositoryNotFoundError

    report(f"{entry.hub} (Hub)", 0, entry.bytes)
    try:
        if entry.kind == "encoder":
            snapshot_download(entry.hub, local_dir=folder, allow_patterns=ENCODER_FILES)
        else:
            hf_hub_download(entry.hub, entry.file, local_dir=folder)
    except GatedRepoError as error:
        message = f"{entry.hub} is gated: ask for access on its page on the Hub, then run: hf auth login"
        raise BenchError(message) from error
    except RepositoryNotFoundError as error:
        raise BenchError(f"{entry.hub} does not exist on the Hub, or is private (then run: hf auth login)") from error
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
