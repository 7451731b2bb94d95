"""Labels that were swapped on purpose are found, by classifiers that did not learn from them."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from conftest import CUSTOMER_MESSAGES

from bench.cli import main
from bench.config.run import make_config
from bench.inference.label_errors import _held_out, find_issues
from classifiers.errors import BenchError
from classifiers.interface import Label, Message, Task

pytestmark = pytest.mark.slow

TASK = Task("t", (Label("a"), Label("b")))


def test_a_confident_contradiction_is_an_issue_and_a_doubt_is_none() -> None:
    messages = [Message(str(i), f"m{i}", ("a" if i < 10 else "b",)) for i in range(20)]
    rows = np.array([[0.9, 0.1]] * 10 + [[0.1, 0.9]] * 10)
    rows[3] = [0.05, 0.95]
    rows[12] = [0.45, 0.55]
    (issue,) = find_issues(TASK, messages, rows)
    assert (issue.message.id, issue.suggested, issue.given_probability) == ("3", "b", pytest.approx(0.05))


def test_messages_of_one_group_are_judged_by_who_saw_none_of_it() -> None:
    """Each group has words of its own: who has seen some of its messages knows the label of the others."""
    rng = np.random.default_rng(0)
    labels = ["ab"[int(label)] for label in rng.permutation([0, 1] * 10)]
    alone = [Message(str(i), f"group{i // 4} text", (labels[i // 4],)) for i in range(80)]
    plan = make_config({"classifiers": {"linear": {"strengths": [10.0]}}}, where="test").cell("linear")
    gold = np.array(["ab".index(m.label) for m in alone])

    def share_right(messages: list[Message], folds: int = 5) -> float:
        rows = _held_out(plan, TASK, messages, folds=folds, threads=1, report=lambda _: None)
        return float((rows.argmax(1) == gold).mean())

    grouped = [replace(message, group=message.text) for message in alone]
    assert share_right(alone) == 1.0
    assert share_right(grouped) <= 0.6
    assert share_right([replace(message, group=message.id) for message in alone]) == 1.0
    with pytest.raises(BenchError, match="the messages are of 20 groups, fewer than the 21 folds; use --folds"):
        share_right(grouped, folds=21)
    with pytest.raises(BenchError, match=r"every label needs messages of 2 groups or more.*'b' \(1\)"):
        share_right([replace(message, group=message.group if message.label == "a" else "one") for message in grouped])


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Real messages as a CSV, twelve of them with a label that is surely not theirs, and a run over them."""
    folder, lines = tmp_path_factory.mktemp("swapped"), []
    for file, label in (("refunds.txt", "Refund Request"), ("inquiries.txt", "Order Inquiry")):
        for i, text in enumerate((CUSTOMER_MESSAGES / file).read_text(encoding="utf-8").splitlines()[:300]):
            other = "Order Inquiry" if label == "Refund Request" else "Refund Request"
            lines.append((text, other if i % 50 == 0 else label))
    with (folder / "m.csv").open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream).writerows([("text", "label"), *lines])
    config = f"latency_messages = 0\n[data]\npath = '{folder}/m.csv'\n[classifiers.linear]\n"
    (folder / "c.toml").write_text(config)
    assert main(["--results", str(folder), "run", str(folder / "c.toml"), "--run", "r"]) == 0
    return folder


def test_swapped_labels_come_first(results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["--results", str(results), "label-errors", "r/linear"]
    assert main([*command, "--csv", str(results / "issues.csv")]) == 0
    with (results / "issues.csv").open(newline="", encoding="utf-8") as stream:
        found = [row["message"] for row in csv.DictReader(stream)]
    swapped = {f"m.csv:{i + 2}" for i in range(600) if i % 50 == 0}
    assert set(found[:2]) <= swapped
    assert len(swapped & set(found[:10])) >= 3, "by chance it would be none"
    assert len(swapped & set(found)) >= 6, "half of the 12 swapped labels"
    assert len(found) <= 40, "of 600 messages"
    assert main([*command, "--limit", "3", "--folds", "2"]) == 0  # half as many folds take less than half of the time
    assert "3 shown" in capsys.readouterr().out


def test_who_cannot_judge_is_one_clear_line(results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["--results", str(results), "label-errors"]
    assert main([*command, "r/liner"]) == 2
    assert "did you mean 'linear'" in capsys.readouterr().err
    assert main([*command, "r/linear", "--folds", "1"]) == 2
    assert main([*command, "r/linear", "--folds", "400"]) == 2
    assert "fewer than the 400 folds" in capsys.readouterr().err
