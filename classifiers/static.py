"""Static embeddings under a logistic regression: between counting words and running an encoder.

Every token of the encoder's vocabulary is embedded once, alone, and weighted down by how common it is. A message is the
sum of its tokens' vectors over the root of their number, so that no neural network runs when it is answered. This is
Model2Vec (Tulkens & van Dongen 2024, github.com/MinishLab/model2vec) without its principal components, which a head
with a weight per dimension does not need. Their package is not used: its distillation needs a transformers below 5.4,
and what is left are sums.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import BaseModel, Field

from classifiers.embedding import EmbeddingSettings, Vectors, read_vectors
from classifiers.errors import BenchError
from classifiers.finetune.base import TokenClassifier, ready
from classifiers.finetune.saved import Saved, read_state
from classifiers.finetune.tokens import Ids, MessageTokens
from classifiers.heads.logistic import Model, fit_logistic, label_probabilities, n_weights, read_head
from classifiers.heads.strength import STRENGTHS, Search
from classifiers.interface import Details, Listener, Message, Prediction, Progress, Task, silent

if TYPE_CHECKING:
    from classifiers.finetune.sentence import SentenceEncoder

STATE, VECTORS, HEAD, TOKENIZER = "static.json", "tokens.npy", "head.skops", "tokenizer.json"
BATCH = 1024
SMOOTHING = 1e-4
"""Model2Vec's own."""


class StaticSettings(EmbeddingSettings):
    """The encoder whose vocabulary is embedded, and the inverse regularisation strengths C that are tried.

    Messages are read whole, whatever `max_length` says.
    """

    strengths: tuple[float, ...] = Field(default=STRENGTHS, min_length=1)


class Shape(BaseModel):
    """What `save` writes of the token vectors' shape."""

    n_tokens: int = Field(gt=0)
    width: int = Field(gt=0)


def rarity(n: int) -> Vectors:
    """Return the weight of each of n tokens, the commonest first: low for common ones (Arora et al. 2017).

    Vocabularies are sorted by frequency, near enough, and frequencies follow Zipf's law. Frequencies counted in the
    training messages did worse: of banking77 with 10 messages per label 67 % were right in place of 76 %.
    """
    shares = 1 / np.arange(2, n + 2)
    return np.asarray(SMOOTHING / (SMOOTHING + shares / shares.sum()), np.float32)


@dataclass(frozen=True, slots=True)
class TokenVectors:
    """A vector per token of a vocabulary, shape (tokens, width), and the tokenizer; no neural network."""

    table: Vectors
    tokenizer: Any

    def ids(self, texts: Sequence[str]) -> list[list[int]]:
        """Return each text's token ids, without those that a text begins and ends with."""
        return [encoded.ids for encoded in self.tokenizer.encode_batch(list(texts), add_special_tokens=False)]

    def sums(self, ids: Ids) -> Vectors:
        """Return the sum of each text's token vectors over the root of their number, which is 0 where it has none.

        Unlike a mean, that tells long messages from short ones: on the shipped messages 80 % in place of 78 %.
        """
        sums = np.zeros((len(ids), self.table.shape[1]), np.float32)
        for total, row in zip(sums, ids, strict=True):
            if row:
                total[:] = self.table[list(row)].sum(0) / np.sqrt(len(row))
        return sums

    @property
    def device(self) -> str:
        """Return the kind of processor it runs on."""
        return "cpu"

    @property
    def precision(self) -> str:
        """Return the number type of the sums."""
        return "float32"

    @property
    def n_parameters(self) -> int:
        """Count the numbers of all token vectors."""
        return int(self.table.size)

    @property
    def bytes(self) -> int:
        """Return what vectors and tokenizer take."""
        return int(self.table.nbytes) + len(self.tokenizer.to_str())


class Static(TokenClassifier[StaticSettings, TokenVectors]):
    """A logistic regression on the sum of a message's token vectors."""

    settings_type = StaticSettings
    batch_size = 4096

    def __init__(self, settings: StaticSettings | None = None, *, seed: int = 0, threads: int = 1) -> None:
        super().__init__(settings, seed=seed, threads=threads)
        self.prefix = self.settings.prefix
        self._encoder: SentenceEncoder | None = None
        self._head: Model | None = None

    def load(self) -> None:
        """Find the weights and read them."""
        from classifiers.finetune.sentence import SentenceEncoder

        folder = self._find_model().path
        super()._use_threads()
        self._tokens = MessageTokens.open(folder, self.settings.max_length)
        self._encoder = SentenceEncoder.open(folder, self.settings.reading, device=self._device())

    def fit(
        self,
        task: Task,
        train: Sequence[Message],
        validation: Sequence[Message],
        *,
        listen: Listener = silent,
    ) -> None:
        """Embed the vocabulary, and fit the head with the strength that is best."""
        self._task = task
        self._network = self._distilled(listen)
        self._encoder = self._tokens = None  # nothing more is asked of them
        parts = (self._features(train), train), (self._features(validation), validation)
        fitted = fit_logistic(task, parts, Search(self.settings.strengths, seed=self.seed), listen=listen)
        self._head, self._trials, self.thresholds = fitted.model, fitted.trials, fitted.thresholds

    def predict(self, texts: Sequence[str]) -> Iterator[Prediction]:
        """Return labels and probabilities in the given order."""
        if not texts:  # scikit-learn refuses an empty batch
            return
        ids = self.network.ids([self.prefix + text for text in texts])
        for row, message_ids in zip(self._answer(ids), ids, strict=True):
            yield self.prediction(row, n_tokens=len(message_ids))

    def close(self) -> None:
        """Drop encoder, vectors and head."""
        super().close()
        self._encoder = self._head = None

    def details(self) -> Details:
        """Add the head; vectors, tokenizer and head are all that must be shipped."""
        head, described = n_weights(ready(self._head)), self.network
        return replace(
            super().details(), n_parameters=described.n_parameters + head, bytes_on_disk=described.bytes + 8 * head
        )

    def _features(self, messages: Sequence[Message]) -> Vectors:
        return self.network.sums(self.network.ids([self.prefix + m.text for m in messages]))

    def _answer(self, batch: Ids) -> list[list[float]]:
        rows: list[list[float]] = label_probabilities(ready(self._head), self.network.sums(batch), self.task).tolist()
        return rows

    def _write(self, folder: Path) -> None:
        from skops.io import dump

        table = self.network.table
        np.save(folder / VECTORS, table, allow_pickle=False)
        self.network.tokenizer.save(str(folder / TOKENIZER))
        dump(ready(self._head), folder / HEAD)
        shape = Shape(n_tokens=table.shape[0], width=table.shape[1])
        (folder / STATE).write_text(shape.model_dump_json(), encoding="utf-8")

    def _read(self, folder: Path, saved: Saved) -> None:
        from tokenizers import Tokenizer

        shape = read_state(folder / STATE, Shape)
        table = read_vectors(folder / VECTORS, n=shape.n_tokens, width=shape.width)
        self._head = read_head(folder / HEAD, self.task)
        try:
            tokenizer = Tokenizer.from_file(str(folder / TOKENIZER))
        except Exception as error:  # what tokenizers raises has no type of its own
            raise BenchError(f"{folder / TOKENIZER} cannot be read; run the benchmark again") from error
        self._network = TokenVectors(table, tokenizer)

    def _use_threads(self) -> None:
        """Do nothing: only `load` needs torch, which takes more memory than all that answers."""

    def _distilled(self, listen: Listener) -> TokenVectors:
        tokenizer = _plain_tokenizer(self.tokens)
        vectors = self._embed_vocabulary(tokenizer, listen)
        return TokenVectors((vectors - vectors.mean(0)) * rarity(len(vectors))[:, None], tokenizer)

    def _embed_vocabulary(self, tokenizer: Any, listen: Listener) -> Vectors:
        """Return the embedding of every token alone, between the tokens a text begins and ends with."""
        n = max(tokenizer.get_vocab().values()) + 1
        bare = tokenizer.encode("a", add_special_tokens=False).ids
        whole = self.tokens.ids(["a"])[0][0]
        at = whole.index(bare[0])
        before, after = whole[:at], whole[at + len(bare) :]
        rows: list[Vectors] = []
        for start in range(0, n, BATCH):
            batch = [[*before, token, *after] for token in range(start, min(start + BATCH, n))]
            rows.append(ready(self._encoder).embed(self.tokens.padded(batch)))
            listen(Progress(min(start + BATCH, n), n))
        return np.vstack(rows)


def _plain_tokenizer(tokens: MessageTokens) -> Any:
    """Return the tokenizer without transformers around it, which takes longer than all else for one message.

    Raises:
        BenchError: if the model has none that stands alone.
    """
    from tokenizers import Tokenizer

    inner = getattr(tokens.tokenizer, "backend_tokenizer", None)
    if inner is None:
        raise BenchError("static needs an encoder with a fast tokenizer (tokenizer.json); name another model")
    alone = Tokenizer.from_str(inner.to_str())
    alone.no_truncation()
    alone.no_padding()
    return alone
