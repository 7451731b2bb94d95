"""The committed comparison of recipes: it covers what it must, and the default is nowhere far below the best."""

from __future__ import annotations

import runpy
from pathlib import Path

DOCS = Path(__file__).parents[3] / "docs"
STUDY = runpy.run_path(str(DOCS / "encoder_recipe.py"))
ROWS = STUDY["read_figures"]()


def test_the_default_is_within_a_point_of_the_best_recipe_on_every_data_set() -> None:
    means = STUDY["accuracies"](ROWS)
    assert len(means) >= 6
    for name, by_recipe in means.items():
        assert by_recipe["default"] >= max(by_recipe.values()) - 1, (name, by_recipe)


def test_every_data_set_was_trained_with_three_seeds() -> None:
    for name, is_weighed in STUDY["SETS"].items():
        for weights in ("none", "balanced") if is_weighed else ("none",):
            seeds = [row["seed"] for row in ROWS if (row["set"], row["weights"]) == (name, weights)]
            assert sorted(seeds) == [0, 1, 2], (name, weights)


def test_the_documented_table_is_that_of_the_figures() -> None:
    assert "\n".join(STUDY["table"](ROWS)) in (DOCS / "encoder.md").read_text(encoding="utf-8")
