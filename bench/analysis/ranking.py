"""Compare classifiers over several data sets: mean ranks and their tests (Demšar 2006, JMLR 7).

A data set is one observation, whatever its size: runs of the same data with different seeds are averaged first.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bench.analysis.rows import Row, full_data_rows, why_stopped
from bench.analysis.scored_run import rows_of
from bench.records.store import RunFolder
from classifiers.errors import BenchError

LEVEL = 0.05
MIN_MESSAGES = 3
"""Friedman's test needs as many classifiers, and as many data sets."""


@dataclass(frozen=True, slots=True)
class Standings:
    """Accuracies of classifiers on data sets, shape (data sets, classifiers), and what the ranks say of them.

    Rank 1 is the best on a data set; equal accuracies share the mean of their ranks. `p_value` is Friedman's, `nemenyi`
    the p-value of every pair, shape (classifiers, classifiers); both are None with fewer than three of either.
    `left_out` names rows that some data set has no scores of. `stopped` says of rows that stopped early on how many
    test messages their accuracy stands; they are ranked by it all the same.
    """

    data_sets: tuple[str, ...]
    classifiers: tuple[str, ...]
    accuracies: NDArray[np.float64]
    left_out: tuple[str, ...]
    p_value: float | None
    nemenyi: NDArray[np.float64] | None
    stopped: tuple[str, ...] = ()

    @property
    def ranks(self) -> NDArray[np.float64]:
        """Return the rank of every classifier on every data set."""
        from scipy.stats import rankdata

        return np.asarray(rankdata(-self.accuracies, axis=1))

    @property
    def mean_ranks(self) -> NDArray[np.float64]:
        """Return the mean rank of every classifier."""
        return np.asarray(self.ranks.mean(axis=0))


def standings(runs: Sequence[RunFolder]) -> Standings:
    """Compare the rows that all runs have.

    Raises:
        BenchError: if they are of fewer than two data sets, or have fewer than two rows in common.
    """
    read = [(folder, full_data_rows(rows_of(folder))) for folder in runs]
    return standings_of(_accuracies(read), tuple(_stopped(read)))


def standings_of(by_data: Mapping[str, Mapping[str, Sequence[float]]], stopped: Sequence[str] = ()) -> Standings:
    """Compare the rows that all data sets have.

    Args:
        by_data: the accuracies of each data set by row, one per seed.
        stopped: what is to be said of rows that stopped early.

    Raises:
        BenchError: as `standings` does.
    """
    if len(by_data) < 2:
        raise BenchError("ranks over data sets need runs on two or more different data sets")
    tables = list(by_data.values())
    names = [name for name in tables[0] if all(name in table for table in tables)]
    if len(names) < 2:
        raise BenchError("the runs have fewer than two rows in common; name the same rows in their configs")
    left_out = dict.fromkeys(name for table in tables for name in table if name not in names)
    figures = np.array([[np.mean(table[name]) for name in names] for table in tables])
    p_value, pairs = _tests(figures)
    return Standings(tuple(by_data), tuple(names), figures, tuple(left_out), p_value, pairs, tuple(stopped))


def _stopped(runs: Sequence[tuple[RunFolder, Sequence[Row]]]) -> Iterator[str]:
    """Say which rows of the tables answered only a part of a run's test messages."""
    for folder, rows in runs:
        for row in rows:
            if row.scores and (text := why_stopped(row)):
                yield f"{row.name} in {folder.path.name}: {text}; its accuracy is that of these messages"


def _accuracies(runs: Sequence[tuple[RunFolder, Sequence[Row]]]) -> dict[str, Mapping[str, list[float]]]:
    """Return every data set's accuracies by row; seeds of a row and runs of the same data come together."""
    by_data: dict[tuple[str, str], dict[str, list[float]]] = {}
    for folder, rows in runs:
        run = folder.read()
        by_row = by_data.setdefault((run.task_fingerprint, str(run.task["name"])), {})
        for row in rows:
            if row.scores:
                by_row.setdefault(row.config_row, []).append(row.scores.accuracy)
    names = [name for _, name in by_data]
    return {
        name if names.count(name) == 1 else f"{name} {fingerprint[:6]}": table
        for (fingerprint, name), table in by_data.items()
    }


def _tests(accuracies: NDArray[np.float64]) -> tuple[float | None, NDArray[np.float64] | None]:
    """Run Friedman's test (scipy) and Nemenyi's for all pairs (scikit-posthocs)."""
    import scikit_posthocs
    from scipy.stats import friedmanchisquare

    if min(accuracies.shape) < MIN_MESSAGES or (accuracies == accuracies[:, :1]).all():
        return None, None
    p_value = float(friedmanchisquare(*accuracies.T).pvalue)
    return p_value, np.asarray(scikit_posthocs.posthoc_nemenyi_friedman(accuracies), dtype=float)
