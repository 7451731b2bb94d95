"""Reasoning is told from the answer, whichever of its tags are there."""

from __future__ import annotations

import pytest

from classifiers.llm.prompting.reasoning import Reasoned, closing_of, is_open, opening_in, split_reasoning


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


@pytest.mark.parametrize(
    ("template", "opening", "closing"),
    [
        ("{{ content.split('</think>')[-1] }}<|assistant|>", "<think>", "</think>"),
        ("{{ role }}[THINK]", "[THINK]", "[/THINK]"),
        ("{{ role }}: {{ content }}", None, None),
    ],
)
def test_a_template_tells_by_its_tags_how_its_model_reasons(
    template: str, opening: str | None, closing: str | None
) -> None:
    assert opening_in(template) == opening
    assert (closing_of(opening) if opening else None) == closing


@pytest.mark.parametrize(
    ("text", "expected"),
    [("assistant\n<think>\n", True), ("<think>\n\n</think>\n\n", False), ("assistant\n", False)],
)
def test_reasoning_is_open_behind_an_opening_tag_without_its_closing(text: str, expected: bool) -> None:
    assert is_open(text) == expected
