"""Does the verdict keep its word? Rows with the default run's accuracies, drawn many times.

As a script it prints the table: python tests/bench/analysis/test_verdict_simulation.py
"""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm

from bench.analysis.selection import select

ROWS = {"majority": 0.336, "linear": 0.848, "frozen": 0.828, "encoder": 0.926, "llm": 0.68, "tuned": 0.852}
PRICES = [(0.0, 0.0), (1.0, 0.0), (2.0, 0.0), (3.0, 0.0), (100.0, 0.0), (110.0, 0.0)]
FLOORS = [name == "majority" for name in ROWS]
SHARED = 0.5
"""Correlation of the difficulty that rows see in one message."""
MARGIN = 0.02


def simulated(n: int, draws: int, *, seed: int = 0) -> dict[str, float]:
    """Return the shares of draws in which each row is selected, and in which the messages are called too few."""
    rng = np.random.default_rng(seed)
    names, accuracies = list(ROWS), np.array(list(ROWS.values()))
    counts = dict.fromkeys([*names, "too few"], 0)
    for _ in range(draws):
        difficulty = np.sqrt(SHARED) * rng.normal(size=n) + np.sqrt(1 - SHARED) * rng.normal(size=(len(names), n))
        hits = difficulty < norm.ppf(accuracies)[:, None]
        found = select(hits, PRICES, FLOORS, MARGIN)
        counts["too few" if found.row is None else names[found.row]] += 1
    return {name: count / draws for name, count in counts.items()}


def kept(shares: dict[str, float]) -> float:
    """Return the share of draws whose verdict is true: a row within the margin of the best, or "too few"."""
    best = max(ROWS.values())
    return shares["too few"] + sum(shares[name] for name, accuracy in ROWS.items() if accuracy >= best - MARGIN)


@pytest.mark.parametrize(("n", "draws"), [(10, 300), (20, 300), (60, 300), (244, 300), (2000, 100)])
def test_the_verdict_is_true_in_19_of_20_draws(n: int, draws: int) -> None:
    assert kept(simulated(n, draws)) >= 0.95


def test_rows_that_are_just_worse_than_the_margin_are_rarely_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    """The hardest case for leaving rows out first: the wrong ones are near the margin, and cheaper."""
    monkeypatch.setattr(f"{__name__}.ROWS", {"best": 0.926, "close": 0.9055, "near": 0.9055, "far": 0.7})
    monkeypatch.setattr(f"{__name__}.PRICES", [(3.0, 0.0), (2.0, 0.0), (1.0, 0.0), (0.0, 0.0)])
    monkeypatch.setattr(f"{__name__}.FLOORS", [False] * 4)
    for n in (244, 1000):
        assert kept(simulated(n, 300)) >= 0.95


def test_rows_far_behind_do_not_weaken_the_verdict() -> None:
    """Nine messages tell the first two apart, 6 to 3 of 244: enough for the margin of 2 points."""
    n = 244
    first, second = np.ones(n, dtype=bool), np.ones(n, dtype=bool)
    first[:3], second[3:9] = False, False
    alone = select(np.array([first, second]), PRICES[:2], [False] * 2, MARGIN)
    far = [np.arange(n) % k > 0 for k in (2, 3, 4, 5)]
    among = select(np.array([first, second, *far]), PRICES, [False] * 6, MARGIN)
    assert (alone.row, among.row) == (0, 0)
    assert alone.level == among.level == pytest.approx(0.92)


def test_many_messages_are_not_called_too_few() -> None:
    assert simulated(2000, 50)["encoder"] == 1.0
    assert simulated(10, 50)["too few"] == 1.0


if __name__ == "__main__":
    print("| test messages | verdict true % | too few % | " + " | ".join(f"{name} %" for name in ROWS) + " |")
    print("|" + " ---: |" * (3 + len(ROWS)))
    for size in (10, 20, 60, 244, 2000):
        shares = simulated(size, 2000)
        figures = [kept(shares), shares["too few"], *(shares[name] for name in ROWS)]
        print(f"| {size:,} | " + " | ".join(f"{100 * figure:.1f}" for figure in figures) + " |")
