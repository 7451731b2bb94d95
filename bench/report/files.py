"""Write the files a report consists of: report.md, report.html, scores.json and disagreements as CSV."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Sequence
from pathlib import Path

from bench.analysis.compare import Disagreement
from bench.files import replace_file
from bench.inference.formulas import defused
from bench.report.build import Report
from bench.report.charts import charts, narrow_charts, save_charts
from bench.report.markdown import markdown, replace_block, results_block, scores_csv
from bench.report.page import page
from bench.report.scores_file import scores_json
from bench.report.terminal import answer_text
from bench.report.text import label_text
from classifiers.errors import BenchError


def write_report(folder: Path, report: Report) -> None:
    """Write report.md, report.html, scores.json, scores.csv and the charts into a run's folder."""
    drawn = dict(charts(report))
    texts = {
        "report.md": markdown(report),
        "report.html": page(report, drawn, dict(narrow_charts(report))),
        "scores.json": json.dumps(scores_json(report), indent=1, ensure_ascii=False) + "\n",
        "scores.csv": scores_csv(report.rows),
    }
    for name, text in texts.items():
        _write(folder / name, text)
    try:
        save_charts(folder / "charts", drawn)
    except OSError as error:
        raise BenchError(f"cannot write charts to {folder}: {error.strerror}") from error


def write_block(path: Path, name: str, report: Report, titles: Sequence[str] = ()) -> None:
    """Put a run's main tables, or those of the titles, between the markers of a document's block of that name."""
    write_document(path, name, results_block(report, titles))


def write_document(path: Path, name: str, block: str) -> None:
    """Put a text between the markers of a document's block of that name."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise BenchError(f"cannot read {path}: {error.strerror}") from error
    _write(path, replace_block(text, block, name))


def write_disagreements(path: Path, messages: Sequence[Disagreement]) -> None:
    """Write a line per message: id, text, gold, then each classifier's answer and whether it is right."""
    names = list(messages[0].answers) if messages else []
    head = ["id", "text", "gold", *(column for name in names for column in (name, f"{name} right", f"{name} raw"))]
    lines = (
        [message.id, message.text, label_text(message.gold), *(c for name in names for c in _cells(message, name))]
        for message in messages
    )
    write_rows(path, head, lines)


def write_rows(path: Path, head: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Write a CSV file for people to open: texts that a spreadsheet would run get an apostrophe."""
    try:
        with path.open("w", newline="", encoding="utf-8") as stream:
            lines = csv.writer(stream)
            lines.writerow(head)
            lines.writerows([defused(cell) for cell in row] for row in rows)
    except OSError as error:
        raise BenchError(f"cannot write {path}: {error.strerror}") from error


def _cells(message: Disagreement, name: str) -> tuple[str, str, str]:
    record = message.answers[name]
    raw = " ⏎ ".join(attempt.raw for attempt in record.attempts)
    return answer_text(record), "yes" if message.is_right(name) else "no", raw


def _write(path: Path, text: str) -> None:
    try:
        replace_file(path, text.encode())
    except OSError as error:
        raise BenchError(f"cannot write {path}: {error.strerror}") from error
