"""What makes a cell the same cell: everything its answers are made from, defaults included, and nothing else."""

from __future__ import annotations

from typing import Any

import pytest

from bench.config.run import make_config
from bench.config.tables import SplitConfig
from bench.dataset.load import LoadedTask
from bench.dataset.split import Split, make_split
from bench.execution.fingerprint import cell_identity, run_fingerprint
from classifiers.linear import LinearSettings
from classifiers.testing import MESSAGES, TASK

LOADED = LoadedTask(TASK, MESSAGES)
SPLIT = make_split(LOADED, SplitConfig(), 0)


def prints(split: Split = SPLIT, **values: Any) -> tuple[str, str]:
    """The fingerprints of the linear row's first cell and of the whole run."""
    config = make_config({"classifiers": {"linear": {}}} | values, where="test")
    identity = cell_identity(config, config.cells()[0], LOADED, split)
    return identity.fingerprint, run_fingerprint(config, LOADED, split)


def test_a_default_given_in_so_many_words_is_no_change() -> None:
    cell, _ = prints()
    assert prints(classifiers={"linear": {"characters": True}})[0] == cell
    assert prints(cost={"watts": 10.0}) == prints()
    assert prints(data={"separator": ""})[1] == prints()[1]


def test_a_changed_default_makes_another_cell(monkeypatch: pytest.MonkeyPatch) -> None:
    before, _ = prints()

    class Later(LinearSettings):
        characters: bool = False

    monkeypatch.setattr("classifiers.linear.Linear.settings_type", Later)
    assert prints()[0] != before


@pytest.mark.parametrize(
    "change",
    [
        {"classifiers": {"linear": {"max_iterations": 5}}},
        {"seed": 1},
        {"threads": 1},
        {"classifiers": {"linear": {"train_per_label": [2]}}},
        {"split": make_split(LOADED, SplitConfig(), 1)},
    ],
)
def test_what_answers_are_made_from_makes_another_cell(change: dict[str, Any]) -> None:
    assert prints(**change)[0] != prints()[0]
