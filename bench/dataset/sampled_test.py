"""Take a part of a large test part, so that slow rows can answer all that others answer.

The sample is the same for every row, seed and machine, and keeps the shares of the labels. What is left out is in no
part: nobody learns from it.
"""

from __future__ import annotations

from dataclasses import replace

from bench.config.tables import SplitConfig
from bench.dataset.load import LoadedTask
from bench.dataset.split import Split
from classifiers.sampling import stratified_sample

SAMPLE_SEED = 0
"""The same in all runs, so that runs with other seeds are scored on the same messages."""


def with_sampled_test(loaded: LoadedTask, split: Split, config: SplitConfig) -> tuple[LoadedTask, Split]:
    """Leave out the test messages beyond `max_test`, and say so; everything as it is where there are no more."""
    test = split.select(loaded.messages, "test")
    if config.max_test is None or len(test) <= config.max_test:
        return loaded, split
    kept = {message.id for message in stratified_sample(test, config.max_test, SAMPLE_SEED)}
    messages = tuple(m for m in loaded.messages if split.parts[m.id] != "test" or m.id in kept)
    warning = f"{len(kept):,} of {len(test):,} test messages were sampled by label; max_test under [split] takes more"
    parts = {message.id: split.parts[message.id] for message in messages}
    n_left_out = loaded.n_left_out + len(test) - len(kept)
    return replace(loaded, messages=messages, n_left_out=n_left_out), Split(parts, (*split.warnings, warning))
