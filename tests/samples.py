"""Records and small data sets that several test modules make use of."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

from bench.analysis.scores import Row, score
from bench.config.run import make_config
from bench.records.store import RunFolder
from bench.records.types import CellRecord, PredictionRecord, RunRecord


def record(id_: int, gold: str, predicted: str | None, p: float | None = None, **columns: str) -> PredictionRecord:
    other = "b" if predicted == "a" else "a"
    probabilities = None if p is None else {str(predicted): p, other: 1 - p}
    labels = () if predicted is None else (predicted,)
    return PredictionRecord(
        str(id_), f"text {id_}", (gold,), labels, predicted is not None, probabilities, columns=columns
    )


def row(name: str, records: list[PredictionRecord]) -> Row:
    cell = CellRecord(name, "linear", "f", "ok", row=name)
    return Row(cell, tuple(records), score(records, ["a", "b"]))


def hits(name: str, right: list[bool]) -> Row:
    return row(name, [record(i, "a", "a" if hit else "b") for i, hit in enumerate(right)])


def run_record(*, executor: str = "local", labels: tuple[str, ...] = ("a", "b"), **config: Any) -> RunRecord:
    """Return a run of the rows that `row` and `hits` make."""
    return RunRecord(
        name="small",
        config=make_config({"classifiers": {"linear": {}}, **config}, where="test"),
        task={"name": "letters", "labels": [{"name": name} for name in labels]},
        task_fingerprint="t",
        split_fingerprint="s",
        part_sizes={"train": 2, "test": 2},
        label_counts={},
        machine={"processor": "Z80", "cores": 2, "threads": 2},
        versions={"python": "3.11"},
        executor=executor,
    )


def write_run(folder: Path, gold: str, answers: dict[str, str]) -> RunFolder:
    """Write a run of rows that answer the messages `text 0`, `text 1`, ... with a letter each."""
    run = RunFolder(folder)
    run.path.mkdir(parents=True)
    run.write(run_record(classifiers={name: {"backend": "linear"} for name in answers}))
    for name, letters in answers.items():
        made = row(name, [record(i, gold[i], letter, 0.9) for i, letter in enumerate(letters)])
        run.cell(name).path.mkdir()
        run.cell(name).predictions.write(made.records)
        run.cell(name).write(made.cell)
    return run


WORDS = {
    "fruit": (("apple", "sweet red apple"), ("pear", "soft green pear"), ("plum", "dark blue plum")),
    "cars": (("fast", "a quick engine"), ("slow", "an old tractor"), ("loud", "a roaring truck")),
    "moods": (("glad", "so happy today"), ("sad", "I feel down"), ("angry", "this is outrageous")),
}


def write_sweep(folder: Path, *, seeds: list[int], rows: str = "", top: str = "") -> Path:
    """Write three small tables and a sweep over them."""
    for name, labels in WORDS.items():
        lines = [
            f"{text} number {i} {'of them' * (i % 3)},{label}" for label, text in labels for i in range(12 + len(name))
        ]
        (folder / f"{name}.csv").write_text("text,label\n" + "\n".join(lines) + "\n")
    tables = "".join(f'[sweep.data.{name}]\npath = "{folder / name}.csv"\n' for name in WORDS)
    config = folder / "wide.toml"
    config.write_text(
        f"{top}latency_messages = 3\nthreads = 1\nkeep_models = false\n"
        f"[sweep]\nseeds = {seeds}\n{tables}[split]\nduplicates = 'report'\n"
        f"[classifiers.majority]\n[classifiers.linear]\n[classifiers.linear-few]\nbackend = 'linear'\nseeds = 2\n{rows}"
    )
    return config


def hear_interrupts() -> None:
    """Let a process that is started hear Ctrl-C: one started by a test run in the background inherits deafness."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
