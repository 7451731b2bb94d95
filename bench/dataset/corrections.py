"""Corrections of gold labels: a file beside the data of what people found wrong. The data itself stays as it is.

A line names a message by a hash of its text, so that the file can be passed on without the messages. Several lines on
one text are read in their order: each takes up the label that the one before left.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal, cast, get_args

from bench.files import replace_file
from classifiers.errors import BenchError, check_known
from classifiers.interface import Message, Task

Mark = Literal["wrong", "ambiguous", "fine"]
MARKS: tuple[Mark, ...] = get_args(Mark)
HEAD = ("text_sha256", "old", "new", "mark", "who", "when")
NEEDED = ("text_sha256", "old", "new")
HASH_DIGITS = 16
Labels = tuple[str, ...]


def text_hash(text: str) -> str:
    """Return the hash by which a correction names a message, 16 hexadecimal digits."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:HASH_DIGITS]


@dataclass(frozen=True, slots=True)
class Correction:
    """What a person says of a gold label: it is wrong and `new` is right, it is ambiguous, or it is fine.

    `new` is `old` where it is not wrong; `line` is where it stands in its file.
    """

    text: str
    old: Labels
    new: Labels
    mark: Mark = "wrong"
    who: str = ""
    when: str = ""
    line: int = 0


@dataclass(frozen=True, slots=True)
class Corrections:
    """The corrections of one file, in its order; `path` is where it lies."""

    path: str
    entries: tuple[Correction, ...] = ()
    _by_text: dict[str, list[Correction]] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        by_text: dict[str, list[Correction]] = {}
        for entry in self.entries:
            by_text.setdefault(entry.text, []).append(entry)
        object.__setattr__(self, "_by_text", by_text)

    def last(self, text: str, gold: Labels) -> Correction | None:
        """Return the last correction of a message with these gold labels; None where none is about it."""
        about = self._by_text.get(text_hash(text), [])
        known = {frozenset(labels) for entry in about for labels in (entry.old, entry.new)}
        return about[-1] if frozenset(gold) in known else None

    def gold(self, text: str, gold: Labels) -> Labels:
        """Return a message's corrected gold labels. Corrected once more they stay as they are."""
        last = self.last(text, gold)
        return last.new if last and frozenset(last.new) != frozenset(gold) else gold

    def check(self, messages: Iterable[tuple[str, Labels]], *, is_sample: bool = False) -> int:
        """See that every correction is about one of the messages, given as text and gold labels.

        Of a sample, a correction about none of them is taken to be about a message that was left out: return how many
        texts these are.

        Raises:
            BenchError: naming the line of the first that is about none, or about another label.
        """
        n_left_out = 0
        golds: dict[str, list[Labels]] = {}
        for text, gold in messages:
            golds.setdefault(text_hash(text), []).append(gold)
        for text, entries in self._by_text.items():
            where = f"{self.path}:{entries[0].line}"
            if text not in golds and is_sample:
                n_left_out += 1
                continue
            if text not in golds:
                raise BenchError(f"{where}: no message has the text with the hash {text}; take the line out")
            known = {frozenset(labels) for entry in entries for labels in (entry.old, entry.new)}
            if not any(frozenset(gold) in known for gold in golds[text]):
                label, old = (", ".join(labels) or "no label" for labels in (golds[text][0], entries[0].old))
                raise BenchError(f"{where}: the message's label is '{label}', not '{old}', so it is not corrected")
        return n_left_out


def corrected(
    task: Task, messages: Sequence[Message], path: str, *, is_sample: bool = False
) -> tuple[tuple[Message, ...], str]:
    """Return messages with a file's corrections, and a line that says how many labels changed.

    Where the messages are a sample, corrections of others are left out and counted.

    Raises:
        BenchError: for a file that cannot be read, and a correction that is about no message.
    """
    corrections = read_corrections(Path(path), task)
    n_left_out = corrections.check(((message.text, message.labels) for message in messages), is_sample=is_sample)
    changed = tuple(replace(m, labels=corrections.gold(m.text, m.labels)) for m in messages)
    n = sum(new.labels != old.labels for new, old in zip(changed, messages, strict=True))
    said = f"{marked(corrections.entries)}{left_out(n_left_out)}"
    return changed, f"{path}: {n} of {len(messages):,} gold labels were corrected{said}"


def marked(entries: Iterable[Correction]) -> str:
    """Say how many messages are marked ambiguous or fine; empty where none is."""
    marks = list({entry.text: entry.mark for entry in entries}.values())
    said = {"ambiguous": "ambiguous and kept", "fine": "confirmed"}
    parts = [f"{marks.count(mark)} {text}" for mark, text in said.items() if mark in marks]
    return f"; {', '.join(parts)}" if parts else ""


def left_out(n: int) -> str:
    """Say how many messages with a correction were not sampled; empty where none was."""
    return f"; {n} with a correction were not sampled" if n else ""


def read_corrections(path: Path, task: Task) -> Corrections:
    """Read a file of corrections for a task.

    Raises:
        BenchError: naming file and line.
    """
    with _reading(path, "corrections"), path.open(newline="", encoding="utf-8-sig") as stream:
        entries = list(_entries(csv.DictReader(stream), path, task))
    _check_order(entries, path)
    return Corrections(str(path), tuple(entries))


def _entries(reader: csv.DictReader[str], path: Path, task: Task) -> Iterator[Correction]:
    _check_head(reader, path, NEEDED, f"the columns are {', '.join(HEAD)}")
    for row in reader:
        values = {name: (row.get(name) or "").strip() for name in HEAD}
        if any(values.values()):
            yield _entry(values, f"{path}:{reader.line_num}", reader.line_num, task)


def _check_head(reader: csv.DictReader[str], path: Path, needed: Sequence[str], hint: str) -> None:
    names = list(reader.fieldnames or ())
    if missing := [name for name in needed if name not in names]:
        raise BenchError(f"{path}:1: the column '{missing[0]}' is missing; {hint}")
    if double := [name for name in needed if names.count(name) > 1]:
        raise BenchError(f"{path}:1: the column '{double[0]}' stands twice; take one of the two out")


def _entry(values: Mapping[str, str], where: str, line: int, task: Task) -> Correction:
    mark = values["mark"] or "wrong"
    check_known([mark], MARKS, what=f"mark in {where}")
    old = labels_from(values["old"], task, where)
    new = labels_from(values["new"], task, where) if mark == "wrong" else old
    if mark == "wrong" and frozenset(new) == frozenset(old):
        raise BenchError(f"{where}: the new label is the old one; mark it 'fine', or take the line out")
    return Correction(values["text_sha256"], old, new, cast("Mark", mark), values["who"], values["when"], line)


def read_annotations(path: Path, task: Task) -> dict[str, Labels]:
    """Read a second person's labels by hash of the text; lines that are not filled in are left out.

    Raises:
        BenchError: naming file and line, or where nothing is filled in.
    """
    with _reading(path, "labels"), path.open(newline="", encoding="utf-8-sig") as stream:
        reader = csv.DictReader(stream)
        _check_head(reader, path, ("text_sha256", "label"), "bench annotate export writes it")
        labels = {
            row["text_sha256"]: labels_from(given, task, f"{path}:{reader.line_num}")
            for row in reader
            if (given := (row["label"] or "").strip())
        }
    if not labels:
        raise BenchError(f"{path}: no label is filled in")
    return labels


@contextmanager
def _reading(path: Path, what: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise BenchError(f"{what} '{path}' cannot be read: {error.strerror}") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise BenchError(f"{what} '{path}': no UTF-8 CSV file: {error}") from error


def _check_order(entries: Sequence[Correction], path: Path) -> None:
    """See that several lines on one text follow each other."""
    last: dict[str, Correction] = {}
    for entry in entries:
        before = last.get(entry.text)
        if before and frozenset(before.new) != frozenset(entry.old):
            left = ", ".join(before.new) or "no label"
            raise BenchError(
                f"{path}:{entry.line}: line {before.line} left the label '{left}'; take one of the two out"
            )
        last[entry.text] = entry


def labels_from(text: str, task: Task, where: str) -> Labels:
    """Read labels of a task: a name, or where a message may have several, a JSON list of names.

    Raises:
        BenchError: naming `where` they stand.
    """
    if not task.takes_several:
        check_known([text], task.label_names, what=f"label in {where}")
        return (text,)
    try:
        labels = json.loads(text)
    except ValueError as error:
        raise BenchError(f'{where}: {text!r} is no list of labels such as ["a", "b"]') from error
    if not isinstance(labels, list) or not all(isinstance(label, str) for label in labels):
        raise BenchError(f'{where}: {text!r} is no list of labels such as ["a", "b"]')
    check_known(labels, task.label_names, what=f"label in {where}")
    return tuple(name for name in task.label_names if name in labels)


def labels_to(labels: Labels, task: Task) -> str:
    """Return labels as `labels_from` reads them."""
    return json.dumps(list(labels), ensure_ascii=False) if task.takes_several else "".join(labels)


def correction(text: str, gold: Labels, what: str, task: Task) -> Correction:
    """Return what a person says of a message's gold label: 'ambiguous', 'fine', or the labels that are right.

    Raises:
        BenchError: for a label that is unknown, or that is the gold label.
    """
    if what in MARKS[1:] and what not in task.label_names:  # a label of that name is meant as the label
        return Correction(text_hash(text), gold, gold, what)
    labels = labels_from(what, task, "--mark")
    if frozenset(labels) == frozenset(gold):
        raise BenchError(f"--mark: '{what}' is the gold label already; if it is right, mark it 'fine'")
    return Correction(text_hash(text), gold, labels)


def with_mark(corrections: Corrections, correction: Correction) -> Corrections:
    """Add a correction; it takes the place of earlier ones of its text, and keeps the label that the data have."""
    earlier = [entry for entry in corrections.entries if entry.text == correction.text]
    first = earlier[0].old if earlier else correction.old
    is_data_label = frozenset(first) == frozenset(correction.new)
    mark: Mark = "wrong" if not is_data_label else "fine" if correction.mark == "wrong" else correction.mark
    kept = [entry for entry in corrections.entries if entry.text != correction.text]
    return Corrections(corrections.path, (*kept, replace(correction, old=first, mark=mark)))


def write_corrections(corrections: Corrections, task: Task) -> None:
    """Write the file whole, beside the old one and renamed: what people marked is nowhere else.

    Raises:
        BenchError: if it cannot be written.
    """
    stream = io.StringIO()
    lines = csv.writer(stream, lineterminator="\n")
    lines.writerow(HEAD)
    for entry in corrections.entries:
        new = labels_to(entry.new, task) if entry.mark == "wrong" else ""
        lines.writerow([entry.text, labels_to(entry.old, task), new, entry.mark, entry.who, entry.when])
    path = Path(corrections.path)
    try:
        replace_file(path, stream.getvalue().encode())
    except OSError as error:
        raise BenchError(f"cannot write {path}: {error.strerror}") from error
    except UnicodeEncodeError as error:
        raise BenchError(f"cannot write {path}: {error.object[error.start]!r} in it is half a character") from error
