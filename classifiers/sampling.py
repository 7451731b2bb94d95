"""Draw some messages of many: seeded and stratified, never the first ones of a file, which often have one label.

And number the groups that messages come in, so that whole groups can be drawn or held out.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Hashable, Sequence

from classifiers.interface import Message


def group_numbers(messages: Sequence[Message]) -> list[int]:
    """Return a number per message that those of one group share, counted from 0 as they come; who has none is alone."""
    numbers: dict[Hashable, int] = {}
    return [numbers.setdefault(message.group or (message.id,), len(numbers)) for message in messages]


def stratified_sample(messages: Sequence[Message], n: int, seed: int) -> list[Message]:
    """Return n messages whose label sets are as frequent as in all of them, in an order that mixes the labels.

    Systematic sampling: the messages of a label set, shuffled, are spread evenly over [0, 1) from a random start, and
    those with the smallest places are taken. So a smaller sample is the beginning of every larger one of the same
    seed, and no message is likelier than another to be drawn.

    Args:
        messages: what is drawn from; without labels (none known) it is a plain random sample.
        n: how many; all of them, in the sample's order, where there are no more.
        seed: of the draw.
    """
    rng = random.Random(seed)
    strata: dict[tuple[str, ...], list[Message]] = defaultdict(list)
    for message in rng.sample(list(messages), len(messages)):
        strata[tuple(sorted(message.labels))].append(message)
    places: list[tuple[float, int, Message]] = []
    for labels in sorted(strata):
        stratum, start = strata[labels], rng.random()
        places += [((i + start) / len(stratum), len(places) + i, m) for i, m in enumerate(stratum)]
    return [message for _, _, message in sorted(places, key=lambda place: place[:2])[: max(n, 0)]]
