"""Tell whether a cell is the same cell: same config, task, split, seed and record version."""

from __future__ import annotations

import hashlib
import json

from bench.config.cells import CellPlan
from bench.config.run import RunConfig
from bench.dataset.load import LoadedTask
from bench.dataset.split import Split
from bench.records.types import SCHEMA
from classifiers.registry import check_settings, find_backend


def cell_fingerprint(config: RunConfig, cell: CellPlan, loaded: LoadedTask, split: Split) -> str:
    """Give a hash of everything a cell's answers are made from, 16 hexadecimal digits.

    The settings' defaults count: where one has changed, the cell is another.
    """
    backend = find_backend(cell.backend)
    settings = check_settings(backend, cell.settings, where=cell.row).model_dump(mode="json")
    row = [cell.name, cell.backend, settings, cell.seed, config.threads, config.jobs, cell.train_per_label]
    return _hash([row, loaded.fingerprint, split.fingerprint, SCHEMA])


def run_fingerprint(config: RunConfig, loaded: LoadedTask, split: Split) -> str:
    """Give a hash of a whole run, 8 hexadecimal digits: part of its folder's name."""
    given = config.model_dump(mode="json", exclude={"cost", "cascades"}, exclude_defaults=True)
    return _hash([given, loaded.fingerprint, split.fingerprint, SCHEMA])[:8]


def _hash(value: object) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:16]
