"""What a report says of small runs made by hand: times by machine, searches cut short, what was tried on what."""

from __future__ import annotations

import io
from dataclasses import replace
from typing import Any

from rich.console import Console
from samples import hits, run_record

from bench.analysis.scores import Row
from bench.records.types import Latency
from bench.report.build import Report, make_report
from bench.report.markdown import markdown
from bench.report.page import page
from bench.report.terminal import print_report
from classifiers.interface import Trial


def row(name: str, **cell: Any) -> Row:
    made = hits(name, [True, True, False])
    changes = {"latency_ms": Latency(1.0, 2.0, 3), "throughput_per_s": 10.0, **cell}
    return replace(made, cell=replace(made.cell, **changes))


def titles(report: Report) -> list[str]:
    return [table.title for table in report.tables]


def test_times_of_two_machines_never_stand_in_one_table() -> None:
    rows = [row("x"), row("y", machine={"processor": "M1", "cores": 8, "threads": 8})]
    report = make_report(run_record(), rows, ())
    speed = {t.title: [line[0] for line in t.body] for t in report.tables if t.title.startswith(("Speed", "What it"))}
    assert speed == {
        "Speed, on Z80, 2 cores, 2 threads": ["x"],
        "What it takes, on Z80, 2 cores, 2 threads": ["x"],
        "Speed, on M1, 8 cores, 8 threads": ["y"],
        "What it takes, on M1, 8 cores, 8 threads": ["y"],
    }
    (summary,) = [table for table in report.tables if table.title == "Results"]
    assert summary.head[:2] == ("classifier", "accuracy % ↑")
    assert "p50 ms ↓" not in summary.head
    assert "rows ran on 2 machines: their times are not compared" in [caveat.text for caveat in report.caveats]
    assert "- M1, 8 cores, 8 threads: y" in markdown(report)


def test_times_of_a_shared_machine_stand_nowhere() -> None:
    for run in (run_record(jobs=2), run_record(executor="ray")):
        report = make_report(run, [row("x"), row("y")], ())
        assert not [title for title in titles(report) if title.startswith(("Speed", "What it takes"))]
        assert sum("times are left out" in caveat.text for caveat in report.caveats) == 1


def test_a_search_cut_short_stands_in_bold_beside_its_row() -> None:
    trial = Trial({"mode": "generate"}, 0.5, 20, chosen=True)
    rows = [row("llm", unfinished="2 of 5 prompts tried", trials=(trial,)), row("linear")]
    report = make_report(run_record(), rows, ())
    assert "| **llm (2 of 5 prompts tried)** |" in markdown(report)
    assert 'best">llm (2 of 5 prompts tried)</td>' in page(report, {})
    stream = io.StringIO()
    print_report(Console(file=stream, width=120, force_terminal=True, color_system="truecolor"), report)
    assert "\x1b[1mllm (2 of 5 prompts tried)" in stream.getvalue()
    assert "llm: tried on validation (2 of 5 prompts tried)" in titles(report)


def test_what_was_tried_by_cross_validation_is_said_to_be() -> None:
    trials = tuple(Trial({"C": c, "tried_on": "5-fold cross-validation"}, 0.5, 80, chosen=c == 10) for c in (1, 10))
    on_validation = tuple(replace(t, settings={**t.settings, "tried_on": "validation"}) for t in trials)
    report = make_report(run_record(), [row("x", trials=trials), row("y", trials=on_validation)], ())
    x, y = (table for table in report.tables if ": tried" in table.title)
    assert (x.title, y.title) == ("x: tried by 5-fold cross-validation", "y: tried on validation")
    assert [line[0] for line in x.body] == ["C 1", "C 10 (chosen)"]
    assert x.notes[0] == "80 messages of the training part; test messages played no part."
    assert y.notes[0] == "80 messages of the validation part; test messages played no part."
