"""Validation messages are answered where something is chosen or shown by them, and nowhere else."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from bench.cli import main
from bench.config.run import RunConfig, make_config
from bench.execution.cell import Cell
from bench.execution.predict import keep_answers
from bench.execution.validation import SLOW_MESSAGES, asked_messages, lacks_answers, passed_on_messages
from bench.execution.worker import _asked, _latency, _predict_validation
from bench.records.store import RunFolder
from bench.records.types import MessageRecord, PredictionRecord
from classifiers.interface import Attempt, Label, Message, Prediction, Task
from classifiers.majority import Majority

N = 150
MESSAGES = [Message(str(i), f"text {i}", ("a",)) for i in range(N)]


def answer(i: int, p: float | None, *, seconds: float = 0.7) -> PredictionRecord:
    probabilities = None if p is None else {"a": p, "b": 1 - p}
    return PredictionRecord(str(i), f"text {i}", ("a",), ("a",), True, probabilities, seconds=seconds)


def config(**cascades: Any) -> RunConfig:
    return make_config({"classifiers": {"linear": {}, "majority": {}}, "cascades": cascades}, where="test")


def cell_of(folder: Path, run_config: RunConfig) -> Cell:
    records = [MessageRecord(m.id, "validation", m.text, m.labels) for m in MESSAGES]
    task = Task("t", (Label("a"), Label("b")))
    return Cell(run_config.cell("majority"), run_config, task, records, RunFolder(folder), lambda *a, **k: None)


def write(folder: Path, name: str, records: list[PredictionRecord]) -> None:
    (folder / name).mkdir(exist_ok=True)
    RunFolder(folder).cell(name).validation.write(records)


def test_a_row_without_probabilities_and_without_a_cascade_answers_none(tmp_path: Path) -> None:
    cell = cell_of(tmp_path, config())
    assert asked_messages(cell, [answer(i, None) for i in range(40)]) == []


def test_a_row_with_probabilities_answers_them_all_or_a_hundred_if_it_is_slow(tmp_path: Path) -> None:
    cell = cell_of(tmp_path, config())
    whole = asked_messages(cell, [answer(i, 0.9, seconds=0.01) for i in range(40)])
    slow = asked_messages(cell, [answer(i, 0.9) for i in range(40)])
    assert len(whole) == N
    assert len(slow) == SLOW_MESSAGES
    assert slow == whole[:SLOW_MESSAGES]


def test_a_cascade_asks_its_second_row_what_the_first_is_least_sure_of_within_the_budget(tmp_path: Path) -> None:
    both = config(both={"first": "linear", "second": "majority", "budget": 0.1})
    cell, answers = cell_of(tmp_path, both), [answer(i, None) for i in range(40)]
    assert len(asked_messages(cell, answers)) == N  # the first has no answers yet
    write(tmp_path, "linear", [answer(i, 0.5 + i / 400) for i in range(N)])
    assert {m.id for m in asked_messages(cell, answers)} == {str(i) for i in range(15)}
    without_budget = config(both={"first": "linear", "second": "majority"})
    assert len(passed_on_messages(RunFolder(tmp_path), without_budget, "majority", MESSAGES)) == N
    assert passed_on_messages(RunFolder(tmp_path), both, "linear", MESSAGES) == []


def test_a_cascade_that_is_written_later_makes_its_second_row_answer_more(tmp_path: Path) -> None:
    small = config(both={"first": "linear", "second": "majority", "budget": 0.1})
    large = config(both={"first": "linear", "second": "majority", "budget": 0.2})
    write(tmp_path, "linear", [answer(i, 0.5 + i / 400) for i in range(N)])
    write(tmp_path, "majority", [answer(i, None) for i in range(15)])
    run = RunFolder(tmp_path)
    assert not lacks_answers(run, config(), "majority", MESSAGES)
    assert not lacks_answers(run, small, "majority", MESSAGES)
    assert lacks_answers(run, large, "majority", MESSAGES)
    assert not lacks_answers(run, large, "linear", MESSAGES)


def test_answers_that_were_given_before_are_recorded_once(tmp_path: Path) -> None:
    cell, attempt = cell_of(tmp_path, config()), Attempt("a", ("a",), True, seconds=0.25)
    write(tmp_path, "majority", [answer(0, 0.9), answer(1, 0.9)])
    given = {m.text: Prediction(("a",), True, {"a": 0.75, "b": 0.25}, (attempt,)) for m in MESSAGES[::2]}
    keep_answers(given, cell.full_task, MESSAGES[:10], cell.folder.validation)
    kept = cell.folder.validation.read()
    assert [record.id for record in kept] == ["0", "1", "2", "4", "6", "8"]
    assert kept[0].probabilities == {"a": 0.9, "b": pytest.approx(0.1)}, "what was asked before stays"
    assert kept[2].probabilities == {"a": 0.75, "b": 0.25}
    assert (kept[2].predicted, kept[2].gold, kept[2].seconds) == (("a",), ("a",), 0.25)


class Counting(Majority):
    """Says what it was asked, in which batches, and knows some answers from `fit`."""

    batch_size = 30

    def predict(self, texts: Sequence[str]) -> Iterator[Prediction]:
        self.asked: list[int] = [*getattr(self, "asked", []), len(texts)]
        yield from (Prediction(("a",), True, {"a": 0.5, "b": 0.5}) for _ in texts)

    def remembered(self, texts: Sequence[str]) -> dict[str, Prediction]:
        return {text: Prediction(("a",), True, {"a": 0.75, "b": 0.25}) for text in texts[:40]}


@pytest.mark.parametrize(("seconds", "n_alone", "batches"), [(0.7, 50, [10]), (0.01, 50, [30, 30, 30, 20])])
def test_a_slow_row_is_asked_no_validation_message_twice(
    tmp_path: Path, seconds: float, n_alone: int, batches: list[int]
) -> None:
    """40 of a slow row were answered in fit and 50 alone, for the latency; a fast row answers all 110 left."""
    cell, classifier = cell_of(tmp_path, config()), Counting()
    cell.folder.path.mkdir()
    answered = [answer(i, 0.9, seconds=seconds) for i in range(40)]
    asked = _asked(cell, classifier, answered)
    spare = [message.text for message in asked[:50]]
    latency = _latency(cell, classifier, answered, asked, spare)
    _predict_validation(cell, classifier, asked)
    assert latency is not None
    assert latency.n == n_alone
    assert classifier.asked == [*[1] * n_alone, *batches]
    assert [record.id for record in cell.folder.validation.read()][:40] == [message.id for message in asked[:40]]
    assert len({record.id for record in cell.folder.validation.read()}) == len(asked)


BACKENDS = """
from classifiers.interface import Classifier, Prediction, Settings

class Sure(Classifier[Settings]):
    "Gives probabilities; sure of texts with a high number."
    def fit(self, task, train, validation, *, listen=print):
        self.names = task.label_names
    def predict(self, texts):
        for text in texts:
            p = 0.5 + int(text.split()[1]) / 500
            yield Prediction((self.names[0],), probabilities={self.names[0]: p, self.names[1]: 1 - p})

class Plain(Sure):
    def predict(self, texts):
        for text in texts:
            yield Prediction((text.split()[0],))
"""


@pytest.mark.slow
def test_a_run_asks_plain_rows_only_what_its_cascades_need(tmp_path: Path) -> None:
    (tmp_path / "backends.py").write_text(BACKENDS)
    rows = [{"text": f"{name} {i}", "label": name} for name in ("yes", "no") for i in range(200)]
    (tmp_path / "data.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    body = (
        f"latency_messages = 0\nthreads = 1\n[data]\npath = '{tmp_path}/data.jsonl'\n"
        "[split]\nvalidation = 0.25\nduplicates = 'report'\n"
        f"[classifiers.sure]\nbackend = '{tmp_path}/backends.py:Sure'\n"
        f"[classifiers.plain]\nbackend = '{tmp_path}/backends.py:Plain'\n"
    )
    config_file, results = tmp_path / "c.toml", tmp_path / "results"
    config_file.write_text(body)
    command = ["--results", str(results), "run", str(config_file), "--run", "r"]
    assert main(command) == 0
    run = RunFolder(results / "r")
    assert len(run.cell("sure").validation.read()) == 100
    assert run.cell("plain").validation.read() == []
    tested = run.cell("plain").predictions.path.read_bytes()
    config_file.write_text(body + "[cascades.both]\nfirst = 'sure'\nsecond = 'plain'\nbudget = 0.2\n")
    assert main(command) == 0
    least_sure = sorted(run.cell("sure").validation.read(), key=lambda r: r.confidence or 0.0)[:20]
    assert {r.id for r in run.cell("plain").validation.read()} == {r.id for r in least_sure}
    assert run.cell("plain").predictions.path.read_bytes() == tested
    assert "| both" in (run.path / "report.md").read_text()
