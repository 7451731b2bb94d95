"""Export a saved classifier for other programs, with what only its run knows: how a probability becomes a decision.

The folder is written beside and renamed, so that a folder that is there is whole.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.analysis.calibration import temperature
from bench.analysis.thresholds import ABOVE_ALL, unsure_below
from bench.config.cells import make_classifier
from bench.files import replace_file
from bench.inference.saved import open_saved
from bench.records.store import RunFolder
from classifiers.errors import BenchError, check_known
from classifiers.exporting import Deployment, Exportable, Graph, Wanted
from classifiers.interface import Message, Task

DECISION, CARD = "decision.json", "README.md"


@dataclass(frozen=True, slots=True)
class Unsure:
    """Answers of a lower probability are for a person; `accuracy` of the others is shown on validation messages."""

    accuracy: float
    below: float


@dataclass(frozen=True, slots=True)
class Decision:
    """How probabilities become an answer.

    `thresholds` are those of the labels where a message may have several, else empty. `temperature` divides the
    logarithms of the probabilities, which are then normalised again; no answer changes by it. `unsure` is of the
    probabilities as they come, before that. Both are null where validation messages say nothing of them.
    """

    labels: tuple[str, ...]
    max_labels: int
    max_length: int | None
    thresholds: dict[str, float]
    temperature: float | None
    unsure: Unsure | None


@dataclass(frozen=True, slots=True)
class Export:
    """What was exported: a run's classifier, how it is run and how it decides."""

    run: RunFolder
    classifier: str
    deployment: Deployment
    decision: Decision


def check_exportable(run: RunFolder, name: str) -> None:
    """See that a row can be exported.

    Raises:
        BenchError: if there is no such row, no form of it that others open, or no model was kept.
    """
    config = run.read().config
    check_known([name], config.cell_names, what="classifier")
    plan = config.cell(name)
    if not isinstance(make_classifier(plan, threads=1), Exportable):
        raise BenchError(f"'{name}' cannot be exported: no other program answers as the backend '{plan.backend}' does")
    if name not in run.saved():
        raise BenchError(f"{run.path} has kept no model of '{name}'; run the benchmark again with keep_models = true")


def export(
    run: RunFolder,
    name: str,
    folder: Path,
    *,
    graphs: tuple[Graph, ...],
    accuracy: float,
    card: Callable[[Export], str],
) -> Export:
    """Write a row's classifier, its decisions and its card into a folder.

    Args:
        run: the run that has fitted it.
        name: the row's name.
        folder: what to write; it must not exist or be empty.
        graphs: ONNX graphs to add.
        accuracy: what the answers that are not unsure shall keep.
        card: makes the text of the card.

    Raises:
        BenchError: if it cannot be exported, or the folder is in use.
    """
    if not 0 < accuracy <= 1:
        raise BenchError(f"--accuracy {accuracy:g} must be above 0 and at most 1")
    check_exportable(run, name)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise BenchError(f"{folder} is in use; name a folder that does not exist or is empty")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(prefix=f".{folder.name}-", dir=folder.parent) as place:
            made = Path(place) / "export"
            made.mkdir()
            exported = _written(run, name, made, Wanted(graphs, _messages(run) if graphs else ()), accuracy)
            replace_file(made / CARD, card(exported).encode())
            os.replace(made, folder)
    except OSError as error:
        raise BenchError(f"cannot write {folder}: {error.strerror or error}") from error
    return exported


def _written(run: RunFolder, name: str, folder: Path, wanted: Wanted, accuracy: float) -> Export:
    record = run.read()
    task = record.config.data.learnt(record.as_task())
    with open_saved(run, name) as classifier:
        assert isinstance(classifier, Exportable)
        deployment = classifier.export(folder, wanted)
    decision = _decision(run, name, task, deployment, accuracy)
    replace_file(folder / DECISION, json.dumps(asdict(decision), indent=1, ensure_ascii=False).encode() + b"\n")
    return Export(run, name, deployment, decision)


def _decision(run: RunFolder, name: str, task: Task, deployment: Deployment, accuracy: float) -> Decision:
    validation, names = run.cell(name).validation.read(), task.label_names
    below = unsure_below(validation, accuracy)
    return Decision(
        labels=names,
        max_labels=task.max_labels,
        max_length=deployment.max_length,
        thresholds=dict(zip(names, deployment.thresholds, strict=True)) if deployment.thresholds else {},
        temperature=None if task.takes_several else temperature(validation, names),
        unsure=None if below is None or below >= ABOVE_ALL else Unsure(accuracy, below),
    )


def _messages(run: RunFolder) -> list[Message]:
    """Return validation messages, or training messages where there are none: the test part is for scores."""
    messages = run.messages.read()
    parts = [[line.as_message() for line in messages if line.part == part] for part in ("validation", "train")]
    return parts[0] or parts[1]
