from __future__ import annotations

from pathlib import Path

import pytest

from bench.records.conditions import OtherLoad
from bench.records.jsonl import JsonLines
from bench.records.store import RunFolder, find_run
from bench.records.types import CellRecord, MessageRecord, PredictionRecord
from classifiers.errors import BenchError
from classifiers.interface import Attempt


def record(i: int) -> PredictionRecord:
    attempt = Attempt(raw="zażółć \u2028 😀", labels=("a",), valid=True, prompt_tokens=3, seconds=0.5)
    return PredictionRecord(str(i), "t", ("a",), ("a",), True, {"a": 0.75, "b": 0.25}, (attempt,), 0.5)


def filled(path: Path, n: int) -> JsonLines[PredictionRecord]:
    file = JsonLines(path, PredictionRecord)
    with path.open("ab") as stream:
        file.append([record(i) for i in range(n)], stream)
    return file


def test_records_come_back_as_they_were(tmp_path: Path) -> None:
    assert filled(tmp_path / "p.jsonl", 3).read() == [record(0), record(1), record(2)]


@pytest.mark.parametrize("cut", [1, 2, 20, 100])
def test_last_line_cut_off_in_writing_is_dropped_and_redone(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "p.jsonl"
    file = filled(path, 3)
    path.write_bytes(path.read_bytes()[:-cut])
    kept = file.repair()
    assert kept == [record(0), record(1)] or (cut == 1 and kept == [record(i) for i in range(3)])
    with path.open("ab") as stream:
        file.append([record(i) for i in range(len(kept), 3)], stream)
    assert file.read() == [record(0), record(1), record(2)]


def test_broken_line_elsewhere_is_an_error_that_names_it(tmp_path: Path) -> None:
    path = tmp_path / "p.jsonl"
    file = filled(path, 3)
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(lines[0] + b'{"id": 1}\n' + lines[2])
    with pytest.raises(BenchError, match=r"p.jsonl:2: broken record"):
        file.read()


def test_impossible_records_are_refused() -> None:
    with pytest.raises(ValueError, match="negative"):
        PredictionRecord("1", "t", ("a",), ("a",), True, seconds=-1)
    with pytest.raises(ValueError, match="invalid prediction"):
        PredictionRecord("1", "t", ("a",), ("a",), False)
    with pytest.raises(ValueError, match="name its cause"):
        CellRecord("c", "b", "f", "failed")


def test_file_that_does_not_exist_holds_no_records(tmp_path: Path) -> None:
    assert JsonLines(tmp_path / "none.jsonl", MessageRecord).read() == []


def test_unknown_run_gets_the_nearest_name(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match="there is no run in"):
        find_run(None, tmp_path)
    (tmp_path / "default-12").mkdir()
    (tmp_path / "default-12" / "run.json").write_text("{}")
    with pytest.raises(BenchError, match="unknown run 'defaul-12'; did you mean 'default-12'"):
        find_run("defaul-12", tmp_path)
    with pytest.raises(BenchError, match="broken record"):
        RunFolder(tmp_path / "default-12").read()


def test_others_may_use_the_processors_that_a_cell_does_not() -> None:
    assert OtherLoad(64, 2, predict=60.0).disturbed == {}
    assert OtherLoad(64, 2, predict=63.5).disturbed == {"predict": 63.5}
    assert OtherLoad(2, 2, predict=0.3).disturbed == {"predict": 0.3}
    assert OtherLoad(2, 2).disturbed == {}
