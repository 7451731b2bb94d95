"""The committed reference run: reports rebuilt from its records must be the committed ones."""

from __future__ import annotations

import io
import json
import shutil
from pathlib import Path

import pytest
from conftest import REPOSITORY
from rich.console import Console

from bench.cli import main
from bench.compare import all_pairs, rows_of
from bench.records import RunFolder
from bench.report.format import count, number, share, size
from bench.report.markdown import markdown, replace_block, results_block, scores_json
from bench.report.terminal import print_report

REFERENCE = RunFolder(REPOSITORY / "results" / "reference" / "default")


def test_report_is_rebuilt_from_records_alone() -> None:
    run, rows = REFERENCE.read(), rows_of(REFERENCE)
    pairs = all_pairs(rows)
    assert markdown(run, rows, pairs) == (REFERENCE.path / "report.md").read_text(encoding="utf-8")
    scores = json.loads((REFERENCE.path / "scores.json").read_text(encoding="utf-8"))
    assert json.loads(json.dumps(scores_json(rows, pairs))) == scores


def test_readme_shows_the_reference_run() -> None:
    rows = rows_of(REFERENCE)
    block = results_block(REFERENCE.read(), rows, all_pairs(rows))
    readme = (REPOSITORY / "README.md").read_text(encoding="utf-8")
    assert replace_block(readme, block) == readme, "run: bench report results/reference/default --into README.md"


def test_reference_holds_four_whole_rows_and_no_weights() -> None:
    rows = {row.cell.classifier: row for row in rows_of(REFERENCE)}
    assert list(rows) == ["majority", "linear", "encoder", "llama_cpp"]
    assert all(row.cell.status == "ok" for row in rows.values())
    encoder, linear = rows["encoder"].scores, rows["linear"].scores
    assert encoder is not None
    assert linear is not None
    assert encoder.accuracy > linear.accuracy
    assert not [f for f in REFERENCE.path.rglob("*") if f.suffix in (".safetensors", ".gguf", ".skops")]


@pytest.mark.parametrize("width", [80, 160])
def test_tables_fit_the_terminal(width: int) -> None:
    stream = io.StringIO()
    rows = rows_of(REFERENCE)
    print_report(Console(file=stream, width=width), REFERENCE.read(), rows, all_pairs(rows))
    text = stream.getvalue()
    assert max(map(len, text.splitlines())) <= width
    for name in ("majority", "linear", "encoder", "llama_cpp", "before retry", "unparsed", "McNemar"):
        assert name in text, f"{name} is whole at {width} columns"


def test_report_writes_only_beside_its_run(tmp_path: Path) -> None:
    copy = tmp_path / "results" / "copy"
    shutil.copytree(REFERENCE.path, copy)
    for name in ("report.md", "scores.json"):
        (copy / name).unlink()
    assert main(["--results", str(tmp_path / "results"), "report", "copy"]) == 0
    assert (copy / "report.md").read_bytes() == (REFERENCE.path / "report.md").read_bytes()


def test_hostile_text_stays_text() -> None:
    """rich reads [red] as a colour and Markdown reads | as a column: neither may happen to messages."""
    stream = io.StringIO()
    rows = rows_of(REFERENCE)
    run = REFERENCE.read()
    object.__setattr__(run, "warnings", ("[bold]<script>|x|</script>[/bold]",))
    print_report(Console(file=stream, width=120), run, rows, ())
    assert "[bold]<script>|x|</script>[/bold]" in stream.getvalue()
    assert "<script>" not in markdown(run, rows, ())


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
