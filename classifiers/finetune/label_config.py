"""What the config of a model in transformers says of its labels: their names, and whether each stands alone."""

from __future__ import annotations

from typing import Any, Final, Literal

from classifiers.interface import Task

SEVERAL: Final = "multi_label_classification"


def problem_type(task: Task) -> Literal["multi_label_classification", "single_label_classification"]:
    """Name a task's kind as transformers' configs do."""
    return SEVERAL if task.takes_several else "single_label_classification"


def label_config(task: Task) -> dict[str, Any]:
    """Return what a model's config in transformers says of the labels: their names, and whether each stands alone."""
    names = task.label_names
    return {
        "id2label": dict(enumerate(names)),
        "label2id": {name: i for i, name in enumerate(names)},
        "problem_type": problem_type(task),
    }


def takes_several(config: Any) -> bool:
    """Tell of a model's config whether each label stands alone."""
    return bool(config.problem_type == SEVERAL)
