"""Other wordings of a task: drawn by seed, declared by hand, counted by hand, and put to a real LLM."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.cli import main
from bench.records.store import RunFolder
from bench.report.tables.robustness import stress_tables
from bench.robustness.outcomes import stress_findings, wording_effect
from bench.robustness.questions import Question
from bench.robustness.suites import StressRecord, stress_file
from bench.robustness.wording import AS_CONFIGURED, NO_DEFINITIONS, read_definitions, wordings
from classifiers.errors import BenchError
from classifiers.interface import Label, Task

TASK = Task("t", (Label("a", "First."), Label("b", "Second."), Label("c")))


def test_orders_are_drawn_by_seed_and_all_different() -> None:
    made = wordings(TASK, orders=4, definitions={}, seed=1)
    assert [wording.name for wording in made] == [
        AS_CONFIGURED,
        *(f"option order {i}" for i in (1, 2, 3, 4)),
        NO_DEFINITIONS,
    ]
    orders = [wording.task.label_names for wording in made[:5]]
    assert len(set(orders)) == 5
    assert orders[0] == ("a", "b", "c")
    assert {frozenset(order) for order in orders} == {frozenset("abc")}
    assert made[1].task.labels[orders[1].index("a")].definition == "First.", "a label takes its definition along"
    assert made == wordings(TASK, orders=4, definitions={}, seed=1)
    assert made != wordings(TASK, orders=4, definitions={}, seed=2)
    assert len({wording.fingerprint for wording in made}) == len(made)


def test_there_are_no_more_orders_than_there_can_be() -> None:
    two = Task("t", (Label("a"), Label("b")))
    made = wordings(two, orders=5, definitions={}, seed=0)
    assert [wording.task.label_names for wording in made] == [("a", "b"), ("b", "a")]
    assert wordings(two, orders=0, definitions={}, seed=0) == [], "nothing to compare"


def test_declared_definitions_take_the_place_of_those_they_name() -> None:
    *_, none, short = wordings(TASK, orders=0, definitions={"short": {"a": "One."}}, seed=0)
    assert [label.definition for label in none.task.labels] == ["", "", ""]
    assert short.name == "definitions: short"
    assert [label.definition for label in short.task.labels] == ["One.", "Second.", ""]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[short]\nA = 'One.'", r"unknown label in \[short\] of .* 'A' .available: a, b, c"),
        ("short = 'One.'", r"short must be a table of definitions, such as \[short\]"),
        ("[short]\na = 1", "must be a table of definitions"),
        ("[short", "cannot be read: .*give a TOML file with a table per variant"),
        (None, "cannot be read"),
    ],
)
def test_unusable_definitions_are_one_line(tmp_path: Path, text: str | None, words: str) -> None:
    file = tmp_path / "d.toml"
    if text is not None:
        file.write_text(text)
    with pytest.raises(BenchError, match=words) as caught:
        read_definitions(file, TASK)
    assert "\n" not in str(caught.value)


def asked(kind: str, answers: str) -> list[StressRecord]:
    """Four messages of label a, and a letter for what each was answered; "-" is no answer."""
    return [
        StressRecord(
            Question("wording", kind, 0, str(i), f"text {i}", ("a",), wording=kind), () if x == "-" else (x,), x != "-"
        )
        for i, x in enumerate(answers)
    ]


def test_range_and_flips_by_hand() -> None:
    records = [*asked(AS_CONFIGURED, "aab-"), *asked("option order 1", "abb-"), *asked(NO_DEFINITIONS, "acaa")]
    effect = wording_effect(records)
    assert effect is not None
    assert [(w.right, w.changed) for w in effect.wordings] == [(2, 0), (1, 1), (3, 3)]
    assert effect.accuracies == (0.25, 0.75)
    assert (effect.flipped, effect.n) == (3, 4), "the second, third and fourth have more than one answer"
    (table,) = stress_tables(stress_findings({"llm": records, "linear": []}))
    assert table.head == ("wording", "llm")
    assert table.body[0] == ("lowest to highest", "25.0 to 75.0")
    assert table.body[1][1].startswith("75.0 [")
    assert table.body[3] == ("option order 1", "25.0, 25.0 changed")
    assert wording_effect([]) is None


def test_a_prompted_row_is_asked_in_other_words_and_no_other_row_is(
    smollm: Path, tmp_path: Path, data_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "c.toml"
    config.write_text(
        f'latency_messages = 0\n[data]\npath = "{data_folder}"\n[split]\ntest = 0.25\n[classifiers.majority]\n'
        f'[classifiers.llama_cpp]\nmodel = "{smollm}"\nmode = "score"\n'
    )
    declared = tmp_path / "d.toml"
    declared.write_text('[swapped]\n"Refund Request" = "Praises."\n"General Feedback" = "Wants money back."\n')
    results = ["--results", str(tmp_path / "r")]
    assert main([*results, "run", str(config), "--run", "r"]) == 0
    ask = [*results, "stress", "r", "--messages", "2", "--attacked", "1", "--orders", "2"]
    assert main([*ask, "--definitions", str(declared)]) == 0
    out = capsys.readouterr().out
    assert "Wording: accuracy %" in out, out
    run = RunFolder(tmp_path / "r" / "r")
    assert wording_effect(stress_file(run, "majority").read()) is None
    file = stress_file(run, "llama_cpp")
    effect = wording_effect(file.read())
    assert effect is not None
    names = [AS_CONFIGURED, "option order 1", "option order 2", NO_DEFINITIONS, "definitions: swapped"]
    assert [(wording.name, wording.n) for wording in effect.wordings] == [(name, 2) for name in names]
    before = file.path.read_bytes()
    declared.write_text('[swapped]\n"Refund Request" = "Says thanks."\n')
    assert main([*ask, "--definitions", str(declared)]) == 0
    added = file.path.read_bytes().removeprefix(before)
    assert added.count(b"\n") == 2, "only the variant whose text has changed is asked anew"
    assert "definitions: swapped" in (run.path / "report.md").read_text(encoding="utf-8")
