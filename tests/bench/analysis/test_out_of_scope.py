"""Messages that belong nowhere: counted by hand, learnt as a label, and turned away by a bound chosen on validation."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from conftest import CUSTOMER_MESSAGES, REPOSITORY

from bench.analysis.out_of_scope import rejection
from bench.analysis.scored_run import rows_of
from bench.cli import main
from bench.config.tables import CascadeConfig, DataConfig
from bench.dataset.load import load_task
from bench.records.store import RunFolder
from bench.records.types import PredictionRecord
from classifiers.errors import BenchError

pytestmark = pytest.mark.slow


def test_shares_by_hand() -> None:
    answers = [("a", "a"), ("a", "b"), ("b", "none"), ("none", "none"), ("none", "none"), ("none", "a")]
    records = [PredictionRecord(str(i), "t", (gold,), (said,), True) for i, (gold, said) in enumerate(answers)]
    found = rejection(records, "none")
    assert (found.in_scope_accuracy.right, found.in_scope_accuracy.n) == (1, 3)
    assert (found.recall.right, found.recall.n) == (2, 3)
    assert (found.precision.right, found.precision.n) == (2, 3)
    nothing = rejection(records[:2], "none")
    assert (nothing.recall.value, nothing.recall.interval) == (None, None)


def test_a_cascade_goes_to_one_place() -> None:
    with pytest.raises(ValueError, match="and not both"):
        CascadeConfig(first="a", second="b", other="c")
    with pytest.raises(ValueError, match="needs a second row"):
        CascadeConfig(first="a")


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """Messages of one label each, and those that belong nowhere."""
    with (REPOSITORY / "data" / "customer-messages-multi" / "messages.csv").open(
        newline="", encoding="utf-8"
    ) as stream:
        nowhere = [(row["text"], "elsewhere") for row in csv.DictReader(stream) if not row["labels"]]
    rows = [(m.text, m.label) for m in load_task(DataConfig(path=str(CUSTOMER_MESSAGES))).messages[::3]] + nowhere
    path = tmp_path / "scope.csv"
    with path.open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream).writerows([("text", "label"), *rows])
    return path


def write(folder: Path, table: Path, learn: bool) -> Path:
    config = folder / f"learn-{learn}.toml"
    config.write_text(
        f"latency_messages = 0\ndata = {{ path = '{table}', oos_label = 'elsewhere', "
        f"train_on_oos = {str(learn).lower()} }}\n"
        "split = { validation = 0.3 }\n"
        "[classifiers.linear]\nstrengths = [10.0]\n[cascades.linear-reject]\nfirst = 'linear'\nother = 'elsewhere'\n"
    )
    return config


def test_what_it_is_not_told_of_is_turned_away(table: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["--results", str(tmp_path), "run"]
    assert main([*command, str(write(tmp_path, table, False)), "--run", "r"]) == 0
    assert "Out-of-scope messages (elsewhere)" in capsys.readouterr().out
    linear, reject = rows_of(RunFolder(tmp_path / "r"))
    assert linear.records[0].probabilities is not None
    assert "elsewhere" not in linear.records[0].probabilities, "it knows nothing of the label"
    plain, turning = (rejection(row.records, "elsewhere") for row in (linear, reject))
    assert plain.recall.right == 0
    assert plain.precision.n == 0
    assert reject.cascade is not None
    bound = reject.cascade.threshold
    for before, after in zip(linear.records, reject.records, strict=True):
        assert before.confidence is not None
        assert after.predicted == (before.predicted if before.confidence >= bound else ("elsewhere",))
    assert turning.recall.right > 0
    # the bound is the most accurate one on validation, where turning nothing away was possible too
    answers = RunFolder(tmp_path / "r").cell("linear").validation.read()
    kept = sum(r.is_right if (r.confidence or 0) >= bound else r.gold == ("elsewhere",) for r in answers)
    assert kept > sum(r.is_right for r in answers)
    assert main(["--results", str(tmp_path), "try", "r", "hello there"]) == 0
    assert main(["--results", str(tmp_path), "label-errors", "r/linear"]) == 0


def test_it_can_be_learnt_as_a_label(table: Path, tmp_path: Path) -> None:
    assert main(["--results", str(tmp_path), "run", str(write(tmp_path, table, True)), "--run", "r"]) == 0
    linear = rows_of(RunFolder(tmp_path / "r"))[0]
    assert rejection(linear.records, "elsewhere").recall.right > 0


def test_a_label_that_is_not_there_is_refused(table: Path) -> None:
    with pytest.raises(BenchError, match="must be a label of the data"):
        load_task(DataConfig(path=str(table), oos_label="nowhere"))
