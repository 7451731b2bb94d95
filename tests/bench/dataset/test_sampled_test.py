"""A large test part is sampled by label, the same way in every run, and what is left out is in no part."""

from __future__ import annotations

from collections import Counter

from bench.config.tables import SplitConfig
from bench.dataset.load import LoadedTask
from bench.dataset.sampled_test import with_sampled_test
from bench.dataset.split import make_split
from classifiers.interface import Label, Message, Task


def loaded() -> LoadedTask:
    """Return 100 training and 100 test messages, three of four with the label `much`."""
    messages = [Message(f"{i:03d}", f"text {i}", ("rare" if i % 4 == 0 else "much",)) for i in range(200)]
    parts = {m.id: "test" if int(m.id) >= 100 else "train" for m in messages}
    return LoadedTask(Task("t", (Label("much"), Label("rare"))), tuple(messages), parts)  # type: ignore[arg-type]


def test_the_sample_keeps_the_shares_of_labels_and_says_how_many_there_were() -> None:
    config = SplitConfig(max_test=20, validation=0.0)
    before = loaded()
    split = make_split(before, config, 0)
    after, sampled = with_sampled_test(before, split, config)
    test = sampled.select(after.messages, "test")
    assert Counter(m.label for m in test) == {"much": 15, "rare": 5}
    assert len(sampled.select(after.messages, "train")) == 100
    assert set(sampled.parts) == {m.id for m in after.messages}
    assert sampled.warnings[-1].startswith("20 of 100 test messages were sampled by label")


def test_every_seed_of_a_run_is_scored_on_the_same_messages() -> None:
    config = SplitConfig(max_test=20)
    before = loaded()
    drawn = [with_sampled_test(before, make_split(before, config, seed), config) for seed in (0, 7)]
    first, second = ([m.id for m in split.select(task.messages, "test")] for task, split in drawn)
    assert first == second


def test_a_small_test_part_stays_as_it_is() -> None:
    config = SplitConfig(max_test=100)
    before = loaded()
    split = make_split(before, config, 0)
    assert with_sampled_test(before, split, config) == (before, split)
