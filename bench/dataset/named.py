"""Data sets by name: `path = "name:banking77"` means the same messages on every machine.

A local folder (BENCH_DATA) is asked first, then the cache, then the Hub. Whatever the source, messages get ids from
their text and stand in the order of these ids, so that samples, splits and results do not depend on it; and rows that
are not those of the catalogue are refused.
"""

from __future__ import annotations

import csv
import hashlib
import json
import os
import shutil
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.config.tables import DataConfig
from bench.dataset.catalogue import Entry, HubSource, dataset_entry
from bench.dataset.packaged import data_path
from bench.dataset.part_files import find_parts
from bench.dataset.parts import PARTS, Part
from bench.dataset.table_reader import Table, read_hub, read_table, sample, sampled_table
from bench.dataset.task_file import read_messages, read_task_file
from classifiers.errors import BenchError
from classifiers.interface import Message

NAME = "name:"
FOLDER_VARIABLE = "BENCH_DATA"
ALL = DataConfig(max_messages=10**9, contradictions="report")
"""How a folder's files are read: whole, so that their hash can be compared."""


def resolved(config: DataConfig) -> DataConfig:
    """Return the config of a data set by name with what the catalogue says of it; any other config as it is.

    Contradictions of a public data set are only reported: its official files cannot be corrected.
    """
    if not config.path.startswith(NAME):
        return config
    entry = dataset_entry(config.path.removeprefix(NAME))
    if entry.shipped:
        return config.model_copy(update={"path": entry.shipped})
    return config.model_copy(
        update={
            "instruction": config.instruction or entry.instruction,
            "definitions": config.definitions or dict(entry.definitions),
            "contradictions": "report",
        }
    )


def read_named(name: str, max_messages: int) -> dict[Part, Table]:
    """Read the parts of a data set by its name, fetching it if need be.

    Raises:
        BenchError: if the name is unknown, no source has it, or its rows are not those of the catalogue.
    """
    entry = dataset_entry(name)
    folder = dataset_folder(name) or pull_dataset(name)
    parts = read_parts(folder)
    check_rows(name, entry, parts, folder)
    tables = {}
    for part, messages in parts.items():
        kept, n = sample(messages, max_messages)
        tables[part] = sampled_table(f"{name}/{part}", kept, n)
    return tables


def dataset_folder(name: str) -> Path | None:
    """Return the folder of a data set on this machine: below BENCH_DATA, else in the cache; None for neither."""
    named = os.environ.get(FOLDER_VARIABLE)
    places = [Path(named) / name] if named else []
    return next((place for place in [*places, _cached(name)] if place.is_dir()), None)


def read_parts(folder: Path) -> dict[Part, list[Message]]:
    """Read a folder's parts; ids are made of the texts, and messages stand in the order of their ids."""
    return {part: _in_order(part, read_table(file, ALL).messages) for part, file in find_parts(folder).items()}


def rows_hash(parts: Mapping[Part, Sequence[Message]]) -> str:
    """Return the SHA-256 of all rows, in hexadecimal; it does not depend on their order within a part."""
    digest = hashlib.sha256()
    for part in PARTS:
        for row in sorted([message.text, *message.labels] for message in parts.get(part, ())):
            digest.update(json.dumps([part, *row], ensure_ascii=False).encode() + b"\n")
    return digest.hexdigest()


def check_rows(name: str, entry: Entry, parts: Mapping[Part, Sequence[Message]], folder: Path) -> None:
    """See that rows are those of the catalogue; raises BenchError where they are not."""
    digest = rows_hash(parts)
    if digest != entry.sha256:
        counts = ", ".join(f"{len(messages):,} {part}" for part, messages in parts.items())
        raise BenchError(
            f"data set '{name}' in {folder} has rows with SHA-256 {digest[:12]}… ({counts}), the catalogue says "
            f"{entry.sha256[:12]}…; fetch it again, or give the folder's path instead of the name"
        )


def check_named(name: str, entry: Entry) -> str:
    """Say that the rows on this machine are those of the catalogue, or that there are none.

    Raises:
        BenchError: if they are others.
    """
    if entry.shipped:
        folder = data_path(entry.shipped)
        parts: dict[Part, list[Message]] = {"train": list(read_messages(folder, read_task_file(folder), ALL).messages)}
    elif (place := dataset_folder(name)) is not None:
        folder, parts = place, read_parts(place)
    else:
        return "not on this machine"
    check_rows(name, entry, parts, folder)
    return f"as in the catalogue ({folder})"


def pull_dataset(name: str) -> Path:
    """Fetch a data set from the Hub into the cache, and return its folder.

    Raises:
        BenchError: if the Hub does not have it or cannot be reached, or its rows are not those of the catalogue.
    """
    entry = dataset_entry(name)
    if entry.hub is None:
        raise BenchError(
            f"data set '{name}' is on no Hub with these rows ({entry.source}); put its files into {name}/ in a folder "
            f"and name that folder in {FOLDER_VARIABLE}"
        )
    tables = read_hub(entry.hub.name, _hub_columns(entry.hub), entry.hub.subset, entry.hub.revision)
    target = _cached(name)
    target.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=target.parent) as beside:
        folder = Path(beside) / name
        folder.mkdir()
        for part in entry.hub.parts:
            if part in tables:
                _write_part(folder / f"{part}.csv", tables[part].messages, entry.hub)
        check_rows(name, entry, read_parts(folder), folder)
        shutil.rmtree(target, ignore_errors=True)
        folder.rename(target)
    return target


def _cached(name: str) -> Path:
    from classifiers.models.cache import cache_folder

    return cache_folder() / "datasets" / name


def _hub_columns(hub: HubSource) -> DataConfig:
    return ALL.model_copy(update={"text": hub.text, "label": hub.label, "labels_per_message": "any"})


def _write_part(file: Path, messages: Sequence[Message], hub: HubSource) -> None:
    with file.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["text", "label"])
        writer.writerows(_rows(messages, hub))


def _rows(messages: Sequence[Message], hub: HubSource) -> Iterator[tuple[str, str]]:
    """Yield text and label of the rows that are kept; runs of white space become one space."""
    group_of = {label: group for group, members in hub.groups.items() for label in members}
    for message in messages:
        if set(message.labels) & set(hub.leave_out):
            continue
        labels = {group_of.get(label, label) for label in message.labels}
        if len(labels) == 1:
            yield " ".join(message.text.split()), labels.pop()


def _in_order(part: Part, messages: Sequence[Message]) -> list[Message]:
    """Give messages ids of their part and text, and put them into the order of these; copies are numbered."""
    seen: Counter[str] = Counter()
    renamed = []
    for message in sorted(messages, key=lambda m: (m.text, m.labels)):
        base = f"{part}/{hashlib.sha256(message.text.encode()).hexdigest()[:12]}"
        seen[base] += 1
        renamed.append(replace(message, id=base if seen[base] == 1 else f"{base}-{seen[base]}"))
    return sorted(renamed, key=lambda m: m.id)
