"""Busy programs beside a measurement: as many as there are cores, so that half of the machine is the fair share."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

LOOP = "while True: pass"


@contextmanager
def busy_neighbours(n: int) -> Iterator[None]:
    """Keep n cores busy while the block runs."""
    started: list[subprocess.Popen[bytes]] = []
    try:
        for _ in range(n):
            started.append(subprocess.Popen([sys.executable, "-c", LOOP]))
        yield
    finally:
        for process in started:
            process.kill()
        for process in started:
            process.wait()
