"""Divide messages into train, validation and test before anything is trained, and say what is odd.

Duplicates across parts let a classifier be tested on what it learnt by heart, so they are found first and moved to one
part, or reported where the parts are given or messages come in groups (`bench.dataset.groups`).
"""

from __future__ import annotations

import hashlib
import json
import math
import random
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.config.tables import SplitConfig
from bench.dataset.duplicates import duplicate_groups
from bench.dataset.groups import across_parts, are_grouped, check_groups, draw_groups, group_by_group, whole_groups
from bench.dataset.load import LoadedTask
from bench.dataset.parts import PARTS, Part
from classifiers.errors import BenchError
from classifiers.interface import Message
from classifiers.plurals import number_of

TAIL_SHARE = 0.1
MAX_LISTED = 10
"""Labels that an error text names."""


@dataclass(frozen=True, slots=True)
class Split:
    """The part of every message, by id, and what a reader must be warned of."""

    parts: dict[str, Part]
    warnings: tuple[str, ...] = ()

    @property
    def fingerprint(self) -> str:
        """Return a hash of which message is in which part, 16 hexadecimal digits."""
        return hashlib.sha256(json.dumps(sorted(self.parts.items())).encode()).hexdigest()[:16]

    def select(self, messages: Sequence[Message], part: Part) -> list[Message]:
        """Return the messages of a part, in the task's order."""
        return [m for m in messages if self.parts[m.id] == part]


def make_split(loaded: LoadedTask, config: SplitConfig, seed: int) -> Split:
    """Divide a task's messages.

    Methods: `stratified` by label set with a seed; `tail`, the last 10 % of the task's order as
    test, as in the blog post's code; `files`, the data set's own parts (the default where it has them).
    What is drawn is drawn by whole groups where messages have such.

    Raises:
        BenchError: if there are too few messages, or no parts for `files`, or duplicates leave a part empty.
    """
    method = config.method or ("files" if loaded.parts else "stratified")
    messages = loaded.messages
    _check_enough(messages, method, config)
    if method == "files":
        drawn = _by_files(loaded, config, seed)
    elif method == "tail":
        drawn = _by_tail(messages, config, seed)
    else:
        drawn = _by_chance(messages, config, seed)
    pinned = whole_groups(messages, _pinned(messages, config))
    drawn |= dict.fromkeys(pinned, "test")
    groups = duplicate_groups(messages, config.similarity)
    may_move = config.duplicates == "move" and not are_grouped(messages)  # a message alone would leave its group
    movable = _movable(loaded, method) if may_move else set()
    parts = drawn | _moved(groups, drawn, movable, pinned)
    _check_filled(drawn, parts)
    duplicates = _duplicate_warnings(groups, drawn, parts)
    others = (*_group_warnings(messages, parts), *_label_warnings(loaded, parts, method))
    return Split(parts, (*loaded.warnings, *duplicates, *others))


def _check_enough(messages: Sequence[Message], method: str, config: SplitConfig) -> None:
    needed = len(PARTS) if config.validation else len(PARTS) - 1
    if len(messages) < needed:
        few = number_of(len(messages), "message")
        raise BenchError(f"{few} cannot fill {needed} parts; at least {needed} per label are needed")
    if method == "tail" and are_grouped(messages):
        raise BenchError("[data] group: split method 'tail' would divide a group; use 'stratified', or leave it out")
    if method == "stratified":
        _check_labels_have(messages, needed)
        if are_grouped(messages):
            check_groups(messages, needed)


def _check_labels_have(messages: Sequence[Message], needed: int) -> None:
    """Name all labels with fewer messages than needed at once, the rarest first."""
    counts = Counter(label for m in messages for label in m.labels)
    rare = sorted((n, label) for label, n in counts.items() if n < needed)
    if rare:
        shown = ", ".join(f"'{label}' ({n})" for n, label in rare[:MAX_LISTED])
        more = f" and {len(rare) - MAX_LISTED} more" if len(rare) > MAX_LISTED else ""
        raise BenchError(f"every label needs {needed} messages or more to be split; too few: {shown}{more}")


def _movable(loaded: LoadedTask, method: str) -> set[str]:
    """Return the ids of messages whose part was drawn, not given by the data set or by their order."""
    if method == "stratified":
        return {m.id for m in loaded.messages}
    if method == "files" and loaded.parts:
        return {id_ for id_, part in loaded.parts.items() if part == "train"}
    return set()


def _moved(
    groups: Sequence[Sequence[str]], parts: Mapping[str, Part], movable: set[str], pinned: set[str]
) -> dict[str, Part]:
    """Put duplicates that lie across parts into one of them.

    That is training, so that what remains in test is new to everyone; test, where one of them is pinned.
    """
    moved: dict[str, Part] = {}
    for group in groups:
        drawn = [id_ for id_ in group if id_ in movable]
        if len({parts[id_] for id_ in drawn}) > 1:
            moved |= dict.fromkeys(drawn, "test" if pinned & set(group) else "train")
    return moved


def _check_filled(drawn: Mapping[str, Part], parts: Mapping[str, Part]) -> None:
    """See that there is something left to learn from and to test on, whatever was pinned or moved."""
    if "train" not in drawn.values():
        raise BenchError("no message is left to learn from: all are pinned to test, or belong to a group that is")
    for part in ("train", "test"):
        if part in drawn.values() and part not in parts.values():
            n = sum(drawn[id_] == part for id_ in drawn)
            raise BenchError(
                f"the {part} part is left empty: {number_of(n, 'message')} drawn for it, all exact or near duplicates "
                'of others; add messages that differ, or give [split] duplicates = "report"'
            )


def _by_chance(messages: Sequence[Message], config: SplitConfig, seed: int) -> dict[str, Part]:
    rest, test = _stratified(messages, config.test, seed)
    train, validation = _stratified(rest, config.validation / (1 - config.test), seed)
    drawn: dict[str, Part] = dict.fromkeys((m.id for m in test), "test")
    drawn |= dict.fromkeys((m.id for m in validation), "validation")
    drawn |= dict.fromkeys((m.id for m in train), "train")
    return {m.id: drawn[m.id] for m in messages}


def _stratified(messages: Sequence[Message], share: float, seed: int) -> tuple[list[Message], list[Message]]:
    """Draw a share of the messages by label, or one message per label where the share is less."""
    from sklearn.model_selection import train_test_split

    if not share:
        return list(messages), []
    if are_grouped(messages):
        return draw_groups(messages, share, seed)
    if any(len(m.labels) != 1 for m in messages):
        return _stratified_by_sets(messages, share, seed)
    _check_labels_have(messages, 2)
    strata = [json.dumps(m.labels) for m in messages]
    n_labels = len(set(strata))
    size = share if math.ceil(share * len(messages)) >= n_labels else n_labels
    try:
        kept, taken = train_test_split(list(messages), test_size=size, random_state=seed, stratify=strata)
    except ValueError as error:
        few = number_of(len(messages), "message")
        raise BenchError(f"too few to split by label: {few} ({error}); add messages") from error
    return kept, taken


def _stratified_by_sets(messages: Sequence[Message], share: float, seed: int) -> tuple[list[Message], list[Message]]:
    """Divide so that every label, and no label, has its share in both parts (iterative stratification).

    Sechidis, Tsoumakas & Vlahavas 2011; label sets are too many to draw from each of them.
    """
    import numpy as np
    from iterstrat.ml_stratifiers import MultilabelStratifiedShuffleSplit

    names = sorted({label for m in messages for label in m.labels})
    rows = np.array([[*(name in m.labels for name in names), not m.labels] for m in messages], dtype=int)
    divider = MultilabelStratifiedShuffleSplit(n_splits=1, test_size=share, random_state=seed)
    kept, taken = next(divider.split(rows, rows))
    return [messages[i] for i in sorted(kept)], [messages[i] for i in sorted(taken)]


def _by_tail(messages: Sequence[Message], config: SplitConfig, seed: int) -> dict[str, Part]:
    """Take the end of the concatenated files as test; validation is drawn from the rest at random."""
    cut = len(messages) - max(1, round(len(messages) * TAIL_SHARE))
    parts: dict[str, Part] = {m.id: "train" if i < cut else "test" for i, m in enumerate(messages)}
    return parts | _drawn_validation(messages[:cut], config, seed)


def _by_files(loaded: LoadedTask, config: SplitConfig, seed: int) -> dict[str, Part]:
    """Take the data set's parts; a missing validation or test part is drawn from its training part."""
    if not loaded.parts:
        raise BenchError("split method 'files' needs a data set with parts of its own; use 'stratified'")
    parts = {m.id: loaded.parts[m.id] for m in loaded.messages}
    train = [m for m in loaded.messages if parts[m.id] == "train"]
    if "test" not in parts.values():
        return parts | _by_chance(train, config, seed)
    return parts if "validation" in parts.values() else parts | _drawn_validation(train, config, seed)


def _drawn_validation(messages: Sequence[Message], config: SplitConfig, seed: int) -> dict[str, Part]:
    return dict.fromkeys((m.id for m in _stratified(messages, config.validation, seed)[1]), "validation")


def first_per_label(messages: Sequence[Message], k: int, seed: int) -> list[Message]:
    """Draw k messages per label by seed, group after group; a smaller draw is part of every larger one.

    A message of several labels is drawn where it is among the first k of any of them.
    """
    shuffled = first_messages(messages, len(messages), seed)
    seen: Counter[str] = Counter()
    drawn = []
    for message in shuffled:
        kinds = message.labels or ("",)
        seen.update(kinds)
        if min(seen[kind] for kind in kinds) <= k:
            drawn.append(message)
    return drawn


def first_messages(messages: Sequence[Message], n: int, seed: int) -> list[Message]:
    """Draw n messages by seed without a look at their labels; a smaller draw is the beginning of every larger one.

    The messages of a group come one after another, as they do where people label whole conversations.
    """
    return group_by_group(random.Random(seed).sample(list(messages), len(messages)))[:n]


def _pinned(messages: Sequence[Message], config: SplitConfig) -> set[str]:
    if config.pinned is None:
        return set()
    try:
        lines = Path(config.pinned).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise BenchError(f"{config.pinned}: the file of pinned messages cannot be read: {error}") from error
    ids = {m.text: m.id for m in messages} | {m.id: m.id for m in messages}
    for number, line in enumerate(lines, start=1):
        if line.strip() and line.strip() not in ids:
            raise BenchError(f"{config.pinned}:{number}: no message has this text or id")
    return {ids[line.strip()] for line in lines if line.strip()}


def _duplicate_warnings(
    groups: Sequence[Sequence[str]], drawn: Mapping[str, Part], parts: Mapping[str, Part]
) -> Iterator[str]:
    across = [group for group in groups if len({drawn[id_] for id_ in group}) > 1]
    left = [group for group in across if len({parts[id_] for id_ in group}) > 1]
    moved = [group for group in across if len({parts[id_] for id_ in group}) == 1]
    if moved:
        yield f"{_groups(moved)}; each is now in one part{_shrinkage(drawn, parts)} ({_examples(moved)})"
    if left:
        yield f"{_groups(left)}, and nothing was moved: scores may flatter classifiers that learn ({_examples(left)})"


def _group_warnings(messages: Sequence[Message], parts: Mapping[str, Part]) -> Iterator[str]:
    if across := across_parts(messages, parts):
        shown = ", ".join(across[:3]) + (" …" if len(across) > 3 else "")
        yield (
            f"{number_of(len(across), 'group')} with messages in several parts, as the data set divides them "
            f"({shown}): scores may flatter classifiers that learn"
        )


def _groups(groups: Sequence[Sequence[str]]) -> str:
    return f"{number_of(len(groups), 'group')} of exact or near duplicates lay across parts"


def _examples(groups: Sequence[Sequence[str]]) -> str:
    return "; ".join(" = ".join(group[:3]) for group in groups[:3])


def _shrinkage(drawn: Mapping[str, Part], parts: Mapping[str, Part]) -> str:
    """Say which parts became smaller: `: test from 12 to 9 messages`."""
    before, after = Counter(drawn.values()), Counter(parts.values())
    smaller = [part for part in PARTS if after[part] < before[part]]
    changed = [f"{part} from {before[part]} to {number_of(after[part], 'message')}" for part in smaller]
    return f": {', '.join(changed)}" if changed else ""


def _label_warnings(loaded: LoadedTask, parts: dict[str, Part], method: str) -> Iterator[str]:
    for part in PARTS:
        if part not in parts.values():
            continue
        present = {label for m in loaded.messages if parts[m.id] == part for label in m.labels}
        missing = [name for name in loaded.task.label_names if name not in present]
        if part == "test" and method == "tail" and missing:
            yield (
                f"the test part holds only {', '.join(sorted(present))}: the last {TAIL_SHARE:.0%} of files read one "
                "after another measures those labels alone, not the task (the blog post's 100 % was measured so)"
            )
        elif missing:
            shown = ", ".join(missing[:5]) + (f" and {len(missing) - 5} more" if len(missing) > 5 else "")
            yield f"the {part} part holds no message of {shown}"
