"""A study is a sweep whose points of learning curves are run in an order that is useful whenever it ends.

Cells of all data sets alternate. A row begins with its most telling sizes, and the rows that come first in the config
get all of theirs before the last ones begin, so that after a fraction of the time every data set has a curve, an LLM
to be passed and an accuracy with all labels. Further seeds come last: they narrow intervals and show nothing new.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from bench.config.cells import CellPlan
from bench.config.run import RunConfig
from bench.config.tables import RowConfig
from bench.dataset.catalogue import dataset_entry
from bench.dataset.named import NAME
from bench.execution.plan import Job, Plan

ROUNDS: dict[int | None, int] = {1: 0, 8: 0, 64: 0, None: 1, 2: 2, 32: 2}
"""When the sizes of a row are run, None being all messages; other sizes come last."""
LAST_ROUND = 3
MAX_SHARE = 0.75
"""Of the training part: a draw that takes more of it is nearly the whole part, which is run anyway."""
TRAINING_SHARE = 0.7
"""Of messages that have no official parts."""


@dataclass(frozen=True, slots=True)
class StudyProgress:
    """How far one data set has come: its cells in all, those that are not finished, and of these the failed ones."""

    data_set: str
    n_cells: int
    missing: tuple[CellPlan, ...]
    failed: tuple[str, ...]

    @property
    def missing_names(self) -> tuple[str, ...]:
        """Name the cells that are not finished."""
        return tuple(cell.name for cell in self.missing)

    @property
    def missing_by_row(self) -> dict[str, int]:
        """Count the cells that are not finished by row, in the config's order."""
        return dict(Counter(cell.row for cell in self.missing))


def study_runs(config: RunConfig) -> dict[str, RunConfig]:
    """Return a run per data set of a sweep, by the sweep's name of it, with the sizes that its messages allow."""
    names = list(config.sweep.data) if config.sweep else []
    return {name: _with_fitting_sizes(run) for name, run in zip(names, config.runs(), strict=True)}


def _with_fitting_sizes(run: RunConfig) -> RunConfig:
    """Leave out the sizes for which a data set of the catalogue has too few messages; others keep all sizes."""
    if not run.data.path.startswith(NAME):
        return run
    entry = dataset_entry(run.data.path.removeprefix(NAME))
    given = entry.rows["train"] if "train" in entry.rows else TRAINING_SHARE * entry.rows["all"]
    largest = MAX_SHARE * min(given, run.data.max_messages) / entry.n_labels
    return run.model_copy(
        update={"classifiers": {name: _limited(row, largest) for name, row in run.classifiers.items()}}
    )


def _limited(row: RowConfig, largest: float) -> RowConfig:
    """Return a row without the sizes above `largest`, but never without any size."""
    kept = [size for size in row.train_per_label if size == "all" or int(size) <= largest]
    return row.model_copy(update={"train_per_label": kept or ["all"]})


def study_order(jobs: Sequence[Job]) -> list[Job]:
    """Put the cells of a study into their order: by seed, then by the row's place plus the size's round."""
    data_sets = {name: i for i, name in enumerate(dict.fromkeys(job.plan.folder.path for job in jobs))}

    def place(job: Job) -> tuple[int, int, int, int, int]:
        config, cell = job.plan.config, job.cell
        row = list(config.classifiers).index(cell.row)
        size = cell.train_per_label
        round_ = 0 if config.classifiers[cell.row].train_per_label == ["all"] else ROUNDS.get(size, LAST_ROUND)
        return cell.seed - config.seed, row + round_, row, size or 0, data_sets[job.plan.folder.path]

    return sorted(jobs, key=place)


def progress(data_set: str, plan: Plan) -> StudyProgress:
    """Say which cells of a data set are not finished."""
    cells = plan.config.cells()
    missing, failed = [], []
    for cell in cells:
        record = plan.folder.cell(cell.name).read()
        is_same = record is not None and record.fingerprint == plan.identity(cell).fingerprint
        if record is None or record.status != "ok" or not is_same:
            missing.append(cell)
        if record is not None and record.status == "failed" and is_same:
            failed.append(cell.name)
    return StudyProgress(data_set, len(cells), tuple(missing), tuple(failed))
