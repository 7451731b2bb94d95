"""Read a task: its labels, definitions and messages, from text files, tables or the Hub.

Every complaint names file and line. Tables are read by pandas (CSV, TSV, JSONL), pyarrow (Parquet) and
datasets (hf:NAME); a task.toml that names files can only name files inside its own folder.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import tomli
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from bench.config.tables import DataConfig, LabelsPerMessage
from bench.dataset.packaged import data_path
from bench.dataset.parts import Part
from bench.dataset.table_reader import Table, read_hub, read_table
from classifiers.errors import BenchError, explain
from classifiers.interface import Label, Message, Task

PART_FILES: dict[Part, tuple[str, ...]] = {
    "train": ("train",),
    "validation": ("validation", "valid", "val", "dev"),
    "test": ("test",),
}
ENDINGS = (".csv", ".tsv", ".jsonl", ".parquet")
MAX_SHOWN = 200
"""Characters of a file's name in an error text."""


class LabelEntry(BaseModel):
    """One [[labels]] of a task.toml; `file` holds its messages, one a line, where the task has no `messages`."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    name: str = Field(min_length=1)
    definition: str = ""
    file: str = ""


class TaskFile(BaseModel):
    """The content of a task.toml.

    The messages stand in a file a label, or all in the table `messages` with the columns `text` and `label`, where
    `separator` stands between the labels of one message.
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
        return self

    @property
    def columns(self) -> DataConfig:
        """Give how the table of messages is read."""
        return DataConfig(
            text=self.text,
            label=self.label,
            separator=self.separator,
            labels_per_message=self.labels_per_message,
        )


@dataclass(frozen=True, slots=True)
class LoadedTask:
    """A task with its messages; `parts` is given where the data set brings its own split.

    `warnings` are what a reader of the results must be told of the data.
    """

    task: Task
    messages: tuple[Message, ...]
    parts: dict[str, Part] | None = None
    warnings: tuple[str, ...] = ()

    @property
    def fingerprint(self) -> str:
        """Give a hash of labels, definitions and every message, 16 hexadecimal digits."""
        several = [self.task.max_labels] if self.task.takes_several else []
        about = [self.task.instruction, *map(str, self.task.labels), *several]
        digest = hashlib.sha256(json.dumps(about).encode())
        for message in self.messages:
            digest.update(json.dumps([message.id, message.text, message.labels]).encode())
        return digest.hexdigest()[:16]


def load_task(config: DataConfig) -> LoadedTask:
    """Read the messages a config names.

    Raises:
        BenchError: for every kind of unusable data; one line that names file and line.
    """
    try:
        loaded = _load(config)
    except OSError as error:  # a name that no file can have, or a folder that may not be looked into
        raise BenchError(f"data '{config.path[:MAX_SHOWN]}' cannot be read: {error.strerror or error}") from error
    return replace(loaded, warnings=(*loaded.warnings, *_check(loaded, config)))


def _load(config: DataConfig) -> LoadedTask:
    named = {part: file for part, file in _named_parts(config) if file is not None}
    if named:
        return _from_parts({part: Path(file) for part, file in named.items()}, config, Path(config.path).name)
    if config.path.startswith("hf:"):
        name = config.path.removeprefix("hf:")
        return _from_tables(read_hub(name, config), config, name)
    path = data_path(config.path)
    if (path / "task.toml").is_file():
        return _from_folder(path, config.max_messages)
    if path.is_dir():
        return _from_parts(_find_parts(path), config, path.name)
    if path.is_file():
        return _from_tables({None: read_table(path, config)}, config, path.stem)
    raise BenchError(f"data '{path}' does not exist; give a folder with task.toml, a table or hf:NAME")


def _named_parts(config: DataConfig) -> Iterator[tuple[Part, str | None]]:
    yield "train", config.train
    yield "validation", config.validation
    yield "test", config.test


def _find_parts(folder: Path) -> dict[Part, Path]:
    found = {
        part: file
        for part, stems in PART_FILES.items()
        for stem in stems
        for ending in ENDINGS
        if (file := folder / f"{stem}{ending}").is_file()
    }
    if "train" not in found:
        raise BenchError(f"{folder}: holds neither task.toml nor train{'|'.join(ENDINGS)}; give the path of a file")
    return found


def _from_parts(files: dict[Part, Path], config: DataConfig, name: str) -> LoadedTask:
    if "train" not in files or len(files) == 1:
        raise BenchError("separate parts need a train file and a test file; name both, or one file to be split")
    return _from_tables({part: read_table(file, config) for part, file in files.items()}, config, name)


def _from_tables(tables: Mapping[Any, Table], config: DataConfig, name: str) -> LoadedTask:
    """Make a task of tables; one without a part's name is split later."""
    messages = tuple(message for table in tables.values() for message in table.messages)
    learnt = tables["train"].messages if "train" in tables else messages
    known = {label for message in learnt for label in message.labels}
    _check_known(messages, known, "does not occur in the training file")
    names = [name for name in config.label_columns if name in known] or sorted(known)
    labels = tuple(Label(label, config.definitions.get(label, "")) for label in names)
    if strays := set(config.definitions) - set(known):
        raise BenchError(f"definitions: label '{min(strays)}' has no messages")
    parts = {m.id: cast("Part", part) for part, table in tables.items() if part for m in table.messages}
    task = Task(name, labels, config.instruction, _max_labels(config, len(labels)))
    warnings = tuple(warning for table in tables.values() for warning in table.warnings)
    return LoadedTask(task, _in_order(messages, task), parts or None, warnings)


def _check_known(messages: Sequence[Message], known: Collection[str], problem: str) -> None:
    for message in messages:
        if unknown := [label for label in message.labels if label not in known]:
            raise BenchError(f"{message.id}: label '{unknown[0]}' {problem}")


def _max_labels(config: DataConfig, n_labels: int) -> int:
    """Give how many labels a message may have."""
    if not config.takes_several:
        return 1
    most = config.labels_per_message
    return min(most, n_labels) if isinstance(most, int) else n_labels


def _in_order(messages: Sequence[Message], task: Task) -> tuple[Message, ...]:
    """Put every message's labels into the task's order, so that equal sets are equal."""
    order = {name: i for i, name in enumerate(task.label_names)}
    return tuple(replace(m, labels=tuple(sorted(m.labels, key=order.__getitem__))) for m in messages)


def _from_folder(folder: Path, max_messages: int) -> LoadedTask:
    file = folder / "task.toml"
    try:
        content = TaskFile.model_validate(tomli.loads(_read_text(file)))
    except ValidationError as error:
        raise BenchError(explain(error, TaskFile, where=str(file))) from error
    except (ValueError, RecursionError) as error:  # numbers of too many digits and tables in tables without end, too
        raise BenchError(f"{file}: not TOML: {error}") from error
    labels = tuple(Label(entry.name, entry.definition) for entry in content.labels)
    if len({label.name for label in labels}) < len(labels):
        raise BenchError(f"{file}: two labels have the same name")
    task = Task(content.name, labels, content.instruction, _max_labels(content.columns, len(labels)))
    if content.messages is None:
        return LoadedTask(task, tuple(m for entry in content.labels for m in _lines(folder, entry, file)))
    columns = content.columns.model_copy(update={"max_messages": max_messages})
    table = read_table(_inside(folder, content.messages, file), columns)
    _check_known(table.messages, set(task.label_names), f"is none of {file}")
    return LoadedTask(task, _in_order(table.messages, task), warnings=table.warnings)


def _inside(folder: Path, name: str, task_file: Path) -> Path:
    """Give a file of a task's folder, and of no other."""
    path = folder / name
    if "\0" in name:
        raise BenchError(f"{task_file}: {name!r} is no file's name")
    if not path.resolve().is_relative_to(folder.resolve()):
        raise BenchError(f"{task_file}: '{name}' lies outside the task's folder")
    if path.exists() and not path.is_file():  # a pipe would be read for ever
        raise BenchError(f"{task_file}: '{name}' is no file")
    return path


def _lines(folder: Path, entry: LabelEntry, task_file: Path) -> Iterator[Message]:
    path = _inside(folder, entry.file, task_file)
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


def _check(loaded: LoadedTask, config: DataConfig) -> tuple[str, ...]:
    """Refuse what cannot be used; give what a reader of the results must be told."""
    if not any(message.labels for message in loaded.messages):
        raise BenchError(f"{loaded.task.name}: no message has a label")
    other = config.oos_label
    if other and (loaded.task.takes_several or other not in loaded.task.label_names):
        raise BenchError(f"oos_label '{other}' must be a label of the data, whose messages have one label each")
    if len(config.learnt(loaded.task).labels) < 2:
        raise BenchError(f"{loaded.task.name}: all messages have one label; two or more are needed")
    for message in loaded.messages:
        if not message.labels and not loaded.task.takes_several:
            raise BenchError(f'{message.id}: has no label; where that may be, give labels_per_message = "any"')
        if len(message.labels) > loaded.task.max_labels:
            raise BenchError(
                f"{message.id}: has {len(message.labels)} labels; at most {loaded.task.max_labels} are allowed"
            )
    found = _contradictions(loaded.messages)
    if found and config.contradictions == "refuse":
        raise BenchError(f'{found[0]}; correct one of them, or give contradictions = "report"')
    if not found:
        return ()
    return (f"{len(found)} messages contradict others with the same text, so none can be right on all ({found[0]})",)


def _contradictions(messages: Sequence[Message]) -> list[str]:
    """Name every text that stands twice with different labels: one of the two must be wrong."""
    first: dict[str, Message] = {}
    found = []
    for message in messages:
        other = first.setdefault(message.text, message)
        if other.labels != message.labels:
            both = f"'{', '.join(message.labels)}', but {other.id} gives it '{', '.join(other.labels)}'"
            found.append(f"{message.id}: the same text has label {both}")
    return found
