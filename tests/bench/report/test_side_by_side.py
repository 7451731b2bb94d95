"""Rows of several runs side by side, from records without messages."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace

from samples import record, row, run_record, with_cell

from bench.analysis.rows import Row
from bench.records.conditions import OtherLoad
from bench.report.build import make_report
from bench.report.scores_file import read_classifiers, scores_json
from bench.report.side_by_side import ScoredRun, letters_table, side_by_side
from bench.report.tables.runs import time_table


def answers(name: str, right: int, rate: float, mode: str = "", **about: object) -> Row:
    """Return a row with that many of four messages right."""
    made = row(name, [record(i, "a", "a" if i < right else "b") for i in range(4)])
    return with_cell(made, settings={"mode": mode, "examples": "none"}, throughput_per_s=rate, n_labelled=0, **about)


def scored(name: str, rows: Sequence[Row]) -> ScoredRun:
    run = run_record(classifiers={row.name: {"backend": "linear"} for row in rows})
    run = replace(run, task={**run.task, "name": name}, part_sizes={"train": 2, "test": 4})
    text = json.dumps(scores_json(make_report(run, list(rows), ())))
    return ScoredRun(run, {row.name: row.cell for row in rows if row.cell}, read_classifiers(text))


SHORT = scored("short", [answers("zero", 1, 200.0), answers("l", 1, 9.0, "letters"), answers("s", 2, 6.0, "score")])
LONG = scored("long", [answers("l", 0, 8.0, "letters"), answers("s", 3, 1.0, "score")])


def test_a_line_has_what_a_row_reaches_in_each_run() -> None:
    table = side_by_side([SHORT, LONG])
    assert table.head[1:4] == ("short: labels used", "short: accuracy %", "short: messages /s")
    assert table.body[0] == ("zero", "0", "25.0 [4.6, 69.9]", "200", "–", "–", "–")
    assert [cells[0] for cells in table.body] == ["zero", "l", "s"]
    assert table.body[2][5:] == ("75.0 [30.1, 95.4]", "1")
    assert table.notes[1] == "long: 2 labels, 4 test messages; brackets are 95 % intervals."


def test_disturbed_times_are_named() -> None:
    load = OtherLoad(cores=2, threads=2, predict=1.5)
    busy = scored("short", [answers("quiet", 4, 9.0), answers("busy", 4, 3.0, other_load=load)])
    assert side_by_side([busy]).notes[1] == (
        "short: other programs kept the machine busy while these rows answered: busy."
    )


def test_letters_are_set_against_scores_run_by_run() -> None:
    assert letters_table([SHORT, LONG]).body == (
        ("short", "2", "9", "6", "1.50 ×", "25.0 [4.6, 69.9]", "50.0 [15.0, 85.0]"),
        ("long", "2", "8", "1", "8.00 ×", "0.0 [0.0, 49.0]", "75.0 [30.1, 95.4]"),
    )


def test_times_are_summed_over_phases_and_rows() -> None:
    first, second = (
        answers(name, 4, 1.0, load_seconds=1.0, fit_seconds=fit, predict_seconds=2.0)
        for name, fit in (("x", 10.0), ("y", 0.5))
    )
    assert time_table([first, second]).body == (
        ("x", "1", "10", "2", "13"),
        ("y", "1", "0.5", "2", "3.5"),
        ("all rows", "2", "10.5", "4", "16.5"),
    )
