"""Choose the training messages that are shown in the prompt as worked examples."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from classifiers.errors import BenchError
from classifiers.interface import Message, Task
from classifiers.llm.prompting.settings import Choice

MAX_TOKENS = 256
"""Tokens by which a message is compared; the end of a longer one is cut off."""


def saved_message(id_: str, text: str, labels: str | list[str]) -> Message:
    """Make a message of a saved row; rows of before several labels were possible hold one as text."""
    return Message(id_, text, (labels,) if isinstance(labels, str) else tuple(labels))


def draw_per_label(task: Task, train: Sequence[Message], k: int, seed: int) -> list[Message]:
    """Draw k messages per label, the same for every question, in an order that mixes the labels.

    A label with fewer messages gives all it has; no label that has any is missed. Where messages may have several
    labels, k are drawn for each label and k without any, and none is shown twice. The draw does not depend on the
    order of the task's labels: a prompt that lists them otherwise shows the same examples.
    """
    rng = random.Random(seed)
    drawn: list[Message] = []
    kinds = [*sorted(task.label_names), *([None] if task.takes_several else [])]
    for kind in kinds:
        candidates = [m for m in train if (kind in m.labels if kind else not m.labels) and m not in drawn]
        drawn += rng.sample(candidates, min(k, len(candidates)))
    rng.shuffle(drawn)
    return drawn


def labels_shown(choice: Choice, task: Task, train: Sequence[Message]) -> int:
    """Count the training messages whose labels a way of asking needs."""
    if choice.examples == "fixed":
        return len(draw_per_label(task, train, choice.n_examples, choice.example_seed))
    return len(train) if choice.examples == "knn" else 0


class SimilarMessages:
    """Finds the training messages nearest to a text by a sentence encoder's cosine similarity.

    The encoder is read as other rows read theirs: to import sentence_transformers for it took seconds.
    """

    def __init__(self, train: Sequence[Message], folder: Path, *, threads: int) -> None:
        import torch

        from classifiers.finetune.device import chosen_device
        from classifiers.finetune.sentence import SentenceEncoder
        from classifiers.finetune.settings import ModelSettings
        from classifiers.finetune.tokens import MessageTokens

        torch.set_num_threads(threads)
        self._tokens = MessageTokens.open(folder, MAX_TOKENS)
        self._encoder = SentenceEncoder.open(folder, ModelSettings().reading, device=chosen_device("auto"))
        self._train = list(train)
        self._places: dict[str, list[int]] = {}
        for i, message in enumerate(train):
            self._places.setdefault(message.text, []).append(i)
        self._vectors = self._encode([m.text for m in train])

    def nearest(self, texts: Sequence[str], k: int) -> list[list[Message]]:
        """Return the k nearest training messages of each text, the most similar last.

        A text that is itself among the training messages is not shown its own label.
        """
        similarity = self._encode(texts) @ self._vectors.T
        for row, text in zip(similarity, texts, strict=True):
            row[self._places.get(text, [])] = -np.inf
        order = np.argsort(similarity, axis=1, kind="stable")[:, -k:]
        return [
            [self._train[i] for i in nearest if np.isfinite(row[i])]
            for nearest, row in zip(order, similarity, strict=True)
        ]

    def _encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        ids, _ = self._tokens.ids(texts)
        return np.array(self._tokens.run_by_length(ids, self._encoder.embed), np.float32).reshape(len(texts), -1)


@dataclass(frozen=True, slots=True)
class ExampleSource:
    """Where the worked examples of a prompt come from: the same for all, or those most like the message, or none."""

    fixed: Sequence[Message] = ()
    similar: SimilarMessages | None = None
    n_similar: int = 0
    probes: Sequence[Message] = ()

    def of(self, texts: Sequence[str]) -> list[Sequence[Message]]:
        """Return the examples of each text."""
        if self.similar is None:
            return [self.fixed] * len(texts)
        return [*self.similar.nearest(texts, self.n_similar)]

    def probe(self, text: str) -> Sequence[Message]:
        """Return examples that differ from text to text where those of two messages do."""
        return self.fixed if self.similar is None else [replace(self.probes[0], text=text)]

    def without(self, n: int) -> ExampleSource:
        """Return the source without its first n fixed examples."""
        return replace(self, fixed=self.fixed[n:])


def example_source(
    choice: Choice, task: Task, train: Sequence[Message], find_similar: Callable[[], SimilarMessages]
) -> ExampleSource:
    """Return where a way of asking takes its examples from.

    Raises:
        BenchError: if there are no messages to show.
    """
    if choice.examples != "none" and not train:
        raise BenchError(f"examples = '{choice.examples}' needs training messages, and there are none")
    if choice.examples == "knn":
        return ExampleSource(similar=find_similar(), n_similar=choice.n_examples, probes=train[:1])
    if choice.examples == "fixed":
        return ExampleSource(fixed=draw_per_label(task, train, choice.n_examples, choice.example_seed))
    return ExampleSource()
