"""How much memory a cell needs, and whether that is free: no cell is started that does not fit."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from threading import Condition
from typing import Any

from bench.config.cells import CellPlan
from bench.config.tables import RowConfig
from bench.measure.limits import free_memory_bytes
from classifiers.errors import BenchError
from classifiers.models.cache import cached
from classifiers.models.catalogue import catalogue
from classifiers.registry import check_settings, find_backend

LIBRARIES = 1_500_000_000
"""Bytes of a worker that has loaded the libraries and no model."""
LOOK_AGAIN_SECONDS = 1.0
"""Other programs take and free memory too, and tell nobody."""
COPIES = 2
"""How often a model's files lie in memory: llama.cpp repacks them, and training keeps more than the weights."""


def needed_bytes(cell: CellPlan, row: RowConfig) -> int:
    """Return what a cell may come to need: what its row says, or an estimate by the size of its largest model."""
    if row.memory_gb is not None:
        return round(row.memory_gb * 1e9)
    settings = check_settings(find_backend(cell.backend), cell.settings, where=cell.row).model_dump()
    return LIBRARIES + COPIES * max(map(_size, _models_of(settings)), default=0)


def _models_of(settings: dict[str, Any]) -> Iterator[str]:
    """Name all models in the settings of a backend, of the backends it is made of as well."""
    for key, value in settings.items():
        if isinstance(value, dict):
            yield from _models_of(value)
        elif key == "model":
            yield from [value] if isinstance(value, str) else value


def _size(model: str) -> int:
    if entry := catalogue().get(model):
        return entry.bytes
    path = Path(model).expanduser()
    if not path.exists() and (fetched := cached(model)):  # a Hub name
        return sum(file.bytes for file in fetched.files)
    files = [path] if path.is_file() else path.rglob("*")
    return sum(file.stat().st_size for file in files if file.is_file())


class MemoryGate:
    """Lets a cell begin once what it needs is free beside what the running ones are promised."""

    def __init__(self) -> None:
        self._promised: dict[str, int] = {}
        self._changed = Condition()
        self._room = free_memory_bytes()

    def enter(self, name: str, needed: int) -> None:
        """Wait until a cell fits, and promise it its memory.

        Raises:
            BenchError: if it would not fit even alone.
        """
        with self._changed:
            if needed > self._room:
                raise BenchError(
                    f"it needs about {needed / 1e9:.1f} GB of memory and {self._room / 1e9:.1f} GB are free; "
                    "give the row's memory_gb if it needs less, or take a smaller model"
                )
            while self._promised and needed > min(self._room - sum(self._promised.values()), free_memory_bytes()):
                self._changed.wait(timeout=LOOK_AGAIN_SECONDS)
            self._promised[name] = needed

    def leave(self, name: str) -> None:
        """Take back what a cell was promised."""
        with self._changed:
            self._promised.pop(name, None)
            self._changed.notify_all()
