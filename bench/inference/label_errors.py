"""Find labels that are likely wrong, by confident learning on probabilities from cross-validation.

A classifier that was trained on a wrong label repeats it, so every message is judged by one trained without
it. The method is Northcutt, Jiang & Chuang 2021 (Journal of Artificial Intelligence Research 70), as
cleanlab implements it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bench.config.cells import CellPlan, make_classifier
from bench.dataset.groups import are_grouped, check_groups
from bench.records.store import RunFolder
from classifiers.errors import BenchError, check_known
from classifiers.interface import Message, Task
from classifiers.plurals import number_of
from classifiers.sampling import group_numbers

Report = Callable[[float], None]
"""Told the share of the folds that is done, 0 to 1."""


@dataclass(frozen=True, slots=True)
class LabelIssue:
    """A message whose label is likely wrong; `given_probability` is what its label in the data got, lowest first."""

    message: Message
    suggested: str
    suggested_probability: float
    given_probability: float


def check_labels(run: RunFolder, name: str, *, folds: int, report: Report) -> tuple[list[LabelIssue], int]:
    """Cross-validate a run's classifier over all its messages; return the issues and the number of messages.

    Messages of one group are in one fold.

    Raises:
        BenchError: if a label has fewer messages than folds, or messages of one group alone, or there are fewer groups
            than folds, or the classifier gives no probabilities.
    """
    record = run.read()
    config, task = record.config, record.as_task()
    names = [cell.name for cell in config.cells()]
    check_known([name], names, what="classifier")
    if task.takes_several:
        raise BenchError("bench label-errors checks messages of one label each; these may have several")
    everything = [message.as_message() for message in run.messages.read()]
    if not everything:
        raise BenchError(f"{run.path} holds no messages (no messages.jsonl); run the benchmark again: bench run")
    counts = Counter(m.label for m in everything)
    rare = min(counts, key=lambda label: counts[label])
    if counts[rare] < folds:
        few = number_of(counts[rare], "message")
        raise BenchError(f"label '{rare}' has {few}, fewer than the {folds} folds; use --folds")
    task = config.data.learnt(task)
    messages = [m for m in everything if m.label in task.label_names]
    plan, threads = config.cell(name), config.threads_per_cell
    rows = _held_out(plan, task, messages, folds=folds, threads=threads, report=report)
    return find_issues(task, messages, rows), len(messages)


def _held_out(
    plan: CellPlan, task: Task, messages: Sequence[Message], *, folds: int, threads: int, report: Report
) -> NDArray[np.float64]:
    """Return every message's probabilities from a classifier that did not see it; shape (messages, labels)."""
    from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

    rows, groups = np.zeros((len(messages), len(task.labels))), group_numbers(messages)
    if grouped := are_grouped(messages):
        check_groups(messages, 2)  # whoever never saw a label would take all its messages for wrong
        if len(set(groups)) < folds:
            n_groups = number_of(len(set(groups)), "group")
            raise BenchError(f"the messages are of {n_groups}, fewer than the {folds} folds; use --folds")
    splits = (StratifiedGroupKFold if grouped else StratifiedKFold)(folds, shuffle=True, random_state=plan.seed)
    places = splits.split(messages, [m.label for m in messages], groups if grouped else None)
    for done, (seen, unseen) in enumerate(places, start=1):
        with make_classifier(plan, threads=threads) as classifier:
            classifier.load()
            classifier.fit(task, [messages[i] for i in seen], ())
            for i, prediction in zip(unseen, classifier.predict([messages[i].text for i in unseen]), strict=True):
                if prediction.probabilities is None:
                    raise BenchError(f"'{plan.name}' gives no probabilities to judge labels by; take another row")
                rows[i] = [prediction.probabilities[name] for name in task.label_names]
        report(done / folds)
    return rows


def find_issues(task: Task, messages: Sequence[Message], rows: NDArray[np.float64]) -> list[LabelIssue]:
    """Return the messages that confident learning finds, the least likely label first."""
    from cleanlab.filter import find_label_issues

    labels = np.array([task.label_names.index(m.label) for m in messages])
    rows = rows / rows.sum(axis=1, keepdims=True)
    suspects = find_label_issues(labels, rows, return_indices_ranked_by="self_confidence")
    best = rows.argmax(axis=1)
    return [
        LabelIssue(messages[i], task.label_names[best[i]], float(rows[i, best[i]]), float(rows[i, labels[i]]))
        for i in suspects
    ]
