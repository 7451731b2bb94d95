"""Answers as models really write them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from classifiers.llm.prompting.parse import parse_answer, thinking_in

NAMES = ("Refund Request", "Order Inquiry", "General Feedback")


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
        ("The answer is: order inquiry", "Order Inquiry"),
        ('{"label": "General Feedback"}', "General Feedback"),
        ('{"label": ["General Feedback"], "confidence": 0.9}', "General Feedback"),
        ('```json\n{"category": "order inquiry"}\n```', "Order Inquiry"),
        ('["Order Inquiry"]', "Order Inquiry"),
        ("I would say this is a refund request, since money is wanted.", "Refund Request"),
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
        ("<think>Refund Request", "it was empty"),
        ("I am sorry to hear that.", "it names none of the labels"),
        ("refund", "it names none of the labels"),
        ("Refund Request or Order Inquiry", "it names 2 labels (Refund Request, Order Inquiry)"),
        ('{"label": ["Refund Request", "Order Inquiry"]}', "it names 2 labels (Refund Request, Order Inquiry)"),
        ("This is not a refund request.", "it names none of the labels"),
        ("Prerefund requests", "it names none of the labels"),
    ],
)
def test_answer_is_refused_with_its_problem(raw: str, problem: str) -> None:
    parsed = parse_answer(raw, NAMES)
    assert (parsed.labels, parsed.problem, parsed.valid) == ((), problem, False)


def test_longer_label_hides_the_one_inside_it() -> None:
    names = ("card", "card arrival")
    assert parse_answer("it is about card arrival", names).labels == ("card arrival",)
    assert parse_answer("it is about my card", names).labels == ("card",)


@given(st.text())
def test_no_label_is_made_up(raw: str) -> None:
    parsed = parse_answer(raw, NAMES)
    assert parsed.valid == (len(parsed.labels) == 1)
    assert set(parsed.labels) <= set(NAMES)


@pytest.mark.parametrize(
    ("raw", "thought"),
    [
        ("Refund Request", ""),
        ("<think>hm</think>Refund Request", "<think>hm</think>"),
        ("<think>without end", "<think>without end"),
    ],
)
def test_thinking_is_told_apart(raw: str, thought: str) -> None:
    assert thinking_in(raw) == thought
