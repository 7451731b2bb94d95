"""Saved classifiers are closed, also where a later one of the run cannot be taken up."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from bench.inference.saved import SavedClassifiers
from bench.records.store import RunFolder
from classifiers.errors import BenchError
from classifiers.majority import Majority

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def run(shipped_results: Path, tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    folder = tmp_path_factory.mktemp("saved") / "r"
    shutil.copytree(shipped_results / "r", folder)
    return RunFolder(folder)


def test_open_classifiers_are_closed_where_a_later_one_is_broken(
    run: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed: list[str] = []
    monkeypatch.setattr(Majority, "close", lambda self: closed.append("majority"))
    with SavedClassifiers(run) as saved:
        assert list(saved.answer("money back").keys()) == ["majority", "linear"]
    assert closed == ["majority"]
    for file in run.cell("linear").model.iterdir():
        file.write_bytes(b"")
    with pytest.raises(BenchError):
        SavedClassifiers(run)
    assert closed == ["majority"] * 2
