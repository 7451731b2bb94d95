"""A sample of a sorted file has every label in its share, and is the beginning of every larger sample."""

from __future__ import annotations

from collections import Counter

from classifiers.interface import Message
from classifiers.sampling import stratified_sample


def of_labels(**counts: int) -> list[Message]:
    return [Message(f"{label}:{i}", f"{label} {i}", (label,)) for label, n in counts.items() for i in range(n)]


def test_a_sorted_file_is_sampled_from_every_label_in_its_share() -> None:
    messages = of_labels(a=1000, b=1000, c=1000)
    drawn = Counter(m.label for m in stratified_sample(messages, 200, seed=0))
    assert sorted(drawn.values()) in ([66, 67, 67], [66, 66, 68])
    skewed = Counter(m.label for m in stratified_sample(of_labels(a=900, b=100), 100, seed=3))
    assert abs(skewed["b"] - 10) <= 1


def test_a_smaller_sample_begins_every_larger_one_and_seeds_differ() -> None:
    messages = of_labels(a=30, b=5, c=1)
    whole = stratified_sample(messages, 99, seed=1)
    assert [stratified_sample(messages, n, seed=1) for n in (0, 1, 7)] == [whole[:0], whole[:1], whole[:7]]
    assert sorted(m.id for m in whole) == sorted(m.id for m in messages)
    assert stratified_sample(messages, 7, seed=2) != whole[:7]


def test_no_message_is_likelier_than_another() -> None:
    messages = of_labels(a=8, b=2)
    drawn = Counter(m.id for seed in range(2000) for m in stratified_sample(messages, 3, seed=seed))
    # 3 of 10: 600 of 2,000 draws each, with a standard deviation of 20
    assert all(500 < drawn[m.id] < 700 for m in messages)


def test_messages_without_labels_are_drawn_at_random() -> None:
    messages = [Message(str(i), str(i), ()) for i in range(100)]
    drawn = [int(m.id) for m in stratified_sample(messages, 50, seed=0)]
    assert len(set(drawn)) == 50
    assert drawn != sorted(drawn)
