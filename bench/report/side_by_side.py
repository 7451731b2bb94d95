"""The same rows on several data sets, side by side, from what is kept of runs without their messages."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from bench.records.types import CellRecord, RunRecord
from bench.report.scores_file import ClassifierScores
from bench.report.tables.results import labels_text
from bench.report.tables.table import Table
from bench.report.text import DASH, number, times, with_interval

FIGURES = ("labels used", "accuracy %", "messages /s")
LETTERS_HEAD = ("data set", "labels", "letters /s", "score /s", "ratio", "letters: accuracy %", "score: accuracy %")


@dataclass(frozen=True, slots=True)
class ScoredRun:
    """A run, and by name the records of its cells and the scores of its classifiers; a cascade has no record."""

    run: RunRecord
    cells: Mapping[str, CellRecord]
    scores: Mapping[str, ClassifierScores | None]

    @property
    def name(self) -> str:
        """Return the name of its task."""
        return str(self.run.task["name"])

    @property
    def n_labels(self) -> int:
        """Return how many labels its task has."""
        return len(self.run.as_task().label_names)

    def figures(self, row: str) -> tuple[str, str, str]:
        """Return the labels that a row used, its accuracy and its rate; dashes where there are none."""
        scores, cell = self.scores.get(row), self.cells.get(row)
        accuracy = with_interval(scores.accuracy, scores.accuracy_interval) if scores else DASH
        if cell is None:
            return DASH, accuracy, DASH
        return labels_text(cell.n_labelled), accuracy, number(cell.throughput_per_s)


def side_by_side(runs: Sequence[ScoredRun]) -> Table:
    """Return a line per row: the labels it used, its accuracy and its messages per second on each data set."""
    rows = dict.fromkeys(row for run in runs for row, scores in run.scores.items() if scores)
    head = ("row", *(f"{run.name}: {figure}" for run in runs for figure in FIGURES))
    body = tuple((row, *(text for run in runs for text in run.figures(row))) for row in rows)
    return Table("All rows", head, body, notes=tuple(_notes(runs)), can_turn=False)


def _notes(runs: Sequence[ScoredRun]) -> Iterator[str]:
    """Say of how many labels and test messages the figures are, and which times other programs disturbed."""
    for run in runs:
        n_test = run.run.part_sizes["test"]
        yield f"{run.name}: {run.n_labels} labels, {n_test:,} test messages; brackets are 95 % intervals."
        loads = {row: cell.other_load for row, cell in run.cells.items()}
        if disturbed := [row for row, load in loads.items() if load and "predict" in load.disturbed]:
            yield f"{run.name}: other programs kept the machine busy while these rows answered: {', '.join(disturbed)}."


def letters_table(runs: Sequence[ScoredRun]) -> Table:
    """Return how fast and how accurate a local LLM answers by letters and by label scores, a line per data set."""
    body = []
    for run in runs:
        letters, score = (_plain_row(run, mode) for mode in ("letters", "score"))
        if letters is None or score is None:
            continue
        fast, slow = letters.throughput_per_s, score.throughput_per_s
        rates = number(fast), number(slow), times(fast / slow if fast and slow else None)
        accuracies = (run.figures(cell.classifier)[1] for cell in (letters, score))
        body.append((run.name, str(run.n_labels), *rates, *accuracies))
    return Table("Letters against label scores", LETTERS_HEAD, tuple(body), can_turn=False)


def _plain_row(run: ScoredRun, mode: str) -> CellRecord | None:
    """Return the first cell that asks a local LLM in a mode and shows it no examples."""
    for row, cell in run.cells.items():
        if run.scores.get(row) and (cell.settings.get("mode"), cell.settings.get("examples")) == (mode, "none"):
            return cell
    return None
