"""Have threads that wait for each other sleep after a short spin, so that a busy machine slows a run less.

OpenMP's threads spin by default: torch's and llama.cpp's (it is built with OpenMP) then burn the time of the very
thread they wait for, once another process wants the cores. To sleep at once (`OMP_WAIT_POLICY=PASSIVE`) costs more than
a quarter of the time of a single message on an idle machine, because every layer wakes the threads; a few thousand
turns of the loop bridge that and are over in microseconds. docs/speed.md has the figures.
"""

from __future__ import annotations

from collections.abc import Mapping

SHORT_SPIN = {"GOMP_SPINCOUNT": "4000", "KMP_BLOCKTIME": "0"}
"""For GNU's OpenMP, which torch's Linux wheels and llama.cpp's gcc builds have, and for LLVM's and Intel's."""
GIVEN = {*SHORT_SPIN, "OMP_WAIT_POLICY"}


def waiting_threads(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the variables to be set before a library loads; none where the user has said how threads wait."""
    return {} if GIVEN & set(environment) else dict(SHORT_SPIN)
