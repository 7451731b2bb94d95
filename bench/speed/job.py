"""One measurement in a process of its own: what is asked, and how the answer comes back."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from bench.config.tables import DataConfig
from bench.dataset.load import LoadedTask, load_task
from classifiers.errors import BenchError

if TYPE_CHECKING:
    from _typeshed import DataclassInstance


@dataclass(frozen=True, slots=True)
class Job:
    """What to measure: a variant with a model on a data set, and on how many messages (0: all)."""

    variant: str
    model: str
    messages: int
    data: str
    threads: int
    seed: int = 0


def load_for_speed(path: str) -> LoadedTask:
    """Read the messages to measure on.

    Raises:
        BenchError: if they may have several labels: what is measured against, people's own loops, gives one each.
    """
    loaded = load_task(DataConfig(path=path))
    if loaded.task.takes_several:
        raise BenchError("bench speed measures on messages of one label each; these may have several")
    return loaded


def answer_job(measure: Callable[[Job], DataclassInstance]) -> None:
    """Do the job of the command line and print what was measured as JSON, alone on the standard output."""
    sys.stdout = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print must not mix with it
    print(json.dumps(asdict(measure(Job(**json.loads(sys.argv[1]))))))
    sys.stdout.flush()
