"""Stress: texts are spoiled by seed, attacks are counted by hand, and a broken-off test goes on."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from conftest import CUSTOMER_MESSAGES

from bench.cli import main
from bench.records.store import RunFolder
from bench.report.tables.robustness import stress_tables
from bench.robustness.perturbations import HOMOGLYPHS, PERTURBATIONS, STRENGTHS, perturb, truncation
from bench.robustness.suites import Amounts, Question, StressRecord, attacks, outcomes, questions, stress_file

pytestmark = pytest.mark.slow

TEXT = "Where is my order 4711? It should have come on Monday, please have a look."


@pytest.mark.parametrize("form", PERTURBATIONS)
def test_a_text_is_spoiled_by_seed_and_more_at_higher_strength(form: str) -> None:
    spoiled = [perturb(TEXT, form, strength, seed=1) for strength in STRENGTHS]
    assert spoiled == [perturb(TEXT, form, strength, seed=1) for strength in STRENGTHS]
    assert all(text != TEXT for text in spoiled[1:])
    assert all(text.strip() for text in spoiled)
    for hostile in ("", " ", "🙂", "ب", "a" * 5000):
        for strength in STRENGTHS:
            assert isinstance(perturb(hostile, form, strength, seed=1), str)


def test_each_form_does_what_it_says() -> None:
    chance = random.Random(0)
    assert PERTURBATIONS["case"](TEXT, 2, chance) == TEXT.upper()
    assert not set(PERTURBATIONS["punctuation"](TEXT, 3, chance)) & set("?,.")
    glyphs = PERTURBATIONS["homoglyphs"](TEXT, 3, chance)
    back = {other: letter for letter, other in HOMOGLYPHS.items()}
    assert "".join(back.get(sign, sign) for sign in glyphs) == TEXT
    assert TEXT in PERTURBATIONS["irrelevant text"](TEXT, 3, chance)
    assert truncation("one two three four", 3, chance) == "one"
    assert len(TEXT) - 20 < len(PERTURBATIONS["typos"](TEXT, 1, chance)) < len(TEXT) + 20


def test_there_are_over_20_attacks_and_each_holds_message_and_label() -> None:
    assert len(attacks()) >= 20
    for form, template in attacks().items():
        text = template.format(message="<<MESSAGE>>", label="<<LABEL>>")
        assert "<<MESSAGE>>" in text, form
        assert "<<LABEL>>" in text, form


def test_success_of_an_attack_by_hand() -> None:
    def answer(predicted: str, *, target: str = "b", clean: bool = True) -> StressRecord:
        return StressRecord(Question("injection", "order", 0, "1", "x", ("a",), target, clean), (predicted,), True)

    records = [answer("a"), answer("b"), answer("c"), answer("b", clean=False)]
    (found,) = outcomes(records)
    assert (found.n, found.right, found.flipped, found.clean_right) == (4, 1, 2, 3)
    _, flips = stress_tables({"llm": records})
    assert len(flips.body) == 1, "a message that was wrong before is no example of a flip"


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("stress")
    config = (
        f"latency_messages = 0\n[data]\npath = '{CUSTOMER_MESSAGES}'\n[classifiers.majority]\n[classifiers.linear]\n"
    )
    (folder / "c.toml").write_text(config)
    assert main(["--results", str(folder), "run", str(folder / "c.toml"), "--run", "r"]) == 0
    return folder


def test_all_suites_are_asked_and_a_killed_test_goes_on(results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["--results", str(results), "stress", "r", "--messages", "6", "--attacked", "2"]
    assert main(command) == 0
    out = capsys.readouterr().out
    for title in ("Challenge: accuracy % by kind", "Perturbed messages", "Prompt injection: attack success"):
        assert title in out
    run = RunFolder(results / "r")
    file = stress_file(run, "linear")
    whole = file.path.read_bytes()
    records = file.read()
    assert [r.question for r in records] == list(questions(run, "linear", Amounts(6, 2, 0)))
    assert sum(r.question.suite == "spoiled" for r in records) == 6 * 7 * 3
    assert sum(r.question.suite == "injection" for r in records) == 2 * len(attacks()) * 2
    file.path.write_bytes(whole[: len(whole) // 2])
    assert main(command) == 0
    assert file.path.read_bytes() == whole
    report = (results / "r" / "report.md").read_text(encoding="utf-8")
    assert "## Prompt injection: attack success" in report
    page = (results / "r" / "report.html").read_text(encoding="utf-8")
    assert '"kind":"two_intents"' in page, "the viewer holds the challenge messages"


def test_majority_cannot_be_attacked(results: Path) -> None:
    found = outcomes(stress_file(RunFolder(results / "r"), "majority").read())
    assert sum(one.flipped for one in found) == 0


def test_who_is_not_there_is_named(results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--results", str(results), "stress", "r", "--only", "liner"]) == 2
    assert "did you mean 'linear'" in capsys.readouterr().err
    assert main(["--results", str(results), "stress", "r", "--attacked", "0"]) == 2
