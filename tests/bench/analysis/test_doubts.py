"""Doubts are raised where there is reason to, with the figures that are the reason, and nowhere else."""

from __future__ import annotations

from samples import hits, record, row, with_cell

from bench.analysis.doubts import Doubt, doubts, uses_definitions
from bench.analysis.rows import Cascade, Row
from bench.records.renamed import with_current_names
from classifiers.interface import Label, Task

PLAIN = Task("t", (Label("a"), Label("b")))
DEFINED = Task("t", (Label("a", "the first letter"), Label("b", "the second letter")))


def test_fine_tuned_below_frozen_is_said_with_the_paired_interval() -> None:
    frozen = with_cell(hits("frozen", [True] * 90 + [False] * 10), fine_tuned=False, model="m")
    tuned = with_cell(hits("tuned", [True] * 70 + [False] * 30), fine_tuned=True, model="m")
    (doubt,) = doubts([tuned, frozen], PLAIN)
    assert (doubt.kind, doubt.classifiers) == ("below frozen", ("tuned",))
    # 20 of 100 lost and none won: Tango's interval is [-28.9, -13.3] points
    assert doubt.text.startswith("20.0 points below frozen, the same model with frozen weights (measurably: ")
    assert "difference [-28.9, -13.3]" in doubt.text
    slightly = with_cell(hits("tuned", [True] * 89 + [False] * 11), fine_tuned=True, model="m")
    assert "1.0 points below frozen" in doubts([slightly, frozen], PLAIN)[0].text
    assert "though not measurably" in doubts([slightly, frozen], PLAIN)[0].text


def test_of_several_seeds_the_first_is_compared() -> None:
    frozen = with_cell(hits("frozen", [True, True, False]), fine_tuned=False, model="m")
    seeds = [
        with_cell(hits(name, [False] * 3), fine_tuned=True, model="m", row="tuned") for name in ("tuned", "tuned-seed1")
    ]
    assert [doubt.classifiers for doubt in doubts([*seeds, frozen], PLAIN)] == [("tuned",)]


def test_another_model_or_a_better_row_is_no_doubt() -> None:
    frozen = with_cell(hits("frozen", [True, True, False, False]), fine_tuned=False, model="m")
    assert doubts([frozen, with_cell(hits("other", [False] * 4), fine_tuned=True, model="n")], PLAIN) == []
    assert doubts([frozen, with_cell(hits("tuned", [True] * 4), fine_tuned=True, model="m")], PLAIN) == []
    assert doubts([frozen, hits("unknown", [False] * 4)], PLAIN) == [], "records that do not say are not accused"


def test_records_of_before_say_by_their_head_whether_they_were_fine_tuned() -> None:
    old = {"classifier": "x", "metadata": {}, "settings": {"head": "linear"}}
    assert with_current_names(old)["fine_tuned"] is False
    assert with_current_names({**old, "settings": {"head": "auto"}})["fine_tuned"] is True
    assert "fine_tuned" not in with_current_names({**old, "settings": {}})


def test_a_prompted_row_below_majority_did_not_understand_the_labels() -> None:
    floor = with_cell(hits("majority", [True, True, True, False]), backend="majority")
    llm = with_cell(hits("llm", [True, False, True, False]), prompt="Which label: a or b?")
    (doubt,) = doubts([floor, llm], PLAIN)
    text = "less accurate than majority, which ignores the text: the labels were probably not understood; "
    assert doubt == Doubt("below majority", ("llm",), text + "give definitions")
    told = with_cell(llm, prompt="a: the first letter")
    assert doubts([floor, told], DEFINED)[0].text == text + "reword the definitions"
    linear = hits("linear", [False] * 4)
    assert doubts([floor, linear], PLAIN)[0].text == "less accurate than majority, which ignores the text"
    assert doubts([floor, with_cell(hits("llm", [True] * 4), prompt="p")], PLAIN) == []


def test_one_answer_to_nearly_everything_is_said() -> None:
    gold = ["a"] * 5 + ["b"] * 5
    stuck = with_cell(row("llm", [record(i, label, "a") for i, label in enumerate(gold)]), prompt="p")
    (doubt,) = doubts([stuck], PLAIN)
    assert doubt == Doubt("one label", ("llm",), "answers 'a' to 100% of the messages, of which 50% have it")
    mixed = with_cell(row("llm", [record(i, label, label) for i, label in enumerate(gold)]), prompt="p")
    assert doubts([mixed], PLAIN) == []
    rare = with_cell(row("llm", [record(i, "b" if i == 0 else "a", "a") for i in range(20)]), prompt="p")
    assert doubts([rare], PLAIN) == [], "95 % of the messages have that label"
    assert doubts([row("linear", [record(i, label, "a") for i, label in enumerate(gold)])], PLAIN) == []


def test_definitions_that_others_were_not_given_are_said() -> None:
    llm = with_cell(hits("llm", [True]), prompt="- a: the first letter\n- b: the second letter")
    similar = with_cell(hits("zero-shot", [True]), uses_definitions=True)
    bare = with_cell(hits("bare", [True]), prompt="a or b?")
    floor = with_cell(hits("majority", [True]), backend="majority")
    assert doubts([floor, llm, bare, similar], DEFINED) == [
        Doubt("definitions", ("llm", "zero-shot"), "used the labels' definitions, which bare were not given")
    ]
    assert doubts([floor, llm, similar], DEFINED) == [], "all that read the text were given them"
    assert not uses_definitions(bare, PLAIN), "an empty definition is in every prompt"


def test_a_cascade_is_not_doubted_on_its_own() -> None:
    floor = with_cell(hits("majority", [True]), backend="majority")
    answers = hits("both", [False])
    both = Row("both", answers.records, answers.scores, cascade=Cascade("x", "y", 0.5, 0.1))
    assert doubts([floor, both], PLAIN) == []
