"""Whether a run's times may be set against each other: the only place that decides it.

Cells that ran at the same time share a machine, and cells of different machines say something of those. Neither kind of
time belongs into one table.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bench.analysis.rows import Row, cells_of
from bench.records.types import RunRecord
from classifiers.plurals import number_of

DECISIVE = ("processor", "cores", "threads", "gpu")
"""What tells two machines apart. Memory is left out: a system update changes the figure by some megabytes."""


@dataclass(frozen=True, slots=True)
class Timing:
    """Which rows' times may be compared; `shared` says why none may, empty where each cell had a machine to itself.

    `machines` names the classifiers that ran on each machine, by its description.
    """

    shared: str
    machines: dict[str, tuple[str, ...]]

    @property
    def is_comparable(self) -> bool:
        """Tell whether the times of all rows may stand in one table."""
        return not self.shared and len(self.machines) < 2

    @property
    def reason(self) -> str:
        """Say why they may not; empty where they may."""
        if self.shared or self.is_comparable:
            return self.shared
        return f"rows ran on {len(self.machines)} machines: their times are not compared"


def timing(run: RunRecord, rows: Sequence[Row]) -> Timing:
    """Tell which of a run's times may be compared: those of cells that had the same machine to themselves."""
    machines: dict[str, list[str]] = {}
    for cell in cells_of(rows):
        if cell.status == "ok":
            machines.setdefault(described(cell.machine or run.machine), []).append(cell.classifier)
    return Timing(_shared(run), {machine: tuple(names) for machine, names in machines.items()})


def _shared(run: RunRecord) -> str:
    if run.executor != "local":
        return f"cells ran on a cluster ({run.executor}), where they share machines: their times are left out"
    if run.config.jobs > 1:
        return f"{run.config.jobs} classifiers ran at a time: their times are left out"
    return ""


def described(machine: dict[str, str | int]) -> str:
    """Return what tells a machine apart, in words: processor, cores, threads, GPU."""
    known = {name: machine[name] for name in DECISIVE if name in machine}
    units = {"cores": "core", "threads": "thread"}
    return ", ".join(
        number_of(value, units[name]) if name in units and isinstance(value, int) else str(value)
        for name, value in known.items()
    )
