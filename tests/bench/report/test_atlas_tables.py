"""The atlas's tables that stand on other pages: how soon slow rows stop, and all rows on one data set."""

from __future__ import annotations

from samples import atlas_cell, atlas_scores, signs

from bench.report.atlas.tables import rows_table, stopping_table

LLM = {"is_prompted": True, "n_labelled": 0, "messages_per_second": 4.0}
STOPPED = atlas_cell("llm", signs(20, 5) + "." * 80, decision="worse", rival="encoder", is_timed=True, **LLM)
SCORES = atlas_scores(
    "ten",
    10,
    [
        atlas_cell("encoder", signs(100, 90), size=1),
        *(atlas_cell("encoder", signs(100, 80), size=8, seed=seed, n_labelled=80) for seed in (0, 1)),
        atlas_cell("encoder", signs(100, 95), messages_per_second=400.0, is_timed=True),
        STOPPED,
        atlas_cell("llm-score", signs(100, 40), **LLM),
        atlas_cell("llm-old", signs(20, 5) + "." * 80, **LLM),
    ],
)


def test_a_slow_row_says_when_and_why_it_stopped_and_what_that_saved() -> None:
    table = stopping_table([SCORES])
    assert table.body == (
        ("ten", "10", "llm", "20", "100", "20.0", "worse than encoder", "5", "25"),
        ("ten", "10", "llm-score *", "100", "100", "100.0", "all answered", "25", "25"),
        ("ten", "10", "llm-old *", "20", "100", "20.0", "decided", "5", "25"),
    )
    assert table.notes[-1] == "* did not have the machine to itself."


def test_rows_of_a_data_set_stand_by_how_many_labels_they_used() -> None:
    table = rows_table(SCORES)
    assert table.title == "ten, 10 labels"
    assert [cells[:2] for cells in table.body[:3]] == [("encoder", "80"), ("encoder", "1,000"), ("llm", "0")]
    assert table.body[1] == ("encoder", "1,000", "95.0 [88.8, 97.8]", "100", "400")
    assert table.body[3][3:] == ("100", "–")
