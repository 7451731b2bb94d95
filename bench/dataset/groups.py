"""Divide messages by their groups, such as customers: all messages of one group are in one part.

A classifier that has learnt one customer's words also knows that customer's other messages, so a test on those promises
more than new customers will see.
"""

from __future__ import annotations

import warnings
from collections import Counter, defaultdict
from collections.abc import Collection, Hashable, Mapping, Sequence
from fractions import Fraction

from bench.dataset.parts import Part
from classifiers.errors import BenchError
from classifiers.interface import Message
from classifiers.plurals import number_of
from classifiers.sampling import group_numbers

MAX_FOLDS = 20
"""A share of the messages is drawn as a number of so many folds at most."""
MAX_LISTED = 10
"""Labels that an error text names."""


def group_of(message: Message) -> Hashable:
    """Return what tells a message's group from others; one without a group is alone."""
    return message.group or (message.id,)


def are_grouped(messages: Sequence[Message]) -> bool:
    """Tell whether any two messages are of one group."""
    return len({group_of(message) for message in messages}) < len(messages)


def check_groups(messages: Sequence[Message], needed: int) -> None:
    """See that there are as many groups, and of every label messages in as many, as there are parts to fill.

    Raises:
        BenchError: naming how many there are, or all labels with too few.
    """
    groups = {group_of(message) for message in messages}
    if len(groups) < needed:
        raise BenchError(
            f"[data] group: {number_of(len(groups), 'group')} cannot fill {needed} parts, as a group stays together; "
            "add messages of other groups, or leave `group` out"
        )
    by_label: dict[str, set[Hashable]] = defaultdict(set)
    for message in messages:
        for label in message.labels:
            by_label[label].add(group_of(message))
    rare = sorted((len(members), label) for label, members in by_label.items() if len(members) < needed)
    if rare:
        shown = ", ".join(f"'{label}' ({n})" for n, label in rare[:MAX_LISTED])
        more = f" and {len(rare) - MAX_LISTED} more" if len(rare) > MAX_LISTED else ""
        raise BenchError(f"every label needs messages of {needed} groups or more to be split by group: {shown}{more}")


def draw_groups(messages: Sequence[Message], share: float, seed: int) -> tuple[list[Message], list[Message]]:
    """Draw about a share of the messages, whole groups and by label as far as these allow; return the rest, and them.

    Of scikit-learn's stratified group folds those are drawn that leave the fewest labels out of either side, and of
    such the ones whose number of messages is nearest to the share.

    Raises:
        BenchError: if one group holds so much that nothing is left for the other side.
    """
    folds, n_drawn = _folds(messages, share, seed)
    present = [{label for i in fold for label in messages[i].labels} for fold in folds]

    def loss(drawn: frozenset[int]) -> tuple[int, float]:
        on_a_side = {(i in drawn, label) for i, labels in enumerate(present) for label in labels}
        n = sum(len(folds[i]) for i in drawn)
        return -len(on_a_side), abs(n / len(messages) - share)

    turns = (frozenset((start + i) % len(folds) for i in range(n_drawn)) for start in range(len(folds)))
    drawn = {i for fold in min(turns, key=loss) for i in folds[fold]}
    if len(drawn) in (0, len(messages)):
        raise BenchError("[data] group: one group holds nearly all messages, so that they cannot be divided by group")
    kept, taken = ([m for i, m in enumerate(messages) if (i in drawn) == side] for side in (False, True))
    return kept, taken


def _folds(messages: Sequence[Message], share: float, seed: int) -> tuple[list[list[int]], int]:
    """Return folds of places, and how many of them make up a share as nearly as so few can."""
    from sklearn.model_selection import StratifiedGroupKFold

    groups = group_numbers(messages)
    counts = Counter(label for message in messages for label in message.labels)
    rarest = [min(m.labels, key=lambda label: (counts[label], label), default="") for m in messages]
    most = min(MAX_FOLDS, len(set(groups)), max(Counter(rarest).values()))
    if most < 2:
        raise BenchError("[data] group: there are too few groups to be divided; leave `group` out")
    size = min(max(Fraction(share).limit_denominator(most), Fraction(1, most)), 1 - Fraction(1, most))
    with warnings.catch_warnings():  # that a label has fewer messages than there are folds
        warnings.simplefilter("ignore", UserWarning)
        divider = StratifiedGroupKFold(size.denominator, shuffle=True, random_state=seed)
        return [held_out.tolist() for _, held_out in divider.split(rarest, rarest, groups)], size.numerator


def group_by_group(messages: Sequence[Message]) -> list[Message]:
    """Return messages with those of one group together, the groups in the order of their first messages."""
    numbers = group_numbers(messages)
    return [messages[i] for i in sorted(range(len(messages)), key=numbers.__getitem__)]


def whole_groups(messages: Sequence[Message], ids: Collection[str]) -> set[str]:
    """Return the ids of all messages of the groups that some messages belong to."""
    groups = {group_of(message) for message in messages if message.id in ids}
    return {message.id for message in messages if group_of(message) in groups}


def across_parts(messages: Sequence[Message], parts: Mapping[str, Part]) -> list[str]:
    """Return the groups whose messages are in several parts."""
    parts_of: dict[str, set[Part]] = defaultdict(set)
    for message in messages:
        if message.group:
            parts_of[message.group].add(parts[message.id])
    return [group for group, places in parts_of.items() if len(places) > 1]
