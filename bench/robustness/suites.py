"""How gently a classifier breaks: contrived messages, spoiled messages, and orders hidden in messages.

Three suites, all put to the saved classifiers of a run: the challenge messages that the data's task.toml names, by
kind; test messages spoiled in seven ways at three strengths; and prompt injection, every form of attack for every label
that is not the classifier's own answer. Answers are appended as they come, so that a broken-off test goes on.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import tomli

from bench.config.run import RunConfig
from bench.dataset.load import challenge_messages
from bench.inference.saved import open_saved
from bench.records.jsonl import JsonLines
from bench.records.store import RunFolder
from bench.records.types import PredictionRecord
from bench.robustness.perturbations import PERTURBATIONS, STRENGTHS, perturb
from classifiers.errors import BenchError
from classifiers.interface import Attempt, Prediction

ATTACKS = Path(__file__).with_name("attacks.toml")
BATCH = 64

Report = Callable[[float], None]
"""Told the share of a classifier's questions that is answered."""


@dataclass(frozen=True, slots=True)
class Question:
    """One text to be answered; `target` is the attacker's label, "" where nobody attacks.

    `strength` is 0 where a form has none; `clean` says whether the classifier was right on the message as it was.
    """

    suite: str
    form: str
    strength: int
    id: str
    text: str
    gold: tuple[str, ...]
    target: str = ""
    clean: bool | None = None

    @property
    def key(self) -> tuple[str, str, int, str, str]:
        """Give what tells a question from all others of the same classifier."""
        return self.suite, self.form, self.strength, self.id, self.target


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


@dataclass(frozen=True, slots=True)
class Amounts:
    """How many test messages are spoiled, and how many are attacked, drawn evenly by seed."""

    spoiled: int = 30
    attacked: int = 10
    seed: int = 0


def attacks() -> dict[str, str]:
    """Read the forms of attack, each a text with {message} and {label}."""
    found: dict[str, str] = tomli.loads(ATTACKS.read_text(encoding="utf-8"))["attacks"]
    return found


def stress_file(run: RunFolder, classifier: str) -> JsonLines[StressRecord]:
    """Give the file of a classifier's answers under stress."""
    return JsonLines(run.cell(classifier).path / "stress.jsonl", StressRecord)


def stress(run: RunFolder, classifier: str, amounts: Amounts, report: Report) -> list[StressRecord]:
    """Put every question that has no answer yet to a saved classifier; give all its records.

    Raises:
        BenchError: if the run has not saved it, or it has no answers to start from.
    """
    file = stress_file(run, classifier)
    finished = {record.question.key for record in file.repair()}
    asked = list(questions(run, classifier, amounts))
    waiting = [question for question in asked if question.key not in finished]
    if waiting:
        model = open_saved(run, classifier)
        with model, file.path.open("ab") as stream:
            for start in range(0, len(waiting), BATCH):
                batch = waiting[start : start + BATCH]
                answers = model.predict([question.text for question in batch])
                file.append([_record(q, a) for q, a in zip(batch, answers, strict=True)], stream)
                report((len(asked) - len(waiting) + start + len(batch)) / len(asked))
    wanted = {question.key for question in asked}
    return [record for record in file.read() if record.question.key in wanted]


def _record(question: Question, answer: Prediction) -> StressRecord:
    # only challenge messages are looked at one by one
    probabilities = answer.probabilities if question.suite == "challenge" else None
    known = dict(probabilities) if probabilities is not None else None
    return StressRecord(question, answer.labels, answer.valid, answer.attempts, known)


def stress_records(run: RunFolder) -> dict[str, list[StressRecord]]:
    """Give what every classifier that was put under stress answered; empty where none was."""
    found = {name: stress_file(run, name).read() for name in run.read().config.cell_names}
    return {name: records for name, records in found.items() if records}


def challenge_answers(records: Sequence[StressRecord]) -> tuple[PredictionRecord, ...]:
    """Give a classifier's answers to the challenge messages as answers to test messages are recorded."""
    return tuple(
        PredictionRecord(
            id=one.question.id,
            text=one.question.text,
            gold=one.question.gold,
            predicted=one.predicted,
            valid=one.valid,
            probabilities=one.probabilities,
            attempts=one.attempts,
            columns={"kind": one.question.form},
        )
        for one in records
        if one.question.suite == "challenge"
    )


def questions(run: RunFolder, classifier: str, amounts: Amounts) -> Iterator[Question]:
    """Give all questions for a classifier, in the order of the suites."""
    config = run.read().config
    if not run.read().as_task().takes_several:  # its file names one label a message
        yield from _challenge(config)
    records = run.cell(classifier).predictions.read()
    if not records:
        raise BenchError(f"'{classifier}' has no answers in {run.path}; bench report tells why")
    chance = random.Random(amounts.seed)
    drawn = chance.sample(sorted(records, key=lambda r: r.id), min(amounts.spoiled, len(records)))
    for record in drawn:
        for form in PERTURBATIONS:
            for strength in STRENGTHS:
                text = perturb(record.text, form, strength, seed=amounts.seed)
                yield Question("spoiled", form, strength, record.id, text, record.gold, clean=record.is_right)
    labels = run.read().as_task().label_names
    for record in drawn[: amounts.attacked]:
        for form, template in attacks().items():
            for label in labels:
                if label not in record.predicted:
                    text = template.format(message=record.text, label=label)
                    yield Question("injection", form, 0, record.id, text, record.gold, label, record.is_right)


def _challenge(config: RunConfig) -> Iterator[Question]:
    for message in challenge_messages(config.data):
        kind = message.columns.get("kind", "")
        yield Question("challenge", kind, 0, message.id, message.text, message.labels)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one form at one strength: of n questions, how many were right and how many flipped."""

    suite: str
    form: str
    strength: int
    n: int
    right: int
    flipped: int
    clean_right: int


def outcomes(records: Sequence[StressRecord]) -> list[Outcome]:
    """Add up a classifier's records by suite, form and strength, in the order they came."""
    groups: dict[tuple[str, str, int], list[StressRecord]] = {}
    for record in records:
        question = record.question
        groups.setdefault((question.suite, question.form, question.strength), []).append(record)
    return [
        Outcome(
            *key,
            n=len(own),
            right=sum(record.is_right for record in own),
            flipped=sum(record.is_flipped for record in own),
            clean_right=sum(bool(record.question.clean) for record in own),
        )
        for key, own in groups.items()
    ]
