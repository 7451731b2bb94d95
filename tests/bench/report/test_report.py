"""The committed reference run: reports rebuilt from its records must be the committed ones."""

from __future__ import annotations

import io
import json
import shutil
from pathlib import Path

import pytest
from conftest import REPOSITORY
from rich.console import Console

from bench.analysis.compare import all_pairs
from bench.analysis.rows import Row
from bench.analysis.scored_run import rows_of
from bench.cli import main
from bench.records.store import RunFolder
from bench.report.build import make_report
from bench.report.markdown import markdown
from bench.report.scores_file import scores_json
from bench.report.tables.table import Table, Topic, table_lines
from bench.report.terminal import print_report
from bench.report.text import count, number, share, size
from bench.robustness.suites import stress_records

pytestmark = pytest.mark.slow

REFERENCE = RunFolder(REPOSITORY / "results" / "reference" / "default")
LADDER = RunFolder(REFERENCE.path.with_name("llm-ladder"))


@pytest.fixture(scope="module")
def rows() -> list[Row]:
    return rows_of(REFERENCE)


@pytest.fixture(scope="module")
def ladder() -> list[Row]:
    return rows_of(LADDER)


def test_report_is_rebuilt_from_records_alone(rows: list[Row]) -> None:
    report = make_report(REFERENCE.read(), rows, all_pairs(rows), stress_records(REFERENCE))
    assert markdown(report) == (REFERENCE.path / "report.md").read_text(encoding="utf-8")
    scores = json.loads((REFERENCE.path / "scores.json").read_text(encoding="utf-8"))
    assert json.loads(json.dumps(scores_json(report))) == scores


def test_many_classifiers_show_the_pairs_with_the_best_only(ladder: list[Row]) -> None:
    pairs = all_pairs(ladder)
    assert len(pairs) == len(ladder) * (len(ladder) - 1) // 2
    (table,) = (t for t in make_report(LADDER.read(), ladder, pairs).tables if t.title.startswith("Differences"))
    assert len(table.body) == len(ladder) - 1
    assert any(f"all {len(pairs)} pairs" in note for note in table.notes)


def test_tuned_row_shows_every_try_and_the_plain_one(ladder: list[Row]) -> None:
    report = make_report(LADDER.read(), ladder, ())
    shown = {t.title: t for t in report.tables}
    tried = shown["500m-tuned: tried on validation"]
    assert tried.body[0][0].startswith("as configured")
    assert sum(cells[0].endswith("(chosen)") for cells in tried.body) == 1
    assert any("500m-tuned" in c.classifiers and "as configured" in c.text for c in report.caveats)
    times = shown["Where prediction time went"]
    assert {"prompt", "answer"} <= {cells[1] for cells in times.body}


def test_reference_holds_whole_rows_and_no_weights(rows: list[Row]) -> None:
    by_name = {row.name: row for row in rows}
    assert list(by_name) == [
        *("majority", "linear", "zero_shot", "knn", "encoder-frozen", "encoder", "llama_cpp", "llama_cpp-tuned"),
        "encoder-then-llm",
    ]
    assert all(row.status == "ok" for row in rows)
    encoder, linear = by_name["encoder"].scores, by_name["linear"].scores
    assert encoder is not None
    assert linear is not None
    assert encoder.accuracy > linear.accuracy
    assert not [f for f in REFERENCE.path.rglob("*") if f.suffix in (".safetensors", ".gguf", ".skops")]


def test_the_terminal_shows_the_main_tables_first_and_the_rest_when_asked(rows: list[Row]) -> None:
    report = make_report(REFERENCE.read(), rows, all_pairs(rows))
    shown = {}
    for everything in (False, True):
        stream = io.StringIO()
        print_report(Console(file=stream, width=100), report, everything=everything)
        shown[everything] = stream.getvalue()
    assert shown[False].index("Use encoder") < shown[False].index("Results") < shown[False].index("Disagreements")
    assert "McNemar" not in shown[False]
    assert f"{sum(not table.is_main for table in report.tables)} more tables: bench report --all" in shown[False]
    assert {"McNemar", "unparsed", "Holm"} <= set(shown[True].split())


def test_a_caveat_stands_beside_the_figures_it_touches(rows: list[Row]) -> None:
    report = make_report(REFERENCE.read(), rows, ())
    by_mark = {caveat.mark: caveat for caveat in report.caveats}
    assert by_mark["¹"].classifiers == ("encoder-frozen", "encoder")
    assert by_mark["²"].classifiers == ("llama_cpp-tuned",)
    assert by_mark["⁴"].classifiers == ("zero_shot", "llama_cpp", "llama_cpp-tuned"), (
        "they were told what the labels mean"
    )
    names = [cells[0] for cells in report.of(Topic.SUMMARY)[0].body]
    assert names[4:8] == ["encoder-frozen ¹", "encoder ¹", "llama_cpp ⁴", "llama_cpp-tuned ² ⁴"]


def test_the_title_is_what_people_call_a_run(rows: list[Row]) -> None:
    report = make_report(REFERENCE.read(), rows, ())
    assert report.title == "customer-messages, 30 November 2026"
    assert report.started == "2026-11-30 11:27 UTC"


def test_report_writes_only_beside_its_run(tmp_path: Path) -> None:
    copy = tmp_path / "results" / "copy"
    shutil.copytree(REFERENCE.path, copy)
    for name in ("report.md", "scores.json"):
        (copy / name).unlink()
    assert main(["--results", str(tmp_path / "results"), "report", "copy"]) == 0
    assert (copy / "report.md").read_bytes() == (REFERENCE.path / "report.md").read_bytes()


def test_hostile_text_stays_text(rows: list[Row]) -> None:
    """rich reads [red] as a colour and Markdown reads | as a column: neither may happen to messages."""
    stream = io.StringIO()
    run = REFERENCE.read()
    object.__setattr__(run, "warnings", ("[bold]<script>|x|</script>[/bold]",))
    print_report(Console(file=stream, width=120), make_report(run, rows, ()))
    assert "[bold]<script>|x|</script>[/bold]" in stream.getvalue()
    assert "<script>" not in markdown(make_report(run, rows, ()))


def test_a_line_break_in_a_message_does_not_break_the_tables_row() -> None:
    table = Table("t", ("text", "n"), (("one\r\ntwo\x1b[2J | three", "1"),))
    assert list(table_lines(table)) == ["| text | n |", "| --- | ---: |", "| one ⏎ two�\\[2J \\| three | 1 |"]


def test_figures_as_people_read_them() -> None:
    assert [share(None), share(0.9567), size(None), size(1117320768), size(90868376)] == [
        "–",
        "95.7",
        "–",
        "1.12 GB",
        "91 MB",
    ]
    assert [count(None), count(22713216), count(1.54e9), count(7)] == ["–", "22.7 M", "1.54 B", "7"]
    assert [number(None), number(0.0), number(0.0004), number(3.14159), number(1234.5)] == [
        "–",
        "0",
        "< 0.01",
        "3.14",
        "1,234",
    ]
