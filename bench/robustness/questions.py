"""What a classifier is asked under stress, made anew from a run's records whenever it is needed.

Four suites: the challenge messages that the data's task.toml names, by kind; test messages perturbed in seven ways at
three severities; prompt injection, every attack for every label that is not the classifier's own answer; and, of what
is prompted, test messages under other wordings of the task.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import tomli
from pydantic import AliasChoices, BeforeValidator, Field

from bench.config.cells import make_classifier
from bench.dataset.load import challenge_messages
from bench.records.jsonl import JsonLines
from bench.records.renamed import SUITES
from bench.records.store import RunFolder
from bench.records.types import PredictionRecord
from bench.robustness.perturbations import PERTURBATIONS, SEVERITIES, perturb
from bench.robustness.wording import Wording, wordings
from classifiers.errors import BenchError
from classifiers.interface import Message
from classifiers.sampling import stratified_sample

ATTACKS = Path(__file__).with_name("attacks.toml")


@dataclass(frozen=True, slots=True)
class Question:
    """One text to be answered; `target` is the attacker's label, "" where nobody attacks.

    `kind` names the perturbation, the attack, the kind of challenge or the wording; `severity` is 0 where a kind has
    none; `clean` says whether the classifier was right on the message as it was; `wording` is the fingerprint of how
    the task is put, "" for as it was.
    """

    suite: Annotated[str, BeforeValidator(lambda suite: SUITES.get(suite, suite))]
    kind: Annotated[str, Field(validation_alias=AliasChoices("kind", "form"))]
    severity: Annotated[int, Field(validation_alias=AliasChoices("severity", "strength"))]
    id: str
    text: str
    gold: tuple[str, ...]
    target: str = ""
    clean: bool | None = None
    wording: str = ""


@dataclass(frozen=True, slots=True)
class Draw:
    """How many test messages are perturbed, and how many of them are attacked: a stratified sample by seed.

    Its messages are the same for every classifier; a smaller draw of the same seed is part of every larger one. What is
    perturbed is asked about under other wordings too: `orders` of the labels, and declared `definitions`.
    """

    perturbed: int = 30
    attacked: int = 10
    seed: int = 0
    orders: int = 0
    definitions: dict[str, dict[str, str]] = field(default_factory=dict)


def draw_file(run: RunFolder) -> JsonLines[Draw]:
    """Return the file with the draw that a run's report shows: the latest."""
    return JsonLines(run.path / "stress-draw.jsonl", Draw)


def attacks() -> dict[str, str]:
    """Read the attacks, each a text with {message} and {label}."""
    templates: dict[str, str] = tomli.loads(ATTACKS.read_text(encoding="utf-8"))["attacks"]
    return templates


def questions(run: RunFolder, classifier: str, draw: Draw) -> Iterator[Question]:
    """Yield all questions for a classifier, in the order of the suites.

    Raises:
        BenchError: if it has no answers to start from, or a challenge message cannot be used.
    """
    for message in challenge_messages(run.read().config.data):
        yield Question("challenge", message.columns.get("kind", ""), 0, message.id, message.text, message.labels)
    if not run.cell(classifier).predictions.read():
        raise BenchError(f"'{classifier}' has no answers in {run.path}; bench report tells why")
    is_prompted = make_classifier(run.read().config.cell(classifier), threads=1).is_prompted
    yield from (q for q in drawn_questions(run, classifier, draw) if q.suite != "wording" or is_prompted)


def draw_wordings(run: RunFolder, draw: Draw) -> list[Wording]:
    """Return the wordings of a run's task that a draw asks in; empty where it asks in none but the task's own."""
    if not draw.orders and not draw.definitions:
        return []
    record = run.read()
    task = record.config.data.learnt(record.as_task())
    return wordings(task, orders=draw.orders, definitions=draw.definitions, seed=draw.seed)


def drawn_questions(run: RunFolder, classifier: str, draw: Draw) -> Iterator[Question]:
    """Yield the questions that are made of drawn test messages: those of all suites but the challenge.

    The suite `wording` stands in it whatever the classifier is; only prompted ones are asked it.
    """
    drawn = _sample(run.cell(classifier).predictions.read(), draw)
    for record in drawn:
        for perturbation in PERTURBATIONS:
            for severity in SEVERITIES:
                text = perturb(record.text, perturbation, severity, seed=draw.seed)
                yield Question("perturbed", perturbation, severity, record.id, text, record.gold, "", record.is_right)
    labels = run.read().as_task().label_names
    for record in drawn[: draw.attacked]:
        for attack, template in attacks().items():
            for label in labels:
                if label not in record.predicted:
                    text = template.format(message=record.text, label=label)
                    yield Question("injection", attack, 0, record.id, text, record.gold, label, record.is_right)
    for wording in draw_wordings(run, draw):
        for record in drawn:
            about = (record.id, record.text, record.gold)
            yield Question("wording", wording.name, 0, *about, clean=record.is_right, wording=wording.fingerprint)


def _sample(records: Sequence[PredictionRecord], draw: Draw) -> list[PredictionRecord]:
    by_id = {record.id: record for record in sorted(records, key=lambda record: record.id)}
    messages = [Message(record.id, record.text, record.gold) for record in by_id.values()]
    return [by_id[message.id] for message in stratified_sample(messages, draw.perturbed, draw.seed)]
