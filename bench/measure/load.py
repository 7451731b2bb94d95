"""Notice that other programs keep the machine busy while something is timed.

The system counts the time of all processors (/proc/stat on Linux). What this process and its children did not use of it
was used by others, or taken by the hypervisor for other machines (steal).
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress


class LoadMeter:
    """Adds up, by phase, wall time and the processor time of others."""

    def __init__(self) -> None:
        self._seconds: dict[str, float] = {}
        self._others: dict[str, float] = {}

    @contextmanager
    def measuring(self, phase: str) -> Iterator[None]:
        """Add a block to a phase."""
        started, others = time.perf_counter(), _seconds_of_others()
        try:
            yield
        finally:
            seconds, used = time.perf_counter() - started, _seconds_of_others() - others
            self._seconds[phase] = self._seconds.get(phase, 0.0) + seconds
            self._others[phase] = self._others.get(phase, 0.0) + used

    def cores_of_others(self, phase: str) -> float | None:
        """Return how many processors others kept busy during a phase, on average; None where it was too short to say.

        The system counts in hundredths of a second.
        """
        seconds = self._seconds.get(phase, 0.0)
        return max(self._others[phase] / seconds, 0.0) if seconds >= MIN_SECONDS else None


MIN_SECONDS = 0.5


def _seconds_of_others() -> float:
    """Return the processor seconds since the start of the machine that were not this process's or its children's."""
    import psutil

    machine = psutil.cpu_times()
    idle = machine.idle + getattr(machine, "iowait", 0.0)
    guest = getattr(machine, "guest", 0.0) + getattr(machine, "guest_nice", 0.0)  # counted in user and nice as well
    return float(sum(machine) - idle - guest) - _my_seconds()


def _my_seconds() -> float:
    """Return the processor seconds of this process, of children that ended and of those that run."""
    import psutil

    total = sum(os.times()[:4])
    for child in psutil.Process().children(recursive=True):
        with suppress(psutil.Error):
            total += sum(child.cpu_times()[:4])
    return total
