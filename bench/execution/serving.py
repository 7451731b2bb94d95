"""Measure what a saved classifier needs to serve: a fresh process loads it, answers some messages, and tells its peak.

The process that trained holds what training left behind; what it holds also depends on whether a run was resumed. A
fresh process holds what somebody who deploys the classifier will hold, its libraries included.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from bench.config.cells import CellPlan, make_classifier
from bench.measure.process import peak_memory_bytes
from classifiers.errors import BenchError
from classifiers.interface import Label, Saveable, Task

MEMORY_MESSAGES = 32


def serving_memory_bytes(
    plan: CellPlan, classifier: Saveable, task: Task, texts: Sequence[str], *, threads: int
) -> int | None:
    """Save a classifier, and return the peak memory of a fresh process that loads it and answers texts.

    Raises:
        BenchError: if that process fails, which a deployment of this classifier would too.
    """
    with tempfile.TemporaryDirectory(prefix="bench-serving-") as folder:
        classifier.save(Path(folder))
        body = {
            "plan": asdict(plan),
            "task": asdict(task),
            "folder": folder,
            "texts": list(texts[:MEMORY_MESSAGES]),
            "threads": threads,
        }
        command = [sys.executable, "-m", "bench.execution.serving"]
        run = subprocess.run(command, input=json.dumps(body), capture_output=True, text=True, check=False)
    if run.returncode:
        reason = (run.stderr.strip().splitlines() or [f"exit status {run.returncode}"])[-1]
        raise BenchError(f"the saved classifier does not answer in a process of its own: {reason}")
    return int(run.stdout.strip().splitlines()[-1])


def serve(body: dict[str, Any]) -> int:
    """Load a saved classifier, let it answer, and return this process's peak memory in bytes."""
    task = body["task"]
    labels = tuple(Label(**label) for label in task["labels"])
    with make_classifier(CellPlan(**body["plan"]), threads=body["threads"]) as classifier:
        assert isinstance(classifier, Saveable)
        classifier.load_from(Path(body["folder"]), Task(**{**task, "labels": labels}))
        list(classifier.predict(body["texts"]))
        return peak_memory_bytes()


if __name__ == "__main__":
    print(serve(json.loads(sys.stdin.read())))
