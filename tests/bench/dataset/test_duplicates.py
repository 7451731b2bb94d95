"""Which messages count as duplicates, in every script and without any word."""

from __future__ import annotations

import pytest

from bench.dataset.duplicates import duplicate_groups, words
from classifiers.interface import Message


def groups(*texts: str, similarity: float = 0.8) -> list[list[int]]:
    messages = [Message(str(i), text, ("x",)) for i, text in enumerate(texts)]
    return [[int(id_) for id_ in group] for group in duplicate_groups(messages, similarity)]


def test_exact_copies_and_texts_of_the_same_words_are_duplicates() -> None:
    assert groups("Where is it?", "no", "where IS it", "is it where!") == [[0, 2, 3]]


def test_near_duplicates_are_joined_by_way_of_others() -> None:
    # neighbours share 39 of 41 words (0.95), the ends 38 of 42 (0.905)
    first, middle, last = (" ".join(f"w{i}" for i in range(start, start + 40)) for start in (0, 1, 2))
    assert groups(first, middle, last, "something else", similarity=0.92) == [[0, 1, 2]]
    assert groups(first, last, "something else", similarity=0.92) == []


@pytest.mark.parametrize("text", ["👍", "?!", "...", "❤️ ❤️"])
def test_messages_without_a_word_are_duplicates_where_they_are_equal(text: str) -> None:
    assert groups(text, "👎", f" {text} ", "?", "hello") == [[0, 2]]


def test_texts_without_spaces_are_compared_by_pairs_of_characters() -> None:
    long = "私は先週この店で青い靴を買いましたがまだ届いていませんので確認してください"
    assert words("青い靴") == ("い靴", "青い")
    assert groups(long, long + "。", "返金してほしいです", long.replace("青い", "赤い")) == [[0, 1, 3]]


def test_no_duplicates_are_no_groups() -> None:
    assert groups("one", "two", "three") == []
