"""Reasoning is told from the answer, whichever of its tags are there."""

from __future__ import annotations

import pytest

from classifiers.llm.prompting.reasoning import Reasoned, split_reasoning


@pytest.mark.parametrize(
    ("raw", "reasoning", "answer"),
    [
        ("Refund", "", "Refund"),
        ("<think>hm</think> Refund", "<think>hm</think>", "Refund"),
        ("hm</think>\nRefund", "hm</think>", "Refund"),
        ("<THINKING>hm</THINKING>[THINK]x[/THINK]Refund", "<THINKING>hm</THINKING>[THINK]x[/THINK]", "Refund"),
        ("<think>without end", "<think>without end", ""),
        ("Refund <think>or", "Refund <think>or", ""),
    ],
)
def test_reasoning_is_told_apart(raw: str, reasoning: str, answer: str) -> None:
    assert split_reasoning(raw) == Reasoned(reasoning, answer)
    assert split_reasoning(raw).is_unfinished == (not answer)
