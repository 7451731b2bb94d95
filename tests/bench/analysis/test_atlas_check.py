"""Scores join the atlas only where they are of the very messages that the atlas is scored on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from samples import atlas_cell, signs

from bench.analysis.atlas.check import check_scores, sampled
from bench.cli import main
from bench.dataset.catalogue import dataset_entry
from bench.records.atlas import AtlasScores, write_scores
from classifiers.errors import BenchError

NAME = "customer-messages"


@pytest.fixture(scope="module")
def fitting() -> AtlasScores:
    """Scores of one row on the shipped messages, as a study makes them."""
    loaded, split = sampled(NAME)
    ids = tuple(sorted(message.id for message in split.select(loaded.messages, "test")))
    return AtlasScores(
        data_set=NAME,
        sha256=dataset_entry(NAME).sha256,
        n_labels=3,
        seen_by_llms=False,
        task=loaded.fingerprint,
        split=split.fingerprint,
        part_sizes={"test": len(ids)},
        ids=ids,
        cells=(atlas_cell("mine", signs(len(ids), 100)),),
        versions={},
    )


def written(folder: Path, scores: AtlasScores, **changes: Any) -> Path:
    write_scores(folder / "new.json", scores.model_copy(update=changes))
    return folder / "new.json"


def test_scores_of_the_same_messages_fit(
    fitting: AtlasScores, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = written(tmp_path, fitting)
    assert main(["atlas", "check", str(file), "--against", str(tmp_path / "none")]) == 0
    assert capsys.readouterr().out == f"{file}: fits: customer-messages, 1 cell of mine\n"


def test_a_row_that_the_atlas_has_is_refused(fitting: AtlasScores, tmp_path: Path) -> None:
    write_scores(tmp_path / "atlas" / f"{NAME}.json", fitting)
    with pytest.raises(BenchError, match="cell 'mine' is in the atlas already"):
        check_scores(written(tmp_path, fitting), tmp_path / "atlas")
    assert "fits" in check_scores(tmp_path / "atlas" / f"{NAME}.json", tmp_path / "atlas")


def test_other_ids_hashes_and_names_are_refused(
    fitting: AtlasScores, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    swapped = ("refunds.txt:99999", *fitting.ids[1:])
    for changes, words in (
        ({"ids": swapped}, "2 test ids other than in the preset 'atlas'"),
        ({"ids": fitting.ids[::-1]}, "0 test ids other than in the preset 'atlas' (such as their order)"),
        ({"sha256": "0" * 64}, "the rows of customer-messages have SHA-256 000000000000…"),
        ({"task": "0" * 16}, "the fingerprint of the task is 0000000000000000"),
        ({"split": "0" * 16}, "the fingerprint of the split is 0000000000000000"),
        ({"data_set": "customer-mesages"}, "did you mean 'customer-messages'?"),
        ({"cells": ()}, "holds no scores"),
    ):
        assert main(["atlas", "check", str(written(tmp_path, fitting, **changes))]) == 2
        said = capsys.readouterr().err
        assert words in said, said
        assert said.count("\n") == 1


def test_a_data_set_that_is_not_here_cannot_be_checked(
    fitting: AtlasScores, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BENCH_DATA", str(tmp_path))
    monkeypatch.setenv("BENCH_CACHE", str(tmp_path / "cache"))
    file = written(tmp_path, fitting, data_set="banking77", sha256=dataset_entry("banking77").sha256)
    with pytest.raises(BenchError, match="fetch it: bench data pull banking77"):
        check_scores(file, tmp_path)
