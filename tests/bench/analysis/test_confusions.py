"""Confusions counted by hand."""

from __future__ import annotations

from samples import record

from bench.analysis.confusions import UNPARSED, Mistake, confusions_of, largest_mistakes, most_confused
from bench.records.types import PredictionRecord


def answer(i: int, gold: str, said: str | None) -> PredictionRecord:
    return PredictionRecord(str(i), f"t{i}", (gold,), () if said is None else (said,), said is not None)


def test_answers_are_counted_by_gold_label_and_answer() -> None:
    records = [record(1, "a", "a"), record(2, "a", "b"), record(3, "a", None), record(4, "b", "b")]
    assert confusions_of(records, ["a", "b"]) == ((1, 1, 1), (0, 1, 0))


def test_a_label_called_unparsed_is_a_label() -> None:
    """By name it emptied its row: the label and the answer that is none were one column."""
    records = [answer(1, UNPARSED, UNPARSED), answer(2, "a", UNPARSED), answer(3, UNPARSED, None), answer(4, "a", "a")]
    matrix = confusions_of(records, ["a", UNPARSED])
    assert matrix == ((1, 1, 0), (0, 1, 1))
    assert largest_mistakes(matrix, ["a", UNPARSED], 5) == [
        Mistake(UNPARSED, UNPARSED, 1),
        Mistake("a", UNPARSED, 1),
    ]


def test_the_most_frequent_mistakes_and_the_most_confused_labels_come_first() -> None:
    matrix = ((5, 3, 0, 0), (1, 9, 0, 1), (0, 0, 7, 0))
    assert largest_mistakes(matrix, ["a", "b", "c"], 2) == [Mistake("a", "b", 3), Mistake("b", "unparsed", 1)]
    assert most_confused([matrix], ["a", "b", "c"], 2) == ["a", "b"]
    assert most_confused([matrix, ((0, 0, 0, 0), (0, 0, 0, 0), (9, 0, 0, 0))], ["a", "b", "c"], 2) == ["a", "c"]
    assert most_confused([matrix], ["a", "b", "c"], 5) == ["a", "b", "c"]
