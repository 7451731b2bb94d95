"""What a report says of small runs made by hand: times by machine, searches cut short, what was tried on what."""

from __future__ import annotations

import io
from dataclasses import replace
from typing import Any

from rich.console import Console
from samples import hits, run_record, with_cell

from bench.analysis.correction_effect import effect
from bench.analysis.rows import Cascade, Row
from bench.dataset.corrections import Correction, Corrections, text_hash
from bench.records.conditions import OtherLoad, Stopped
from bench.records.types import Latency
from bench.report.build import Report, make_report
from bench.report.markdown import markdown
from bench.report.page import page
from bench.report.tables.table import Topic
from bench.report.terminal import print_report
from classifiers.interface import Trial


def row(name: str, **cell: Any) -> Row:
    made = hits(name, [True, True, False])
    changes = {"latency_ms": Latency(1.0, 2.0, 3), "throughput_per_s": 10.0, **cell}
    return with_cell(made, **changes)


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


def test_a_cascade_of_a_row_that_stopped_says_so_under_the_table_and_on_the_page() -> None:
    stopped = Stopped(3, 40, "worse", "y", -0.5, -0.1, 0.95)
    both = replace(row("both"), cell=None, cascade=Cascade("x", "y", 0.5, 0.5, {"x": stopped}), stopped=stopped)
    report = make_report(run_record(), [row("x", stopped=stopped), row("y"), both], ())
    lines = [caveat.line for caveat in report.caveats if "both" in caveat.classifiers]
    assert lines == ["² both: x was stopped after 3 of 40 test messages: decided (worse than y)"]
    (summary,) = report.of(Topic.SUMMARY)
    assert [line[0] for line in summary.body] == ["x ¹", "y", "both ²"]
    assert "Rows that stopped early stand on the messages they answered" in summary.notes[-1]
    for text in (markdown(report), page(report, {})):
        assert "both ²" in text
        assert lines[0] in text


def test_the_cost_of_mistakes_is_a_table_of_terminal_markdown_and_page() -> None:
    run = run_record(cost={"wrong": {"a": {"b": 5}}, "person": 0.2, "currency": "EUR"}, verdict={"by": "cost"})
    report = make_report(run, [row("x"), replace(row("y"), records=row("y").records[:2])], ())
    (table,) = (table for table in report.tables if table.title == "Cost of mistakes")
    assert table.head[:3] == ("classifier", "EUR per message ↓", "if it answers all ↓")
    assert table.is_main
    # x makes one mistake of 5 in three messages; only two are common to both rows, and on those both are right
    assert [(line[0], line[1][:5], line[2], line[-1]) for line in table.body] == [
        ("x", "0.000", "0.000", "–"),
        ("y", "0.000", "0.000", "–"),
    ]
    assert "A person costs 0.2 per message" in table.notes[1]
    assert "over the 2 test messages that all rows answered" in table.notes[2]
    assert report.verdict is not None
    assert report.verdict.sentences[0].startswith("Too few test messages to decide by cost")
    assert "| x | " in markdown(report).partition("## Cost of mistakes")[2]
    assert "Cost of mistakes" in page(report, {})


def test_what_was_tried_by_cross_validation_is_said_to_be() -> None:
    trials = tuple(Trial({"C": c, "tried_on": "5-fold cross-validation"}, 0.5, 80, chosen=c == 10) for c in (1, 10))
    on_validation = tuple(replace(t, settings={**t.settings, "tried_on": "validation"}) for t in trials)
    report = make_report(run_record(), [row("x", trials=trials), row("y", trials=on_validation)], ())
    x, y = (table for table in report.tables if ": tried" in table.title)
    assert (x.title, y.title) == ("x: tried by 5-fold cross-validation", "y: tried on validation")
    assert [line[0] for line in x.body] == ["C 1", "C 10 (chosen)"]
    assert x.notes[0] == "80 messages of the training part; test messages played no part."
    assert y.notes[0] == "80 messages of the validation part; test messages played no part."


def test_a_busy_machine_is_said_beside_the_row_it_disturbed() -> None:
    quiet = row("quiet", other_load=OtherLoad(2, 2, fit=0.1, predict=0.2))
    busy = row("busy", other_load=OtherLoad(2, 2, fit=1.74, predict=None, latency=0.5))
    (caveat,) = [caveat for caveat in make_report(run_record(), [quiet, busy], ()).caveats if caveat.classifiers]
    assert caveat.classifiers == ("busy",)
    assert caveat.text == (
        "other programs used up to 1.7 of 2 processors during fit and latency: these times are too long; "
        "run again on an idle machine"
    )
    # times of rows that ran side by side are left out, so nothing is said of them
    assert not [caveat for caveat in make_report(run_record(jobs=2), [busy], ()).caveats if caveat.classifiers]


def test_a_doubt_is_a_footnote_of_the_row_it_is_about() -> None:
    bad, good = hits("tuned", [False] * 3), hits("frozen", [True] * 3)
    tuned = with_cell(bad, model="m", fine_tuned=True)
    frozen = with_cell(good, model="m", fine_tuned=False)
    report = make_report(run_record(), [tuned, frozen], ())
    (caveat,) = [caveat for caveat in report.caveats if caveat.classifiers]
    assert caveat.classifiers == ("tuned",)
    assert caveat.text.startswith("100.0 points below frozen, the same model with frozen weights")
    (summary,) = [table for table in report.tables if table.title == "Results"]
    assert [line[0] for line in summary.body] == ["tuned ¹", "frozen"]


def test_a_label_that_a_person_looked_at_is_not_to_be_checked_again() -> None:
    before = [hits(name, [False, False, True]) for name in ("x", "y")]
    path, judged = "c.csv", [Correction(text_hash("text 0"), ("a",), ("a",), "fine")]
    looked_at = effect(Corrections(path, tuple(judged)), before, before)
    shown = {}
    for corrected in (None, looked_at):
        tables = {t.title: t for t in make_report(run_record(), before, (), corrected=corrected).tables}
        shown[corrected is None] = [line[0] for line in tables["Check these labels first"].body]
    assert shown == {True: ["0", "1"], False: ["1"]}
    assert looked_at.note == "c.csv: 0 of 3 gold labels of the test messages are corrected; 1 confirmed"
