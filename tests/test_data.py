"""What the shipped messages promise: enough of them, none alike, neither trivial nor hopeless."""

from __future__ import annotations

import csv
import re
from collections import Counter
from itertools import combinations

import pytest
from conftest import CUSTOMER_MESSAGES

from bench.config.tables import DataConfig, SplitConfig
from bench.dataset.load import LoadedTask, load_task
from bench.dataset.split import make_split
from classifiers.linear import Linear

KINDS = {
    "negation", "sarcasm", "two_intents", "borrowed_words", "typos", "all_caps", "other_language", "very_long",
    "near_empty", "prompt_injection",
}  # fmt: skip


@pytest.fixture(scope="module")
def loaded() -> LoadedTask:
    return load_task(DataConfig(path=str(CUSTOMER_MESSAGES)))


@pytest.fixture(scope="module")
def challenge() -> list[dict[str, str]]:
    with (CUSTOMER_MESSAGES / "challenge.csv").open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def words(text: str) -> frozenset[str]:
    return frozenset(re.findall(r"\w+", text.casefold()))


def test_there_are_enough_messages_of_every_label(loaded: LoadedTask) -> None:
    counts = Counter(m.label for m in loaded.messages)
    assert set(counts) == {"Refund Request", "Order Inquiry", "General Feedback"}
    assert min(counts.values()) >= 400
    assert len(loaded.messages) >= 1200
    assert all(label.definition for label in loaded.task.labels)


def test_messages_have_three_to_sixty_words(loaded: LoadedTask) -> None:
    lengths = [len(m.text.split()) for m in loaded.messages]
    assert (min(lengths), max(lengths)) >= (3, 40)
    assert max(lengths) <= 60


def test_no_two_messages_are_alike(loaded: LoadedTask, challenge: list[dict[str, str]]) -> None:
    sets = [(m.id, words(m.text)) for m in loaded.messages]
    sets += [(row["text"], words(row["text"])) for row in challenge if words(row["text"])]
    sets.sort(key=lambda named: len(named[1]))
    # sets of very unlike sizes cannot be alike, and are most of a million pairs
    near = (pair for pair in combinations(sets, 2) if len(pair[0][1]) > 0.7 * len(pair[1][1]))
    assert [(a, b) for (a, x), (b, y) in near if len(x & y) > 0.7 * len(x | y)] == []


def test_a_linear_classifier_is_neither_perfect_nor_lost(loaded: LoadedTask) -> None:
    split = make_split(loaded, SplitConfig(), 0)
    train, test = (split.select(loaded.messages, part) for part in ("train", "test"))
    linear = Linear()
    linear.fit(loaded.task, train, split.select(loaded.messages, "validation"))
    answers = linear.predict([m.text for m in test])
    accuracy = sum(p.labels == m.labels for p, m in zip(answers, test, strict=True)) / len(test)
    assert 0.80 <= accuracy <= 0.95


def test_tail_split_measures_refund_requests_alone_as_in_the_post(loaded: LoadedTask) -> None:
    split = make_split(loaded, SplitConfig(method="tail"), 0)
    assert {m.label for m in split.select(loaded.messages, "test")} == {"Refund Request"}
    assert any("holds only Refund Request" in warning for warning in split.warnings)


def test_challenge_has_every_kind_and_label(challenge: list[dict[str, str]], loaded: LoadedTask) -> None:
    assert len(challenge) >= 150
    assert {row["kind"] for row in challenge} == KINDS
    for kind in KINDS:
        assert {row["label"] for row in challenge if row["kind"] == kind} == set(loaded.task.label_names)
    assert not {row["text"] for row in challenge} & {m.text for m in loaded.messages}, "never trained on"
