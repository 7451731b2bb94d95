"""Measure the electricity that a phase of a cell takes, where the machine has a power meter.

codecarbon reads the meters: RAPL for processors, PowerMetrics on Apple's, the drivers of NVIDIA and AMD cards. Where
there is none, it would guess from load and a table of processors. A guess is no measurement, so none is recorded.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

COUNTRY = "FRA"  # codecarbon asks for one; only energies are read, no emissions
NOT_INSTALLED = "codecarbon is not installed; pip install '.[energy]'"
NO_METER = "this machine has no power meter that can be read"


def power_meters() -> dict[str, str]:
    """Return the power meters that can be read: codecarbon's name of the figure, and what it is read from."""
    if sys.platform == "linux" and not any(Path("/sys/class/powercap").glob("*")):
        return {}  # no RAPL, and nothing to load codecarbon for in every worker
    try:
        from codecarbon.core import cpu, gpu, powermetrics
    except ImportError:
        return {}
    meters = {}
    if cpu.is_rapl_available():
        meters["cpu_energy"] = "RAPL"
    elif powermetrics.is_powermetrics_available():
        meters["cpu_energy"] = "PowerMetrics"
    # a card alone would bill rows that run on the processor its idling
    if meters and gpu.is_gpu_details_available():
        meters["gpu_energy"] = "GPU driver"
    return meters


class EnergyMeter:
    """Adds up kilowatt-hours by phase; `source` says what they were read from, or why there are none."""

    def __init__(self) -> None:
        self.kwh: dict[str, float] = {}
        self._meters = power_meters()
        self._tracker = _tracker() if self._meters else None
        self.source = " + ".join(self._meters.values()) if self._meters else _why_not()

    @contextmanager
    def measuring(self, phase: str) -> Iterator[None]:
        """Add the energy of a block to a phase; without a meter, do nothing."""
        if self._tracker is None:
            yield
            return
        self._tracker.start_task(phase)
        try:
            yield
        finally:
            data = self._tracker.stop_task(phase)
            used = sum(float(getattr(data, name)) for name in self._meters) if data else 0.0
            self.kwh[phase] = self.kwh.get(phase, 0.0) + used


def _tracker() -> Any:
    from codecarbon import OfflineEmissionsTracker

    return OfflineEmissionsTracker(country_iso_code=COUNTRY, output_methods=[], log_level="error")


def _why_not() -> str:
    from importlib.util import find_spec

    return NO_METER if find_spec("codecarbon") else NOT_INSTALLED
