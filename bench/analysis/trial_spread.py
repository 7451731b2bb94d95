"""How much a single setting mattered among what was tried on validation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from classifiers.interface import Trial


@dataclass(frozen=True, slots=True)
class Spread:
    """How far accuracy on validation moved when one setting alone took its n values."""

    setting: str
    n: int
    low: float
    high: float


def spreads(trials: Sequence[Trial]) -> list[Spread]:
    """Return the spread over every setting that took several values while all others stayed the same."""
    accuracies: dict[tuple[str, str], list[float]] = {}
    for trial in trials:
        for setting in trial.settings:
            others = sorted((k, str(v)) for k, v in trial.settings.items() if k != setting)
            accuracies.setdefault((setting, str(others)), []).append(trial.accuracy)
    return [Spread(setting, len(a), min(a), max(a)) for (setting, _), a in accuracies.items() if len(a) > 1]
