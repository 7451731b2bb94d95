"""Everything that the atlas shows, worked out once for Markdown, page and terminal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bench.analysis.atlas.claims import claims, limits
from bench.analysis.atlas.crossings import SetCrossing, crossings
from bench.analysis.atlas.overview import overview, prices
from bench.analysis.atlas.published import beside_published
from bench.analysis.atlas.ranks import ranks
from bench.records.atlas import AtlasScores
from bench.report.atlas.tables import (
    best_table,
    crossing_table,
    data_table,
    floor_note,
    price_tables,
    published_table,
)
from bench.report.tables.ranking import standings_table
from bench.report.tables.table import Table
from classifiers.plurals import number_of

METHOD = (
    "Accuracy between two sizes is read off a straight line over the logarithm of examples per label; the crossing is "
    "the first place where it reaches the LLM's. Its interval is that of 2,000 resamples of test messages, the same "
    "for both, and of training seeds (95 %, percentiles). The LLM is the most accurate of the prompted rows without "
    "labels, selected on the same test messages, which favours it a little."
)


@dataclass(frozen=True, slots=True)
class Atlas:
    """The atlas as it is shown; `crossings` are those that the picture draws."""

    scores: tuple[AtlasScores, ...]
    claims: tuple[str, ...]
    limits: tuple[str, ...]
    crossings: tuple[SetCrossing, ...]
    tables: tuple[Table, ...]

    @property
    def headline(self) -> str:
        """Say in one line what the atlas is made of."""
        cells = sum(len(scores.cells) for scores in self.scores)
        names = ", ".join(f"{scores.data_set} ({scores.n_labels})" for scores in self.scores)
        sets = number_of(len(self.scores), "data set")
        return f"{sets}, with numbers of labels: {names}; {number_of(cells, 'cell')}."

    @property
    def commits(self) -> tuple[str, ...]:
        """Return the commits that the scores were made with."""
        return tuple(sorted({scores.git_commit or "unknown" for scores in self.scores}))


def make_atlas(scores: Sequence[AtlasScores]) -> Atlas:
    """Work out the atlas."""
    crossed = crossings(scores)
    return Atlas(
        tuple(scores),
        tuple(claims(scores)),
        tuple(limits(scores)),
        tuple(_drawn(scores, crossed)),
        tuple(_tables(scores, crossed)) if scores else (),
    )


def _drawn(scores: Sequence[AtlasScores], crossed: Sequence[SetCrossing]) -> list[SetCrossing]:
    """Return the crossings of encoders: the picture would not be read with those of every learner."""
    encoders = {cell.row for one_set in scores for cell in one_set.cells if cell.fine_tuned is not None}
    return [place for place in crossed if place.crossing.learner in encoders]


def _tables(scores: Sequence[AtlasScores], crossed: Sequence[SetCrossing]) -> list[Table]:
    made = [best_table(list(map(overview, scores)), floor_note(scores))]
    if crossed:
        made.append(crossing_table(crossed))
    made += price_tables(scores, prices(scores))
    if (standings := ranks(scores)) is not None:
        made.append(standings_table(standings))
    if beside := beside_published(scores):
        made.append(published_table(beside))
    return [*made, data_table(scores)]
