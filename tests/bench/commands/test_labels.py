"""Corrections and second annotators on a small run on disk, with what must come of them worked out by hand."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path

import pytest
from samples import write_run

from bench.cli import main
from bench.commands.shared import report_of
from bench.dataset.corrections import text_hash
from bench.records.store import RunFolder
from bench.records.types import MessageRecord

GOLD = "aaaaabbbbb"
ANSWERS = {"linear": "aaaabbbbbb", "other": "aaaaaabbba"}
"""Right are 9 of 10 and 8 of 10."""


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunFolder:
    monkeypatch.chdir(tmp_path)
    return write_run(tmp_path / "results" / "small", GOLD, ANSWERS)


def marks(path: str = "corrections.csv") -> list[dict[str, str]]:
    with Path(path).open(encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def accuracies(run: RunFolder) -> dict[str, float]:
    scores = json.loads((run.path / "scores.json").read_text(encoding="utf-8"))
    return {name: figures["accuracy"] for name, figures in scores["classifiers"].items()}


@pytest.mark.slow
def test_a_corrected_label_changes_the_score_by_what_a_hand_calculation_says(
    run: RunFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    before = (run.path / "linear" / "predictions.jsonl").read_bytes()
    # linear answers message 4 with b, which becomes right; other answers it with a, which becomes wrong
    assert main(["disagreements", "small", "--mark", "4", "b", "--who", "Ann"]) == 0
    assert main(["disagreements", "small", "--mark", "9", "ambiguous"]) == 0
    assert main(["disagreements", "small", "--mark", "0", "fine"]) == 0
    assert [(m["text_sha256"], m["old"], m["new"], m["mark"], m["who"]) for m in marks()] == [
        (text_hash("text 4"), "a", "b", "wrong", "Ann"),
        (text_hash("text 9"), "b", "", "ambiguous", ""),
        (text_hash("text 0"), "a", "", "fine", ""),
    ]
    capsys.readouterr()
    assert main(["report", "small"]) == 0
    assert accuracies(run) == {"linear": 0.9, "other": 0.8}
    assert main(["report", "small", "--corrections", "corrections.csv"]) == 0
    assert accuracies(run) == {"linear": 1.0, "other": 0.7}
    said = (
        "corrections.csv: 1 of 10 gold labels of the test messages are corrected; 1 ambiguous and kept, 1 confirmed: "
        "linear from 90.0 to 100.0 % right, other from 80.0 to 70.0 % right. Without them: Too few test messages"
    )
    assert said in (run.path / "report.md").read_text(encoding="utf-8").replace("\\", "")
    assert said in " ".join(capsys.readouterr().out.split())
    assert (run.path / "linear" / "predictions.jsonl").read_bytes() == before, "records stay as they were observed"
    assert main(["report", "small"]) == 0
    assert accuracies(run) == {"linear": 0.9, "other": 0.8}


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        (["99", "b"], "unknown message '99'"),
        (["4", "c"], "unknown label in --mark 'c'"),
        (["4", "a"], "'a' is the gold label already"),
    ],
)
def test_a_mark_that_cannot_be_is_one_line(
    run: RunFolder, given: list[str], problem: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["disagreements", "small", "--mark", *given]) == 2
    assert problem in capsys.readouterr().err
    assert not Path("corrections.csv").exists()


def test_a_training_message_is_marked_too_and_changes_no_score(run: RunFolder) -> None:
    run.messages.write([MessageRecord("train.csv:2", "train", "money back", ("b",))])
    assert main(["disagreements", "small", "--mark", "train.csv:2", "a"]) == 0
    assert [(m["text_sha256"], m["old"], m["new"]) for m in marks()] == [(text_hash("money back"), "b", "a")]
    report = report_of(run, corrections="corrections.csv")
    assert report.caveats[0].text == "corrections.csv: 0 of 10 gold labels of the test messages are corrected"


def test_corrections_of_other_messages_are_refused(run: RunFolder, capsys: pytest.CaptureFixture[str]) -> None:
    Path("c.csv").write_text(f"text_sha256,old,new\n{text_hash('text 4')},a,b\n{text_hash('no such')},a,b\n")
    assert main(["report", "small", "--corrections", "c.csv"]) == 2
    assert "c.csv:3: no message has the text with the hash" in capsys.readouterr().err


def test_of_a_sample_corrections_of_other_messages_are_left_out_and_counted(run: RunFolder) -> None:
    Path("c.csv").write_text(f"text_sha256,old,new\n{text_hash('text 4')},a,b\n{text_hash('no such')},a,b\n")
    run.write(replace(run.read(), n_left_out=5))
    assert report_of(run, corrections="c.csv").caveats[0].text == (
        "c.csv: 1 of 10 gold labels of the test messages are corrected; 1 with a correction were not sampled"
    )


def test_a_second_person_sees_no_labels_and_is_compared_with_all(
    run: RunFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["annotate", "export", "small", "blind.csv", "--seed", "1"]) == 0
    lines = marks("blind.csv")
    assert {line["label"] for line in lines} == {""}
    assert [line["text"] for line in lines] != [f"text {i}" for i in range(10)]
    assert sorted(line["text"] for line in lines) == [f"text {i}" for i in range(10)]
    assert main(["annotate", "export", "small", "again.csv", "--seed", "1"]) == 0
    assert Path("blind.csv").read_bytes() == Path("again.csv").read_bytes()
    # the person says a for messages 0 to 5: gold is a for 0 to 4
    with Path("blind.csv").open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, ["text_sha256", "text", "label"])
        writer.writeheader()
        writer.writerows({**line, "label": "a" if int(line["text"][-1]) < 6 else "b"} for line in lines)
    filled = Path("blind.csv").read_bytes()
    assert main(["annotate", "export", "small", "blind.csv"]) == 2
    assert "blind.csv exists; name a file that does not" in capsys.readouterr().err
    assert Path("blind.csv").read_bytes() == filled, "a person's work is not written over"
    assert main(["annotate", "score", "small", "blind.csv"]) == 0
    table = {line.split()[0]: line for line in capsys.readouterr().out.splitlines() if line.strip()}
    # gold: 9 of 10 agree, by chance 0.6 x 0.5 + 0.4 x 0.5 = 0.5, so kappa is 0.4 / 0.5 = 0.8.
    # linear says a for 0 to 3: 8 of 10 agree, by chance 0.6 x 0.4 + 0.4 x 0.6 = 0.48, so kappa is 0.32 / 0.52 = 0.62
    assert table["gold"].split()[-3:] == ["0.80", "–", "–"]
    assert " 80.0 " in table["linear"]
    assert " 0.62 " in table["linear"]


def test_labels_that_are_not_of_the_task_name_their_line(run: RunFolder, capsys: pytest.CaptureFixture[str]) -> None:
    Path("blind.csv").write_text(f"text_sha256,text,label\n{text_hash('text 1')},text 1,\n{text_hash('text 2')},,x\n")
    assert main(["annotate", "score", "small", "blind.csv"]) == 2
    assert "unknown label in blind.csv:3 'x'" in capsys.readouterr().err
    Path("blind.csv").write_text("text_sha256,text,label\n")
    assert main(["annotate", "score", "small", "blind.csv"]) == 2
    assert "no label is filled in" in capsys.readouterr().err


def test_what_the_system_refuses_is_one_clear_line(run: RunFolder, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["annotate", "export", "small", "x" * 300]) == 2
    assert capsys.readouterr().err == f"error: {'x' * 300}: File name too long\n"
