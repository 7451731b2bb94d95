"""Measure one process: peak memory by phase, and what machine and versions it ran on."""

from __future__ import annotations

import os
import platform
import re
import resource
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

STATUS = Path("/proc/self/status")
CLEAR = Path("/proc/self/clear_refs")
PACKAGES = ("torch", "transformers", "scikit-learn", "llama-cpp-python", "numpy")


def peak_memory_bytes() -> int:
    """Give the largest resident size so far, or since `forget_peak` where the system can forget."""
    if STATUS.exists():
        found = re.search(r"VmHWM:\s+(\d+) kB", STATUS.read_text())
        if found:
            return int(found.group(1)) * 1024
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def forget_peak() -> bool:
    """Start the peak afresh from the present size (Linux); False where that is not possible."""
    try:
        CLEAR.write_text("5")
    except OSError:
        return False
    return True


def usable_cores() -> int:
    """Count the processor cores that this process may use, which a container or `taskset` can make fewer than all."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def machine(threads: int) -> dict[str, str | int]:
    """Describe the machine that timings depend on: processor, its features, cores, memory, threads."""
    import psutil

    return {
        "processor": _processor(),
        "features": " ".join(_features()),
        "cores": os.cpu_count() or 1,
        "threads": threads,
        "memory_bytes": psutil.virtual_memory().total,
        "system": f"{platform.system()} {platform.machine()}",
    }


def versions() -> dict[str, str]:
    """Give the versions of Python and of the packages that scores and timings depend on."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def git_commit() -> str | None:
    """Give the commit of the checkout this code lies in, `+` appended where it has changes, or None."""
    here = Path(__file__).parent
    try:
        run = subprocess.run(
            ["git", "describe", "--always", "--abbrev=12", "--dirty=+"],  # noqa: S607 - wherever git is installed
            cwd=here,
            capture_output=True,
            text=True,
            check=False,
        )
    except OSError:
        return None
    return run.stdout.strip() or None


def _cpu_info(key: str) -> str:
    try:
        found = re.search(rf"^{key}\s*:\s*(.*)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    except OSError:
        return ""
    return found.group(1) if found else ""


def _processor() -> str:
    return _cpu_info("model name") or platform.processor() or platform.machine()


def _features() -> list[str]:
    """Name the instruction sets that change matrix speed several times over."""
    flags = set(_cpu_info("flags").split())
    return [flag for flag in ("avx2", "avx512f", "avx512_bf16", "avx512_vnni", "amx_tile") if flag in flags]
