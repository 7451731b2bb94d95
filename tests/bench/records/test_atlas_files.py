"""Files of scores: what they hold comes back, and what cannot be is refused in one line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from samples import atlas_cell, atlas_scores, atlas_set

from bench.records.atlas import read_atlas, read_scores, write_scores
from classifiers.errors import BenchError


def test_scores_come_back_as_they_were_written(tmp_path: Path) -> None:
    scores = atlas_set("letters", 26, (50, 100, 150, 180), 90)
    write_scores(tmp_path / "letters.json", scores)
    assert read_scores(tmp_path / "letters.json") == scores
    assert read_atlas(tmp_path) == [scores]


def spoilt(tmp_path: Path, **changes: Any) -> Path:
    """Write a file of two messages, with some of its values changed."""
    file = tmp_path / "small.json"
    write_scores(file, atlas_scores("small", 2, [atlas_cell("linear", "10")]))
    values = json.loads(file.read_text())
    cell = {key.removeprefix("cell_"): values_ for key, values_ in changes.items() if key.startswith("cell_")}
    values["cells"][0] |= cell
    values |= {key: value for key, value in changes.items() if not key.startswith("cell_")}
    file.write_text(json.dumps(values))
    return file


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"cell_text": "where is my parcel?"}, "Extra inputs are not permitted"),
        ({"ids": ["where is my parcel?", "b"]}, "is no id; give no texts"),
        ({"ids": ["a", "a"]}, "a test id stands twice"),
        ({"ids": ["a", "b", "c"]}, "answers to other than the 3 test messages"),
        ({"cell_right": "1x"}, "signs other than 1, 0 and"),
        ({"cell_right": "1."}, "n is 2, its answers are 1"),
        ({"cell_accuracy": 0.9}, "accuracy 0.9 is not that of its answers"),
        ({"cell_low": 0.8, "cell_high": 0.9}, "its interval does not hold its accuracy"),
        ({"data_set": "../../etc/passwd"}, "data_set: String should match pattern"),
        ({"data_set": "x" * 1_000_000}, "data_set: String should have at most 1000 characters"),
        ({"cell_row": "mine\u001b[2J"}, "cells.0.row: String should match pattern"),
        ({"cell_machine": "x" * 1001}, "cells.0.machine: String should have at most 1000 characters"),
        ({"cell_train_per_label": 10**25}, "cells.0.train_per_label: Input should be less than or equal to"),
        ({"part_sizes": {"train": -1}}, "part_sizes.train: Input should be greater than or equal to 0"),
        ({"atlas_schema": 2}, "is of other versions (atlas 2, records 1; here: atlas 1, records 1)"),
        ({"record_schema": 9}, "is of other versions (atlas 1, records 9"),
    ],
)
def test_a_file_that_cannot_be_is_refused(tmp_path: Path, changes: dict[str, Any], words: str) -> None:
    with pytest.raises(BenchError) as raised:
        read_scores(spoilt(tmp_path, **changes))
    assert words in str(raised.value)
    assert "\n" not in str(raised.value)


def test_files_of_one_data_set_are_joined(tmp_path: Path) -> None:
    write_scores(tmp_path / "a.json", atlas_scores("small", 2, [atlas_cell("linear", "10")]))
    write_scores(tmp_path / "b.json", atlas_scores("small", 2, [atlas_cell("mine", "11")]))
    write_scores(tmp_path / "c.json", atlas_scores("tiny", 1, [atlas_cell("linear", "1")]))
    tiny, small = read_atlas(tmp_path)
    assert (tiny.data_set, [cell.row for cell in small.cells]) == ("tiny", ["linear", "mine"])


@pytest.mark.parametrize(
    ("second", "words"),
    [
        (atlas_scores("small", 2, [atlas_cell("linear", "11")]), "cell 'linear' is in the atlas already"),
        (atlas_scores("small", 2, [atlas_cell("mine", "11")], split="other"), "split differs from that of the other"),
        (atlas_scores("small", 2, [atlas_cell("mine", "1")]), "ids differs from that of the other"),
    ],
)
def test_files_that_do_not_fit_together_are_refused(tmp_path: Path, second: Any, words: str) -> None:
    write_scores(tmp_path / "a.json", atlas_scores("small", 2, [atlas_cell("linear", "10")]))
    write_scores(tmp_path / "b.json", second)
    with pytest.raises(BenchError, match=words):
        read_atlas(tmp_path)
