"""A cell is one row of the config with one seed and one training size; here it becomes a classifier."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from classifiers import registry
from classifiers.interface import Classifier


@dataclass(frozen=True, slots=True)
class CellPlan:
    """One classifier to be run: a row of the config with one seed and one number of training messages.

    `name` is its folder's; `train_per_label` is None where it trains on the whole training part.
    """

    name: str
    row: str
    backend: str
    settings: dict[str, Any]
    seed: int
    train_per_label: int | None = None


def make_classifier(plan: CellPlan, *, threads: int) -> Classifier[Any]:
    """Make the classifier of a cell from its backend and settings."""
    where = f"classifiers.{plan.row}"
    return registry.make_classifier(plan.backend, plan.settings, where=where, seed=plan.seed, threads=threads)
