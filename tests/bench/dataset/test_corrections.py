"""Corrections of gold labels: read, checked against the messages, applied, and written."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from bench.config.tables import DataConfig
from bench.dataset.corrections import (
    Correction,
    Corrections,
    read_annotations,
    read_corrections,
    text_hash,
    with_mark,
    write_corrections,
)
from bench.dataset.load import load_task
from classifiers.errors import BenchError
from classifiers.interface import Label, Task

TASK = Task("t", (Label("refund"), Label("praise"), Label("+1")))
HEAD = "text_sha256,old,new,mark,who,when\n"
MONEY, THANKS = text_hash("money back"), text_hash("thank you")
DATA = "text,label\nmoney back,praise\nthank you,praise\ngive me my money,refund\n"


def written(folder: Path, lines: str, head: str = HEAD) -> Path:
    path = folder / "corrections.csv"
    path.write_text(head + lines, encoding="utf-8")
    return path


def loaded(folder: Path, lines: str) -> list[tuple[str, ...]]:
    (folder / "data.csv").write_text(DATA, encoding="utf-8")
    path = written(folder, lines)
    task = load_task(DataConfig(path=str(folder / "data.csv"), corrections=str(path)))
    assert (folder / "data.csv").read_text(encoding="utf-8") == DATA, "the data are never written to"
    assert f"{path}: 1 of 3 gold labels were corrected; 1 confirmed" in task.warnings
    return [message.labels for message in task.messages]


def test_labels_are_corrected_when_messages_are_read(tmp_path: Path) -> None:
    lines = f"{MONEY},praise,refund,wrong,Ann,2026-11-30\n{THANKS},praise,,fine,,\n"
    assert loaded(tmp_path, lines) == [("refund",), ("praise",), ("refund",)]


def test_the_hash_is_that_of_the_text_alone() -> None:
    # sha256sum of "money back" without a line break
    assert MONEY == "ab8b94e71d3a0f73"


def test_lines_on_one_text_follow_each_other_and_may_be_applied_again(tmp_path: Path) -> None:
    path = written(tmp_path, f"{MONEY},praise,refund,wrong,,\n{MONEY},refund,+1,wrong,,\n")
    corrections = read_corrections(path, TASK)
    assert [corrections.gold("money back", (gold,)) for gold in ("praise", "refund", "+1")] == [("+1",)] * 3
    assert corrections.gold("thank you", ("praise",)) == ("praise",)


def test_the_column_mark_may_be_left_out(tmp_path: Path) -> None:
    path = written(tmp_path, f"{MONEY},praise,refund\n", head="text_sha256,old,new\n")
    assert read_corrections(path, TASK).entries == (Correction(MONEY, ("praise",), ("refund",), line=2),)


@pytest.mark.parametrize(
    ("lines", "problem"),
    [
        (f"{MONEY},praise,refnd,wrong,,\n", r"unknown label in .*corrections.csv:2 'refnd'; did you mean 'refund'"),
        (f"{MONEY},praise,,wrong,,\n", r"corrections.csv:2 ''"),
        (f"{MONEY},praise,praise,wrong,,\n", r"corrections.csv:2: the new label is the old one"),
        (f"{MONEY},praise,refund,wrng,,\n", r"unknown mark in .*corrections.csv:2 'wrng'; did you mean 'wrong'"),
        (
            f"{MONEY},praise,refund,wrong,,\n{MONEY},praise,+1,wrong,,\n",
            r"corrections.csv:3: line 2 left the label 'refund'",
        ),
    ],
    ids=["label", "no label", "same", "mark", "order"],
)
def test_a_line_that_cannot_be_is_named(tmp_path: Path, lines: str, problem: str) -> None:
    with pytest.raises(BenchError, match=problem):
        read_corrections(written(tmp_path, lines), TASK)


def test_a_missing_column_and_a_missing_file_are_errors_of_one_line(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match=r"corrections.csv:1: the column 'old' is missing"):
        read_corrections(written(tmp_path, "x\n", head="text_sha256\n"), TASK)
    with pytest.raises(BenchError, match="cannot be read: No such file"):
        read_corrections(tmp_path / "none.csv", TASK)


def test_a_column_that_stands_twice_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path, f"{MONEY},praise,refund,+1\n", head="text_sha256,old,new,new\n")
    with pytest.raises(BenchError, match=r"corrections.csv:1: the column 'new' stands twice"):
        read_corrections(path, TASK)
    path = written(tmp_path, f"{MONEY},refund,praise\n", head="text_sha256,label,label\n")
    with pytest.raises(BenchError, match=r"corrections.csv:1: the column 'label' stands twice"):
        read_annotations(path, TASK)


def test_a_file_that_cannot_be_written_whole_is_left_as_it_was(tmp_path: Path) -> None:
    path = written(tmp_path, f"{MONEY},praise,refund,wrong,,\n")
    known, before = read_corrections(path, TASK), path.read_bytes()
    half = Correction(THANKS, ("praise",), ("praise",), "fine", who="\udcff")
    with pytest.raises(BenchError, match=r"cannot write .*corrections.csv: '\\udcff' in it is half a character"):
        write_corrections(with_mark(known, half), TASK)
    assert path.read_bytes() == before
    (tmp_path / f".{path.name}.{os.getpid()}").mkdir()
    with pytest.raises(BenchError, match=r"cannot write .*: Is a directory"):
        write_corrections(known, TASK)
    assert path.read_bytes() == before


def test_a_correction_that_is_about_no_message_names_its_line(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match=r"corrections.csv:3: no message has the text with the hash 0123456789abcdef"):
        loaded(tmp_path, f"{MONEY},praise,refund,wrong,,\n0123456789abcdef,praise,refund,wrong,,\n")
    with pytest.raises(BenchError, match=r"corrections.csv:2: the message's label is 'praise', not 'refund'"):
        loaded(tmp_path, f"{THANKS},refund,,fine,,\n")


def test_a_correction_of_a_message_that_was_not_sampled_is_left_out_and_counted(tmp_path: Path) -> None:
    (tmp_path / "data.csv").write_text(f"{DATA}lovely,praise\n", encoding="utf-8")
    path = written(tmp_path, f"{MONEY},praise,refund,wrong,,\n{THANKS},praise,refund,wrong,,\n")
    config = DataConfig(path=str(tmp_path / "data.csv"), corrections=str(path), max_messages=3)
    task = load_task(config)
    assert {message.text: message.labels for message in task.messages} == {
        "thank you": ("refund",),
        "give me my money": ("refund",),
        "lovely": ("praise",),
    }
    said = f"{path}: 1 of 3 gold labels were corrected; 1 with a correction were not sampled"
    assert said in task.warnings
    assert task.n_left_out == 1


def test_a_mark_takes_the_place_of_an_earlier_one_and_keeps_the_label_of_the_data(tmp_path: Path) -> None:
    path = str(tmp_path / "c.csv")
    marks = with_mark(Corrections(path), Correction(MONEY, ("praise",), ("refund",)))
    marks = with_mark(marks, Correction(THANKS, ("praise",), ("praise",), "ambiguous"))
    write_corrections(marks, TASK)
    # the run was scored by the file since, so that the gold label is the corrected one
    again = with_mark(read_corrections(Path(path), TASK), Correction(MONEY, ("refund",), ("+1",)))
    write_corrections(again, TASK)
    assert Path(path).read_text(encoding="utf-8") == (
        f"{HEAD}{THANKS},praise,,ambiguous,,\n{MONEY},praise,+1,wrong,,\n"
    )
    back = with_mark(again, Correction(MONEY, ("+1",), ("praise",)))
    assert back.entries[-1] == Correction(MONEY, ("praise",), ("praise",), "fine")


def test_messages_with_several_labels_have_lists(tmp_path: Path) -> None:
    task = Task("t", TASK.labels, max_labels=3)
    marks = Corrections(str(tmp_path / "c.csv"), (Correction(MONEY, (), ("refund", "praise")),))
    write_corrections(marks, task)
    assert '[],"[""refund"", ""praise""]"' in (tmp_path / "c.csv").read_text(encoding="utf-8")
    corrections = read_corrections(tmp_path / "c.csv", task)
    assert corrections.gold("money back", ()) == ("refund", "praise")
    assert corrections.gold("money back", ("praise", "refund")) == ("praise", "refund")
    with pytest.raises(BenchError, match=r"is no list of labels"):
        read_corrections(written(tmp_path, f"{MONEY},refund,praise,wrong,,\n"), task)
