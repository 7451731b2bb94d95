"""Find exact and near duplicates: a classifier tested on what it learnt by heart looks better than it is.

Near duplicates are sought by MinHash over word sets (Broder 1997; datasketch) and confirmed by the true Jaccard
similarity. Words of scripts without spaces are compared by pairs of characters; messages without a word, such as
emoji, are duplicates where their texts are equal.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from itertools import pairwise

from classifiers.interface import Message

PERMUTATIONS = 128
SLACK = 0.2
"""By how much candidates may be less similar: at its threshold the index misses a fifth of the pairs of banking77."""
WORD = re.compile(r"\w+")
WITHOUT_SPACES = re.compile(
    r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]"
)
"""Thai, Lao, Burmese, Khmer, Japanese and Chinese characters."""


def duplicate_groups(messages: Sequence[Message], similarity: float) -> list[list[str]]:
    """Return groups of ids joined by pairs whose word sets have a Jaccard similarity at or above `similarity`."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    # near duplicates are sought among distinct word sets, so that exact copies cost no query
    ids: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for message in messages:
        ids[words(message.text)].append(message.id)
    keys = list(ids)
    pairs = _similar_pairs(keys, similarity)
    rows, columns = zip(*pairs, strict=True) if pairs else ((), ())
    graph = coo_array(([1] * len(pairs), (rows, columns)), shape=(len(keys), len(keys)))
    n, component = connected_components(graph, directed=False)
    groups: list[list[str]] = [[] for _ in range(n)]
    for key, i in zip(keys, component, strict=True):
        groups[i].extend(ids[key])
    return [group for group in groups if len(group) > 1]


def words(text: str) -> tuple[str, ...]:
    """Return the distinct words of a text in alphabetical order; the text itself where it has none."""
    parts: set[str] = set()
    for word in WORD.findall(text.casefold()):
        is_split = len(word) > 2 and WITHOUT_SPACES.search(word)
        parts.update(a + b for a, b in pairwise(word)) if is_split else parts.add(word)
    return tuple(sorted(parts)) or (" ".join(text.split()),)


def _similar_pairs(keys: Sequence[tuple[str, ...]], similarity: float) -> list[tuple[int, int]]:
    from datasketch import MinHash, MinHashLSH

    index = MinHashLSH(threshold=max(similarity - SLACK, SLACK), num_perm=PERMUTATIONS)
    hashes = MinHash.bulk([[word.encode() for word in key] for key in keys], num_perm=PERMUTATIONS)
    pairs = []
    for i, hashed in enumerate(hashes):
        pairs += [(i, j) for j in index.query(hashed) if _jaccard(keys[i], keys[j]) >= similarity]
        index.insert(i, hashed)
    return pairs


def _jaccard(a: Sequence[str], b: Sequence[str]) -> float:
    return len(set(a) & set(b)) / len(set(a) | set(b))
