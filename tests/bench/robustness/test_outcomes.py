"""What answers under stress add up to, counted by hand."""

from __future__ import annotations

from bench.analysis.out_of_scope import Share
from bench.report.tables.robustness import stress_tables
from bench.robustness.outcomes import ALL, stress_findings
from bench.robustness.questions import Question
from bench.robustness.suites import StressRecord


def asked(suite: str, kind: str, answers: str, severity: int = 0, clean: bool | None = None) -> list[StressRecord]:
    """Messages of label a, a letter for what each was answered, and an attacker who wants b."""
    target = "b" if suite == "injection" else ""
    return [
        StressRecord(Question(suite, kind, severity, str(i), f"text {i}", ("a",), target, clean), (answer,), True)
        for i, answer in enumerate(answers)
    ]


def test_shares_of_all_kinds_come_first_and_the_most_successful_attack_next() -> None:
    found = stress_findings(
        {
            "llm": [
                *asked("challenge", "typos", "ab"),
                *asked("challenge", "irony", "bbb"),
                *asked("injection", "polite", "aab", clean=True),
                *asked("injection", "forged", "bb", clean=True),
            ],
            "linear": [*asked("challenge", "irony", "aab"), *asked("injection", "polite", "aaa", clean=False)],
        }
    )
    assert found.challenge == {
        ALL: {"llm": Share(1, 5), "linear": Share(2, 3)},
        "typos": {"llm": Share(1, 2), "linear": Share(0, 0)},
        "irony": {"llm": Share(0, 3), "linear": Share(2, 3)},
    }
    assert list(found.attacks) == [ALL, "forged", "polite"]
    assert found.attacks[ALL] == {"llm": Share(3, 5), "linear": Share(0, 3)}
    assert [record.question.kind for record in found.flips["llm"]] == ["polite", "forged", "forged"]
    challenge, attack, _ = stress_tables(found)
    assert challenge.head == ("kind", "llm", "linear")
    assert challenge.body[1][2] == "–", "nobody asked it"
    assert [cells[0] for cells in attack.body] == ["all", "forged", "polite"]


def test_accuracy_by_severity_is_that_of_rows_asked_to_the_end() -> None:
    whole = [record for i, answers in enumerate(("aaab", "aabb", "abbb"), 1) for record in
             asked("perturbed", "typos", answers, i, clean=True)]  # fmt: skip
    found = stress_findings({"encoder": whole, "llm": whole[:8]})
    assert found.perturbed == {
        "typos": {"encoder": (Share(4, 4), Share(3, 4), Share(2, 4), Share(1, 4)), "llm": ()},
    }
    assert found.n_perturbed == 4
    assert found.widest_interval == Share(2, 4).interval
    (table,) = stress_tables(found)
    assert table.body == (("typos", "100 → 75 → 50 → 25", "–"),)
    assert table.notes[0].startswith("accuracy % on the 4 clean messages")


def test_nothing_asked_is_no_table() -> None:
    assert list(stress_tables(stress_findings({}))) == []
    assert list(stress_tables(stress_findings({"llm": []}))) == []
