"""A backend in a package of its own: installed, found by its entry point, checked by the kit and benchmarked."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import CUSTOMER_MESSAGES, REPOSITORY

pytestmark = pytest.mark.slow

EXAMPLE = REPOSITORY / "tests" / "plugin_example"


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """An environment in which the example is installed, beside the project."""
    target = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(target), str(EXAMPLE)]
    subprocess.run(command, check=True, timeout=300)
    return {**os.environ, "PYTHONPATH": f"{target}{os.pathsep}{REPOSITORY}"}


def run(environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments], capture_output=True, text=True, env=environment, timeout=300, check=False
    )


def test_it_is_under_40_lines() -> None:
    assert len((EXAMPLE / "bench_naive_bayes.py").read_text(encoding="utf-8").splitlines()) < 40


def test_it_passes_the_conformance_kit(environment: dict[str, str]) -> None:
    code = (
        "from classifiers.registry import find_backend; from classifiers.testing import check_classifier; "
        "check_classifier(find_backend('naive_bayes')); print('kept')"
    )
    done = run(environment, "-c", code)
    assert done.stdout.strip() == "kept", done.stderr


def test_it_is_benchmarked_by_its_name(environment: dict[str, str], tmp_path: Path) -> None:
    config = tmp_path / "plugin.toml"
    config.write_text(
        f"latency_messages = 0\n[data]\npath = '{CUSTOMER_MESSAGES}'\n"
        "[classifiers.majority]\n[classifiers.naive_bayes]\nsmoothing = 0.5\n"
    )
    done = run(environment, "-m", "bench.cli", "--results", str(tmp_path), "run", str(config), "--run", "r")
    assert done.returncode == 0, done.stderr
    scores = json.loads((tmp_path / "r" / "scores.json").read_text(encoding="utf-8"))["classifiers"]
    assert scores["naive_bayes"]["accuracy"] > scores["majority"]["accuracy"] + 0.2
    config.write_text(config.read_text().replace("smoothing", "smothing"))
    done = run(environment, "-m", "bench.cli", "--results", str(tmp_path), "run", str(config))
    assert done.returncode == 2
    assert "did you mean 'smoothing'" in done.stderr
