"""Threads that wait sleep after a short spin, unless the user wants it otherwise."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from bench.config.run import make_config
from bench.execution.plan import worker_variables
from bench.measure.threads import GIVEN, waiting_threads

CHILD = """
import json, os, sys
from bench.cli import main
main(["--results", sys.argv[1], "history"])
print(json.dumps({name: os.environ.get(name) for name in ("OMP_WAIT_POLICY", "KMP_BLOCKTIME", "GOMP_SPINCOUNT")}))
"""


def variables_of_a_command(results: Path, **given: str) -> dict[str, str | None]:
    environment = {k: v for k, v in os.environ.items() if k not in GIVEN}
    command = [sys.executable, "-c", CHILD, str(results)]
    run = subprocess.run(command, env={**environment, **given}, capture_output=True, text=True, check=True)
    found: dict[str, str | None] = json.loads(run.stdout.splitlines()[-1])
    return found


def test_every_command_has_waiting_threads_sleep_soon_and_passes_that_on(tmp_path: Path) -> None:
    found = variables_of_a_command(tmp_path)
    assert found == {"OMP_WAIT_POLICY": None, "KMP_BLOCKTIME": "0", "GOMP_SPINCOUNT": "4000"}


def test_what_the_user_has_set_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = variables_of_a_command(tmp_path, GOMP_SPINCOUNT="1000")
    assert found == {"OMP_WAIT_POLICY": None, "KMP_BLOCKTIME": None, "GOMP_SPINCOUNT": "1000"}
    assert waiting_threads({"OMP_WAIT_POLICY": "ACTIVE"}) == {}
    monkeypatch.setenv("OMP_WAIT_POLICY", "ACTIVE")
    config = make_config({"threads": 2, "classifiers": {"majority": {}}}, where="test")
    assert "GOMP_SPINCOUNT" not in worker_variables(config)


def test_a_worker_is_told_its_threads_and_to_let_them_sleep(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OMP_WAIT_POLICY", "KMP_BLOCKTIME", "GOMP_SPINCOUNT"):
        monkeypatch.delenv(name, raising=False)
    config = make_config({"threads": 4, "jobs": 2, "classifiers": {"majority": {}}}, where="test")
    found = worker_variables(config)
    assert (found["GOMP_SPINCOUNT"], found["KMP_BLOCKTIME"], found["OMP_NUM_THREADS"]) == ("4000", "0", "2")
