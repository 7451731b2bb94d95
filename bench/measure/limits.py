"""What a container or a control group allows: processor cores and memory, which the machine's own figures hide."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

CGROUPS = Path("/sys/fs/cgroup")
OWN_GROUPS = Path("/proc/self/cgroup")
NO_LIMIT = 2**60
"""Control groups of version 1 write a number near 2^63 where there is no limit."""


def usable_cores() -> int:
    """Return the physical cores this process may use: affinity and the CPU quota of its control group count.

    Two threads of one core share its arithmetic units, which is all that matrix products need.
    """
    import psutil
    from joblib import cpu_count

    allowed = int(cpu_count())
    return min(allowed, psutil.cpu_count(logical=False) or allowed)


def free_memory_bytes(root: Path = CGROUPS, membership: Path = OWN_GROUPS) -> int:
    """Return the bytes of memory that are free: the machine's without swapping, or what is left of a limit."""
    import psutil

    left = [limit - used for limit, used in _limits(root, membership)]
    return max(min([int(psutil.virtual_memory().available), *left]), 0)


def total_memory_bytes(root: Path = CGROUPS, membership: Path = OWN_GROUPS) -> int:
    """Return the machine's memory, or the smallest limit on it that a control group sets."""
    import psutil

    return min([int(psutil.virtual_memory().total), *(limit for limit, _ in _limits(root, membership))])


def _limits(root: Path, membership: Path) -> Iterator[tuple[int, int]]:
    """Yield the limit and the use, in bytes, of every control group above this process that has a limit."""
    for folder in _groups(root, membership):
        for limit_file, used_file in (
            ("memory.max", "memory.current"),  # version 2
            ("memory.limit_in_bytes", "memory.usage_in_bytes"),
        ):
            limit, used = _number(folder / limit_file), _number(folder / used_file)
            if limit is not None and used is not None and limit < NO_LIMIT:
                yield limit, used


def _groups(root: Path, membership: Path) -> Iterator[Path]:
    """Yield the folders of this process's memory groups, up to the root: a limit of any of them holds."""
    try:
        lines = membership.read_text().splitlines()
    except OSError:
        lines = []
    places = {(root, "/"), (root / "memory", "/")}
    for line in lines:  # such as 0::/user.slice, or 4:memory:/docker/1a2b
        _, controllers, path = line.split(":", 2)
        if not controllers or "memory" in controllers.split(","):
            places.add((root if not controllers else root / "memory", path))
    for base, path in sorted(places):
        folder = base / path.strip("/")
        yield folder
        yield from (parent for parent in folder.parents if parent.is_relative_to(base))


def _number(file: Path) -> int | None:
    try:
        return int(file.read_text())
    except (OSError, ValueError):  # version 2 writes `max` where there is no limit
        return None
