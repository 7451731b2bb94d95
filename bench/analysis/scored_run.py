"""A run's rows with their scores: the one place where figures meet the files they come from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from bench.analysis.cascade import cascade_row
from bench.analysis.rows import Row
from bench.analysis.scores import score
from bench.config.tables import CascadeConfig
from bench.dataset.corrections import Corrections
from bench.records.store import CellFolder, RunFolder
from bench.records.types import CellRecord, PredictionRecord, RunRecord
from classifiers.errors import BenchError


def rows_of(run: RunFolder, corrections: Corrections | None = None) -> list[Row]:
    """Read every cell of a run, failed ones included, and add the config's cascades.

    Raises:
        BenchError: for a broken record, and for a correction of a message that the run does not have.
    """
    record = run.read()
    rows = [_row(cell, folder, record, corrections) for cell, folder in run.cells()]
    return with_cascades(rows, record.config.cascades)


def _row(cell: CellRecord, folder: CellFolder, run: RunRecord, corrections: Corrections | None) -> Row:
    task, data = run.as_task(), run.config.data
    records, validation = (folder.predictions.read(), folder.validation.read()) if cell.status == "ok" else ([], [])
    if corrections:
        records, validation = with_gold(records, corrections), with_gold(validation, corrections)
    scores = score(
        records,
        task.label_names,
        several=task.takes_several,
        untold="" if data.train_on_oos else data.oos_label,
        validation=validation,
        always_valid=cell.stopped is not None,
    )
    return Row.of(cell, records, scores)


def with_gold(records: Sequence[PredictionRecord], corrections: Corrections) -> list[PredictionRecord]:
    """Return answers with corrected gold labels."""
    return [replace(record, gold=corrections.gold(record.text, record.gold)) for record in records]


def check_corrections(run: RunFolder, rows: Sequence[Row], corrections: Corrections) -> int:
    """See that every correction is about a message of a run, whose rows are given as they were scored.

    Return how many are about messages that the run did not sample.

    Raises:
        BenchError: naming the line of the first that is about none.
    """
    known = [(message.text, message.gold) for message in run.messages.read()]
    known += [(record.text, record.gold) for row in rows for record in (*row.records, *row.validation)]
    return corrections.check(dict.fromkeys(known), is_sample=run.read().n_left_out > 0)


def with_cascades(rows: Sequence[Row], cascades: Mapping[str, CascadeConfig]) -> list[Row]:
    """Add the rows of a config's cascades; one that cannot be made is a failed row with its cause."""
    by_name = {row.name: row for row in rows}
    return [
        *rows,
        *(
            _cascade(name, by_name, config)
            for name, config in cascades.items()
            if {config.first, config.second or config.first} <= set(by_name)  # else the run has not come so far
        ),
    ]


def _cascade(name: str, by_name: Mapping[str, Row], config: CascadeConfig) -> Row:
    try:
        return cascade_row(name, by_name[config.first], by_name.get(config.second), config)
    except BenchError as error:
        return Row(name, status="failed", cause=str(error))
