"""Answers that were given elsewhere, read from a file: any vendor's, last year's system's, a second annotator's.

They are paired with all other rows on the same messages, and nothing is known of the time or memory they took. A file
that does not fit the messages is refused before anything runs, since answers beside the wrong messages look like a bad
classifier.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import Field

from classifiers.errors import BenchError, nearest
from classifiers.interface import (
    Attempt,
    Classifier,
    Details,
    Listener,
    Message,
    ModelFile,
    Prediction,
    Settings,
    Task,
    silent,
)
from classifiers.plurals import number_of

DELIMITERS = {".csv": ",", ".tsv": "\t"}


class AnswersSettings(Settings):
    """The file and its columns: CSV or TSV with a header, or JSONL.

    Answers belong to messages by the column `id`, or in a file without it by `text`. An id is the one in the run's
    messages.jsonl; where both columns are there, the text must be that message's. `label` holds the answer; an empty
    one is no answer and counts as wrong. `separator` divides several labels of one message; JSONL may also hold lists.
    `probability`, a column that may be missing, is that of the label.

    A label that the task does not have is refused; with `unknown_labels = "invalid"` it counts as a parse failure.
    """

    file: str = Field(min_length=1)
    id: str = "id"
    text: str = "text"
    label: str = "label"
    probability: str = "probability"
    separator: str = ""
    unknown_labels: Literal["refuse", "invalid"] = "refuse"


@dataclass(frozen=True, slots=True)
class Answer:
    """One row of the file: the line it stands on, whose answer it is, and what it says."""

    line: int
    id: str | None
    text: str | None
    labels: tuple[str, ...]
    probability: float | None

    @property
    def key(self) -> str:
        """Return what the answer is looked up by."""
        return self.id if self.id is not None else _plain(self.text or "")


class Answers(Classifier[AnswersSettings]):
    """Says of each message what the file says of it."""

    settings_type = AnswersSettings
    learns_from_labels = False
    task: Task

    def __init__(self, settings: AnswersSettings | None = None, *, seed: int = 0, threads: int = 1) -> None:
        super().__init__(settings, seed=seed, threads=threads)
        self.answers: dict[str, Answer] = {}

    @property
    def path(self) -> Path:
        """Return the file of answers."""
        return Path(self.settings.file).expanduser()

    def model_files(self) -> tuple[ModelFile, ...]:
        """Return the file of answers with its hash, so that a changed file makes another cell."""
        data = self._bytes()
        return (ModelFile(self.path.name, hashlib.sha256(data).hexdigest(), len(data)),)

    def load(self) -> None:
        """Read the file; raises BenchError, naming the line, where a row cannot be used."""
        self.answers = {}
        for answer in self._rows():
            known = self.answers.setdefault(answer.key, answer)
            if (known.labels, known.probability) != (answer.labels, answer.probability):
                raise BenchError(f"{self.path}:{answer.line}: answers {answer.key!r} as line {known.line} does not")
        if not self.answers:
            raise BenchError(f"{self.path} holds no answers")

    def fit(
        self,
        task: Task,
        train: Sequence[Message],
        validation: Sequence[Message],
        *,
        listen: Listener = silent,
    ) -> None:
        """Take note of the labels; nothing is learnt.

        Raises:
            BenchError: naming the line of a label the task does not have, where that is refused.
        """
        self.task = task
        if self.settings.unknown_labels == "invalid":
            return
        for answer in self.answers.values():
            for label in answer.labels:
                if label not in task.label_names:
                    line = nearest(label, list(task.label_names), what="label")
                    raise BenchError(f'{self.path}:{answer.line}: {line}, or set unknown_labels = "invalid"')

    def check_messages(self, task: Task, test: Sequence[Message], others: Sequence[Message]) -> None:
        """See that every test message has an answer, and every answer belongs to a message.

        Raises:
            BenchError: naming the id of a message without an answer, or the line of an answer without a message.
        """
        self.load()
        self.fit(task, (), ())
        missing = [message for message in test if self._of(message) is None]
        if missing:
            raise BenchError(
                f"{self.path}: no answer to {len(missing)} of {number_of(len(test), 'test message')}, first of all to "
                f"{missing[0].id!r}; messages.jsonl in the run's folder lists all with their part"
            )
        known = {key for m in (*test, *others) for key in (m.id, _plain(m.text))}
        for answer in self.answers.values():
            if answer.key not in known:
                raise BenchError(f"{self.path}:{answer.line}: {answer.key!r} is no message of the task")

    def answered(self, messages: Sequence[Message]) -> list[Message]:
        """Return the messages that the file answers."""
        return [message for message in messages if self._of(message) is not None]

    def answers_of(self, messages: Sequence[Message]) -> Iterator[Prediction]:
        """Return what the file says of each message; no valid answer where it says nothing."""
        return (self._prediction(self._of(message)) for message in messages)

    def predict(self, texts: Sequence[str]) -> Iterator[Prediction]:
        """Return what a file of texts says of each; no valid answer where it says nothing."""
        return (self._prediction(self.answers.get(_plain(text))) for text in texts)

    def details(self) -> Details:
        """Name the file, and say that nothing of how it was made is known."""
        return Details(
            models=self.model_files(),
            n_labelled=0,
            runs_elsewhere=True,
            notes=(f"answers read from {self.path.name}: their time, memory and labelled messages are not known",),
            metadata={"answers": len(self.answers)},
        )

    def _of(self, message: Message) -> Answer | None:
        answer = self.answers.get(message.id) or self.answers.get(_plain(message.text))
        if answer and answer.id and answer.text is not None and _plain(answer.text) != _plain(message.text):
            raise BenchError(f"{self.path}:{answer.line}: {answer.id!r} has another text in the task")
        return answer

    def _prediction(self, answer: Answer | None) -> Prediction:
        if answer is None:
            return Prediction((), valid=False)
        names, labels = self.task.label_names, answer.labels
        enough = len(labels) <= self.task.max_labels and (bool(labels) or self.task.takes_several)
        valid = enough and set(labels) <= set(names)
        attempt = Attempt(raw=", ".join(labels), labels=labels if valid else (), valid=valid)
        if not valid:
            return Prediction((), valid=False, attempts=(attempt,))
        return Prediction(labels, probabilities=self._probabilities(answer), attempts=(attempt,))

    def _probabilities(self, answer: Answer) -> Mapping[str, float] | None:
        """Return the label's probability, what is left of 1 spread evenly over the others."""
        names, p = self.task.label_names, answer.probability
        if p is None or self.task.takes_several:
            return None
        if len(names) == 1:
            return {names[0]: 1.0}
        return {name: p if name in answer.labels else (1 - p) / (len(names) - 1) for name in names}

    def _bytes(self) -> bytes:
        try:
            return self.path.read_bytes()
        except (OSError, ValueError) as error:  # a name with a NUL byte is a ValueError
            reason = getattr(error, "strerror", None) or str(error)
            raise BenchError(f"{self.path}: cannot be read: {reason}; name the file of answers") from error

    def _rows(self) -> Iterator[Answer]:
        if self.path.suffix not in (*DELIMITERS, ".jsonl"):
            raise BenchError(f"{self.path}: unknown kind of file (known: .csv, .tsv, .jsonl)")
        try:
            text = self._bytes().decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise BenchError(f"{self.path}: not UTF-8; save it as UTF-8") from error
        read = _jsonl if self.path.suffix == ".jsonl" else _separated
        for line, cells in read(self.path, text):
            yield self._answer(line, cells)

    def _answer(self, line: int, cells: Mapping[str, object]) -> Answer:
        settings = self.settings
        id_, text = cells.get(settings.id), cells.get(settings.text)
        if id_ is None and text is None:
            raise BenchError(f"{self.path}:{line}: neither {settings.id!r} nor {settings.text!r} is given")
        if settings.label not in cells:
            raise BenchError(f"{self.path}:{line}: " + nearest(settings.label, sorted(cells), what="column"))
        return Answer(
            line,
            None if id_ is None else str(id_),
            None if text is None else str(text),
            self._labels(cells[settings.label]),
            self._probability(line, cells.get(settings.probability)),
        )

    def _labels(self, cell: object) -> tuple[str, ...]:
        if isinstance(cell, list):
            return tuple(map(str, cell))
        text = "" if cell is None else str(cell)
        pieces = text.split(self.settings.separator) if self.settings.separator else [text]
        return tuple(piece.strip() for piece in pieces if piece.strip())

    def _probability(self, line: int, cell: object) -> float | None:
        if cell is None or cell == "":
            return None
        try:
            p = float(str(cell))
        except ValueError:
            p = -1.0
        if not 0 <= p <= 1:
            raise BenchError(f"{self.path}:{line}: probability {cell!r} does not lie between 0 and 1")
        return p


def _plain(text: str) -> str:
    """Return a text without what spreadsheets change in it: the kind and number of spaces."""
    return " ".join(text.split())


Rows = Iterable[tuple[int, Mapping[str, object]]]
"""The line a row ends on, counted from 1, and its cells by column."""


def _separated(path: Path, text: str) -> Rows:
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=DELIMITERS[path.suffix], strict=True)
    try:
        header = next(rows, [])
        if double := [name for name in header if header.count(name) > 1]:
            raise BenchError(f"{path}:1: the column {double[0]!r} stands twice; take one of the two out")
        for row in filter(None, rows):
            if len(row) != len(header):
                cells, columns = number_of(len(row), "cell"), number_of(len(header), "column")
                raise BenchError(f"{path}:{rows.line_num}: {cells} under {columns}")
            yield rows.line_num, dict(zip(header, row, strict=True))
    except csv.Error as error:
        raise BenchError(f"{path}:{rows.line_num}: {error}") from error


def _jsonl(path: Path, text: str) -> Rows:
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise BenchError(f"{path}:{number}: not JSON: {str(error).splitlines()[0]}") from error
        if not isinstance(row, dict):
            raise BenchError(f'{path}:{number}: not an object, such as {{"text": "…", "label": "…"}}')
        yield number, row
