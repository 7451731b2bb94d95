"""Saved classifiers are closed, also where a later one of the run cannot be taken up."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from bench.inference.saved import SavedClassifiers, open_saved
from bench.records.store import RunFolder
from classifiers.errors import BenchError
from classifiers.majority import Majority

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def run(shipped_results: Path, tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    folder = tmp_path_factory.mktemp("saved") / "r"
    shutil.copytree(shipped_results / "r", folder)
    return RunFolder(folder)


@pytest.mark.parametrize("content", [b"", b"[]", b"7", b"[" * 100_000, b'{"answer": 1}', b"\xff"])
def test_a_classifier_that_cannot_be_read_is_one_line_whatever_its_backend_says(run: RunFolder, content: bytes) -> None:
    file = run.cell("majority").model / "majority.json"
    whole = file.read_bytes()
    file.write_bytes(content)
    with pytest.raises(BenchError, match=r"model cannot be read: .*; run the benchmark again") as caught:
        open_saved(run, "majority")
    assert "\n" not in str(caught.value)
    file.write_bytes(whole)
    assert len(list(open_saved(run, "majority").predict(["money back"]))) == 1


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
