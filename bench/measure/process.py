"""Measure the memory of this process, and end it."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from typing import NoReturn

STATUS = Path("/proc/self/status")
CLEAR = Path("/proc/self/clear_refs")


def peak_memory_bytes() -> int:
    """Return the largest resident size so far, or since `forget_peak` where the system can forget."""
    if STATUS.exists():
        match = re.search(r"VmHWM:\s+(\d+) kB", STATUS.read_text())
        if match:
            return int(match.group(1)) * 1024
    try:
        import resource
    except ImportError:  # Windows
        import psutil

        return int(getattr(psutil.Process().memory_info(), "peak_wset", psutil.Process().memory_info().rss))
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def gpu_peak_bytes() -> int | None:
    """Return the most graphics memory that torch's tensors held at once; None without a GPU or without torch.

    llama.cpp takes graphics memory without torch, which is not seen here.
    """
    torch = sys.modules.get("torch")
    if torch is None or not torch.cuda.is_available() or not torch.cuda.is_initialized():
        return None
    return int(torch.cuda.max_memory_allocated())


def forget_peak() -> bool:
    """Start the peak afresh from the present size (Linux); False where that is not possible."""
    try:
        CLEAR.write_text("5")
    except OSError:
        return False
    return True


def leave(code: int) -> NoReturn:
    """End this process at once, its files flushed: to take libraries such as torch apart takes up to a second."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
