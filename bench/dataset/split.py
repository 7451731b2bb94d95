"""Divide messages into train, validation and test before anything is trained, and say what is odd.

Duplicates across parts let a classifier be tested on what it learnt by heart, so they are found first
(MinHash over word sets, datasketch) and moved to one part, or reported where the parts are given.
"""

from __future__ import annotations

import hashlib
import json
import random
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.config.tables import SplitConfig
from bench.dataset.load import LoadedTask
from bench.dataset.parts import PARTS, Part, SplitLine
from classifiers.errors import BenchError
from classifiers.interface import Message

TAIL_SHARE = 0.1
PERMUTATIONS = 128


@dataclass(frozen=True, slots=True)
class Split:
    """The part of every message, by id, and what a reader must be warned of."""

    parts: dict[str, Part]
    warnings: tuple[str, ...] = ()

    @property
    def fingerprint(self) -> str:
        """Give a hash of which message is in which part, 16 hexadecimal digits."""
        return hashlib.sha256(json.dumps(sorted(self.parts.items())).encode()).hexdigest()[:16]

    def select(self, messages: Sequence[Message], part: Part) -> list[Message]:
        """Give the messages of a part, in the task's order."""
        return [m for m in messages if self.parts[m.id] == part]

    def lines(self) -> list[SplitLine]:
        """Give the records of split.jsonl."""
        return [SplitLine(id_, part) for id_, part in self.parts.items()]


def make_split(loaded: LoadedTask, config: SplitConfig, seed: int) -> Split:
    """Divide a task's messages.

    Methods: `stratified` by label set with a seed; `tail`, the last 10 % of the task's order as
    test, as in the blog post's code; `files`, the data set's own parts (the default where it has them).

    Raises:
        BenchError: if there are too few messages, or no parts for `files`.
    """
    method = config.method or ("files" if loaded.parts else "stratified")
    messages = loaded.messages
    _check_enough(messages, method)
    if method == "files":
        parts = _by_files(loaded, config, seed)
    elif method == "tail":
        parts = _by_tail(messages, config, seed)
    else:
        parts = _by_chance(messages, config, seed)
    pinned = _pinned(messages, config)
    parts |= dict.fromkeys(pinned, "test")
    groups = list(_duplicates(messages, config.similarity))
    moved = config.duplicates == "move" and method == "stratified"
    across = [group for group in groups if len({parts[id_] for id_ in group}) > 1]
    if moved:
        for group in across:
            # to training, so that what remains in test is new to everyone; unless a message is pinned
            parts |= dict.fromkeys(group, "test" if pinned & set(group) else "train")
    warnings = (*loaded.warnings, *_duplicate_warnings(across, moved), *_label_warnings(loaded, parts, method))
    return Split(parts, warnings)


def _check_enough(messages: Sequence[Message], method: str) -> None:
    if len(messages) < len(PARTS):
        raise BenchError(f"{len(messages)} messages cannot fill {len(PARTS)} parts; at least 3 a label are needed")
    if method == "stratified":
        counts = Counter(label for m in messages for label in m.labels)
        rare, count = min(counts.items(), key=lambda item: item[1])
        if count < len(PARTS):
            raise BenchError(f"label '{rare}' has {count} messages, fewer than the {len(PARTS)} parts; add some")


def _by_chance(messages: Sequence[Message], config: SplitConfig, seed: int) -> dict[str, Part]:
    rest, test = _stratified(messages, config.test, seed)
    train, validation = _stratified(rest, config.validation / (1 - config.test), seed)
    chosen: dict[str, Part] = dict.fromkeys((m.id for m in test), "test")
    chosen |= dict.fromkeys((m.id for m in validation), "validation")
    chosen |= dict.fromkeys((m.id for m in train), "train")
    return {m.id: chosen[m.id] for m in messages}


def _stratified(messages: Sequence[Message], share: float, seed: int) -> tuple[list[Message], list[Message]]:
    from sklearn.model_selection import train_test_split

    if not share:
        return list(messages), []
    if any(len(m.labels) != 1 for m in messages):
        return _stratified_by_sets(messages, share, seed)
    strata = [json.dumps(m.labels) for m in messages]
    try:
        kept, taken = train_test_split(list(messages), test_size=share, random_state=seed, stratify=strata)
    except ValueError as error:
        raise BenchError(f"{len(messages)} messages are too few to split by label ({error}); add messages") from error
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
    """Take the end of the concatenated files as test; validation is drawn from the rest by chance."""
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
    """Draw k messages a label by seed; a smaller draw is part of every larger one, and all come in shuffled order.

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
    """Draw n messages by seed without a look at their labels; a smaller draw is the beginning of every larger one."""
    return random.Random(seed).sample(list(messages), len(messages))[:n]


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


def _duplicates(messages: Sequence[Message], similarity: float) -> Iterator[list[str]]:
    """Find groups of ids whose word sets have an estimated Jaccard similarity at or above the bound."""
    from datasketch import MinHash, MinHashLSH

    # near-duplicates are sought among distinct word sets, so exact copies cost no query
    groups: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for message in messages:
        groups[tuple(sorted(set(re.findall(r"\w+", message.text.casefold()))))].append(message.id)
    keys = [key for key in groups if key]
    index = MinHashLSH(threshold=similarity, num_perm=PERMUTATIONS)
    hashes = MinHash.bulk([[word.encode() for word in key] for key in keys], num_perm=PERMUTATIONS)
    union = {i: i for i in range(len(keys))}

    def root(i: int) -> int:
        while union[i] != i:
            i = union[i]
        return i

    for i, hashed in enumerate(hashes):
        for j in index.query(hashed):
            if _jaccard(keys[i], keys[j]) >= similarity:
                union[root(i)] = root(j)
        index.insert(i, hashed)
    joined: dict[int, list[str]] = defaultdict(list)
    for i, key in enumerate(keys):
        joined[root(i)].extend(groups[key])
    yield from (ids for ids in joined.values() if len(ids) > 1)


def _jaccard(a: Sequence[str], b: Sequence[str]) -> float:
    return len(set(a) & set(b)) / len(set(a) | set(b))


def _duplicate_warnings(across: Sequence[Sequence[str]], moved: bool) -> Iterator[str]:
    if across:
        done = "moved to one part each" if moved else "left where they are: scores may flatter classifiers that learn"
        shown = "; ".join(" = ".join(group[:3]) for group in across[:3])
        yield f"{len(across)} groups of exact or near duplicates lay across parts and were {done} ({shown})"


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
