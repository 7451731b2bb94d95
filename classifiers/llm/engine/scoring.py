"""Score labels as answers: many prompts, each with the whole label tree behind it, in the same decode calls."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from classifiers.errors import BenchError
from classifiers.llm.engine.decoder import MAX_SEQUENCES, Decoder, Row
from classifiers.llm.engine.label_tree import Node
from classifiers.llm.engine.prefixes import Prefixes

# a row of logits is one float a vocabulary entry: 64 rows of Qwen's 151,936 are 39 MB
MAX_LOGITS = 64


@dataclass(frozen=True, slots=True)
class LabelScores:
    """What a tree of labels is worth behind prompts; both arrays have the shape (prompts, labels).

    Attributes:
        values: log-probabilities.
        is_likeliest: whether each token of a label is the likeliest of all at its place. Such a label is what the model
            would write at temperature 0, so no prompt has more than one.
    """

    values: NDArray[np.float64]
    is_likeliest: NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class TreeScorer:
    """Scores one label tree behind prompts; `sequences` is how many may be in use at once.

    A prompt's tokens belong to one sequence per label, a tree node to the sequences of the labels below it, so each
    label sees its own past only. A tree that is its root alone (labels of one token) needs one sequence for all.
    """

    decoder: Decoder
    prefixes: Prefixes
    tree: Sequence[Node]
    sequences: int

    def score(self, prompts: Sequence[Sequence[int]]) -> LabelScores:
        """Return what every label is worth behind every prompt.

        Raises:
            BenchError: if a prompt does not fit the context.
        """
        shape = len(prompts), len(self.tree[0].labels)
        scores = LabelScores(np.zeros(shape), np.ones(shape, bool))
        order = sorted(range(len(prompts)), key=lambda i: len(prompts[i]))
        while order:
            packed = self._pack(order, prompts)
            self._score_together(packed, prompts, scores)
            order = order[len(packed) :]
        return scores

    @property
    def _width(self) -> int:
        """Return the sequences that one prompt takes."""
        return len(self.tree[0].labels) if len(self.tree) > 1 else 1

    def _pack(self, order: Sequence[int], prompts: Sequence[Sequence[int]]) -> Sequence[int]:
        """Take as many prompts, shortest first, as one batch, the sequences and the cells hold; at least one."""
        n_read = sum(bool(node.branches) for node in self.tree)
        max_rows = min(self.decoder.batch_size, self.decoder.cells - self.prefixes.cells)
        rows = taken = 0
        for i in order:
            rows += len(prompts[i]) - self.prefixes.shared(prompts[i]) + len(self.tree) - 1
            full = rows > max_rows or (taken + 1) * self._width > self.sequences or (taken + 1) * n_read > MAX_LOGITS
            if taken and full:
                break
            taken += 1
        return order[:taken]

    def _score_together(self, packed: Sequence[int], prompts: Sequence[Sequence[int]], scores: LabelScores) -> None:
        """Decode some prompts with a tree each, and add every node's token log-probabilities to its labels."""
        rows: list[Row] = []
        wanted: dict[int, tuple[int, Node]] = {}
        firsts = [len(self.prefixes) + place * self._width for place in range(len(packed))]
        for first, i in zip(firsts, packed, strict=True):
            everyone = tuple(range(first, first + self._width))
            for sequence in everyone:
                self.prefixes.begin(sequence, prompts[i])
            shared = self.prefixes.shared(prompts[i])
            rows += [Row(token, shared + j, everyone) for j, token in enumerate(prompts[i][shared:-1])]
            for row, node in self._tree_rows(prompts[i], first):
                if row.logits:
                    wanted[len(rows)] = (i, node)
                rows.append(row)
        if len(rows) + self.prefixes.cells > self.decoder.cells:
            raise BenchError(
                f"a prompt with {len(self.tree[0].labels)} labels needs {len(rows)} tokens beside the shared "
                f"{self.prefixes.cells}; the context has {self.decoder.cells}: set a larger one"
            )
        column = {label: place for place, label in enumerate(self.tree[0].labels)}
        for index, logits in self.decoder.run_all(rows):
            i, node = wanted[index]
            total, likeliest = _log_sum_exp(logits), int(logits.argmax())
            for branch in node.branches:
                below = [column[x] for x in branch.labels]
                scores.values[i, below] += logits[branch.token] - total
                scores.is_likeliest[i, below] &= branch.token == likeliest
        for sequence in range(len(self.prefixes), len(self.prefixes) + len(packed) * self._width):
            self.decoder.forget(sequence)

    def _tree_rows(self, prompt: Sequence[int], first: int) -> list[tuple[Row, Node]]:
        """Return the rows of the tree, its root being the prompt's last token, with their nodes."""
        end, root = len(prompt) - 1, self.tree[0]
        place = {label: first + i for i, label in enumerate(root.labels)}
        everyone = tuple(range(first, first + self._width))
        rows = [(Row(prompt[end], end, everyone, bool(root.branches)), root)]
        for node in self.tree[1:]:
            sequences = tuple(place[label] for label in node.labels)
            rows.append((Row(node.token, end + node.depth, sequences, bool(node.branches), "answer"), node))
        return rows


def scorer_of(decoder: Decoder, prefixes: Prefixes, tree: Sequence[Node], parallel: int) -> TreeScorer:
    """Return the scorer of a tree.

    Raises:
        BenchError: if there are more labels than sequences.
    """
    sequences = MAX_SEQUENCES + 1 - len(prefixes) if decoder.shares else parallel
    if len(tree) > 1 and len(tree[0].labels) > sequences:
        raise BenchError(
            f"{len(tree[0].labels)} labels are more than the {sequences} that can be scored; use mode = 'generate'"
        )
    return TreeScorer(decoder, prefixes, tree, sequences)


def _log_sum_exp(logits: NDArray[np.float32]) -> float:
    """Return log Σ exp; scipy's does the same at several times the cost for one long row."""
    top = float(logits.max())
    return top + float(np.log(np.exp(logits - top).sum(dtype=np.float64)))
