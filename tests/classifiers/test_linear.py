"""A saved pipeline whose files were damaged or exchanged is one clear line, before it answers anything."""

from __future__ import annotations

from pathlib import Path

import pytest
from sklearn.linear_model import LogisticRegression
from skops.io import dump

from classifiers.errors import BenchError
from classifiers.interface import Label, Message, Task
from classifiers.linear import FILE, THRESHOLDS, TRIALS, Linear

TASK = Task("t", (Label("a"), Label("b")))
MESSAGES = [Message(str(i), f"{'yes please' if i % 2 else 'no thanks'} {i}", ("ab"[i % 2],)) for i in range(12)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    linear = Linear()
    linear.fit(TASK, MESSAGES, ())
    linear.save(tmp_path)
    return tmp_path


def taken_up(folder: Path, task: Task = TASK) -> Linear:
    linear = Linear()
    linear.load_from(folder, task)
    return linear


def test_files_of_an_earlier_version_may_be_missing(folder: Path) -> None:
    answers = [p.labels for p in taken_up(folder).predict(["yes please", "no thanks"])]
    (folder / THRESHOLDS).unlink()
    (folder / TRIALS).unlink()
    assert [p.labels for p in taken_up(folder).predict(["yes please", "no thanks"])] == answers == [("b",), ("a",)]


@pytest.mark.parametrize(
    "content", [b"", b"null", b"7", b'{"a": 1}', b"[" * 100_000, b"[null]", b'["x"]', b"[NaN]", b"[1e999]", b"\xff"]
)
@pytest.mark.parametrize("name", [THRESHOLDS, TRIALS])
def test_what_is_beside_the_pipeline_is_read_with_care(folder: Path, name: str, content: bytes) -> None:
    (folder / name).write_bytes(content)
    with pytest.raises(BenchError, match=f"{name} cannot be read; run the benchmark again"):
        taken_up(folder)


def test_thresholds_are_one_per_label(folder: Path) -> None:
    (folder / THRESHOLDS).write_text("[0.5, 0.5, 0.5]")
    with pytest.raises(BenchError, match="is broken: 3 thresholds"):
        taken_up(folder)


def test_another_thing_in_place_of_the_pipeline_is_refused(folder: Path) -> None:
    others = ["a text", {"a": 1}, LogisticRegression(), LogisticRegression().fit([[0.0], [1.0]], ["a", "z"])]
    for other in others:
        dump(other, folder / FILE)
        with pytest.raises(BenchError, match="holds no classifier of this task's labels"):
            taken_up(folder)
