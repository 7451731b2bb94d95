"""Training in two processes at once (gloo), by the script of docs/encoder.md."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from itertools import combinations
from pathlib import Path

import pytest
from conftest import REPOSITORY

from bench.measure.limits import usable_cores
from classifiers.encoder.backend import Encoder
from classifiers.encoder.settings import EncoderSettings


@pytest.mark.slow
def test_two_processes_train_one_encoder(minilm: Path, data_folder: Path, task, messages, tmp_path: Path) -> None:
    page = (REPOSITORY / "docs" / "encoder.md").read_text(encoding="utf-8")
    found = re.search(r"<!-- torchrun -->\n```python\n(.*?)```", page, re.DOTALL)
    assert found
    script = tmp_path / "fit.py"
    few = found[1].replace("EncoderSettings(", "EncoderSettings(epochs=3, ")  # each of which writes a checkpoint
    assert few != found[1]
    script.write_text(few)
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", str(script)]
    for file in data_folder.glob("*.txt"):
        pairs = combinations(file.read_text(encoding="utf-8").splitlines(), 2)
        file.write_text("".join(f"{a} {b}\n" for a, b in pairs), encoding="utf-8")
    trained = tmp_path / "trained"
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "DEVICE": "cpu", "PYTHONPATH": str(REPOSITORY)}
    run = subprocess.run(
        [*command, str(data_folder), str(trained)], env=environment, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr[-2000:]
    with Encoder(EncoderSettings(model=(str(minilm),)), threads=usable_cores()) as encoder:
        encoder.load_from(trained, task)
        answers = list(encoder.predict([m.text for m in messages]))
    right = sum(a.labels == m.labels for a, m in zip(answers, messages, strict=True))
    assert right > len(messages) / 2
