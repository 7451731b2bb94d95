"""Ranks over the data sets of the atlas, by the tests of `bench across`, and the encoder against the LLM set by set."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from bench.analysis.atlas.points import asked, best_llm, cells_at, fine_tuned_row, group, unlabelled
from bench.analysis.compare import FLOOR
from bench.analysis.learning_curve import Gap, gap
from bench.analysis.ranking import Standings, standings_of
from bench.records.atlas import AtlasCell, AtlasScores

MIN_SETS = 2


@dataclass(frozen=True, slots=True)
class Duel:
    """Two rows on one data set: the first's accuracy minus the second's, paired, on `n` messages that both answered."""

    data_set: str
    first: str
    second: str
    n: int
    gap: Gap

    @property
    def winner(self) -> str | None:
        """Return the row whose advantage the 95 % interval shows; None where it holds 0."""
        if self.gap.interval.low > 0:
            return self.first
        return self.second if self.gap.interval.high < 0 else None


def ranks(atlas: Sequence[AtlasScores]) -> Standings | None:
    """Rank the rows that every data set has scores of with all labels; None with fewer than two data sets or rows."""
    tables = {
        scores.data_set: {row: [cell.accuracy for cell in cells] for row, cells in cells_at(scores, None).items()}
        for scores in atlas
    }
    shared = set.intersection(*map(set, tables.values())) if tables else set()
    if len(tables) < MIN_SETS or len(shared) < MIN_SETS:
        return None
    return standings_of(tables, list(_stopped(atlas)))


def _stopped(atlas: Sequence[AtlasScores]) -> Iterator[str]:
    """Say on which data sets a row answered only a part of the test messages."""
    sets: dict[str, list[str]] = {}
    for scores in atlas:
        for cell in scores.cells:
            if not cell.is_complete:
                sets.setdefault(cell.row, []).append(f"{scores.data_set} ({cell.n:,} of {len(scores.ids):,})")
    for row, listed in sets.items():
        yield f"{row} stopped early, and its accuracy is that of the messages it answered: {', '.join(listed)}"


def trained_duels(atlas: Sequence[AtlasScores]) -> list[Duel]:
    """Set the fine-tuned encoder with all labels against the best LLM without labels, data set by data set."""
    encoder = fine_tuned_row(atlas)
    made = []
    for scores in atlas:
        cells, rival = cells_at(scores, None).get(encoder or "", []), best_llm(scores)
        if cells and rival is not None:
            made.append(duel(scores, cells, rival))
    return made


def unlabelled_duels(atlas: Sequence[AtlasScores]) -> list[Duel]:
    """Set the best row that needs no labels and is not prompted against the best LLM, data set by data set."""
    made = []
    for scores in atlas:
        others, rival = unlabelled(scores, prompted=False), best_llm(scores)
        if others and rival is not None:
            made.append(duel(scores, others[:1], rival))
    return made


def floor_duels(atlas: Sequence[AtlasScores]) -> list[Duel]:
    """Set the best LLM without labels against the row that ignores the text, data set by data set."""
    made = []
    for scores in atlas:
        floors = [cell for cell in scores.cells if cell.backend == FLOOR and cell.train_per_label is None]
        rival = best_llm(scores)
        if floors and rival is not None:
            made.append(duel(scores, floors[:1], rival))
    return made


def duel(scores: AtlasScores, cells: Sequence[AtlasCell], rival: AtlasCell) -> Duel:
    """Compare the seeds of a row with a rival on the messages that all of them answered."""
    where = asked(rival)
    for cell in cells:
        where = where & asked(cell)
    first, second = group(cells, scores.n_labels, where), group([rival], scores.n_labels, where)
    return Duel(scores.data_set, first.row, second.row, int(where.sum()), gap(first, second))


def two_sided_sign_p(wins: int, losses: int) -> float:
    """Return the exact two-sided p-value of the sign test that both rows are equally often the better one."""
    from scipy.stats import binomtest

    return float(binomtest(wins, wins + losses).pvalue) if wins + losses else 1.0
