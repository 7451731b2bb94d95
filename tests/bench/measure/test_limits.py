"""Limits of control groups are seen, whichever group above the process sets them."""

from __future__ import annotations

from pathlib import Path

import psutil
import pytest

from bench.measure.limits import free_memory_bytes, total_memory_bytes, usable_cores


def write(folder: Path, **files: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name.replace("__", ".")).write_text(text + "\n")


def test_a_limit_of_version_2_holds_for_the_groups_below_it(tmp_path: Path) -> None:
    root, own = tmp_path / "cgroup", tmp_path / "own"
    own.write_text("0::/user/work\n")
    write(root / "user", memory__max="1000000", memory__current="400000")
    write(root / "user" / "work", memory__max="max", memory__current="300000")
    assert total_memory_bytes(root, own) == 1_000_000
    assert free_memory_bytes(root, own) == 600_000


def test_a_limit_of_version_1_holds(tmp_path: Path) -> None:
    root, own = tmp_path / "cgroup", tmp_path / "own"
    own.write_text("7:cpu,cpuacct:/docker/1\n4:memory:/docker/1\n")
    write(root / "memory", memory__limit_in_bytes="9223372036854771712", memory__usage_in_bytes="5")
    write(root / "memory" / "docker" / "1", memory__limit_in_bytes="2000000", memory__usage_in_bytes="2500000")
    assert total_memory_bytes(root, own) == 2_000_000
    assert free_memory_bytes(root, own) == 0


def test_without_limits_the_machine_counts(tmp_path: Path) -> None:
    assert total_memory_bytes(tmp_path, tmp_path / "none") == psutil.virtual_memory().total
    assert 1 <= usable_cores() <= (psutil.cpu_count(logical=False) or psutil.cpu_count())


def test_of_two_threads_per_core_one_is_used_and_a_quota_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("psutil.cpu_count", lambda logical: 8 if logical else 4)
    monkeypatch.setattr("joblib.cpu_count", lambda: 8)
    assert usable_cores() == 4
    monkeypatch.setattr("joblib.cpu_count", lambda: 2)  # a quota of two, or an affinity
    assert usable_cores() == 2
