"""The answers of saved classifiers under stress.

Each answer is appended at once, so that a broken-off test goes on. Classifiers stand beside each other only with
answers to one draw of test messages.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from bench.inference.saved import open_saved
from bench.records.jsonl import JsonLines
from bench.records.store import RunFolder
from bench.records.types import PredictionRecord
from bench.robustness.questions import Draw, Question, draw_file, draw_wordings, drawn_questions, questions
from classifiers.interface import Attempt, Prediction, Task

BATCH = 64

Report = Callable[[float], None]
"""Told the share of a classifier's questions that is answered."""


@dataclass(frozen=True, slots=True)
class StressRecord:
    """A question with its answer."""

    question: Question
    predicted: tuple[str, ...]
    valid: bool
    attempts: tuple[Attempt, ...] = ()
    probabilities: dict[str, float] | None = None

    @property
    def is_right(self) -> bool:
        """Tell whether the answer is the gold label still."""
        return self.valid and set(self.predicted) == set(self.question.gold)

    @property
    def is_flipped(self) -> bool:
        """Tell whether the answer has become the attacker's label, or holds it where it may hold several."""
        return self.valid and self.question.target in self.predicted


def stress_file(run: RunFolder, classifier: str) -> JsonLines[StressRecord]:
    """Return the file of a classifier's answers under stress."""
    return JsonLines(run.cell(classifier).path / "stress.jsonl", StressRecord)


def stress(run: RunFolder, classifier: str, draw: Draw, report: Report) -> list[StressRecord]:
    """Put every question that has no answer yet to a saved classifier; return its records of this draw.

    The draw becomes the one that the run's report shows. Answers to other draws stay in the file.

    Raises:
        BenchError: if the run has not saved it, or it has no answers to start from.
    """
    file = stress_file(run, classifier)
    answered = {record.question: record for record in file.repair()}
    asked = list(questions(run, classifier, draw))
    draw_file(run).write([draw])
    waiting = [question for question in asked if question not in answered]
    tasks = {wording.fingerprint: wording.task for wording in draw_wordings(run, draw)}
    done = len(asked) - len(waiting)
    with file.path.open("ab") as stream:
        # those of one wording stand together, for each is asked of a classifier taken up anew
        for wording, group in groupby(waiting, key=lambda question: question.wording):
            for records in _answers(run, classifier, tasks.get(wording), list(group)):
                file.append(records, stream)
                answered |= {record.question: record for record in records}
                done += len(records)
                report(done / len(asked))
    return [answered[question] for question in asked]


def _answers(
    run: RunFolder, classifier: str, task: Task | None, asked: Sequence[Question]
) -> Iterator[list[StressRecord]]:
    """Take a classifier up, with a task in other words or its own, and yield its answers batch by batch."""
    with open_saved(run, classifier, task=task) as model:
        for start in range(0, len(asked), BATCH):
            batch = asked[start : start + BATCH]
            answers = model.predict([question.text for question in batch])
            yield [_record(q, a) for q, a in zip(batch, answers, strict=True)]


def _record(question: Question, answer: Prediction) -> StressRecord:
    # only challenge messages are looked at one by one
    probabilities = answer.probabilities if question.suite == "challenge" else None
    known = dict(probabilities) if probabilities is not None else None
    return StressRecord(question, answer.labels, answer.valid, answer.attempts, known)


def stress_records(run: RunFolder) -> dict[str, list[StressRecord]]:
    """Return the answers of every classifier that was put under stress; empty where none was.

    They are those to the run's latest draw. A suite that a classifier has not answered to the end is left out of its
    records, for other rows were then asked other questions.
    """
    answers = {name: stress_file(run, name).read() for name in run.read().config.cell_names}
    answers = {name: records for name, records in answers.items() if records}
    draws = draw_file(run).read()
    if draws:
        kept = {name: _of_draw(run, name, records, draws[-1]) for name, records in answers.items()}
    else:  # records of a version that did not write the draw
        kept = _of_common_messages(answers)
    return {name: records for name, records in kept.items() if records}


def _of_draw(run: RunFolder, classifier: str, records: Iterable[StressRecord], draw: Draw) -> list[StressRecord]:
    """Keep the latest answers to challenge messages, and each other suite's where all of the draw is answered."""
    answered = {record.question: record for record in records}
    challenge = {question.id: record for question, record in answered.items() if question.suite == "challenge"}
    suites: dict[str, list[Question]] = {}
    for question in drawn_questions(run, classifier, draw):
        suites.setdefault(question.suite, []).append(question)
    whole = [suite for suite in suites.values() if all(question in answered for question in suite)]
    return [*challenge.values(), *(answered[question] for suite in whole for question in suite)]


def _of_common_messages(answers: Mapping[str, Sequence[StressRecord]]) -> dict[str, list[StressRecord]]:
    """Keep the answers about messages that every classifier was asked about in the same suite."""
    asked = [{(record.question.suite, record.question.id) for record in records} for records in answers.values()]
    common = set.intersection(*asked) if asked else set()
    return {
        name: [record for record in records if (record.question.suite, record.question.id) in common]
        for name, records in answers.items()
    }


def challenge_answers(records: Sequence[StressRecord]) -> tuple[PredictionRecord, ...]:
    """Return a classifier's answers to the challenge messages as answers to test messages are recorded."""
    return tuple(
        PredictionRecord(
            id=record.question.id,
            text=record.question.text,
            gold=record.question.gold,
            predicted=record.predicted,
            valid=record.valid,
            probabilities=record.probabilities,
            attempts=record.attempts,
            columns={"kind": record.question.kind},
        )
        for record in records
        if record.question.suite == "challenge"
    )
