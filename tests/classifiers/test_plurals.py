"""A number and its noun agree."""

from __future__ import annotations

import pytest

from classifiers.plurals import number_of


@pytest.mark.parametrize(
    ("n", "text"),
    [(0, "0 messages"), (1, "1 message"), (2, "2 messages"), (1234, "1,234 messages"), (1.2, "1 message")],
)
def test_a_number_and_its_noun_agree(n: float, text: str) -> None:
    assert number_of(n, "message") == text
