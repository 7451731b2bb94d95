"""Tables at the widths of terminals: whole words, whole figures, and nothing beyond the edge."""

from __future__ import annotations

import io
import re

import pytest
from conftest import REPOSITORY
from rich.cells import cell_len
from rich.console import Console

from bench.analysis.compare import all_pairs
from bench.analysis.scored_run import rows_of
from bench.records.store import RunFolder
from bench.report.build import make_report
from bench.report.tables.layout import fit, head_lines, shortened_name
from bench.report.tables.table import Table
from bench.report.terminal import print_report, print_table
from bench.robustness.suites import stress_records

LONG = "encoder-frozen-with-a-name-as-long-as-people-make-them"
NAMES = (
    "majority",
    "linear",
    f"{LONG}-one",
    f"{LONG}-two",
    "llama_cpp-qwen2.5-coder-1.5b-instruct-q4_k_m",
    "日本語の分類器",
)
HEAD = (
    "classifier",
    "accuracy % ↑",
    "first-attempt accuracy % ↑",
    "parse failures % ↓",
    "macro F1 % ↑",
    "parameters ↓",
)
CELLS = ("84.8 [79.8, 88.8]", "67.6", "0.8", "65.3 [59.4, 71.2]", "22.7 M")
WIDTHS = [80, 100, 160]


def drawn(table: Table, width: int) -> str:
    stream = io.StringIO()
    print_table(Console(file=stream, width=width), table)
    return stream.getvalue()


def words(text: str) -> set[str]:
    return set(re.sub("[─…]+", " ", text).split())


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("can_turn", [True, False])
def test_no_word_of_a_wide_table_is_broken(width: int, *, can_turn: bool) -> None:
    table = Table("Scores", HEAD, tuple((name, *CELLS) for name in NAMES), can_turn=can_turn)
    text = drawn(table, width)
    assert max(map(cell_len, text.splitlines())) <= width
    kept = [f.table for f in fit(table, width)]
    whole = {word for part in kept for line in (part.head, *part.body) for cell in line for word in words(cell)}
    assert words(text) <= whole | {"Scores", "(1", "(2", "(3", "of", "2)", "3)"}
    assert {word for cell in (*HEAD, *CELLS) for word in cell.split()} <= words(text)


def test_a_figure_with_its_interval_stands_on_one_line() -> None:
    table = Table("Scores", HEAD, tuple((name, *CELLS) for name in NAMES))
    lines = drawn(table, 80).splitlines()
    assert sum("84.8 [79.8, 88.8]" in line for line in lines) == len(NAMES)


def test_a_narrow_table_is_neither_turned_nor_divided() -> None:
    table = Table("T", ("classifier", "accuracy %"), (("encoder", "92.6"), ("linear", "84.8")))
    (part,) = fit(table, 80)
    assert part.table == table
    assert part.widths == (10, 10)


def test_a_table_wider_on_its_side_is_divided_and_keeps_its_bold_places() -> None:
    head = ("label", *(f"a-classifier-{i}" for i in range(12)))
    table = Table(
        "T", head, tuple((f"label {i}", *["90 / 91 / 92"] * 12) for i in range(12)), frozenset({(3, 12)}), ("n",)
    )
    parts = [part.table for part in fit(table, 80)]
    assert [part.title for part in parts] == ["T (1 of 3)", "T (2 of 3)", "T (3 of 3)"]
    assert [name for part in parts for name in part.head[1:]] == list(head[1:])
    assert all(part.head[0] == "label" for part in parts)
    assert [part.notes for part in parts] == [(), (), ("n",)]
    assert [part.bold for part in parts] == [frozenset(), frozenset(), frozenset({(3, 4)})]


def test_prose_is_wrapped_between_words_only() -> None:
    text = "where is the parcel that I ordered three weeks ago and paid for twice by mistake?"
    shown = drawn(Table("T", ("message", "text", "n"), (("a.txt:1", text, "6 of 7"),), can_turn=False), 50)
    assert words(shown) == {"T", "message", "text", "n", "a.txt:1", *text.split(), "6", "of", "7"}


@pytest.mark.parametrize(
    ("name", "most", "short"),
    [
        ("encoder", 12, "encoder"),
        ("encoder-large-one", 9, "enco…-one"),
        ("encoder-large-two", 9, "enco…-two"),
        ("日本語の分類器", 9, "日本…類器"),
    ],
)
def test_a_long_name_keeps_its_two_ends(name: str, most: int, short: str) -> None:
    assert shortened_name(name, most) == short
    assert cell_len(short) <= most


@pytest.mark.slow
@pytest.mark.parametrize("width", WIDTHS)
def test_the_reference_report_fits_and_its_main_tables_are_whole(width: int) -> None:
    folder = RunFolder(REPOSITORY / "results" / "reference" / "default")
    rows = rows_of(folder)
    report = make_report(folder.read(), rows, all_pairs(rows), stress_records(folder))
    for everything in (False, True):
        stream = io.StringIO()
        print_report(Console(file=stream, width=width), report, everything=everything)
        text = stream.getvalue()
        assert max(map(cell_len, text.splitlines())) <= width
        assert "…" not in words(text)
    main = [table for table in report.tables if table.is_main]
    assert [table.title for table in main] == ["Results", "Scores", "Speed", "Disagreements (messages)"]
    assert all(len(fit(table, width)) == 1 for table in main)


@pytest.mark.parametrize(
    ("head", "width", "lines"),
    [
        ("throughput /s ↑", 15, "throughput /s ↑"),
        ("throughput /s ↑", 13, "throughput\n/s ↑"),
        ("memory ↓", 7, "memory ↓"),
        ("parse failures % ↓", 10, "parse\nfailures\n% ↓"),
    ],
)
def test_an_arrow_stays_with_its_heads_last_word(head: str, width: int, lines: str) -> None:
    assert head_lines(head, width) == lines
