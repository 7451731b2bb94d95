"""The nearest labelled messages vote: what an LLM's retrieved examples are worth without the LLM.

How many vote, and how much nearer ones count for, is chosen by leaving out one training message after another, each
with all of its group, so no validation message is needed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, Field, PositiveFloat, PositiveInt

from classifiers.embedding import EmbeddingClassifier, EmbeddingSettings, Vectors, read_vectors
from classifiers.errors import BenchError
from classifiers.finetune.base import ready
from classifiers.finetune.saved import Saved, read_state
from classifiers.heads.multilabel import Rows, label_matrix, tune_thresholds
from classifiers.interface import Details, Listener, Message, Progress, Task, Trial, silent
from classifiers.sampling import group_numbers

STATE, VECTORS = "knn.json", "neighbours.npy"
BATCH = 512
MAX_LEFT_OUT = 10_000
"""Most messages that are left out one after another; larger training parts are sampled down to this number."""
MIN_EVEN = 1e-4
"""The least share of the probability that is spread evenly, so that none is 0."""

Weights = Literal["equal"] | PositiveFloat
Groups = tuple[NDArray[np.intp], NDArray[np.intp]]
"""The number of each query's group, and of each vector's."""


class KnnSettings(EmbeddingSettings):
    """What is tried by leave-one-out: numbers of neighbours `k`, and `weights` of their votes.

    `equal` counts every vote alike; a number is a temperature, and a neighbour's vote counts exp(similarity / number).
    """

    k: tuple[PositiveInt, ...] = Field(default=(1, 3, 5, 10, 20), min_length=1)
    weights: tuple[Weights, ...] = Field(default=("equal", 0.1, 0.05, 0.03), min_length=1)


@dataclass(frozen=True, slots=True)
class Neighbours:
    """The nearest training messages of some texts, nearest first: their places and similarities, (texts, k)."""

    places: NDArray[np.intp]
    similarities: Vectors


class Choice(BaseModel):
    """What was chosen: k, weights and the share of the probability that is spread evenly over all labels."""

    k: int = Field(gt=0)
    weights: Weights
    even: float = Field(ge=0, le=1)


class Fitted(BaseModel):
    """What `save` writes beside the vectors: the choice, what was tried, and the labels of every training message."""

    choice: Choice
    labels: tuple[tuple[str, ...], ...]
    trials: tuple[Trial, ...] = ()


@dataclass(frozen=True, slots=True)
class Candidate:
    """A choice, the share of left-out messages it got right, and its log loss on them."""

    choice: Choice
    accuracy: float
    loss: float


def nearest(queries: Vectors, vectors: Vectors, k: int, *, groups: Groups | None = None) -> Neighbours:
    """Find the k most similar of `vectors` for each query; with `groups`, those of the query's own do not count."""
    places, similarities = [], []
    for start in range(0, len(queries), BATCH):
        block = queries[start : start + BATCH] @ vectors.T
        if groups is not None:
            block[groups[0][start : start + BATCH, None] == groups[1]] = -np.inf
        top = np.argpartition(-block, k - 1, axis=1)[:, :k]
        order = np.argsort(-np.take_along_axis(block, top, 1), axis=1, kind="stable")
        places.append(np.take_along_axis(top, order, 1))
        similarities.append(np.take_along_axis(block, places[-1], 1))
    return Neighbours(np.vstack(places), np.vstack(similarities))


def vote(neighbours: Neighbours, gold: Rows, k: int, weights: Weights) -> Rows:
    """Return each label's share of the votes of the k nearest, shape (texts, labels).

    Args:
        neighbours: of each text, at least k.
        gold: the training messages' labels as 0 and 1, shape (training messages, labels).
        k: how many vote.
        weights: `equal` or a temperature.
    """
    similarities = neighbours.similarities[:, :k].astype(np.float64)
    counts = np.ones_like(similarities)
    if weights != "equal":
        counts = np.exp((similarities - similarities[:, :1]) / weights)
    counts /= counts.sum(1, keepdims=True)
    shares = np.zeros((len(similarities), gold.shape[1]))
    for rank in range(similarities.shape[1]):
        shares += counts[:, rank, None] * gold[neighbours.places[:, rank]]
    # of labels with as many votes, the nearest neighbour's comes first
    return np.asarray(shares + 1e-9 * gold[neighbours.places[:, 0]]) / (1 + 1e-9)


class Knn(EmbeddingClassifier[KnnSettings]):
    """A vote of the training messages whose embeddings are nearest."""

    settings_type = KnnSettings

    def __init__(self, settings: KnnSettings | None = None, *, seed: int = 0, threads: int = 1) -> None:
        super().__init__(settings, seed=seed, threads=threads)
        self.vectors: Vectors = np.zeros((0, 0), np.float32)
        self.gold: Rows = np.zeros((0, 0))
        self._fitted: Fitted | None = None

    @property
    def fitted(self) -> Fitted:
        """Return what was chosen, and the training messages' labels."""
        return ready(self._fitted)

    def fit(
        self,
        task: Task,
        train: Sequence[Message],
        validation: Sequence[Message],
        *,
        listen: Listener = silent,
    ) -> None:
        """Embed the training messages and choose k and weights on them; validation messages are not used."""
        self._task, self.thresholds = task, ()
        self._remember(self.embed([m.text for m in train]).vectors, tuple(m.labels for m in train))
        left_out = np.arange(len(train))
        if len(train) > MAX_LEFT_OUT:
            left_out = np.sort(np.random.default_rng(self.seed).choice(left_out, MAX_LEFT_OUT, replace=False))
        groups = np.array(group_numbers(train), dtype=np.intp)
        tried = list(self._try_all(left_out, groups, listen))
        best = max(tried, key=lambda candidate: (candidate.accuracy, -candidate.loss)).choice if tried else self._plain
        how = "leave-one-group-out" if groups.max(initial=-1) + 1 < len(groups) else "leave-one-out"
        trials = tuple(_trial(candidate, len(left_out), how, chosen=candidate.choice is best) for candidate in tried)
        self._fitted = Fitted(choice=best, labels=tuple(m.labels for m in train), trials=trials)
        if task.takes_several and tried:
            neighbours = nearest(self.vectors[left_out], self.vectors, best.k, groups=(groups[left_out], groups))
            self.thresholds = tune_thresholds(self._shares(neighbours), self.gold[left_out])

    def probabilities(self, vectors: Vectors) -> Rows:
        """Return each label's share of the votes, and a little of the probability for every label."""
        return self._shares(nearest(vectors, self.vectors, min(self.fitted.choice.k, len(self.vectors))))

    def _write(self, folder: Path) -> None:
        """Write the encoder, the training messages' vectors and labels, and what was chosen."""
        np.save(folder / VECTORS, self.vectors, allow_pickle=False)
        (folder / STATE).write_text(self.fitted.model_dump_json(), encoding="utf-8")
        super()._write(folder)

    def _read(self, folder: Path, saved: Saved) -> None:
        super()._read(folder, saved)
        self._fitted = read_state(folder / STATE, Fitted)
        labels = self.fitted.labels
        if not labels or not {name for names in labels for name in names} <= set(self.task.label_names):
            raise BenchError(f"{folder / STATE} holds no messages of this task; run the benchmark again")
        self._remember(read_vectors(folder / VECTORS, n=len(labels), width=self.network.width), labels)

    def details(self) -> Details:
        """Add what was tried, and the bytes of the training messages' vectors."""
        details = super().details()
        choice = self.fitted.choice
        return replace(
            details,
            bytes_on_disk=(details.shipped_bytes or 0) + self.vectors.nbytes,
            n_labelled=len(self.vectors),
            trials=self.fitted.trials,
            metadata={"k": choice.k, "weights": choice.weights, "neighbours": len(self.vectors)},
        )

    @property
    def _plain(self) -> Choice:
        """What is taken where there are too few messages to leave one out."""
        return Choice(k=min(self.settings.k), weights=self.settings.weights[0], even=MIN_EVEN)

    @property
    def _even(self) -> float:
        """Return a label's probability where nothing is known."""
        return 0.5 if self.task.takes_several else 1 / len(self.task.labels)

    def _remember(self, vectors: Vectors, labels: Sequence[tuple[str, ...]]) -> None:
        self.vectors = vectors
        self.gold = label_matrix([Message("", "", names) for names in labels], self.task.label_names)

    def _shares(self, neighbours: Neighbours) -> Rows:
        choice = self.fitted.choice
        shares = vote(neighbours, self.gold, choice.k, choice.weights)
        return (1 - choice.even) * shares + choice.even * self._even

    def _try_all(self, left_out: NDArray[np.intp], groups: NDArray[np.intp], listen: Listener) -> Iterator[Candidate]:
        """Try every k and weights; with one neighbour weights make no difference, and they are tried once."""
        others = len(groups) - int(np.bincount(groups).max(initial=0))  # whom every message has, of other groups
        numbers = sorted({k for k in self.settings.k if k <= others})
        if not numbers:
            return
        neighbours = nearest(self.vectors[left_out], self.vectors, numbers[-1], groups=(groups[left_out], groups))
        choices = [(k, w) for k in numbers for w in (self.settings.weights if k > 1 else self.settings.weights[:1])]
        for done, (k, weights) in enumerate(choices, start=1):
            shares = vote(neighbours, self.gold, k, weights)
            gold = self.gold[left_out]
            even, loss = self._smoothing(shares, gold)
            choice = Choice(k=k, weights=weights, even=even)
            yield Candidate(choice, self._accuracy(shares, gold), loss)
            listen(Progress(done, len(choices)))

    def _accuracy(self, shares: Rows, gold: Rows) -> float:
        if self.task.takes_several:
            return float(((shares >= 0.5) == (gold == 1)).all(1).mean())
        return float((shares.argmax(1) == gold.argmax(1)).mean())

    def _smoothing(self, shares: Rows, gold: Rows) -> tuple[float, float]:
        """Return the evenly spread share of least log loss, and that loss."""
        from scipy.optimize import minimize_scalar

        # what the votes give to what is true: one figure per message, or per decision on a label
        true = np.where(gold == 1, shares, 1 - shares) if self.task.takes_several else shares[gold == 1]

        def loss(even: float) -> float:
            return -float(np.log((1 - even) * true + even * self._even).mean())

        result = minimize_scalar(loss, bounds=(MIN_EVEN, 1.0), method="bounded")
        return float(result.x), float(result.fun)


def _trial(candidate: Candidate, n: int, how: str, *, chosen: bool) -> Trial:
    choice = candidate.choice
    settings = {"k": choice.k, "weights": choice.weights, "tried_on": f"{how} cross-validation"}
    return Trial(settings, candidate.accuracy, n, chosen=chosen)
