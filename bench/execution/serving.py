"""Measure what a saved classifier needs to serve: a fresh process loads it, answers some messages, and tells its peak.

The process that trained holds what training left behind; what it holds also depends on whether a run was resumed. A
fresh process holds what somebody who deploys the classifier will hold, its libraries included.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from bench.config.cells import CellPlan, make_classifier
from bench.measure.process import leave, peak_memory_bytes
from classifiers.errors import BenchError
from classifiers.interface import Label, Saveable, Task

MEMORY_MESSAGES, SLOW_MEMORY_MESSAGES = 32, 8
"""A batch of messages, and fewer of a row that answers less than 20 per second. That is an LLM, and what it needs to
answer is set aside when it is loaded: more messages add nothing but time."""


def serving_memory_bytes(plan: CellPlan, folder: Path, task: Task, texts: Sequence[str], *, threads: int) -> int:
    """Return the peak memory of a fresh process that loads a saved classifier and answers texts.

    Raises:
        BenchError: if that process fails, which a deployment of this classifier would too.
    """
    body = {
        "plan": asdict(plan),
        "task": asdict(task),
        "folder": str(folder),
        "texts": list(texts),
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
    leave(0)
