"""Describe the machine, the versions and the code that figures come from."""

from __future__ import annotations

import os
import platform
import re
import subprocess
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from bench.measure.limits import total_memory_bytes

PACKAGES = (
    "torch",
    "transformers",
    "scikit-learn",
    "llama-cpp-python",
    "numpy",
    "sentence-transformers",
    "onnxruntime",
    "openvino",
    "peft",
    "setfit",
    "model2vec",
)


def machine(threads: int) -> dict[str, str | int]:
    """Describe the machine that timings depend on: processor, its features, cores, memory, threads, graphics cards."""
    return {
        "processor": _processor(),
        "features": " ".join(_features()),
        "cores": os.cpu_count() or 1,
        "threads": threads,
        "memory_bytes": total_memory_bytes(),
        "system": f"{platform.system()} {platform.machine()}",
        **({"gpu": gpus} if (gpus := _gpus()) else {}),
    }


def versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that scores and timings depend on."""
    known = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            known[package] = version(package)
        except PackageNotFoundError:
            continue
    return known


def git_commit() -> str | None:
    """Return the commit of the checkout this code lies in, `+` appended where it has changes, or None."""
    here = Path(__file__).parents[2]
    if not (here / ".git").exists():  # installed into somebody else's checkout, perhaps
        return None
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
        match = re.search(rf"^{key}\s*:\s*(.*)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    except OSError:
        return ""
    return match.group(1) if match else ""


def _processor() -> str:
    return _cpu_info("model name") or platform.processor() or platform.machine()


def _features() -> list[str]:
    """Name the instruction sets that change matrix speed several times over."""
    flags = set(_cpu_info("flags").split())
    return [flag for flag in ("avx2", "avx512f", "avx512_bf16", "avx512_vnni", "amx_tile") if flag in flags]


@cache
def _gpus() -> str:
    """Name the graphics cards that NVIDIA's driver lists, with their memory."""
    query = ["nvidia-smi", "--query-gpu=name,memory.total", "--format=csv,noheader"]
    try:
        run = subprocess.run(query, capture_output=True, text=True, check=False, timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return "; ".join(run.stdout.splitlines()) if run.returncode == 0 else ""
