"""Our rows beside published ones: which of ours is comparable, whether it is below by more than its interval, and why.

A published figure is a number without its answers, so nothing is paired: ours is below where the upper end of our
interval is. The reasons that are given are differences which the records show.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

import tomli
from pydantic import Field, TypeAdapter

from bench.analysis.atlas.overview import Standing, standing
from bench.analysis.atlas.points import cells_at, unlabelled
from bench.analysis.compare import FLOOR
from bench.config.tables import Closed
from bench.records.atlas import AtlasCell, AtlasScores
from classifiers.plurals import number_of

FILE = Path(__file__).with_name("published.toml")
CASCADE = "cascade"
MUCH_LARGER = 1.5
"""How many times our parameters count as a larger model."""


class Published(Closed):
    """One published accuracy, in percent; see published.toml for the keys."""

    what: str
    accuracy: float = Field(gt=0, le=100)
    kind: Literal["trained", "prompted", "retrieved", "similarity"]
    per_label: int | Literal["all"]
    parameters: int | None = None
    sample: str = ""
    source: str


@dataclass(frozen=True, slots=True)
class Beside:
    """A published row and ours; None where no row of ours does the same. `size` is our number of examples per label.

    `is_below` tells whether ours is below by more than its interval; None where the test messages are others, or there
    is nothing of ours.
    """

    data_set: str
    published: Published
    ours: Standing | None
    size: int | None
    is_below: bool | None
    reasons: tuple[str, ...]

    @property
    def verdict(self) -> str:
        """Say how ours stands, and what explains it where it is below."""
        if self.ours is None:
            return "no such row here"
        if self.is_below is None:
            return f"not comparable: theirs is of {self.published.sample}"
        if not self.is_below:
            return "not below by more than the interval"
        return f"below: {', '.join(self.reasons)}" if self.reasons else "below, and not explained"


@cache
def published(file: Path = FILE) -> dict[str, list[Published]]:
    """Read the published accuracies by data set."""
    return TypeAdapter(dict[str, list[Published]]).validate_python(tomli.loads(file.read_text(encoding="utf-8")))


def beside_published(atlas: Sequence[AtlasScores]) -> list[Beside]:
    """Set every published row of the atlas's data sets beside ours."""
    return [_beside(scores, row) for scores in atlas for row in published().get(scores.data_set, [])]


def _beside(scores: AtlasScores, row: Published) -> Beside:
    size, candidates = _candidates(scores, row)
    if not candidates:
        return Beside(scores.data_set, row, None, size, None, ())
    cells = max(candidates, key=lambda cells: sum(cell.accuracy for cell in cells) / len(cells))
    ours = standing(cells, scores)
    is_below = None if row.sample else 100 * ours.interval.high < row.accuracy
    reasons = tuple(_reasons(scores, row, cells[0], size)) if is_below else ()
    return Beside(scores.data_set, row, ours, size, is_below, reasons)


def _candidates(scores: AtlasScores, row: Published) -> tuple[int | None, list[list[AtlasCell]]]:
    """Return our rows of a published one's kind, each with its seeds, and their number of examples per label."""
    if row.kind in ("prompted", "similarity"):
        return None, [[cell] for cell in unlabelled(scores, prompted=row.kind == "prompted")]
    size = None if row.per_label == "all" else _nearest_size(scores, row.per_label)
    prompted = row.kind == "retrieved"
    return size, [
        cells
        for cells in cells_at(scores, size).values()
        if cells[0].is_prompted == prompted
        and not cells[0].needs_no_labels
        and cells[0].backend not in (FLOOR, CASCADE)
    ]


def _nearest_size(scores: AtlasScores, wanted: int) -> int | None:
    """Return the largest size of ours that takes no more labels than the published row."""
    sizes = {cell.train_per_label for cell in scores.cells if cell.train_per_label}
    return max((size for size in sizes if size <= wanted), default=min(sizes, default=None))


def _reasons(scores: AtlasScores, row: Published, cell: AtlasCell, size: int | None) -> Iterator[str]:
    """Yield the differences that the records show."""
    if row.parameters and cell.parameters and row.parameters > MUCH_LARGER * cell.parameters:
        yield f"{row.parameters / 1e6:,.0f} M parameters against {cell.parameters / 1e6:,.0f} M"
    if size and isinstance(row.per_label, int) and row.per_label > size:
        yield f"{number_of(row.per_label, 'example')} per label against {size}"
    if size is None and row.per_label == "all" and (official := _official(scores)) > (cell.n_train or 0):
        yield f"{number_of(official, 'training message')} against {cell.n_train:,}"


def _official(scores: AtlasScores) -> int:
    """Return how many messages the official training part has; 0 where the data set is in no catalogue."""
    from bench.dataset.catalogue import dataset_catalogue

    entry = dataset_catalogue().get(scores.data_set)
    return entry.rows.get("train", 0) if entry else 0
