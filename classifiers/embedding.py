"""Sentence embeddings of messages, and what every backend that answers from them alone has in common.

The encoder is used as it came: nothing in it is trained. It is read, batched and saved as a frozen encoder is.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from classifiers.errors import BenchError
from classifiers.finetune.base import TokenClassifier
from classifiers.finetune.saved import Saved
from classifiers.finetune.settings import ModelSettings
from classifiers.finetune.tokens import MessageTokens
from classifiers.heads.multilabel import Rows

if TYPE_CHECKING:
    from classifiers.finetune.sentence import SentenceEncoder

Embedding: TypeAlias = "SentenceEncoder"
Vectors = NDArray[np.float32]
"""A row of length 1 per text, so that the product of two rows is their cosine similarity."""


class EmbeddingSettings(ModelSettings):
    """Which encoder embeds the messages; those that were trained to embed sentences do best.

    `prefix` is put before every message, as some of them ask for.
    """

    prefix: str = ""


E = TypeVar("E", bound=EmbeddingSettings)


@dataclass(frozen=True, slots=True)
class Embedded:
    """Texts as the encoder read them: a vector, the number of tokens and whether the end was cut off, per text."""

    vectors: Vectors
    n_tokens: tuple[int, ...]
    is_cut: tuple[bool, ...]


class EmbeddingClassifier(TokenClassifier[E, Embedding]):
    """Base of backends that answer from sentence embeddings; `fit` and `probabilities` are theirs to write."""

    def __init__(self, settings: E | None = None, *, seed: int = 0, threads: int = 1) -> None:
        super().__init__(settings, seed=seed, threads=threads)
        self.prefix = self.settings.prefix

    def load(self) -> None:
        """Find the weights and read them."""
        self._open(self._find_model().path)

    def embed(self, texts: Sequence[str], *, prefix: str | None = None) -> Embedded:
        """Embed texts, each behind `prefix`, or behind that of the settings."""
        before = self.prefix if prefix is None else prefix
        ids, is_cut = self.tokens.ids([before + text for text in texts])
        rows = self.tokens.run_by_length(ids, self.network.embed)
        vectors = np.array(rows, np.float32).reshape(len(texts), -1)
        return Embedded(vectors, tuple(map(len, ids)), tuple(is_cut))

    @abstractmethod
    def probabilities(self, vectors: Vectors) -> Rows:
        """Return the probability of every label, a row per vector, in the task's order of labels."""

    def _answer(self, batch: Any) -> list[list[float]]:
        rows: list[list[float]] = self.probabilities(self.network.embed(batch)).tolist()
        return rows

    def _write(self, folder: Path) -> None:
        self.network.save(folder)
        self.tokens.save(folder)

    def _read(self, folder: Path, saved: Saved) -> None:
        self._open(folder)

    def _open(self, folder: Path) -> None:
        from classifiers.finetune.sentence import SentenceEncoder

        self._tokens = MessageTokens.open(folder, self.settings.max_length)
        self._network = SentenceEncoder.open(folder, self.settings.reading, device=self._device())


def read_vectors(file: Path, *, n: int, width: int) -> Vectors:
    """Read n vectors that `numpy.save` wrote, without pickle.

    Raises:
        BenchError: if the file is not there, is broken or holds vectors of another shape.
    """
    try:
        vectors: Vectors = np.load(file, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise BenchError(f"{file} cannot be read; run the benchmark again") from error
    if vectors.shape != (n, width) or vectors.dtype != np.float32:
        raise BenchError(f"{file} does not hold {n} vectors of width {width}; run the benchmark again")
    return vectors
