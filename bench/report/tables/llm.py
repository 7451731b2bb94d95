"""Tables about asking an LLM: retries, what was tried on validation, and where the time went."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from bench.analysis.rows import Row, cells_of
from bench.analysis.trial_spread import spreads
from bench.records.types import CellRecord
from bench.report.tables.table import Table, Topic
from bench.report.text import DASH, number, share
from classifiers.plurals import number_of

TRIED_ON = "tried_on"
"""The setting of a trial that says on what it was tried; without it, on validation."""


def llm_tables(rows: Sequence[Row]) -> Iterator[Table]:
    """Yield the tables that the rows have figures for."""
    for row in rows:
        if row.max_attempts > 1 and row.scores:
            yield _retry(row)
    cells = cells_of(rows)
    if any(cell.stages for cell in cells):
        yield _stages(cells)
    yield from (_trials(cell) for cell in cells if cell.trials)


def _retry(row: Row) -> Table:
    assert row.scores is not None
    scores = row.scores
    counts = [*scores.valid_at, *[0] * (row.max_attempts - len(scores.valid_at))]
    body = [(f"attempt {i}", str(n), share(n / scores.n)) for i, n in enumerate(counts, start=1)]
    body.append(("never", str(scores.never), share(scores.never / scores.n)))
    first, final = share(scores.first_attempt_accuracy), share(scores.accuracy)
    note = (
        f"accuracy {first} % at the first attempt, {final} % after retries; {share(scores.first_parse_failure_rate)} % "
        "of first attempts were parse failures."
    )
    title = f"{row.name}: first valid answer"
    return Table(title, ("at", "messages", "% of messages"), tuple(body), notes=(note,), topic=Topic.LLM)


def _stages(cells: Sequence[CellRecord]) -> Table:
    head = ("classifier", "stage", "tokens", "time s", "tokens /s")
    body = tuple(
        (
            cell.classifier,
            name,
            f"{stage.tokens:,}" if stage.tokens else DASH,
            number(stage.seconds),
            number(stage.tokens_per_s),
        )
        for cell in cells
        for name, stage in cell.stages.items()
        if stage.seconds
    )
    notes = ["One decode call serves prompts and answers together; its time is divided by their tokens."]
    notes += [
        f"{cell.classifier}: {cell.tokens.thinking:,} of {cell.tokens.completion:,} tokens were thinking."
        for cell in cells
        if cell.tokens.thinking
    ]
    return Table("Where prediction time went", head, body, notes=tuple(notes), can_turn=False, topic=Topic.LLM)


def _trials(cell: CellRecord) -> Table:
    """Return everything that was tried to choose by, each by what sets it apart from the first, plain one."""
    trials = cell.trials
    tried_on = trials[0].settings.get(TRIED_ON)
    plain = trials[0].settings if tried_on is None else {TRIED_ON: tried_on}
    body = []
    for trial in trials:
        changed = [f"{name} {value}" for name, value in trial.settings.items() if plain.get(name) != value]
        how = ", ".join(changed) or "as configured"
        how += f", on {number_of(trial.n, 'message')}" if trial.n != trials[0].n else ""
        body.append((how + (" (chosen)" if trial.chosen else ""), share(trial.accuracy), number(trial.seconds)))
    bold = frozenset((i, j) for i, cells in enumerate(body) if cells[0].endswith("(chosen)") for j in range(3))
    part = "validation" if tried_on in (None, "validation") else "training"
    notes = [f"{number_of(trials[0].n, 'message')} of the {part} part; test messages played no part."]
    notes += [
        f"{s.setting} alone: from {share(s.low)} to {share(s.high)} % over {s.n} values."
        for s in spreads([trial for trial in trials if trial.n == trials[0].n])
        if s.setting in ("prompt_template", "example_seed")
    ]
    head = ("settings", "accuracy %", "time s")
    title = f"{cell.classifier}: tried {'on validation' if part == 'validation' else f'by {tried_on}'}"
    title += f" ({cell.unfinished})" if cell.unfinished else ""
    return Table(title, head, tuple(body), bold, tuple(notes), can_turn=False, topic=Topic.LLM)
