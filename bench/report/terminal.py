"""Draw sections, disagreements and progress in the terminal with rich."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich import box
from rich.console import Console
from rich.table import Table as RichTable

from bench.analysis.compare import Disagreement
from bench.analysis.confusions import UNPARSED
from bench.analysis.verdict import Verdict
from bench.doctor import Finding
from bench.records.types import PredictionRecord
from bench.report.build import Report
from bench.report.sanitize import plain
from bench.report.tables.layout import Fitted, fit, head_lines
from bench.report.tables.table import Table, Topic
from bench.report.text import count, label_text, size
from classifiers.models.catalogue import Entry
from classifiers.plurals import number_of


def print_report(console: Console, report: Report, *, everything: bool = False) -> None:
    """Print a run's verdict, main tables and caveats; all tables where everything is asked for."""
    console.print(plain(report.headline, style="bold"))
    if report.verdict:
        print_verdict(console, report.verdict)
    for table in report.tables:
        if everything or table.is_main:
            console.print()
            print_table(console, table)
        if table.topic is Topic.SUMMARY:
            for caveat in report.caveats:
                console.print(plain(caveat.line, style="yellow"))
    if left_out := sum(not table.is_main for table in report.tables if not everything):
        more = number_of(left_out, "more table")
        console.print(f"\n{more}: bench report --all, report.md or report.html", style="dim")


def print_verdict(console: Console, verdict: Verdict) -> None:
    """Print what to use, and a line per reason."""
    first, *rest = verdict.sentences
    console.print(plain(first, style="bold green" if verdict.is_decided else "bold red"))
    for line in rest:
        console.print(plain(line))


def print_table(console: Console, table: Table) -> None:
    """Print one table; one too wide for the terminal is turned on its side or divided into several."""
    parts = fit(table, console.width)
    for part in parts:
        console.print(_draw(part))
    for note in parts[-1].table.notes:
        console.print(plain(note, style="dim"))


def _draw(part: Fitted) -> RichTable:
    table = part.table
    drawn = RichTable(
        title=plain(table.title), title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, pad_edge=False,
        collapse_padding=True,
    )  # fmt: skip
    for head, width, is_text in zip(table.head, part.widths, table.is_text, strict=True):
        drawn.add_column(
            plain(head_lines(head, width)), justify="left" if is_text else "right", overflow="ellipsis", width=width
        )
    for i, cells in enumerate(table.body):
        drawn.add_row(*(plain(cell, style="bold" if (i, j) in table.bold else "") for j, cell in enumerate(cells)))
    return drawn


def print_disagreements(console: Console, shown: Sequence[Disagreement], n_found: int, total: int) -> None:
    """Print messages with their gold label and every answer, an LLM's raw texts included."""
    for message in shown:
        console.print(plain(message.text, style="bold"))
        console.print(plain(f"  {message.id}   gold: {label_text(message.gold)}", style="cyan"))
        for name, record in message.answers.items():
            mark = plain("✓", style="green") if message.is_right(name) else plain("✗", style="red")
            console.print(plain("  "), mark, plain(f" {name}: {answer_text(record)}"), sep="")
            for i, attempt in enumerate(record.attempts if len(record.attempts) > 1 or not record.valid else ()):
                console.print(plain(f"      attempt {i + 1}: {attempt.raw!r}", style="dim"))
        console.print()
    console.print(f"{n_found} of {number_of(total, 'test message')}; {len(shown)} shown", style="bold")
    console.print("a gold label is wrong? bench disagreements RUN --mark ID LABEL (or ambiguous, or fine)", style="dim")


def answer_text(record: PredictionRecord) -> str:
    """Return an answer's labels and how sure it is, where that is known."""
    if not record.valid:
        return UNPARSED
    return label_text(record.predicted) + (f" ({record.confidence:.0%})" if record.confidence is not None else "")


def print_answers(console: Console, answers: dict[str, PredictionRecord]) -> None:
    """Print what each classifier says of one message."""
    widest = max(map(len, answers), default=0)
    for name, record in answers.items():
        console.print(plain(f"{name:>{widest}}  {answer_text(record)}"))
        if not record.valid and record.attempts:
            console.print(plain(f"{'':>{widest}}  last answer: {record.attempts[-1].raw!r}", style="dim"))


def print_models(console: Console, catalogue: Mapping[str, Entry], here: set[str]) -> None:
    """Print the catalogue and which of its models lie in the cache."""
    head = ("model", "kind", "parameters", "size", "index", "here")
    body = tuple(
        (
            name,
            entry.kind,
            count(entry.parameters),
            size(entry.bytes or None),
            "yes" if entry.wheel else "no",
            "yes" if name in here else "no",
        )
        for name, entry in catalogue.items()
    )
    licences: dict[str, list[str]] = {}
    for name, entry in catalogue.items():
        licences.setdefault(entry.licence, []).append(name)
    notes = [f"{licence}: {', '.join(names)}." for licence, names in licences.items()]
    notes.insert(0, "All are on the Hub; index: the package index carries it too; here: it lies in the cache.")
    print_table(console, Table("Models", head, body, notes=tuple(notes)))


def print_finding(console: Console, finding: Finding) -> None:
    """Print one line of the doctor's."""
    mark, style = {True: ("✓", "green"), False: ("✗", "bold red"), None: ("·", "yellow")}[finding.good]
    pieces = plain(f"{mark} ", style=style), plain(f"{finding.what}: ", style="bold"), plain(finding.text)
    console.print(*pieces, sep="", soft_wrap=True)
