"""Messages of none to several labels, from file to report; the figures are worked out by hand."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pandas as pd
import pytest
from conftest import REPOSITORY

from bench.analysis.scored_run import rows_of
from bench.analysis.scores import score
from bench.cli import main
from bench.config.tables import DataConfig, SplitConfig
from bench.dataset.load import LoadedTask, load_task
from bench.dataset.split import first_per_label, make_split
from bench.records.store import RunFolder
from bench.records.types import PredictionRecord
from classifiers.errors import BenchError

pytestmark = pytest.mark.slow

MULTI = REPOSITORY / "data" / "customer-messages-multi"
ROWS = [("a", ("x", "y")), ("b", ()), ("c", ("y",)), ("d", ("x",)), ("e", ("z", "x")), ("f", ("z",))]


@pytest.fixture(scope="module")
def loaded() -> LoadedTask:
    return load_task(DataConfig(path=str(MULTI)))


def sets(config: DataConfig) -> list[tuple[str, ...]]:
    found = load_task(config)
    assert found.task.takes_several
    return [m.labels for m in found.messages]


def test_a_separator_columns_and_lists_give_the_same_sets(tmp_path: Path) -> None:
    expected = [tuple(sorted(labels)) for _, labels in ROWS]
    separated, marked, listed = (tmp_path / name for name in ("s.csv", "m.csv", "l.jsonl"))
    pd.DataFrame([(t, " | ".join(labels)) for t, labels in ROWS], columns=["text", "label"]).to_csv(separated)
    marks = [{"text": t, **{name: int(name in labels) for name in "xyz"}} for t, labels in ROWS]
    pd.DataFrame(marks).to_csv(marked, index=False)
    listed.write_text("\n".join(json.dumps({"text": t, "label": list(labels)}) for t, labels in ROWS))
    assert sets(DataConfig(path=str(separated), separator="|")) == expected
    assert sets(DataConfig(path=str(marked), label_columns=("x", "y", "z"))) == expected
    assert sets(DataConfig(path=str(listed), labels_per_message="any")) == expected


def test_bad_sets_are_named(tmp_path: Path) -> None:
    marked = tmp_path / "m.csv"
    marked.write_text("text,x,y\na,1,0\nb,2,0\n")
    with pytest.raises(BenchError, match=r"m.csv:3: column 'x' must be 0 or 1"):
        load_task(DataConfig(path=str(marked), label_columns=("x", "y")))
    crowded = tmp_path / "c.csv"
    crowded.write_text("text,label\na,x;y\nb,x;y;z\n")
    with pytest.raises(BenchError, match=r"c.csv:3: has 3 labels; allowed are at most 2"):
        load_task(DataConfig(path=str(crowded), separator=";", labels_per_message=2))
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "m.csv").write_text("text,label\na,x\nb,why\n")
    task = 'name = "t"\nmessages = "m.csv"\nlabels = [{name = "x"}, {name = "y"}]\n'
    (folder / "task.toml").write_text(task)
    with pytest.raises(BenchError, match=r"m.csv:3: label 'why' is none of"):
        load_task(DataConfig(path=str(folder)))
    (folder / "task.toml").write_text(task.replace('"m.csv"', '"../c.csv"'))
    with pytest.raises(BenchError, match="outside the task's folder"):
        load_task(DataConfig(path=str(folder)))
    (folder / "task.toml").write_text(task.replace('messages = "m.csv"\n', ""))
    with pytest.raises(BenchError, match="label 'x' has no `file`"):
        load_task(DataConfig(path=str(folder)))


def test_there_are_enough_messages_of_every_set(loaded: LoadedTask) -> None:
    assert len(loaded.messages) >= 500
    counts = Counter(len(m.labels) for m in loaded.messages)
    assert set(counts) == {0, 1, 2, 3}
    assert min(counts.values()) >= 50
    assert min(Counter(m.labels for m in loaded.messages).values()) >= 50


def test_every_label_and_none_has_its_share_in_every_part(loaded: LoadedTask) -> None:
    split = make_split(loaded, SplitConfig(), 0)
    for part, share in (("train", 0.7), ("validation", 0.1), ("test", 0.2)):
        messages = split.select(loaded.messages, part)
        assert len(messages) == pytest.approx(share * len(loaded.messages), rel=0.08)
        for name in loaded.task.label_names:
            whole = sum(name in m.labels for m in loaded.messages)
            assert sum(name in m.labels for m in messages) == pytest.approx(share * whole, rel=0.08, abs=2)
    assert make_split(loaded, SplitConfig(), 0).parts == split.parts
    assert make_split(loaded, SplitConfig(), 1).parts != split.parts


def test_a_small_draw_is_part_of_every_larger_one(loaded: LoadedTask) -> None:
    draws = [{m.id for m in first_per_label(loaded.messages, k, 0)} for k in (1, 4, 16)]
    assert draws[0] < draws[1] < draws[2]
    for name in loaded.task.label_names:
        assert sum(name in m.labels for m in first_per_label(loaded.messages, 4, 0)) >= 4


def test_scores_by_hand() -> None:
    gold = [("x", "y"), (), ("y",), ("x",)]
    answers: list[tuple[str, ...] | None] = [("x",), (), ("y", "z"), None]
    records = [
        PredictionRecord(str(i), "t", g, a or (), a is not None)
        for i, (g, a) in enumerate(zip(gold, answers, strict=True))
    ]
    got = score(records, ("x", "y", "z"), several=True)
    assert got is not None
    # only the empty set is exactly right; an unreadable answer is no empty set
    assert (got.accuracy, got.parse_failure_rate, got.confusion, got.probability) == (0.25, 0.25, (), None)
    # 12 decisions, wrong: y of the first, z of the third, x of the last
    assert got.hamming_loss == pytest.approx(3 / 12)
    # hits 2 (x, y), taken 3, gold 4
    assert got.micro_f1 == pytest.approx(2 * 2 / (3 + 4))
    x, y, z = got.per_label
    assert (x.precision, x.recall, x.support) == (1.0, 0.5, 2)
    assert (y.precision, y.recall, y.support) == (1.0, 0.5, 2)
    assert z.support == 0
    # z has no gold message and does not count
    assert got.macro_f1 == pytest.approx(2 / 3)
    assert got.macro_f1_interval.low <= got.macro_f1 <= got.macro_f1_interval.high


def test_one_label_a_message_is_scored_as_before() -> None:
    records = [PredictionRecord(str(i), "t", (g,), (a,), True) for i, (g, a) in enumerate(["xx", "xy", "yy"])]
    one, several = (score(records, ("x", "y"), several=kind) for kind in (False, True))
    assert one is not None
    assert several is not None
    assert (one.accuracy, one.macro_f1, one.per_label) == (several.accuracy, several.macro_f1, several.per_label)
    assert (one.micro_f1, one.hamming_loss) == (None, None)
    assert one.confusion == ((1, 1, 0), (0, 1, 0))


def test_a_run_reports_sets(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = tmp_path / "several.toml"
    rows = "[classifiers.majority]\n[classifiers.linear]\nstrengths = [10.0]\n"
    config.write_text(f"latency_messages = 0\n[data]\npath = '{MULTI}'\n{rows}")
    command = ["--results", str(tmp_path)]
    assert main([*command, "run", str(config), "--run", "r"]) == 0
    assert "subset accuracy" in capsys.readouterr().out
    out = (tmp_path / "r" / "report.md").read_text(encoding="utf-8")
    for word in ("subset accuracy", "micro F1", "Hamming loss", "Per label"):
        assert word in out
    assert "gold label (row) against answer" not in out
    majority, linear = rows_of(RunFolder(tmp_path / "r"))
    assert majority.scores
    assert linear.scores
    assert linear.scores.accuracy > majority.scores.accuracy
    page = (tmp_path / "r" / "report.html").read_text(encoding="utf-8")
    assert '"gold":[]' in page
    assert main([*command, "disagreements", "r", "--limit", "0"]) == 0
    assert "gold: no label" in capsys.readouterr().out
    assert main([*command, "try", "r", "I want my money back, and where is my other parcel?"]) == 0
