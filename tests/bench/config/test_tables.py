"""The config's tables refuse values that would make two runs of one name, or none."""

from __future__ import annotations

import re

import pytest

from bench.config.run import make_config
from bench.config.tables import MAX_SEED, MAX_SEEDS
from classifiers.errors import BenchError


@pytest.mark.parametrize(
    ("seeds", "words"),
    [
        ([0, 1, 0], "c.toml: sweep.seeds: seed 0 stands twice; each makes a run of its own"),
        ([3, -1], "c.toml: sweep.seeds.1: Input should be greater than or equal to 0"),
        ([MAX_SEED], f"c.toml: sweep.seeds.0: Input should be less than or equal to {MAX_SEED - MAX_SEEDS}"),
    ],
)
def test_seeds_of_a_sweep_that_make_no_run_of_their_own_are_refused(seeds: list[int], words: str) -> None:
    with pytest.raises(BenchError, match=re.escape(words)):
        make_config({"classifiers": {"majority": {}}, "sweep": {"seeds": seeds}}, where="c.toml")


def test_every_seed_of_a_sweep_makes_a_run() -> None:
    config = make_config({"classifiers": {"majority": {}}, "sweep": {"seeds": [0, 7]}}, where="c.toml")
    assert [(run.name, run.seed) for run in config.runs()] == [("default-seed0", 0), ("default-seed7", 7)]


@pytest.mark.parametrize("seed", [-1, MAX_SEED])
def test_a_seed_that_libraries_do_not_take_is_refused(seed: int) -> None:
    with pytest.raises(BenchError, match=r"c.toml: seed: Input should be"):
        make_config({"classifiers": {"majority": {}}, "seed": seed}, where="c.toml")
