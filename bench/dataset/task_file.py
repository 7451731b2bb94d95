"""Read a folder with task.toml: what its labels mean, and its messages in a text file per label or in one table.

A task.toml can only name files inside its own folder.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import tomli
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from bench.config.tables import DataConfig, LabelsPerMessage
from bench.dataset.table_reader import Table, read_table, sample, sampled_table
from classifiers.errors import BenchError, explain
from classifiers.interface import Label, Message

TASK_FILE = "task.toml"


class LabelEntry(BaseModel):
    """One [[labels]] of a task.toml; `file` holds its messages, one per line, where the task has no `messages`."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    name: str = Field(min_length=1)
    definition: str = ""
    file: str = ""


class TaskFile(BaseModel):
    """The content of a task.toml.

    The messages stand in a file per label, or all in the table `messages` with the columns `text` and `label`, where
    `separator` stands between the labels of one message. `challenge` is a table of contrived messages that
    `bench stress` asks, with the columns `text`, `label` and `kind`.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    name: str
    instruction: str = ""
    challenge: str | None = None
    messages: str | None = None
    text: str = "text"
    label: str = "label"
    separator: str = ""
    labels_per_message: LabelsPerMessage | None = None
    labels: tuple[LabelEntry, ...] = Field(min_length=2)

    @model_validator(mode="after")
    def _messages_stand_in_one_place(self) -> TaskFile:
        without = [label.name for label in self.labels if not label.file]
        if self.messages and len(without) < len(self.labels):
            raise ValueError("give `messages`, or a `file` for every label, not both")
        if not self.messages and without:
            raise ValueError(f"label '{without[0]}' has no `file`, and there is no table `messages`")
        for what, values in (
            ("name", [e.name for e in self.labels]),
            ("file", [e.file for e in self.labels if e.file]),
        ):
            if double := [value for value, n in Counter(values).items() if n > 1]:
                raise ValueError(f"two labels have the same {what}, '{double[0]}'")
        return self

    @property
    def columns(self) -> DataConfig:
        """Return how the table of messages is read."""
        return DataConfig(
            text=self.text,
            label=self.label,
            separator=self.separator,
            labels_per_message=self.labels_per_message,
        )

    @property
    def label_list(self) -> tuple[Label, ...]:
        """Return the labels in the file's order."""
        return tuple(Label(entry.name, entry.definition) for entry in self.labels)


def read_task_file(folder: Path) -> TaskFile:
    """Read a folder's task.toml; raises BenchError with one line."""
    file = folder / TASK_FILE
    try:
        content = TaskFile.model_validate(tomli.loads(_read_text(file)))
    except ValidationError as error:
        raise BenchError(explain(error, TaskFile, where=str(file))) from error
    except (ValueError, RecursionError) as error:  # numbers of too many digits and tables in tables without end, too
        raise BenchError(f"{file}: not TOML: {error}") from error
    if content.challenge and not inside(folder, content.challenge).is_file():
        raise BenchError(f"{file}: challenge '{content.challenge}' does not exist")
    return content


def read_messages(folder: Path, content: TaskFile, config: DataConfig) -> Table:
    """Read the messages of a folder's task, at most `max_messages` of them."""
    if content.messages is not None:
        update = {"max_messages": config.max_messages, "blanks": config.blanks, "group": config.group}
        return read_table(inside(folder, content.messages), content.columns.model_copy(update=update))
    lines = (message for entry in content.labels for message in _lines(folder, entry))
    kept, n = sample(lines, config.max_messages)
    return sampled_table(content.name, kept, n)


def inside(folder: Path, name: str) -> Path:
    """Return a file of a task's folder; raises BenchError for a name that leads to any other."""
    path = folder / name
    where = folder / TASK_FILE
    if "\0" in name:
        raise BenchError(f"{where}: {name!r} is no file's name")
    if not path.resolve().is_relative_to(folder.resolve()):
        raise BenchError(f"{where}: '{name}' lies outside the task's folder")
    if path.exists() and not path.is_file():  # a pipe would be read for ever
        raise BenchError(f"{where}: '{name}' is no file")
    return path


def _lines(folder: Path, entry: LabelEntry) -> Iterator[Message]:
    path = inside(folder, entry.file)
    lines = _read_text(path).split("\n")
    if not any(line.strip() for line in lines):
        raise BenchError(f"{path}: is empty, so label '{entry.name}' has no messages")
    for number, line in enumerate(lines, start=1):
        if text := line.strip():
            yield Message(f"{entry.file}:{number}", text, (entry.name,))


def _read_text(path: Path) -> str:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise BenchError(f"{path}: cannot be read: {error.strerror}") from error
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise BenchError(f"{path}:{line}: not UTF-8 (byte 0x{data[error.start]:02x}); save it as UTF-8") from error
