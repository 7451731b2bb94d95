"""Read a task: its labels, definitions and messages, from text files, tables or the Hub.

Every complaint names file and line, and a key of [data] that would not be used is an error.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

from bench.config.tables import DataConfig
from bench.dataset.checks import check_messages
from bench.dataset.corrections import corrected
from bench.dataset.named import NAME, read_named, resolved
from bench.dataset.packaged import data_path
from bench.dataset.part_files import find_parts
from bench.dataset.parts import PARTS, Part
from bench.dataset.table_reader import Table, read_hub, read_table
from bench.dataset.task_file import TASK_FILE, inside, read_messages, read_task_file
from classifiers.errors import BenchError, check_known
from classifiers.interface import Label, Message, Task

HUB = "hf:"
MAX_SHOWN = 200
"""Characters of a file's name in an error text."""
IN_TASK_FILE = ("text", "label", "instruction", "definitions", "separator", "label_columns", "labels_per_message")
"""Keys of [data] that a folder's task.toml decides."""
IN_CATALOGUE = ("text", "label", "group", "separator", "label_columns", "labels_per_message")
"""Keys of [data] that the catalogue decides for a data set by name."""


@dataclass(frozen=True, slots=True)
class LoadedTask:
    """A task with its messages; `parts` is given where the data set brings its own split.

    `warnings` are what a reader of the results must be told of the data, and `n_left_out` is how many rows were not
    sampled.
    """

    task: Task
    messages: tuple[Message, ...]
    parts: dict[str, Part] | None = None
    warnings: tuple[str, ...] = ()
    n_left_out: int = 0

    def __post_init__(self) -> None:
        double, n = max(Counter(m.id for m in self.messages).items(), key=lambda item: item[1], default=("", 1))
        if n > 1:
            raise BenchError(f"{double}: {n} messages have this id, so their answers could not be told apart")

    @property
    def fingerprint(self) -> str:
        """Return a hash of labels, definitions and every message, 16 hexadecimal digits."""
        several = [self.task.max_labels] if self.task.takes_several else []
        about = [self.task.instruction, *map(str, self.task.labels), *several]
        digest = hashlib.sha256(json.dumps(about).encode())
        for message in self.messages:
            group = [message.group] if message.group else []
            digest.update(json.dumps([message.id, message.text, message.labels, *group]).encode())
        return digest.hexdigest()[:16]


def load_task(config: DataConfig) -> LoadedTask:
    """Read the messages a config names.

    Raises:
        BenchError: for every kind of unusable data; one line that names file and line.
    """
    config = resolved(config)
    try:
        loaded = _load(config)
    except OSError as error:  # a name that no file can have, or a folder that may not be looked into
        raise BenchError(f"data '{config.path[:MAX_SHOWN]}' cannot be read: {error.strerror or error}") from error
    if config.corrections:
        is_sample = loaded.n_left_out > 0
        messages, note = corrected(loaded.task, loaded.messages, config.corrections, is_sample=is_sample)
        loaded = replace(loaded, messages=messages, warnings=(*loaded.warnings, note))
    warnings = check_messages(loaded.task, loaded.messages, config)
    return replace(loaded, warnings=(*loaded.warnings, *warnings))


def challenge_messages(config: DataConfig) -> tuple[Message, ...]:
    """Read the contrived messages that the task.toml of the data names; none where it names none.

    Raises:
        BenchError: for a message whose label is not one of the task.
    """
    config = resolved(config)
    folder = data_path(config.path)
    if _part_files(config) or config.path.startswith((HUB, NAME)) or not (folder / TASK_FILE).is_file():
        return ()
    content = read_task_file(folder)
    if not content.challenge or content.columns.takes_several:  # the file names one label per message
        return ()
    messages = read_table(inside(folder, content.challenge), DataConfig()).messages
    for message in messages:
        check_known(message.labels, [label.name for label in content.labels], what=f"label of {message.id}")
    return messages


def _load(config: DataConfig) -> LoadedTask:
    _check_keys_fit(config)
    if files := _part_files(config):
        _refuse(config, ("path",), "the files of `train` and `test`")
        return _from_parts(files, config)
    if config.path.startswith(HUB):
        name = config.path.removeprefix(HUB)
        return _from_tables(read_hub(name, config), config, name)
    if config.path.startswith(NAME):
        name = config.path.removeprefix(NAME)
        _refuse(config, IN_CATALOGUE, f"the data set's name ({name})")
        return _from_tables(read_named(name, config.max_messages), config, name)
    path = data_path(config.path)
    if (path / TASK_FILE).is_file():
        _refuse(config, IN_TASK_FILE, str(path / TASK_FILE))
        return _from_folder(path, config)
    if path.is_dir():
        return _from_parts(find_parts(path), config)
    if path.is_file():
        return _from_tables({None: read_table(path, config)}, config, path.stem)
    raise BenchError(f"data '{path}' does not exist; give a folder with task.toml, a table, hf:NAME or name:NAME")


def _refuse(config: DataConfig, keys: Sequence[str], decider: str) -> None:
    """Refuse keys that were given although `decider` says the same."""
    for key in keys:
        if getattr(config, key) != DataConfig.model_fields[key].get_default(call_default_factory=True):
            option = {"path": " (--data)", "text": " (--text)", "label": " (--label)"}.get(key, "")
            raise BenchError(f"data: `{key}`{option} would not be used beside {decider}; leave it out")


def _check_keys_fit(config: DataConfig) -> None:
    """Refuse keys that another one makes useless."""
    if config.label_columns:
        _refuse(config, ("label", "separator"), "`label_columns`")
    if config.separator and not config.takes_several:
        raise BenchError("data: `separator` would not be used where labels_per_message is 1; leave it out")
    if not config.train_on_oos and not config.oos_label:
        raise BenchError("data: `train_on_oos` would not be used without `oos_label`; name the label")


def _part_files(config: DataConfig) -> dict[Part, Path]:
    named = {"train": config.train, "validation": config.validation, "test": config.test}
    return {part: Path(file) for part in PARTS if (file := named[part]) is not None}


def _from_parts(files: dict[Part, Path], config: DataConfig) -> LoadedTask:
    if "train" not in files or len(files) == 1:
        raise BenchError("separate parts need a train file and a test file; name both, or one file to be split")
    if len({os.path.abspath(file) for file in files.values()}) < len(files):
        raise BenchError("two parts are the same file; give each its own")
    one_name = len({file.name for file in files.values()}) < len(files)  # train/data.csv and test/data.csv
    tables = {
        part: read_table(file, config, f"{part}/{file.name}" if one_name else file.name) for part, file in files.items()
    }
    folder = os.path.commonpath([Path(os.path.abspath(file)).parent for file in files.values()])
    return _from_tables(tables, config, Path(folder).name or files["train"].stem)


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
    warnings = [warning for table in tables.values() for warning in table.warnings]
    if empty := [name for name in config.label_columns if name not in known]:
        warnings.append(f"no message has a 1 in the label columns {', '.join(empty)}: they are no labels of the task")
    n_left_out = sum(table.n_left_out for table in tables.values())
    return LoadedTask(task, _in_order(messages, task), parts or None, tuple(warnings), n_left_out)


def _check_known(messages: Sequence[Message], known: Collection[str], problem: str) -> None:
    for message in messages:
        if unknown := [label for label in message.labels if label not in known]:
            raise BenchError(f"{message.id}: label '{unknown[0]}' {problem}")


def _max_labels(config: DataConfig, n_labels: int) -> int:
    """Return how many labels a message may have."""
    if not config.takes_several:
        return 1
    most = config.labels_per_message
    return min(most, n_labels) if isinstance(most, int) else n_labels


def _in_order(messages: Sequence[Message], task: Task) -> tuple[Message, ...]:
    """Put every message's labels into the task's order, so that equal sets are equal."""
    order = {name: i for i, name in enumerate(task.label_names)}
    return tuple(replace(m, labels=tuple(sorted(m.labels, key=order.__getitem__))) for m in messages)


def _from_folder(folder: Path, config: DataConfig) -> LoadedTask:
    content = read_task_file(folder)
    if content.messages is None:
        _refuse(config, ("group",), f"{folder / TASK_FILE} with a file of texts per label")
    labels = content.label_list
    task = Task(content.name, labels, content.instruction, _max_labels(content.columns, len(labels)))
    table = read_messages(folder, content, config)
    _check_known(table.messages, set(task.label_names), f"is none of {folder / TASK_FILE}")
    return LoadedTask(task, _in_order(table.messages, task), warnings=table.warnings, n_left_out=table.n_left_out)
