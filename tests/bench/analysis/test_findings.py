"""What is worked out of a run, counted by hand."""

from __future__ import annotations

from samples import hits

from bench.analysis.disagreement_counts import Alone, disagreement_counts


def test_who_stands_alone_is_counted() -> None:
    rows = [
        hits("x", [True, True, True, False, False]),
        hits("y", [True, False, True, False, True]),
        hits("z", [True, False, False, False, True]),
    ]
    counts = disagreement_counts(rows)
    assert (counts.n, counts.differ, counts.all_right, counts.none_right) == (5, 3, 1, 1)
    assert counts.classifiers == (Alone("x", 2, 1, 1), Alone("y", 2, 0, 0), Alone("z", 3, 0, 1))


def test_nothing_is_counted_where_nobody_answered() -> None:
    counts = disagreement_counts([])
    assert (counts.n, counts.differ, counts.classifiers) == (0, 0, ())
