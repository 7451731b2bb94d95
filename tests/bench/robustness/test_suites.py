"""Stress: attacks are counted by hand, a broken-off test goes on, and no two draws are mixed."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from bench.cli import main
from bench.records.store import RunFolder
from bench.report.tables.robustness import stress_tables
from bench.robustness.outcomes import outcomes, stress_findings
from bench.robustness.questions import Draw, Question, attacks, draw_file, questions
from bench.robustness.suites import StressRecord, stress, stress_file, stress_records

pytestmark = pytest.mark.slow


def test_success_of_an_attack_by_hand() -> None:
    def answer(predicted: str, *, target: str = "b", clean: bool = True) -> StressRecord:
        return StressRecord(Question("injection", "order", 0, "1", "x", ("a",), target, clean), (predicted,), True)

    records = [answer("a"), answer("b"), answer("c"), answer("b", clean=False)]
    (found,) = outcomes(records)
    assert (found.n, found.right, found.flipped, found.clean_right) == (4, 1, 2, 3)
    _, flips = stress_tables(stress_findings({"llm": records}))
    assert len(flips.body) == 1, "a message that was wrong before is no example of a flip"


@pytest.fixture(scope="module")
def results(shipped_results: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("stress")
    shutil.copytree(shipped_results / "r", folder / "r")
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
    assert [r.question for r in records] == list(questions(run, "linear", Draw(6, 2, 0)))
    assert sum(r.question.suite == "perturbed" for r in records) == 6 * 7 * 3
    assert sum(r.question.suite == "injection" for r in records) == 2 * len(attacks()) * 2
    file.path.write_bytes(whole[: len(whole) // 2])
    assert main(command) == 0
    assert file.path.read_bytes() == whole
    report = (results / "r" / "report.md").read_text(encoding="utf-8")
    assert "## Prompt injection: attack success" in report
    page = (results / "r" / "report.html").read_text(encoding="utf-8")
    assert '"kind":"two_intents"' in page, "the viewer holds the challenge messages"


@pytest.fixture
def run(results: Path, tmp_path: Path) -> RunFolder:
    """A copy of the run without any answer under stress."""
    shutil.copytree(results / "r", tmp_path / "r")
    for file in tmp_path.glob("r/**/stress*.jsonl"):
        file.unlink()
    return RunFolder(tmp_path / "r")


def put_under_stress(run: RunFolder, name: str, draw: Draw) -> list[StressRecord]:
    return stress(run, name, draw, lambda _: None)


def messages_of(records: list[StressRecord]) -> set[str]:
    return {record.question.id for record in records if record.question.suite == "perturbed"}


def test_the_report_shows_the_latest_draw_alone(run: RunFolder) -> None:
    small = {name: put_under_stress(run, name, Draw(2, 1)) for name in ("majority", "linear")}
    assert stress_records(run) == small
    assert messages_of(small["majority"]) == messages_of(small["linear"])
    assert len(messages_of(small["linear"])) == 2
    large = put_under_stress(run, "linear", Draw(3, 1))
    assert messages_of(small["linear"]) < messages_of(large), "a smaller draw is part of a larger one"
    assert stress_records(run)["linear"] == large
    kept = stress_records(run)["majority"]  # it was asked about two of the three
    assert {record.question.suite for record in kept} == {"challenge", "injection"}
    other = {name: put_under_stress(run, name, Draw(2, 1, seed=1)) for name in ("majority", "linear")}
    assert stress_records(run) == other
    assert messages_of(other["linear"]) != messages_of(small["linear"])
    before = stress_file(run, "linear").path.read_bytes()
    assert put_under_stress(run, "linear", Draw(2, 1)) == small["linear"]
    assert stress_file(run, "linear").path.read_bytes() == before, "nothing is asked twice"


def test_records_of_an_earlier_version_are_read_and_not_mixed(run: RunFolder) -> None:
    put_under_stress(run, "majority", Draw(3, 1))
    put_under_stress(run, "linear", Draw(2, 1))
    for name in ("majority", "linear"):
        file = stress_file(run, name).path
        lines = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
        for line in lines:
            question = line["question"]
            question["form"], question["strength"] = question.pop("kind"), question.pop("severity")
            question["suite"] = {"perturbed": "spoiled"}.get(question["suite"], question["suite"])
        file.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    draw_file(run).path.unlink()
    shown = stress_records(run)
    assert messages_of(shown["majority"]) == messages_of(shown["linear"])
    assert len(messages_of(shown["majority"])) == 2


def test_majority_cannot_be_attacked(results: Path) -> None:
    found = outcomes(stress_file(RunFolder(results / "r"), "majority").read())
    assert sum(outcome.flipped for outcome in found) == 0


def test_who_is_not_there_is_named(results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--results", str(results), "stress", "r", "--only", "liner"]) == 2
    assert "did you mean 'linear'" in capsys.readouterr().err
    assert main(["--results", str(results), "stress", "r", "--attacked", "0"]) == 2
