"""An encoder taught by another classifier: no labels are given by people.

The teacher, an LLM as a rule, answers unlabelled messages; the student, an encoder, learns its probabilities (soft
targets, Hinton et al. 2015, arXiv 1503.02531) or its labels. What comes out answers at the encoder's speed. The labels
of the training part are hidden from both, so the row says what is possible without labelling anything.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from classifiers.encoder.backend import Encoder
from classifiers.encoder.settings import EncoderSettings
from classifiers.errors import BenchError
from classifiers.exporting import Deployment, Wanted
from classifiers.finetune.saved import read_state
from classifiers.heads.multilabel import Rows
from classifiers.interface import (
    Classifier,
    Details,
    FetchReport,
    Listener,
    Message,
    ModelFile,
    Prediction,
    Progress,
    Settings,
    Task,
    quiet,
    silent,
)
from classifiers.registry import make_classifier
from classifiers.sampling import group_numbers, stratified_sample

LESSON = "lesson.json"
HELD_OUT = 10
"""One of this many taught messages, or groups of them, is kept to choose the student's epoch by."""


class DistilledSettings(Settings):
    """Who teaches whom, and on what.

    `teacher` is a row of its own, with its `backend` and that backend's settings, and `student` the settings of an
    encoder. `messages` are answered by the teacher, 0 for the whole training part; the share `surest` of its answers
    is learnt. `soft` learns its probabilities, where it gives any, evened out by a `temperature` above 1.
    """

    teacher: dict[str, Any] = Field(
        default={
            "backend": "llama_cpp",
            "model": "qwen2.5-coder-1.5b-instruct",
            "mode": "score",
            "calibration": "batch",
        }
    )
    student: EncoderSettings = Field(default_factory=EncoderSettings)
    messages: int = Field(default=0, ge=0)
    surest: float = Field(default=1.0, gt=0, le=1)
    soft: bool = True
    temperature: float = Field(default=1.0, gt=0)


class Lesson(BaseModel):
    """What the record says of the teaching: the teacher's files, the messages it answered and those learnt."""

    model_config = ConfigDict(frozen=True)
    teacher_models: tuple[ModelFile, ...] = ()
    taught: int = 0
    learnt: int = 0


class Distilled(Classifier[DistilledSettings]):
    """An encoder that learnt from a teacher's answers."""

    settings_type = DistilledSettings
    batch_size = Encoder.batch_size
    learns_from_labels = False

    def __init__(self, settings: DistilledSettings | None = None, *, seed: int = 0, threads: int = 1) -> None:
        super().__init__(settings, seed=seed, threads=threads)
        self._student = Encoder(self.settings.student, seed=seed, threads=threads)
        self._lesson = Lesson()
        self._teacher()  # a misspelt setting is an error at once

    def supports(self, task: Task) -> str | None:
        """Refuse what either cannot do, and a teacher that would need labels."""
        for name, plain in (("examples", "none"), ("tune", False), ("examples_per_label", 0)):
            if self.settings.teacher.get(name, plain) != plain:
                return f"its teacher is to use no labels: leave out {name}"
        return self._teacher().supports(task) or self._student.supports(task)

    def fetch(self, report: FetchReport = quiet) -> None:
        """Have the models of both on this machine."""
        self._teacher().fetch(report)
        self._student.fetch(report)

    def model_files(self) -> tuple[ModelFile, ...]:
        """Return the student's and the teacher's files."""
        return (*self._student.model_files(), *self._teacher().model_files())

    def load(self) -> None:
        """Read the student; the teacher is loaded in `fit`, which is its only work."""
        self._student.load()

    def fit(
        self,
        task: Task,
        train: Sequence[Message],
        validation: Sequence[Message],
        *,
        listen: Listener = silent,
    ) -> None:
        """Let the teacher answer the training messages, whose labels it is not told, and teach the student that.

        Raises:
            BenchError: if the teacher gave fewer than two labels a usable answer.
        """
        unlabelled = [replace(m, labels=()) for m in train]
        if self.settings.messages:  # drawn after the labels are gone: which label a message has must not choose it
            unlabelled = stratified_sample(unlabelled, self.settings.messages, self.seed)
        answers, teacher_models = self._ask_teacher(task, unlabelled, listen)
        learnt = self._surest(answers)
        messages = [replace(unlabelled[i], labels=answers[i].labels) for i in learnt]
        if len({message.labels for message in messages}) < 2:
            raise BenchError(
                "the teacher gave all messages one label or none it could be read as; take another teacher"
            )
        targets = self._targets(task, [answers[i] for i in learnt])
        kept, held_out = _divided(messages)
        self._lesson = Lesson(teacher_models=teacher_models, taught=len(unlabelled), learnt=len(messages))
        self._student.fit(
            task,
            [messages[i] for i in kept],
            [messages[i] for i in held_out],
            listen=listen,
            targets=None if targets is None else targets[kept],
        )

    def predict(self, texts: Sequence[str]) -> Iterator[Prediction]:
        """Let the student answer."""
        return self._student.predict(texts)

    def save(self, folder: Path) -> None:
        """Write the student, and what the teaching was."""
        (folder / LESSON).write_text(self._lesson.model_dump_json(), encoding="utf-8")
        self._student.save(folder)

    def load_from(self, folder: Path, task: Task) -> None:
        """Read the student, and what the teaching was."""
        self._student.load_from(folder, task)
        self._lesson = read_state(folder / LESSON, Lesson)

    def export(self, folder: Path, wanted: Wanted) -> Deployment:
        """Export the student, which answers without its teacher."""
        return self._student.export(folder, wanted)

    def close(self) -> None:
        """Free the student."""
        self._student.close()

    def details(self) -> Details:
        """Return the student's details, with who taught it and no labels used; the teacher's files are metadata."""
        student = self._student.details()
        name = self.settings.teacher.get("model", self.settings.teacher["backend"])
        lesson = self._lesson
        hashes = {f"teacher {file.name}": file.sha256 for file in lesson.teacher_models}
        return replace(
            student,
            n_labelled=0,
            notes=(f"taught by {name}; it used no labels of the training part", *student.notes),
            metadata={**student.metadata, "taught": lesson.taught, "learnt": lesson.learnt, **hashes},
        )

    def _teacher(self) -> Classifier[Any]:
        values = dict(self.settings.teacher)
        if not isinstance(values.get("backend"), str):
            raise BenchError("a distilled row's teacher needs a backend, such as llama_cpp")
        return make_classifier(values.pop("backend"), values, where="teacher", seed=self.seed, threads=self.threads)

    def _ask_teacher(
        self, task: Task, messages: Sequence[Message], listen: Listener
    ) -> tuple[list[Prediction], tuple[ModelFile, ...]]:
        """Return the teacher's answers, and the model files they came from."""
        answers: list[Prediction] = []
        with self._teacher() as teacher:
            teacher.load()
            teacher.fit(task, messages, ())
            for start in range(0, len(messages), teacher.batch_size):
                batch = messages[start : start + teacher.batch_size]
                answers += teacher.predict([m.text for m in batch])
                listen(Progress(len(answers), len(messages)))
            return answers, teacher.details().models

    def _surest(self, answers: Sequence[Prediction]) -> list[int]:
        """Return the places of the answers to be learnt, in order; without probabilities all valid ones."""
        valid = [i for i, answer in enumerate(answers) if answer.valid]
        if self.settings.surest == 1 or any(answers[i].confidence is None for i in valid):
            return valid
        ordered = sorted(valid, key=lambda i: -(answers[i].confidence or 0.0))
        return sorted(ordered[: max(1, round(self.settings.surest * len(valid)))])

    def _targets(self, task: Task, answers: Sequence[Prediction]) -> Rows | None:
        """Return the teacher's probabilities as targets, or None where its labels are to be learnt."""
        if not self.settings.soft or any(answer.probabilities is None for answer in answers):
            return None
        rows = np.array([[(a.probabilities or {})[name] for name in task.label_names] for a in answers])
        if task.takes_several:
            odds = np.log(np.clip(rows, 1e-6, 1 - 1e-6) / np.clip(1 - rows, 1e-6, 1))
            return np.asarray(1 / (1 + np.exp(-odds / self.settings.temperature)))
        evened = np.clip(rows, 1e-9, 1) ** (1 / self.settings.temperature)
        return np.asarray(evened / evened.sum(axis=1, keepdims=True))


def _divided(messages: Sequence[Message]) -> tuple[list[int], list[int]]:
    """Return the places of the messages to learn and of those held out: none where there are fewer groups."""
    is_held_out = [(number + 1) % HELD_OUT == 0 for number in group_numbers(messages)]
    kept, held_out = ([i for i, out in enumerate(is_held_out) if out is side] for side in (False, True))
    return kept, held_out
