"""Answers read from a file: which message each belongs to, and what is refused before anything runs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from classifiers.answers import Answers, AnswersSettings
from classifiers.errors import BenchError
from classifiers.interface import Label, Message, Recorded, Task
from classifiers.testing import HOSTILE, MESSAGES, TASK, check_classifier

REFUND, ORDER, FEEDBACK = TASK.label_names
TEST = (Message("a.csv:2", "money back", (REFUND,)), Message("a.csv:3", "where is it?", (ORDER,)))
OTHERS = (Message("a.csv:4", "lovely", (FEEDBACK,)),)


def answers(file: Path, text: str, *, task: Task = TASK, **settings: object) -> Answers:
    """A classifier of a file that is written and checked."""
    file.write_text(text, encoding="utf-8")
    classifier = Answers(AnswersSettings.model_validate({"file": str(file), **settings}))
    classifier.check_messages(task, TEST, OTHERS)
    return classifier


def test_answers_are_found_by_id(tmp_path: Path) -> None:
    given = answers(tmp_path / "a.csv", f"id,label\na.csv:3,{ORDER}\na.csv:2,{FEEDBACK}\n")
    assert isinstance(given, Recorded)
    assert [p.labels for p in given.answers_of(TEST)] == [(FEEDBACK,), (ORDER,)]
    assert [p.probabilities for p in given.answers_of(TEST)] == [None, None]
    assert given.answered([*TEST, *OTHERS]) == list(TEST)
    details = given.details()
    assert (details.n_labelled, details.runs_elsewhere, details.shipped_bytes) == (0, True, None)
    assert details.models == given.model_files()


def test_answers_are_found_by_text_whatever_its_spaces(tmp_path: Path) -> None:
    text = f"text,label,probability\n  where  is it?,{ORDER},0.7\nmoney back,{REFUND},\nlovely,{FEEDBACK},1\n"
    given = answers(tmp_path / "a.csv", text)
    assert [p.labels for p in given.answers_of(TEST)] == [(REFUND,), (ORDER,)]
    second = list(given.predict(["money back", "where is it?"]))[1]
    # 0.3 is left for two other labels
    assert second.probabilities == pytest.approx({REFUND: 0.15, ORDER: 0.7, FEEDBACK: 0.15})
    assert given.answered(OTHERS) == list(OTHERS)


def test_the_predictions_of_an_earlier_run_can_be_taken(tmp_path: Path) -> None:
    rows = [
        {"id": "a.csv:2", "text": "money back", "predicted": [REFUND], "valid": True},
        {"id": "a.csv:3", "text": "where is it?", "predicted": [], "valid": False},
    ]
    given = answers(tmp_path / "predictions.jsonl", "\n".join(map(json.dumps, rows)), label="predicted")
    first, second = given.answers_of(TEST)
    assert (first.labels, first.valid) == ((REFUND,), True)
    assert (second.labels, second.valid) == ((), False)


def test_several_labels_are_divided_and_none_is_an_answer(tmp_path: Path) -> None:
    several = Task(TASK.name, TASK.labels, max_labels=2)
    text = f"id,label\na.csv:2,{REFUND}; {ORDER}\na.csv:3,\n"
    given = answers(tmp_path / "a.csv", text, task=several, separator=";")
    assert [(p.labels, p.valid) for p in given.answers_of(TEST)] == [((REFUND, ORDER), True), ((), True)]


def test_an_empty_label_is_no_answer(tmp_path: Path) -> None:
    given = answers(tmp_path / "a.csv", f"id,label\na.csv:2,\na.csv:3,{ORDER}\n")
    assert [p.valid for p in given.answers_of(TEST)] == [False, True]


def test_an_unknown_label_is_refused_or_counts_as_a_parse_failure(tmp_path: Path) -> None:
    text = f"id,label\na.csv:2,Refund Reqest\na.csv:3,{ORDER}\n"
    with pytest.raises(BenchError, match=r"a\.csv:2: unknown label 'Refund Reqest'; did you mean 'Refund Request'"):
        answers(tmp_path / "a.csv", text)
    first, second = answers(tmp_path / "a.csv", text, unknown_labels="invalid").answers_of(TEST)
    assert (first.valid, first.labels, first.attempts[0].raw) == (False, (), "Refund Reqest")
    assert second.labels == (ORDER,)


WHOLE = f"a.csv:2,{REFUND}\na.csv:3,{ORDER}\n"


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("a.csv", f"id,label\na.csv:2,{REFUND}\n", r"no answer to 1 of 2 test messages, first of all to 'a.csv:3'"),
        ("a.csv", f"id,label\n{WHOLE}a.csv:9,{ORDER}\n", r"a\.csv:4: 'a.csv:9' is no message of the task"),
        ("a.csv", f"id,label\n{WHOLE}a.csv:3,{REFUND}\n", r"a\.csv:4: answers 'a.csv:3' as line 3 does not"),
        ("a.csv", f"id,text,label\na.csv:2,lovely,{REFUND}\n", r"a\.csv:2: 'a.csv:2' has another text in the task"),
        ("a.csv", f"id,label,label\na.csv:2,{REFUND},{ORDER}\n", r"a\.csv:1: the column 'label' stands twice"),
        ("a.csv", f"id,labels\n{WHOLE}", r"a\.csv:2: unknown column 'label'; did you mean 'labels'"),
        ("a.csv", f"key,label\n{WHOLE}", r"a\.csv:2: neither 'id' nor 'text' is given"),
        ("a.csv", f"id,label\na.csv:2,{REFUND},0.5\n", r"a\.csv:2: 3 cells under 2 columns"),
        ("a.csv", f'id,label\na.csv:2,"{REFUND}', r"a\.csv:2: unexpected end of data"),
        ("a.csv", f"id,label,probability\na.csv:2,{REFUND},70 %\n", r"a\.csv:2: probability '70 %' does not lie"),
        ("a.csv", f"id,label,probability\na.csv:2,{REFUND},nan\n", r"a\.csv:2: probability 'nan' does not lie"),
        ("a.csv", "id,label\n", "holds no answers"),
        ("a.csv", "", "holds no answers"),
        ("a.jsonl", '{"id": "a.csv:2"', r"a\.jsonl:1: not JSON"),
        ("a.jsonl", "\n[1]", r"a\.jsonl:2: not an object"),
        ("a.xlsx", "PK", "unknown kind of file"),
    ],
)
def test_a_file_that_does_not_fit_is_refused_by_its_line(tmp_path: Path, name: str, text: str, words: str) -> None:
    with pytest.raises(BenchError, match=words) as caught:
        answers(tmp_path / name, text)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("file", ["nowhere.csv", "a\0b.csv", "."])
def test_a_file_that_cannot_be_read_is_one_line(file: str) -> None:
    with pytest.raises(BenchError, match=r"cannot be read|unknown kind"):
        Answers(AnswersSettings(file=file)).load()


def test_it_keeps_the_contract(tmp_path: Path) -> None:
    file = tmp_path / "a.jsonl"
    rows = [{"text": m.text, "label": m.label, "probability": 0.9} for m in MESSAGES]
    rows += [{"text": text, "label": "", "probability": ""} for text in HOSTILE if text.strip()]
    file.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    check_classifier(lambda: Answers(AnswersSettings(file=str(file))))


def test_one_label_alone_has_all_of_the_probability(tmp_path: Path) -> None:
    task = Task("one", (Label("a"),))
    file = tmp_path / "a.csv"
    file.write_text("text,label,probability\nx,a,0.5\n")
    given = Answers(AnswersSettings(file=str(file)))
    given.check_messages(task, [Message("1", "x", ("a",))], [])
    assert next(given.predict(["x"])).probabilities == {"a": 1.0}
