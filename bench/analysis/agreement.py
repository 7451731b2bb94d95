"""How far a second person agrees with the gold labels, and both with the classifiers: Cohen's kappa.

No classifier can be shown to be better than the labels it is judged by: where two people agree on 90 % of the messages,
95 % accuracy says little.
"""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from bench.analysis.clusters import Clusters, clusters_of, design_of
from bench.analysis.label_scores import Interval
from bench.analysis.rows import Row
from bench.analysis.scores import wilson_interval
from bench.dataset.corrections import text_hash
from bench.records.types import PredictionRecord
from classifiers.errors import BenchError

GOLD = "gold labels"
UNPARSED = "\0unparsed"
"""The category of an answer that is no label; no label begins so."""


@dataclass(frozen=True, slots=True)
class Agreement:
    """How far two label the same n messages alike: the share of them, and Cohen's kappa, None where it has no value."""

    n: int
    share: float
    interval: Interval
    kappa: float | None


@dataclass(frozen=True, slots=True)
class RowAgreement:
    """How far somebody, the gold labels or a classifier, agrees with the second person and with the gold labels."""

    name: str
    with_person: Agreement
    with_gold: Agreement | None


def blind_messages(rows: Sequence[Row], n: int | None, seed: int) -> list[tuple[str, str]]:
    """Return hash and text of test messages in a seeded order, n of them or all; the same text once."""
    texts = list(dict.fromkeys(record.text for row in rows for record in row.records))
    if not texts:
        raise BenchError("the run has no answered test messages")
    drawn = random.Random(seed).sample(texts, min(n or len(texts), len(texts)))
    return [(text_hash(text), text) for text in drawn]


def agreements(rows: Sequence[Row], labels: Mapping[str, tuple[str, ...]]) -> list[RowAgreement]:
    """Compare a second person's labels, by hash of the text, with the gold labels and with every row's answers.

    Raises:
        BenchError: if no labelled message is one of the run's.
    """
    compared = {
        row.name: records
        for row in rows
        if (records := [record for record in row.records if text_hash(record.text) in labels])
    }
    if not compared:
        raise BenchError("no message that was labelled is one of this run's test messages")
    first = next(iter(compared.values()))
    gold = RowAgreement(GOLD, _agreement([(_gold(r), _given(r, labels)) for r in first], clusters_of(first)), None)
    others = (
        RowAgreement(
            name,
            _agreement([(_answer(r), _given(r, labels)) for r in records], clusters_of(records)),
            _agreement([(_answer(r), _gold(r)) for r in records], clusters_of(records)),
        )
        for name, records in compared.items()
    )
    return [gold, *others]


def _agreement(pairs: Sequence[tuple[str, str]], clusters: Clusters | None) -> Agreement:
    """Return agreement of two raters; kappa has no value where both give one and the same label throughout."""
    from sklearn.metrics import cohen_kappa_score

    alike = np.array([a == b for a, b in pairs])
    n, same = len(pairs), int(alike.sum())
    interval = wilson_interval(same, n, design=design_of(alike, clusters))
    first, second = zip(*pairs, strict=True)
    kappa = float(cohen_kappa_score(first, second)) if len({*first, *second}) > 1 else math.nan
    return Agreement(n, same / n, interval, None if math.isnan(kappa) else kappa)


def _gold(record: PredictionRecord) -> str:
    return _category(record.gold)


def _given(record: PredictionRecord, labels: Mapping[str, tuple[str, ...]]) -> str:
    return _category(labels[text_hash(record.text)])


def _answer(record: PredictionRecord) -> str:
    return _category(record.predicted) if record.valid else UNPARSED


def _category(labels: Sequence[str]) -> str:
    """Return a set of labels as one category, as kappa takes them."""
    return "\0".join(sorted(labels))
