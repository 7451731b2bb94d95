"""Commands about gold labels: note what is wrong with one, and have a second person label the messages."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timezone
from typing import TYPE_CHECKING

from bench.commands.shared import find, make_console
from classifiers.errors import BenchError, check_known
from classifiers.plurals import number_of

if TYPE_CHECKING:
    from bench.records.store import RunFolder


def mark(options: argparse.Namespace) -> int:
    """Write what a person says of one gold label into the file of corrections."""
    from bench.analysis.scored_run import rows_of

    folder, (id_, what) = find(options), options.mark
    golds = {message.id: (message.text, message.gold) for message in folder.messages.read()}
    golds |= {record.id: (record.text, record.gold) for row in rows_of(folder) for record in row.records}
    check_known([id_], golds, what="message")
    said = marker(options, folder)(*golds[id_], what)
    print(f"{said}; score the run anew with: bench report {folder.path.name} --corrections {options.corrections}")
    return 0


def marker(options: argparse.Namespace, folder: RunFolder) -> Callable[[str, tuple[str, ...], str], str]:
    """Return what writes a mark on a message, given by text and gold labels, and says how many the file holds."""
    from bench.dataset.corrections import Corrections, correction, read_corrections, with_mark, write_corrections

    path, task = options.corrections, folder.read().as_task()

    def say(text: str, gold: tuple[str, ...], what: str) -> str:
        known = read_corrections(path, task) if path.exists() else Corrections(str(path))
        when = datetime.now(timezone.utc).isoformat(timespec="seconds")
        marks = with_mark(known, replace(correction(text, gold, what, task), who=options.who, when=when))
        write_corrections(marks, task)
        return f"{path}: {len(marks.entries)} marked"

    return say


def annotate(options: argparse.Namespace) -> int:
    """Write a run's test messages without labels, or compare a second person's labels with gold and answers."""
    return _export(options) if options.action == "export" else _score(options)


def _export(options: argparse.Namespace) -> int:
    from bench.analysis.agreement import blind_messages
    from bench.analysis.scored_run import rows_of
    from bench.report.files import write_rows

    if options.messages is not None and options.messages < 1:
        raise BenchError("--messages must be above 0")
    if options.file.exists():  # somebody may have filled it in
        raise BenchError(f"{options.file} exists; name a file that does not")
    folder = find(options)
    messages = blind_messages(rows_of(folder), options.messages, options.seed)
    write_rows(options.file, ("text_sha256", "text", "label"), [(key, text, "") for key, text in messages])
    names = ", ".join(folder.read().as_task().label_names)
    wrote = number_of(len(messages), "message")
    print(f"wrote {wrote} to {options.file}; fill in the column label with one of: {names}")
    return 0


def _score(options: argparse.Namespace) -> int:
    from bench.analysis.agreement import agreements
    from bench.analysis.scored_run import rows_of
    from bench.dataset.corrections import read_annotations
    from bench.report.tables.agreement import agreement_table
    from bench.report.terminal import print_table

    folder = find(options)
    labels = read_annotations(options.file, folder.read().as_task())
    print_table(make_console(), agreement_table(agreements(rows_of(folder), labels), options.file.name))
    return 0
