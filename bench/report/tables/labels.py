"""Tables per label: precision, recall and F1, and which labels are taken for which."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from bench.analysis.confusions import UNPARSED, largest_mistakes
from bench.analysis.label_scores import LabelScore
from bench.analysis.rows import Row
from bench.report.tables.table import Table, Topic
from bench.report.text import DASH

MATRIX_WIDTH = 60
"""Signs that the labels of a confusion matrix may take together; above that its largest errors are listed."""
MAX_ERRORS = 10


def label_tables(rows: Sequence[Row]) -> Iterator[Table]:
    """Yield scores per label, and each classifier's confusion matrix."""
    scored = [row for row in rows if row.scores]
    if not scored:
        return
    head = ("label", "messages", *(row.name for row in scored))
    columns = [row.scores.per_label for row in scored if row.scores]
    body = tuple(
        (first.label, str(first.support), *(_precision_recall_f1(column[i]) for column in columns))
        for i, first in enumerate(columns[0])
    )
    yield Table("Per label: precision / recall / F1 (%)", head, body, topic=Topic.LABELS)
    yield from (_confusion(row) for row in scored if row.scores and row.scores.confusion)


def _precision_recall_f1(score: LabelScore) -> str:
    return " / ".join(f"{100 * value:.0f}" for value in (score.precision, score.recall, score.f1))


def _confusion(row: Row) -> Table:
    """Return the matrix, or where its head is too wide to read only its largest errors."""
    assert row.scores is not None
    labels, matrix = row.scores.labels, row.scores.confusion
    title = f"{row.name}: gold label (row) against answer (column)"
    if sum(map(len, labels)) <= MATRIX_WIDTH:
        body = tuple((name, *map(str, counts)) for name, counts in zip(labels, matrix, strict=True))
        head = ("gold", *labels, UNPARSED)
        return Table(title, head, body, can_turn=False, topic=Topic.LABELS, is_drawn=True)
    worst = largest_mistakes(matrix, labels, MAX_ERRORS)
    body = tuple((mistake.gold, mistake.answer, str(mistake.n)) for mistake in worst) or ((DASH, DASH, DASH),)
    head = ("gold", "answer", "messages")
    return Table(f"{row.name}: most frequent errors", head, body, topic=Topic.LABELS)
