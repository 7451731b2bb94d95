"""Open the GGUF that a backend's settings name: the one place that says what to do without llama-cpp-python."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol, TypeVar

from classifiers.details import ModelFile
from classifiers.errors import BenchError
from classifiers.models.cache import local_model

if TYPE_CHECKING:
    from classifiers.llm.engine.engine import Engine
    from classifiers.llm.engine.hidden_states import HiddenStates

E = TypeVar("E", bound="Engine")


class GgufSettings(Protocol):
    """What a backend's settings say of a model: its name, and how many tokens and prompts it takes at a time."""

    @property
    def model(self) -> str:
        """Return the model's name or path."""

    @property
    def context(self) -> int:
        """Return the cells that all prompts share."""

    @property
    def parallel(self) -> int:
        """Return how many prompts run at a time."""

    @property
    def batch(self) -> int:
        """Return the most tokens of one decode call."""


def open_engine(backend: str, settings: GgufSettings, threads: int) -> tuple[Engine, tuple[ModelFile, ...]]:
    """Return an engine that answers prompts, and the model files it runs.

    Raises:
        BenchError: if llama-cpp-python is missing or cannot read the file.
    """
    with _installed(backend):
        from classifiers.llm.engine.engine import Engine
    return _open(Engine, settings, threads)


def open_reader(backend: str, settings: GgufSettings, threads: int) -> tuple[HiddenStates, tuple[ModelFile, ...]]:
    """Return an engine that reads prompts and gives hidden states, and the model files it runs.

    Raises:
        BenchError: if llama-cpp-python is missing or cannot read the file.
    """
    with _installed(backend):
        from classifiers.llm.engine.hidden_states import HiddenStates
    return _open(HiddenStates, settings, threads)


@contextmanager
def _installed(backend: str) -> Iterator[None]:
    """Say what to install where an import fails."""
    try:
        yield
    except ImportError as error:
        raise BenchError(f"backend '{backend}' needs llama-cpp-python; install it with: make setup") from error


def _open(kind: type[E], settings: GgufSettings, threads: int) -> tuple[E, tuple[ModelFile, ...]]:
    local = local_model(settings.model, "gguf")
    opened = kind(
        local.path, context=settings.context, parallel=settings.parallel, batch=settings.batch, threads=threads
    )
    return opened, local.files
