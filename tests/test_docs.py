"""What the documentation tells people to run does run."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pandas as pd
from conftest import CUSTOMER_MESSAGES, REPOSITORY

from bench.cli import main
from bench.records import RunFolder
from bench.trial import open_saved


def code_of(page: str) -> str:
    """The Python block of a page of docs/."""
    (code,) = re.findall(r"^```python\n(.*?)^```", (REPOSITORY / "docs" / page).read_text("utf-8"), re.DOTALL | re.M)
    return str(code)


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
