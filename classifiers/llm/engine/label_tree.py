"""The labels' token sequences as a prefix tree, so that shared first tokens are evaluated once.

A label's probability is that of its whole token sequence, its end token included; without the end,
"card" could never lose to "card arrival". The end token itself is never decoded: its probability is
read where the sequence before it ends.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Branch:
    """One possible next token at a node and the labels (by index) whose sequences go that way."""

    token: int
    labels: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Node:
    """A token that must be decoded; the root is the prompt's last token and has depth 0.

    `labels` are those whose sequences pass through it, `branches` what may follow it and has a score.
    """

    token: int
    depth: int
    labels: tuple[int, ...]
    branches: tuple[Branch, ...]


def grow(sequences: Sequence[Sequence[int]], given: Sequence[int] = ()) -> list[Node]:
    """Build the tree of label token sequences; nodes in depth-first order, the root first.

    Args:
        sequences: one per label, all different, none the beginning of another (an end token sees to that).
        given: how many first tokens of each sequence are a question put to the model and have no score; none if empty.

    Raises:
        ValueError: if a sequence is empty or begins another one.
    """
    nodes: list[Node] = []
    _Tree(sequences, given or [0] * len(sequences), nodes).grow(tuple(range(len(sequences))), token=-1, depth=0)
    return nodes


@dataclass(frozen=True, slots=True)
class _Tree:
    sequences: Sequence[Sequence[int]]
    given: Sequence[int]
    nodes: list[Node]

    def grow(self, labels: tuple[int, ...], *, token: int, depth: int) -> None:
        """Add a node and all that is below it."""
        groups: dict[int, list[int]] = {}
        for label in labels:
            if len(self.sequences[label]) <= depth:
                raise ValueError("a label's tokens must not begin another label's; end each with an end token")
            groups.setdefault(self.sequences[label][depth], []).append(label)
        scored = {token: tuple(x for x in below if self.given[x] <= depth) for token, below in groups.items()}
        branches = tuple(Branch(token, below) for token, below in scored.items() if below)
        self.nodes.append(Node(token, depth, labels, branches))
        for next_token, below in groups.items():
            if any(len(self.sequences[label]) > depth + 1 for label in below):
                self.grow(tuple(below), token=next_token, depth=depth + 1)


def chain_of(tree: Sequence[Node], label: int) -> list[Node]:
    """Return the path of one label through the tree as a tree of its own, for engines that score one at a time."""
    return [
        Node(
            node.token,
            node.depth,
            (label,),
            tuple(Branch(b.token, (label,)) for b in node.branches if label in b.labels),
        )
        for node in tree
        if label in node.labels
    ]
