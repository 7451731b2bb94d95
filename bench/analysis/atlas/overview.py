"""What each data set of the atlas says by itself: the best rows by how many labels there are, and what they take."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from bench.analysis.atlas.points import best_llm, cells_at, fine_tuned_row, group, unlabelled
from bench.analysis.compare import FLOOR
from bench.analysis.label_scores import Interval
from bench.records.atlas import AtlasCell, AtlasScores

FEW = 8
"""Examples per label that somebody has who labels for an hour."""
SECONDS_PER_HOUR = 3600


@dataclass(frozen=True, slots=True)
class Standing:
    """The most accurate row under some condition: the mean over its seeds on `n` test messages, with its 95 % interval.

    Being the most accurate of several rows on the very messages it is scored on, it looks a little better than it is.
    """

    row: str
    accuracy: float
    interval: Interval
    n: int
    n_seeds: int


@dataclass(frozen=True, slots=True)
class Overview:
    """One data set: its best rows without labels, with a few, with all; None where no row was run so."""

    scores: AtlasScores
    floor: Standing | None
    without: Standing | None
    with_few: Standing | None
    with_all: Standing | None


@dataclass(frozen=True, slots=True)
class Price:
    """What a million messages take with one row, on its machine to itself."""

    data_set: str
    row: str
    seconds: float
    money: float
    machine: str


def overview(scores: AtlasScores) -> Overview:
    """Return the best rows of a data set."""
    whole = cells_at(scores, None)
    floor = {row: cells for row, cells in whole.items() if cells[0].backend == FLOOR}
    free = [cell.row for cell in unlabelled(scores)]
    return Overview(
        scores,
        floor=_best(floor.values(), scores),
        without=_best([cells for row, cells in whole.items() if row in free], scores),
        with_few=_best(cells_at(scores, FEW).values(), scores),
        with_all=_best(
            [cells for row, cells in whole.items() if row not in {*free, *floor} and cells[0].is_complete], scores
        ),
    )


def standing(cells: Sequence[AtlasCell], scores: AtlasScores) -> Standing:
    """Return what the seeds of one row at one size come to; of seeds that stopped early the first counts alone."""
    cells = [cell for cell in cells if cell.is_complete] or cells[:1]
    if len(cells) == 1:
        (cell,) = cells
        return Standing(cell.row, cell.accuracy, Interval(cell.low, cell.high), cell.n, 1)
    seeds = group(cells, scores.n_labels)
    interval = seeds.interval
    assert interval is not None
    return Standing(seeds.row, seeds.mean, interval, len(scores.ids), len(cells))


def _best(candidates: Iterable[Sequence[AtlasCell]], scores: AtlasScores) -> Standing | None:
    """Return the most accurate of several rows, each given by its seeds."""
    given = [list(cells) for cells in candidates]
    if not given:
        return None
    return standing(max(given, key=lambda cells: sum(cell.accuracy for cell in cells) / len(cells)), scores)


def prices(atlas: Sequence[AtlasScores]) -> list[tuple[Price | None, Price | None]]:
    """Return, per data set, what a million messages take with the fine-tuned encoder and with the best LLM."""
    encoder = fine_tuned_row(atlas)
    pairs = []
    for scores in atlas:
        trained = cells_at(scores, None).get(encoder or "", [])
        pairs.append((_price(next(iter(trained), None), scores), _price(best_llm(scores), scores)))
    return pairs


def _price(cell: AtlasCell | None, scores: AtlasScores) -> Price | None:
    """Return a cell's price; None where it was not timed."""
    if cell is None or not cell.is_timed or not cell.messages_per_second:
        return None
    seconds = 1e6 / cell.messages_per_second
    money = seconds / SECONDS_PER_HOUR * scores.machine_per_hour
    return Price(scores.data_set, cell.row, seconds, money, cell.machine)
