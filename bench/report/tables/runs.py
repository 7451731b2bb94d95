"""Tables about whole runs and the cascades in them: which runs there are, what each threshold would have given."""

from __future__ import annotations

from collections.abc import Sequence

from bench.analysis.cascade import Point
from bench.analysis.history import RunLine
from bench.analysis.rows import Cascade, Row
from bench.inference.label_errors import LabelIssue
from bench.report.tables.table import Table
from bench.report.text import DASH, number, share, shortened, with_interval
from classifiers.plurals import number_of


def cascade_table(rows: Sequence[Row]) -> Table:
    """Return a cascade beside the two classifiers it is made of."""
    body = tuple(
        (
            row.name,
            with_interval(row.scores.accuracy, row.scores.accuracy_interval),
            number(row.resources.throughput_per_s),
            number(row.resources.latency_ms.p50 if row.resources.latency_ms else None),
            number(row.resources.latency_ms.p95 if row.resources.latency_ms else None),
        )
        for row in rows
        if row.scores
    )
    head = ("classifier", "accuracy %", "throughput /s", "p50 ms", "p95 ms")
    return Table("Cascade", head, body, notes=rows[-1].notes)


CURVE_LINES = 11


def cascade_curve_table(thresholds: Sequence[Point], cascade: Cascade) -> Table:
    """Return the curve on the test messages at even shares passed on; the chosen threshold is in the row above."""
    wanted = [i / (CURVE_LINES - 1) for i in range(CURVE_LINES)]
    shown = dict.fromkeys(min(thresholds, key=lambda point: abs(point.passed_on - part)) for part in wanted)
    body = tuple((share(point.passed_on), f"{point.threshold:.3f}", share(point.accuracy)) for point in shown)
    notes = (f"{share(cascade.passed_on)} % are passed on at the chosen threshold.",)
    return Table("What each threshold would have given", ("passed on %", "threshold", "accuracy %"), body, notes=notes)


ISSUE_HEAD = ("message", "text", "label", "suggested", "p of label", "p of suggested")
LONG = 100


def issue_line(issue: LabelIssue) -> tuple[str, ...]:
    """Return a likely wrong label as texts, in the order of `ISSUE_HEAD`."""
    message = issue.message
    given, other = f"{issue.given_probability:.3f}", f"{issue.suggested_probability:.3f}"
    return message.id, message.text, ", ".join(message.labels), issue.suggested, given, other


def issues_table(issues: Sequence[LabelIssue], limit: int, n: int) -> Table:
    """Return the labels to check first."""
    lines = [issue_line(issue) for issue in issues[: limit or None]]
    body = tuple((id_, shortened(text, LONG), *rest) for id_, text, *rest in lines)
    note = f"likely wrong: {len(issues)} of {number_of(n, 'label')}; {len(body)} shown (cleanlab, confident learning)."
    return Table("Check these labels first", ISSUE_HEAD, body, notes=(note,), can_turn=False)


def time_table(rows: Sequence[Row]) -> Table:
    """Return how long each row of a run loaded, was fitted and answered the test part, and all rows together."""
    measured = {row.name: row.resources for row in rows if row.cell and row.scores}
    seconds = {
        name: [part or 0.0 for part in (taken.load_seconds, taken.fit_seconds, taken.predict_seconds)]
        for name, taken in measured.items()
    }
    seconds["all rows"] = [sum(parts) for parts in zip(*seconds.values(), strict=True)]
    body = tuple((name, *map(number, (*parts, sum(parts)))) for name, parts in seconds.items())
    return Table("Where the time goes", ("row", "load s", "fit s", "answers s", "together s"), body)


def history_table(lines: Sequence[RunLine]) -> Table:
    """Return a line per run: when, on what, how many rows, and the most accurate of them."""
    body = tuple(
        (
            line.run,
            line.started[:16].replace("T", " "),
            line.task,
            str(line.rows),
            str(line.failed or DASH),
            f"{line.best} {share(line.accuracy)} %" if line.best else DASH,
        )
        for line in lines
    )
    return Table("Runs", ("run", "started (UTC)", "task", "rows", "failed", "best"), body)
