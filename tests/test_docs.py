"""What the documentation tells people to run does run."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import tomli
from conftest import CUSTOMER_MESSAGES, REPOSITORY

from bench.cli import main, make_parser
from bench.config import make_config
from bench.records import RunFolder
from bench.trial import open_saved
from bench.worker import make_classifier

PAGES = [REPOSITORY / "README.md", *sorted((REPOSITORY / "docs").glob("**/*.md"))]


def blocks(language: str) -> list[str]:
    """The fenced blocks of a language in README and docs."""
    found = []
    for page in PAGES:
        pieces = re.split(r"^```(.*)$", page.read_text(encoding="utf-8"), flags=re.MULTILINE)
        # outside, language, inside, "", outside, ...
        found += [inside for kind, inside in zip(pieces[1::4], pieces[2::4], strict=True) if kind.strip() == language]
    return found


@pytest.mark.parametrize("block", blocks("toml"))
def test_every_config_that_is_shown_is_a_valid_one(block: str) -> None:
    values = tomli.loads(block)
    rows = {"encoder": {}, "llama_cpp-tuned": {"backend": "llama_cpp"}} | values.pop("classifiers", {})
    config = make_config({**values, "classifiers": rows}, where="README")
    for cell in config.cells():
        make_classifier(cell, threads=1)


@pytest.mark.parametrize("line", [line for block in blocks("") for line in block.splitlines() if "bench " in line])
def test_every_command_that_is_shown_can_be_given(line: str) -> None:
    program, *arguments = shlex.split(line, comments=True)
    if program == "make":
        targets = (REPOSITORY / "Makefile").read_text(encoding="utf-8")
        assert all(re.search(rf"^{target}:", targets, re.MULTILINE) for target in arguments)
    elif program.endswith("bench"):
        make_parser().parse_args(arguments)


def code_of(page: str) -> str:
    """The Python block of a page of docs/."""
    text = (REPOSITORY / "docs" / page).read_text("utf-8")
    (code,) = (code for code in blocks("python") if code in text)
    return code


def test_the_script_for_ray_data_answers_as_the_classifier_does(tmp_path: Path) -> None:
    config = tmp_path / "c.toml"
    config.write_text(f"latency_messages = 0\n[data]\npath = '{CUSTOMER_MESSAGES}'\n[classifiers.linear]\n")
    assert main(["--results", str(tmp_path), "run", str(config), "--run", "r"]) == 0
    texts = [f"please refund order {i}" if i % 2 else f"where is parcel {i}?" for i in range(1200)]
    pd.DataFrame({"text": texts, "number": range(len(texts))}).to_parquet(tmp_path / "messages.parquet")
    script = tmp_path / "answer_with_ray.py"
    script.write_text(code_of("ray-data.md"), encoding="utf-8")
    done = subprocess.run(
        [
            sys.executable,
            str(script),
            str(tmp_path / "r"),
            "linear",
            str(tmp_path / "messages.parquet"),
            str(tmp_path / "out"),
        ],
        capture_output=True,
        text=True,
        timeout=240,
        cwd=tmp_path,
        env={**os.environ, "RAY_USAGE_STATS_ENABLED": "0", "PYTHONPATH": str(REPOSITORY)},
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    answered = pd.read_parquet(tmp_path / "out").sort_values("number")
    assert list(answered["text"]) == texts
    with open_saved(RunFolder(tmp_path / "r"), "linear") as linear:
        expected = [prediction.labels[0] for prediction in linear.predict(texts)]
    assert list(answered["predicted"]) == expected
    assert answered["probability"].between(0, 1).all()
