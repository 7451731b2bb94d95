"""Answers as models really write them, and label sets as people really choose them."""

from __future__ import annotations

import json

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from classifiers.errors import BenchError
from classifiers.interface import Label, Task
from classifiers.llm.prompting.answer_form import form_of, unanswerable
from classifiers.llm.prompting.parse import parse_answer, parse_labels

NAMES = ("Refund Request", "Order Inquiry", "General Feedback")
SHOP = ("order", "refund", "praise")
LABEL_SETS = [
    ("+1", "-1"),
    ("-1", "0", "1"),
    ("C", "C++", "C#"),
    ("👍", "👎", "🤷"),
    ("A+", "A", "A-"),
    ("A", "a"),
    ("$", "€"),
    ("18+", "18-"),
    ("का", "की", "कि"),
    ("退款", "订单", "表扬"),
    ("Cafe\u0301", "Cafe"),
    ("a_b", "a b"),
    ("IT", "HR", "no", "A", "May"),
    ("none", "all"),
    ("Label: a", "a"),
    ('"a"', "a"),
]


def task_of(names: tuple[str, ...], max_labels: int = 1) -> Task:
    return Task("t", tuple(map(Label, names)), max_labels=max_labels)


@pytest.mark.parametrize(
    ("raw", "label"),
    [
        ("Refund Request", "Refund Request"),
        ("refund request.", "Refund Request"),
        ("  ORDER INQUIRY\n", "Order Inquiry"),
        ('"General Feedback"', "General Feedback"),
        ("**Order Inquiry**", "Order Inquiry"),
        ("refund_request", "Refund Request"),
        ("Label: Refund Request", "Refund Request"),
        ("**Label:** Refund Request", "Refund Request"),
        ("The answer is: order inquiry", "Order Inquiry"),
        ('{"label": "General Feedback"}', "General Feedback"),
        ('{"label": ["General Feedback"], "confidence": 0.9}', "General Feedback"),
        ('{"result": {"label": "General Feedback"}}', "General Feedback"),
        ('{"Refund Request": false, "Order Inquiry": true}', "Order Inquiry"),
        ('```json\n{"category": "order inquiry"}\n```', "Order Inquiry"),
        ('["Order Inquiry"]', "Order Inquiry"),
        ("I would say this is a refund request, since money is wanted.", "Refund Request"),
        ("This is a refund request because the shoes do not fit.", "Refund Request"),
        ("Refund Request\n\nExplanation: the parcel never came.", "Refund Request"),
        ("This is not a refund request but an order inquiry.", "Order Inquiry"),
        ("<think>Refund Request? Order Inquiry?</think>General Feedback", "General Feedback"),
        ("Refund Request. Yes, Refund Request!", "Refund Request"),
    ],
)
def test_answer_is_understood(raw: str, label: str) -> None:
    assert parse_answer(raw, NAMES).labels == (label,)


@pytest.mark.parametrize(
    ("raw", "problem"),
    [
        ("", "it was empty"),
        ("   \n", "it was empty"),
        ("I am sorry to hear that.", "it names none of the labels"),
        ("refund", "it names none of the labels"),
        ("Refund Request or Order Inquiry", "it names 2 labels (Refund Request, Order Inquiry)"),
        ('{"label": ["Refund Request", "Order Inquiry"]}', "it names 2 labels (Refund Request, Order Inquiry)"),
        ("Prerefund requests", "it names none of the labels"),
        ('{"score": 3}', "it names none of the labels"),
    ],
)
def test_answer_is_refused_with_its_problem(raw: str, problem: str) -> None:
    parsed = parse_answer(raw, NAMES)
    assert (parsed.labels, parsed.problem, parsed.valid) == ((), problem, False)


@pytest.mark.parametrize(
    "raw",
    [
        "This is not a refund request.",
        "It does not look like a refund request.",
        "This cannot be a refund request",
        "I don't think this is a refund request",
        "I don’t think, given the text, that this is a refund request",
        "This message is no refund request.",
        "Neither a refund request nor an order inquiry",
        "The user never mentions a refund request.",
        "It isn't really what I would call a refund request",
        "Refund Request: no",
        "refund request = false",
        "This has nothing to do with a refund request",
        "It is anything other than a refund request",
        "Label: not a refund request",
        'It is not a "Refund Request".',
        '{"reason": "it is no refund request"}',
    ],
)
def test_a_label_that_is_denied_anywhere_in_its_clause_is_no_answer(raw: str) -> None:
    assert parse_answer(raw, NAMES).problem == "it names none of the labels"
    assert not parse_labels(raw, NAMES, 3).valid


@pytest.mark.parametrize(
    ("raw", "names", "label"),
    [
        ('{"label": 1, "confidence": 0.95}', ("-1", "0", "1"), "1"),
        ('{"label": "order", "confidence": 0.95}', SHOP, "order"),
        ('Sure! {"label": "refund", "reason": "it is no order"}', SHOP, "refund"),
        ("Hm, order? no.\n</think>\n\nrefund", SHOP, "refund"),
        ("<thinking>order</thinking> refund", SHOP, "refund"),
        ("[THINK]order[/THINK]refund", SHOP, "refund"),
        ("I think it belongs to HR.", ("IT", "HR"), "HR"),
        ("Label: IT", ("IT", "HR"), "IT"),
        ("It is hard to say, but the label is IT.", ("IT", "HR"), "IT"),
        ('It should go to "IT".', ("IT", "HR"), "IT"),
        ("no.", ("yes", "no"), "no"),
        ("**C#**", ("C", "C++", "C#"), "C#"),
        ("It is written in C++.", ("C", "C++", "C#"), "C++"),
        ("I would say 👍!", ("👍", "👎", "🤷"), "👍"),
        ("a−", ("A+", "A", "A-"), "A-"),
        ("这是一个退款请求。", ("退款", "订单"), "退款"),
        ("これは返金の依頼です", ("返金", "注文"), "返金"),
        ("Cafe\u0301.", ("Café", "Cafe"), "Café"),
        ("Ｃ＋＋", ("C", "C++", "C#"), "C++"),
        ("it is about card arrival", ("card", "card arrival"), "card arrival"),
        ("it is about my card", ("card", "card arrival"), "card"),
        ("I'd say not urgent", ("urgent", "not urgent"), "not urgent"),
    ],
)
def test_labels_of_every_kind_are_read_as_they_stand(raw: str, names: tuple[str, ...], label: str) -> None:
    assert parse_answer(raw, names).labels == (label,)


@pytest.mark.parametrize(
    ("raw", "names"),
    [
        ("It is hard to tell", ("IT", "HR")),
        ("It may be either", ("May", "June")),
        ("This is a message", ("A", "B")),
        ("It is neither order nor refund.", SHOP),
        ("This does not look like order.", SHOP),
        ("order: no", SHOP),
        ("这不是退款", ("退款", "订单")),
        ("これは返金ではない", ("返金", "注文")),
        ("C-", ("A+", "C", "C++")),
        ("1", ("-1", "0")),
        ("18+", ("18", "12")),
    ],
)
def test_nothing_is_guessed(raw: str, names: tuple[str, ...]) -> None:
    assert parse_answer(raw, names).labels == ()


@pytest.mark.parametrize(
    "raw", ["<think>order", "Hm, order?</think>", "[THINK] order is best", "<thinking>order</thinking><think>refund"]
)
def test_unfinished_reasoning_is_no_answer(raw: str) -> None:
    assert parse_answer(raw, SHOP).problem == "its reasoning is not followed by an answer"
    assert parse_labels(raw, SHOP, 2).problem == "its reasoning is not followed by an answer"


def test_a_label_called_none_is_known_before_the_word_for_no_label() -> None:
    assert parse_labels("none", ("none", "all"), 2).labels == ("none",)
    assert parse_labels('["none"]', ("none", "all"), 2).labels == ("none",)
    assert parse_labels("[]", ("none", "all"), 2) == parse_labels("no labels", ("none", "all"), 2)
    assert parse_labels('Sure: ["all"]', ("none", "all"), 2).labels == ("all",)
    assert parse_labels('["a", "b"]', ("a", "b", "a b"), 3).labels == ("a", "b")
    assert parse_labels("a b", ("a", "b", "a b"), 3).labels == ("a b",)


@given(st.text())
def test_no_label_is_made_up(raw: str) -> None:
    parsed = parse_answer(raw, NAMES)
    assert parsed.valid == (len(parsed.labels) == 1)
    assert set(parsed.labels) <= set(NAMES)


def check_every_label(names: tuple[str, ...]) -> None:
    form, listed = form_of(task_of(names)), form_of(task_of(names, max_labels=len(names)))
    for name in names:
        written = form.write([name])
        assert form.parse(name).labels == (name,)
        assert form.parse(written).labels == (name,)
        assert form.parse(f" {name}\n").labels == (name,)
        assert form.parse(json.dumps({"label": written, "confidence": 0.9})).labels == (name,)
        assert form.parse(json.dumps({"label": written}, ensure_ascii=False)).labels == (name,)
        assert listed.parse(listed.write([name])).labels == (name,)
        assert listed.parse(json.dumps({"labels": [written]})).labels == (name,)
    assert listed.parse(listed.write(names)).labels == names


@pytest.mark.parametrize("names", LABEL_SETS)
def test_the_exact_text_of_a_label_is_that_label(names: tuple[str, ...]) -> None:
    check_every_label(names)


TRICKY = st.text(st.sampled_from("aAbB+-#_ .,:!?\"'[]{}*नका👍👎é\u0301\u200d退款１1"), min_size=1, max_size=5)
LABEL = st.one_of(TRICKY, st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8))


@settings(deadline=None, max_examples=50)
@given(st.lists(LABEL, min_size=2, max_size=5, unique=True).map(tuple))
def test_the_exact_text_of_any_accepted_label_is_that_label(names: tuple[str, ...]) -> None:
    assume(unanswerable(task_of(names)) is None and unanswerable(task_of(names, len(names))) is None)
    check_every_label(names)


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (("order", "order\u200b"), r"the labels 'order' and 'order\\u200b' look the same"),
        (("Caf\u00e9", "Cafe\u0301"), "look the same"),
        (("two words", "two  words"), "look the same"),
        (("order", "\u200b"), "shows nothing"),
        (("order", "re\x07fund"), "control character"),
    ],
)
def test_labels_that_nothing_tells_apart_are_refused_in_one_line(names: tuple[str, ...], words: str) -> None:
    with pytest.raises(BenchError, match=words) as caught:
        form_of(task_of(names))
    assert "\n" not in str(caught.value)


def test_a_label_that_is_the_answer_for_none_is_refused_where_there_may_be_none() -> None:
    assert form_of(task_of(("[]", "a"))).parse("[]").labels == ("[]",)
    assert "would be read as" in str(unanswerable(task_of(('["a"]', "a"), 2)))
    assert "without labels" in str(unanswerable(task_of(("[]", "a"), 2)))
