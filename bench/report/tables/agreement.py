"""The table of a second person's labels beside the gold ones and the classifiers' answers."""

from __future__ import annotations

from collections.abc import Sequence

from bench.analysis.agreement import Agreement, RowAgreement
from bench.report.tables.table import Table, Topic
from bench.report.text import DASH, with_interval
from classifiers.plurals import number_of

NOTES = (
    "brackets are 95 % Wilson intervals; kappa: Cohen's, agreement beyond what chance gives: 1 is full, 0 is chance.",
    "An answer that cannot be parsed agrees with nobody.",
)


def agreement_table(rows: Sequence[RowAgreement], file: str) -> Table:
    """Return a line for the gold labels and one per classifier."""
    body = tuple((row.name, *_figures(row.with_person), *_figures(row.with_gold)) for row in rows)
    head = ("who", "agrees with the second person %", "kappa", "agrees with gold %", "kappa with gold")
    notes = (f"{number_of(rows[0].with_person.n, 'message')} labelled in {file}.", *NOTES)
    return Table("Agreement with a second person", head, body, notes=notes, topic=Topic.DIFFERENCES)


def _figures(agreement: Agreement | None) -> tuple[str, str]:
    if agreement is None:
        return DASH, DASH
    kappa = DASH if agreement.kappa is None else f"{agreement.kappa:.2f}"
    return with_interval(agreement.share, agreement.interval), kappa
