"""Write a run's report as Markdown and its scores as CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence

from bench.analysis.metrics import METRICS
from bench.analysis.rows import Row, cells_of
from bench.report.build import Report
from bench.report.tables.table import Table, escaped, table_section, titled_lines
from classifiers.errors import BenchError

BLOCK = "results"
UNITS = {"B": "bytes", "n": "count", "%": "share", "": "number"}


def markdown(report: Report) -> str:
    """Return the whole report."""
    lines = [f"# {escaped(report.title)}", "", escaped(_about(report)), "", *_verdict(report)]
    lines += _caveats(report)
    for table in report.tables:
        lines += table_section(table)
    lines += [*_provenance(report)]
    return "\n".join(lines) + "\n"


def results_block(report: Report, titles: Sequence[str] = ()) -> str:
    """Return the part of a report that stands in a README: headline, warnings, the first table.

    With `titles` only the tables
    whose titles begin so, and nothing else.

    Raises:
        BenchError: if no table's title begins so.
    """
    lines: list[str] = []
    if not titles:
        lines += [f"{escaped(report.headline)}.", "", *_verdict(report)]
        lines += _caveats(report)
    for table in _shown(report, titles):
        lines += titled_lines(table)
    return "\n".join(lines).strip()


def _shown(report: Report, titles: Sequence[str]) -> Sequence[Table]:
    if not titles:
        return report.tables[:1]
    chosen_tables = [table for title in titles for table in report.tables if table.title.startswith(title)]
    if not chosen_tables:
        known = ", ".join(dict.fromkeys(table.title for table in report.tables))
        raise BenchError(f"no table of {report.run.name} begins with {' or '.join(titles)}; there are: {known}")
    return chosen_tables


def _verdict(report: Report) -> Iterator[str]:
    if report.verdict:
        first, *rest = map(escaped, report.verdict.sentences)
        yield " ".join([f"**{first}**", *rest])
        yield ""


def _about(report: Report) -> str:
    """Say what was run, when, and under which name."""
    started = f" · started {report.started}" if report.started else ""
    return f"{report.headline}{started} · run {report.run.name}"


def _caveats(report: Report) -> Iterator[str]:
    if report.caveats:
        yield from (f"- {escaped(caveat.line)}" for caveat in report.caveats)
        yield ""


def replace_block(text: str, block: str, name: str = BLOCK) -> str:
    """Put a block between a document's markers, `<!-- NAME -->` and `<!-- /NAME -->`.

    Raises:
        BenchError: if the document has no such markers.
    """
    before, begin, rest = text.partition(f"<!-- {name} -->")
    _, end, after = rest.partition(f"<!-- /{name} -->")
    if not (begin and end):
        raise BenchError(f"the document has no lines <!-- {name} --> and <!-- /{name} --> to put tables between")
    return f"{before}{begin}\n{block}\n{end}{after}"


def scores_csv(rows: Sequence[Row]) -> str:
    """Return a line per classifier and metric: classifier, seed, training messages, metric, unit, value."""
    stream = io.StringIO()
    lines = csv.writer(stream, lineterminator="\n")
    lines.writerow(["classifier", "row", "seed", "train_per_label", "status", "metric", "unit", "value"])
    for row in rows:
        seed = row.cell.seed if row.cell else ""
        about = [row.name, row.config_row, seed, row.train_per_label or "all", row.status]
        for metric in METRICS:
            if (value := metric.value(row)) is not None:
                lines.writerow([*about, metric.name, UNITS.get(metric.unit, metric.unit), value])
    return stream.getvalue()


def _provenance(report: Report) -> Iterator[str]:
    run, rows, machines = report.run, report.rows, report.findings.timing.machines
    yield "## What ran"
    yield ""
    if len(machines) > 1:
        yield from (f"- {escaped(machine)}: {', '.join(names)}" for machine, names in machines.items())
    for cell in cells_of(rows):
        for file in cell.models:
            yield f"- {cell.classifier}: `{escaped(file.name)}`, {file.bytes} bytes, SHA-256 `{file.sha256}`"
    yield f"- split `{run.split_fingerprint}`, task `{run.task_fingerprint}`, commit `{run.git_commit or 'unknown'}`"
    yield "- " + ", ".join(f"{name} {version}" for name, version in run.versions.items())
