"""Have threads sleep while they wait for each other, so that a busy machine slows a run by its share and no more.

OpenMP's threads spin by default: torch's and llama.cpp's (it is built with OpenMP) then burn the time of the very
thread they wait for, once another process wants the cores. docs/speed.md has the figures.
"""

from __future__ import annotations

from collections.abc import Mapping

SLEEPING = {"OMP_WAIT_POLICY": "PASSIVE", "KMP_BLOCKTIME": "0"}
"""For GNU's OpenMP, which torch's Linux wheels and llama.cpp's gcc builds have, and for LLVM's and Intel's."""
GIVEN = {*SLEEPING, "GOMP_SPINCOUNT"}


def sleeping_threads(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the variables to be set before a library loads; none where the user has said how threads wait."""
    return {} if GIVEN & set(environment) else dict(SLEEPING)
