"""Turn a run of a study into the scores that are committed: ids and what was right, no text and no label."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pydantic import ValidationError

from bench.analysis.rows import Row
from bench.analysis.scored_run import rows_of
from bench.analysis.timing import described
from bench.dataset.catalogue import Entry, dataset_entry
from bench.dataset.named import NAME
from bench.dataset.table_reader import SAMPLED
from bench.records.atlas import RIGHT, UNASKED, WRONG, AtlasCell, AtlasScores
from bench.records.store import RunFolder
from bench.records.types import RunRecord
from classifiers.errors import BenchError


def scores_of(data_set: str, folder: RunFolder, missing: Sequence[str] = ()) -> AtlasScores:
    """Return the scores of one data set's run.

    Args:
        data_set: what the study calls it; the name in the catalogue where it comes from there.
        folder: the run.
        missing: cells that are not finished.

    Raises:
        BenchError: for a broken record.
    """
    run = folder.read()
    entry = _entry(run)
    ids = tuple(sorted(message.id for message in folder.messages.read() if message.part == "test"))
    unfinished = set(missing)
    rows = [row for row in rows_of(folder) if row.scores and row.name not in unfinished]
    try:
        return AtlasScores(
            data_set=data_set,
            sha256=entry.sha256 if entry else "",
            n_labels=len(run.as_task().label_names),
            seen_by_llms=entry.seen_by_llms if entry else None,
            task=run.task_fingerprint,
            split=run.split_fingerprint,
            part_sizes=run.part_sizes,
            ids=ids,
            cells=tuple(_cell(row, run, ids) for row in rows if not (row.cascade and row.cascade.is_first_alone)),
            missing=tuple(missing),
            is_sampled=any(SAMPLED in warning for warning in run.warnings),
            versions=run.versions,
            git_commit=run.git_commit,
            machine_per_hour=run.config.cost.machine_per_hour,
            currency=run.config.cost.currency,
        )
    except ValidationError as error:
        raise BenchError(f"{folder.path}: cannot be scores of the atlas: {error.errors()[0]['msg']}") from error


def _entry(run: RunRecord) -> Entry | None:
    """Return what the catalogue says of a run's data; None for data that is not in it."""
    path = run.config.data.path
    return dataset_entry(path.removeprefix(NAME)) if path.startswith(NAME) else None


def _cell(row: Row, run: RunRecord, ids: Sequence[str]) -> AtlasCell:
    assert row.scores is not None
    interval, taken, ran = row.scores.accuracy_interval, row.resources, row.cell
    return AtlasCell(
        name=row.name,
        row=row.config_row,
        backend=row.backend or "cascade",
        model=ran.model if ran else "",
        parameters=taken.n_parameters,
        train_per_label=row.train_per_label,
        seed=ran.seed - run.config.seed if ran else 0,
        n_train=ran.n_train if ran else None,
        n_labelled=taken.n_labelled,
        is_prompted=ran is not None and ran.is_prompted,
        fine_tuned=ran.fine_tuned if ran else None,
        fingerprint=ran.fingerprint if ran else "",
        right=answer_signs({record.id: record.is_right for record in row.records}, ids),
        n=row.scores.n,
        accuracy=row.scores.accuracy,
        low=interval.low,
        high=interval.high,
        fit_seconds=taken.fit_seconds,
        messages_per_second=taken.throughput_per_s or None,
        is_timed=_is_timed(row, run),
        machine=described((ran.machine if ran else {}) or run.machine),
        decision=ran.stopped.decision if ran and ran.stopped else None,
        rival=ran.stopped.rival if ran and ran.stopped else "",
    )


def answer_signs(right: Mapping[str, bool], ids: Sequence[str]) -> str:
    """Write which messages were answered right, a sign per id."""
    return "".join(UNASKED if id_ not in right else RIGHT if right[id_] else WRONG for id_ in ids)


def _is_timed(row: Row, run: RunRecord) -> bool:
    """Tell whether no other cell, and no other program, ran on its machine while a cell answered."""
    load = row.cell.other_load if row.cell else None
    return run.executor == "local" and run.config.jobs == 1 and not (load and "predict" in load.disturbed)
