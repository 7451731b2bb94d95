"""The command about data sets by name: list them, fetch them, and see that their rows are those of the catalogue."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from bench.commands.shared import make_console, print_json
from classifiers.errors import BenchError

if TYPE_CHECKING:
    from bench.dataset.catalogue import Entry
    from bench.report.tables.table import Table


def list_pull_or_check(options: argparse.Namespace) -> int:
    """List the catalogue of data sets, fetch some, or check those on this machine; 1 where a check fails."""
    from bench.dataset.catalogue import dataset_catalogue, dataset_entry
    from bench.report.terminal import print_table

    entries = {name: dataset_entry(name) for name in options.name or dataset_catalogue()}
    if options.action == "list":
        here = {name for name, entry in entries.items() if is_here(name, entry)}
        if options.json:
            print_json([{"name": n, "here": n in here, **entry.model_dump()} for n, entry in entries.items()])
        else:
            print_table(make_console(), catalogue_table(entries, here))
        return 0
    if options.action == "pull" and not options.name:
        raise BenchError(f"name the data sets to pull (available: {', '.join(entries)})")
    results = [_pull(name) if options.action == "pull" else _check(name, entry) for name, entry in entries.items()]
    return 0 if all(results) else 1


def is_here(name: str, entry: Entry) -> bool:
    """Tell whether a data set lies on this machine."""
    from bench.dataset.named import dataset_folder

    return bool(entry.shipped) or dataset_folder(name) is not None


def catalogue_table(entries: dict[str, Entry], here: set[str]) -> Table:
    """Return a line per data set, and notes on their licences."""
    from bench.report.tables.table import Table

    head = ("data set", "labels", "messages", "official split", "Hub", "LLMs read it", "here")
    body = tuple(
        (
            name,
            str(entry.n_labels),
            f"{sum(entry.rows.values()):,}",
            "yes" if entry.split.startswith("official") else "no",
            "yes" if entry.hub else "no",
            "probably" if entry.seen_by_llms else "no",
            "yes" if name in here else "no",
        )
        for name, entry in entries.items()
    )
    notes = [f"{name}: {entry.about}; licence: {entry.licence}; {entry.citation}." for name, entry in entries.items()]
    notes.append('use one with --data name:NAME, or path = "name:NAME" under [data].')
    return Table("Data sets", head, body, notes=tuple(notes))


def _pull(name: str) -> bool:
    from bench.dataset.named import dataset_folder, pull_dataset

    print(f"{name}: {dataset_folder(name) or pull_dataset(name)}")
    return True


def _check(name: str, entry: Entry) -> bool:
    """Print whether the rows on this machine are those of the catalogue; what is not here is no fault."""
    from bench.dataset.named import check_named

    try:
        print(f"{name}: {check_named(name, entry)}")
    except BenchError as error:
        print(f"{name}: {error}")
        return False
    return True
