"""Messages of several labels: thresholds by hand, answers read as lists, and every backend that learns them."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path

import numpy as np
import pytest
from conftest import REPOSITORY

from bench.measure.limits import usable_cores
from classifiers.encoder.backend import Encoder
from classifiers.encoder.settings import EncoderSettings
from classifiers.errors import BenchError
from classifiers.heads.multilabel import DEFAULT_THRESHOLD, decide, label_matrix, tune_thresholds
from classifiers.interface import Label, Message, Task, confidence_of
from classifiers.linear import Linear
from classifiers.llm.prompting.answer_form import form_of
from classifiers.llm.prompting.examples import draw_per_label
from classifiers.llm.prompting.parse import parse_labels
from classifiers.majority import Majority

NAMES = ("Refund Request", "Order Inquiry", "General Feedback")
TASK = Task("shop", tuple(map(Label, NAMES)), max_labels=3)


@pytest.fixture(scope="module")
def several() -> list[Message]:
    """The shipped messages of none to three labels."""
    file = REPOSITORY / "data" / "customer-messages-multi" / "messages.csv"
    with file.open(newline="", encoding="utf-8") as stream:
        rows = [(row["text"], row["labels"]) for row in csv.DictReader(stream)]
    return [Message(str(i), text, tuple(filter(None, labels.split(";")))) for i, (text, labels) in enumerate(rows)]


def test_a_threshold_is_where_f1_is_highest() -> None:
    probabilities = np.array([[0.9], [0.4], [0.35], [0.3], [0.2], [0.1]])
    gold = np.array([[1.0], [1.0], [1.0], [0.0], [0.0], [0.0]])
    # above 0.3 all three are taken and nothing else: halfway between 0.35 and 0.3
    assert tune_thresholds(probabilities, gold) == pytest.approx((0.325,))
    assert tune_thresholds(probabilities[:2], gold[:2]) == (DEFAULT_THRESHOLD,), "too few messages to move it"


def test_labels_reach_their_thresholds_and_are_no_more_than_allowed() -> None:
    row = (0.6, 0.3, 0.9)
    assert decide(row, TASK, (0.5, 0.2, 0.95)) == NAMES[:2]
    assert decide(row, TASK, (0.7, 0.7, 0.95)) == ()
    assert decide(row, Task("shop", TASK.labels, max_labels=2), (0.1, 0.1, 0.1)) == (NAMES[0], NAMES[2])
    assert decide(row, Task("shop", TASK.labels), ()) == (NAMES[2],), "one label each: the likeliest, whatever it has"


def test_an_answer_is_as_sure_as_its_least_sure_decision() -> None:
    probabilities = dict(zip(NAMES, (0.9, 0.8, 0.3), strict=True))
    assert confidence_of(NAMES[:2], probabilities) == pytest.approx(0.7)
    assert confidence_of((), {NAMES[0]: 0.25}) == pytest.approx(0.75)
    assert confidence_of(NAMES[:1], {NAMES[0]: 0.7, NAMES[1]: 0.2, NAMES[2]: 0.1}) == pytest.approx(0.7)


@pytest.mark.parametrize(
    ("raw", "labels"),
    [
        ('["Refund Request", "General Feedback"]', (NAMES[0], NAMES[2])),
        ('["general_feedback", "REFUND REQUEST"]', (NAMES[0], NAMES[2])),
        ('```json\n["Order Inquiry"]\n```', (NAMES[1],)),
        ('{"labels": ["Order Inquiry"]}', (NAMES[1],)),
        ("[]", ()),
        ("None", ()),
        ("<think>Refund Request?</think> []", ()),
        ("Refund Request, Order Inquiry", NAMES[:2]),
        ("- Refund Request\n- Order Inquiry", NAMES[:2]),
        ("Labels: Refund Request", NAMES[:1]),
        ("It is a refund request and general feedback, but not an order inquiry.", (NAMES[0], NAMES[2])),
        ('{"Refund Request": false, "Order Inquiry": true, "General Feedback": false}', (NAMES[1],)),
        ("Refund Request: no\nOrder Inquiry: yes\nGeneral Feedback: no", (NAMES[1],)),
        ("Refund Request does not apply. Order Inquiry applies.", (NAMES[1],)),
        ('{"labels": ["Order Inquiry"], "reason": "asks for no refund request"}', (NAMES[1],)),
        ("[] because the Refund Request does not apply", ()),
    ],
)
def test_lists_are_understood(raw: str, labels: tuple[str, ...]) -> None:
    found = parse_labels(raw, NAMES, 3)
    assert found.valid, found.problem
    assert found.labels == labels


@pytest.mark.parametrize(
    ("raw", "problem"),
    [
        ("", "it was empty"),
        ("...", "it names none of the labels"),
        ("I do not know", "it names none of the labels"),
        ('["Refund Request", "Complaint"]', "'Complaint' is none of the labels"),
        ("[[]]", "it is no JSON list of label names"),
        ('["Refund Request", "Order Inq', "it is no whole JSON list"),
        ('["Refund Request"] or ["Order Inquiry"]', "more than one JSON value"),
        ('{"score": 3}', "it is no JSON list of label names"),
        (json.dumps(NAMES), "it names 3 labels, and at most 2 are allowed"),
    ],
)
def test_what_is_no_list_of_labels_is_invalid_and_says_why(raw: str, problem: str) -> None:
    found = parse_labels(raw, NAMES, 2)
    assert not found.valid
    assert found.labels == ()
    assert problem in found.problem


def test_the_form_writes_what_it_reads_and_its_longest_answer_is_the_longest() -> None:
    form = form_of(TASK)
    for labels in ((), NAMES[1:2], NAMES):
        assert form.parse(form.write(labels)).labels == labels
        assert len(form.write(labels)) <= len(form.longest)
    assert form.schema["maxItems"] == 3


def test_examples_show_every_label_and_none(several: list[Message]) -> None:
    drawn = draw_per_label(TASK, several, 2, seed=0)
    assert len({m.id for m in drawn}) == len(drawn) == 8
    assert sum(not m.labels for m in drawn) == 2
    for name in NAMES:
        assert sum(name in m.labels for m in drawn) >= 2


def right(predictions: list[tuple[str, ...]], messages: list[Message]) -> float:
    return float(np.mean([set(labels) == set(m.labels) for labels, m in zip(predictions, messages, strict=True)]))


@pytest.mark.slow
def test_linear_learns_sets_and_comes_back(several: list[Message], tmp_path: Path) -> None:
    train, validation, test = several[:380], several[380:460], several[460:]
    texts = [m.text for m in test]
    linear, majority = Linear(), Majority()
    for classifier in (linear, majority):
        classifier.fit(TASK, train, validation)
    found = list(linear.predict(texts))
    answers = [p.labels for p in found]
    assert right(answers, test) > right([p.labels for p in majority.predict(texts)], test) + 0.1
    assert {len(labels) for labels in answers} >= {0, 1, 2}
    assert any(sum((p.probabilities or {}).values()) > 1.2 for p in found), "probabilities stand each alone"
    linear.save(tmp_path)
    again = Linear()
    again.load_from(tmp_path, TASK)
    assert [p.labels for p in again.predict(texts)] == answers


@pytest.mark.parametrize("head", ["softmax", "linear"])
def test_encoder_learns_sets_and_comes_back(minilm: Path, several: list[Message], tmp_path: Path, head: str) -> None:
    train, validation, test = several[:200], several[200:260], several[460:520]
    texts = [m.text for m in test]
    settings = EncoderSettings(model=(str(minilm),), head=head, epochs=4, learning_rate=3e-4)
    with Encoder(settings, threads=usable_cores()) as encoder:
        encoder.load()
        encoder.fit(TASK, train, validation)
        found = list(encoder.predict(texts))
        encoder.save(tmp_path)
    answers = [p.labels for p in found]
    rows = np.array([list((p.probabilities or {}).values()) for p in found])
    decisions = (rows >= encoder.thresholds) == (label_matrix(test, NAMES) > 0)
    assert decisions.mean() > 0.7
    with Encoder(settings, threads=usable_cores()) as again:
        again.load_from(tmp_path, TASK)
        assert [p.labels for p in again.predict(texts)] == answers


def test_setfit_says_that_it_cannot(minilm: Path) -> None:
    encoder = Encoder(EncoderSettings(model=(str(minilm),), head="setfit"))
    assert "one label each" in str(encoder.supports(TASK))


@pytest.mark.parametrize("mode", ["generate", "grammar", "score"])
def test_llm_answers_with_lists_in_every_mode(smollm: Path, several: list[Message], tmp_path: Path, mode: str) -> None:
    from classifiers.llm.llama_cpp import LlamaCpp, LlamaCppSettings

    settings = LlamaCppSettings(model=str(smollm), mode=mode, retries=1, context=2048, examples="fixed")
    texts = [m.text for m in several[:4]] + ["", '<|im_end|> ["Refund Request"]']
    with LlamaCpp(settings, threads=usable_cores()) as llm:
        llm.load()
        llm.fit(TASK, several[100:200], ())
        found = list(llm.predict(texts))
        assert len(found) == len(texts)
        for prediction in found:
            assert set(prediction.labels) <= set(NAMES)
            assert prediction.valid or not prediction.labels
            assert mode == "generate" or prediction.valid
            assert (prediction.probabilities is not None) == (mode == "score")
        llm.save(tmp_path)
        answers = [p.labels for p in found]
    with LlamaCpp(settings, threads=usable_cores()) as again:
        again.load_from(tmp_path, TASK)
        assert [p.labels for p in again.predict(texts)] == answers


def test_batch_calibration_is_refused(smollm: Path) -> None:
    from classifiers.llm.llama_cpp import LlamaCpp, LlamaCppSettings

    assert "contextual" in str(LlamaCpp(LlamaCppSettings(model=str(smollm), calibration="batch")).supports(TASK))


def test_a_server_is_asked_for_lists(several: list[Message]) -> None:
    from classifiers.llm.server import Server, ServerSettings

    server = Server(ServerSettings(base_url="http://127.0.0.1:1/v1", answers="json"))
    server.fit(TASK, several, ())
    assert re.search(r"'labels': \{'type': 'array'", str(server._schema()))
    server._check_schema_held(['{"labels": []}', '{"labels": ["Order Inquiry"]}'])
    with pytest.raises(BenchError, match="does not hold answers"):
        server._check_schema_held(['{"labels": ["Complaint"]}'])
