"""Tell whether a cell is the same cell: its identity is everything that its answers are made from."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from importlib.metadata import entry_points
from pathlib import Path

from bench.config.cells import CellPlan
from bench.config.run import RunConfig
from bench.dataset.groups import are_grouped
from bench.dataset.load import LoadedTask
from bench.dataset.split import Split
from bench.records.types import SCHEMA, CellIdentity, MessageRecord
from classifiers.interface import ModelFile
from classifiers.registry import GROUP, check_settings, find_backend

CHANGEABLE = ("cost", "cascades", "verdict", "stop")
"""Tables of the config that play no part in what an answer is: they may change between two commands of one run."""
DRAWS_BY_GROUP = "; draws by group"


def cell_identity(
    config: RunConfig, cell: CellPlan, loaded: LoadedTask, split: Split, models: Sequence[ModelFile] = ()
) -> CellIdentity:
    """Return everything that a cell's answers are made from.

    Args:
        config: of the run.
        cell: the cell.
        loaded: the task and its messages.
        split: the part of every message.
        models: the model files that the cell will run, which of a list of models included.
    """
    settings = check_settings(find_backend(cell.backend), cell.settings, where=cell.row).model_dump(mode="json")
    code = backend_code(cell.backend)
    if are_grouped(loaded.messages):  # cells from before draws went by group are others
        code += DRAWS_BY_GROUP
    return CellIdentity(
        cell=cell.name,
        backend=cell.backend,
        code=code,
        settings=settings,
        models=tuple(models),
        seed=cell.seed,
        train_per_label=cell.train_per_label,
        threads=config.threads,
        jobs=config.jobs,
        task=loaded.fingerprint,
        split=split.fingerprint,
    )


def backend_code(backend: str) -> str:
    """Return what tells versions of a backend's code apart: a hash of its file, or its package's version."""
    if ".py:" in backend:
        return hashlib.sha256(Path(backend.rpartition(":")[0]).read_bytes()).hexdigest()
    for point in entry_points(group=GROUP, name=backend):
        if point.dist:
            return f"{point.dist.name} {point.dist.version}"
    return ""


def run_fingerprint(config: RunConfig, loaded: LoadedTask, split: Split) -> str:
    """Return a hash of a whole run, 8 hexadecimal digits: part of its folder's name."""
    given = config.model_dump(mode="json", exclude=set(CHANGEABLE), exclude_defaults=True)
    body = [given, loaded.fingerprint, split.fingerprint, SCHEMA]
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()[:8]


def message_records(loaded: LoadedTask, split: Split) -> list[MessageRecord]:
    """Return the messages with their parts, in the task's order, as the run folder keeps them."""
    return [MessageRecord(m.id, split.parts[m.id], m.text, m.labels, dict(m.columns), m.group) for m in loaded.messages]
