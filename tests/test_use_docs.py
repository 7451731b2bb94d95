"""docs/deploy.md and docs/ci.md: what they tell people to run is what other tests run, or is run here."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml
from conftest import REPOSITORY

from bench.cli import make_parser
from classifiers.exporting import USAGES, usage
from classifiers.llm.deployment import CURL
from classifiers.llm.prompting.settings import LlamaCppSettings
from classifiers.models.catalogue import catalogue
from classifiers.testing import MESSAGES, TASK

DEPLOY, CI = (REPOSITORY / "docs" / name for name in ("deploy.md", "ci.md"))


def blocks(page: Path, language: str) -> list[str]:
    """The fenced blocks of a language."""
    pieces = re.split(r"^```(.*)\n", page.read_text("utf-8"), flags=re.MULTILINE)  # outside, language, inside, "", ...
    return [inside for kind, inside in zip(pieces[1::4], pieces[2::4], strict=True) if kind == language]


def test_every_form_is_shown_by_the_lines_that_its_card_has() -> None:
    """tests/classifiers/test_exporting.py and llm/test_deployment.py run them."""
    names = ["transformers", "sentence-transformers", "head", "onnx", "linear", "llama-server"]
    codes = [usage(name, TASK).code.replace("GRAPH", '"model.onnx"') for name in names]
    assert blocks(DEPLOY, "python") == codes
    assert all(f"[{name}]" in USAGES.read_text("utf-8") for name in names)


def test_the_server_is_started_and_asked_as_an_export_says() -> None:
    commands = blocks(DEPLOY, "")
    assert CURL in commands
    settings = LlamaCppSettings()
    (started,) = (command.split() for command in commands if command.startswith("llama-server"))
    assert started[started.index("--model") + 1] == catalogue()[settings.model].file
    assert started[started.index("--ctx-size") + 1] == str(settings.context)


@pytest.fixture
def steps(tmp_path: Path) -> list[dict[str, Any]]:
    """The workflow's steps; the data and a config of quick rows lie in the repository that it checks out."""
    (workflow,) = blocks(CI, "yaml")
    read = yaml.safe_load(workflow)
    assert set(read) == {"name", True, "jobs"}, "YAML 1.1 reads the key `on` as true"
    (config,) = blocks(CI, "toml")
    (tmp_path / "ci").mkdir()
    quick = config.replace("[classifiers.encoder]", "[classifiers.encoder]\nbackend = 'linear'")
    quick = quick.replace("data/customer-messages", "my.csv")
    (tmp_path / "ci" / "bench.toml").write_text(f"latency_messages = 0\n{quick}[split]\nduplicates = 'report'\n")
    rows = [{"text": f"{m.text} {i}", "label": m.label} for m in MESSAGES for i in ("", "please", "today", "now")]
    pd.DataFrame(rows).to_csv(tmp_path / "my.csv", index=False)
    (job,) = read["jobs"].values()
    return list(job["steps"])


@pytest.mark.slow
def test_the_workflow_passes_and_keeps_a_baseline_and_then_stops_a_regression(
    steps: list[dict[str, Any]], tmp_path: Path
) -> None:
    shim = tmp_path / "bin" / "bench"
    shim.parent.mkdir()
    shim.write_text(f'#!/bin/sh\nexec {sys.executable} -m bench.cli "$@"\n')
    shim.chmod(0o755)
    environment = {
        **os.environ,
        "PATH": f"{shim.parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(REPOSITORY),
        "GITHUB_STEP_SUMMARY": str(tmp_path / "summary.md"),
    }

    def run(name: str) -> int:
        (command,) = (step["run"] for step in steps if step.get("name") == name)
        for line in command.splitlines():
            if line.startswith("bench "):
                make_parser().parse_args(line.split()[1:])
        # GitHub runs steps with `bash -e`
        return subprocess.run(["bash", "-ec", command], cwd=tmp_path, env=environment, check=False).returncode

    assert run("Run") == 0
    assert run("Show the report") == 0
    assert (tmp_path / "summary.md").read_bytes() == (tmp_path / "results" / "candidate" / "report.md").read_bytes()
    kept = run("Keep the promise")
    scores = json.loads((tmp_path / "results" / "candidate" / "scores.json").read_text("utf-8"))
    assert kept == (0 if scores["classifiers"]["encoder"]["accuracy_interval"]["low"] >= 0.8 else 3)
    assert run("Make it the baseline") == 0
    assert run("Compare with the main branch") == 0
    assert len((tmp_path / "flipped.csv").read_text("utf-8").splitlines()) == 1, "a head and no message"
    file = tmp_path / "results" / "candidate" / "encoder" / "predictions.jsonl"
    lines = [json.loads(line) for line in file.read_text("utf-8").splitlines()]
    wrong = [{**line, "predicted": [], "valid": False} for line in lines]
    file.write_text("".join(json.dumps(line) + "\n" for line in wrong), encoding="utf-8")
    assert run("Compare with the main branch") == 3
    assert run("Keep the promise") == 3


@pytest.mark.parametrize("name", ["results/candidate/report.html", "results/candidate/scores.json", "flipped.csv"])
def test_the_workflow_uploads_what_a_run_writes(steps: list[dict[str, Any]], name: str) -> None:
    (paths,) = (step["with"]["path"] for step in steps if "upload-artifact" in step.get("uses", ""))
    assert name in paths.split()
