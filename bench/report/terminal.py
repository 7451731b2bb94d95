"""Draw sections, disagreements and progress in the terminal with rich."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from rich import box
from rich.console import Console
from rich.table import Table as RichTable

from bench.analysis.compare import Disagreement
from bench.analysis.recommend import Verdict
from bench.analysis.scores import UNPARSED
from bench.doctor import Finding
from bench.records.types import PredictionRecord
from bench.report.build import Report
from bench.report.sanitize import plain
from bench.report.tables.table import Table
from bench.report.text import count, label_text, size
from classifiers.models.catalogue import Entry

GAP = 2
"""Signs between two columns, and about as many at the edges together."""


def print_report(console: Console, report: Report) -> None:
    """Print warnings and all tables of a run."""
    console.print(plain(report.headline, style="bold"))
    if report.verdict:
        print_verdict(console, report.verdict)
    for line in report.warnings:
        console.print(plain(f"! {line}", style="bold yellow"))
    for table in report.tables:
        console.print()
        print_table(console, table)


def print_verdict(console: Console, verdict: Verdict) -> None:
    """Print what to use, and a line a reason."""
    first, *rest = verdict.sentences
    console.print(plain(first, style="bold green" if verdict.classifier else "bold red"))
    for line in rest:
        console.print(plain(line))


def print_table(console: Console, table: Table) -> None:
    """Print one table; where it is too wide for the terminal it is turned on its side if that helps."""
    turned = _turned(table)
    helps = table.can_turn and _width(table) > console.width and _width(turned) < _width(table)
    console.print(_draw(turned if helps else table, console.width))
    for note in table.notes:
        console.print(plain(note, style="dim"))


def _width(table: Table) -> int:
    columns = zip(table.head, *table.body, strict=True)
    return sum(max(map(len, column)) + 2 for column in columns)


def _draw(table: Table, width: int) -> RichTable:
    drawn = RichTable(
        title=plain(table.title), title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, pad_edge=False,
        collapse_padding=True,
    )  # fmt: skip
    for j, (head, own) in enumerate(zip(table.head, _column_widths(table, width), strict=True)):
        drawn.add_column(plain(head), justify="right" if j else "left", overflow="fold", width=own)
    for i, cells in enumerate(table.body):
        drawn.add_row(*(plain(cell, style="bold" if (i, j) in table.bold else "") for j, cell in enumerate(cells)))
    return drawn


def _column_widths(table: Table, width: int) -> list[int | None]:
    """Share out the terminal's width so that cells stay whole, or else words; None leaves it to rich.

    rich narrows all columns alike, which breaks names while other columns have room.
    """
    columns = [list(column) for column in zip(*table.body, strict=True)] or [[] for _ in table.head]
    heads = [_longest_word([head]) for head in table.head]
    whole = [max([head, *map(len, column)]) for head, column in zip(heads, columns, strict=True)]
    words = [max(head, _longest_word(column)) for head, column in zip(heads, columns, strict=True)]
    for least in (whole, words):
        left = width - sum(least) - GAP * len(least)
        if left >= 0:
            wanted = [max(map(len, [head, *column])) for head, column in zip(table.head, columns, strict=True)]
            return list(_widened(least, wanted, left))
    return [None] * len(table.head)


def _longest_word(texts: Sequence[str]) -> int:
    return max((len(word) for text in texts for word in text.split(" ")), default=0)


def _widened(least: Sequence[int], wanted: Sequence[int], left: int) -> Iterator[int]:
    for own, most in zip(least, wanted, strict=True):
        more = min(most - own, left)
        left -= more
        yield own + more


def _turned(table: Table) -> Table:
    head = (table.head[0], *(row[0] for row in table.body))
    body = tuple((table.head[j], *(row[j] for row in table.body)) for j in range(1, len(table.head)))
    bold = frozenset((j - 1, i + 1) for i, j in table.bold if j)
    return Table(table.title, head, body, bold, table.notes)


def print_disagreements(console: Console, shown: Sequence[Disagreement], n_found: int, total: int) -> None:
    """Print messages with their gold label and every answer, an LLM's raw texts included."""
    for one in shown:
        console.print(plain(one.text, style="bold"))
        console.print(plain(f"  {one.id}   gold: {label_text(one.gold)}", style="cyan"))
        for name, record in one.answers.items():
            mark = plain("✓", style="green") if one.is_right(name) else plain("✗", style="red")
            console.print(plain("  "), mark, plain(f" {name}: {answer_text(record)}"), sep="")
            for i, attempt in enumerate(record.attempts if len(record.attempts) > 1 or not record.valid else ()):
                console.print(plain(f"      attempt {i + 1}: {attempt.raw!r}", style="dim"))
        console.print()
    console.print(f"{n_found} of {total} test messages; {len(shown)} shown", style="bold")


def answer_text(record: PredictionRecord) -> str:
    """Give an answer's labels and how sure it is, where that is known."""
    if not record.valid:
        return UNPARSED
    return label_text(record.predicted) + (f" ({record.confidence:.0%})" if record.confidence is not None else "")


def print_answers(console: Console, answers: dict[str, PredictionRecord]) -> None:
    """Print what each classifier says of one message."""
    for name, record in answers.items():
        console.print(plain(f"{name:>12}  {answer_text(record)}"))
        if not record.valid:
            console.print(plain(f"{'':>14}last answer: {record.attempts[-1].raw!r}", style="dim"))


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
