"""Cells of the atlas as what learning curves are made of: the seeds of one row at one size, message by message."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from bench.analysis.compare import FLOOR
from bench.analysis.learning_curve import Group
from bench.records.atlas import RIGHT, UNASKED, AtlasCell, AtlasScores

MIN_SIZES = 3
"""A row with fewer sizes has no curve to be crossed."""

Where = NDArray[np.bool_]
"""Which test messages count."""


def signs(cell: AtlasCell) -> NDArray[np.bytes_]:
    """Return a cell's signs, one per test message."""
    return np.frombuffer(cell.right.encode(), dtype="S1")


def asked(cell: AtlasCell) -> Where:
    """Return which test messages a cell was asked."""
    return np.asarray(signs(cell) != UNASKED.encode())


def group(cells: Sequence[AtlasCell], n_labels: int, where: Where | None = None) -> Group:
    """Return the seeds of one row at one size on some test messages, all of which each seed was asked."""
    right = np.array([signs(cell) == RIGHT.encode() for cell in cells], dtype=bool)
    first = cells[0]
    per_label = (first.n_train or 0) / n_labels
    return Group(first.row, first.train_per_label, per_label, right if where is None else right[:, where])


def cells_at(scores: AtlasScores, size: int | None) -> dict[str, list[AtlasCell]]:
    """Return the cells of one training size by row, seeds in order; those that stopped early have one seed."""
    by_row: dict[str, list[AtlasCell]] = {}
    for cell in _by_seed(scores.cells):
        if cell.train_per_label == size:
            by_row.setdefault(cell.row, []).append(cell)
    return by_row


def learners(scores: AtlasScores) -> list[str]:
    """Name the rows that have a learning curve, in the order of the scores."""
    sizes: dict[str, set[int | None]] = {}
    for cell in scores.cells:
        if cell.is_complete and cell.n_train and not cell.is_prompted:
            sizes.setdefault(cell.row, set()).add(cell.train_per_label)
    return [row for row, of_row in sizes.items() if len(of_row) >= MIN_SIZES]


def curve(scores: AtlasScores, row: str, where: Where | None = None) -> list[Group]:
    """Return a row's points on some test messages, fewest training messages first."""
    by_size: dict[int | None, list[AtlasCell]] = {}
    for cell in scores.cells:
        if cell.row == row and cell.is_complete and cell.n_train:
            by_size.setdefault(cell.train_per_label, []).append(cell)
    points = [group(_by_seed(cells), scores.n_labels, where) for cells in by_size.values()]
    return sorted(points, key=lambda point: point.per_label)


def _by_seed(cells: Iterable[AtlasCell]) -> list[AtlasCell]:
    return sorted(cells, key=lambda cell: cell.seed)


def unlabelled(scores: AtlasScores, *, prompted: bool | None = None) -> list[AtlasCell]:
    """Return the cells that used no labelled message, best first: prompted rows, the others, or both (None)."""
    cells = [
        cell
        for cell in scores.cells
        if cell.needs_no_labels and cell.train_per_label is None and cell.backend != FLOOR
        if prompted is None or cell.is_prompted == prompted
    ]
    return sorted(cells, key=lambda cell: -cell.accuracy)


def best_llm(scores: AtlasScores) -> AtlasCell | None:
    """Return the most accurate prompted row that used no labels; None where there is none.

    It is selected on the test messages themselves, which favours the LLM a little.
    """
    return next(iter(unlabelled(scores, prompted=True)), None)


def fine_tuned_row(atlas: Sequence[AtlasScores]) -> str | None:
    """Return the fine-tuned encoder of the atlas: the one with curves on most data sets, the first of equals."""
    counts: dict[str, int] = {}
    for scores in atlas:
        tuned = {cell.row for cell in scores.cells if cell.fine_tuned and not cell.is_prompted}
        for row in learners(scores):
            if row in tuned:
                counts[row] = counts.get(row, 0) + 1
    return max(counts, key=lambda row: counts[row]) if counts else None
