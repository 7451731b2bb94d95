"""What was tried on validation, one setting at a time."""

from __future__ import annotations

from bench.analysis.trial_spread import Spread, spreads
from classifiers.interface import Trial


def test_spread_is_over_one_setting_alone() -> None:
    trials = [
        Trial({"mode": "score", "prompt_template": "plain"}, 0.5, 10),
        Trial({"mode": "score", "prompt_template": "short"}, 0.7, 10),
        Trial({"mode": "score", "prompt_template": "question"}, 0.6, 10),
        Trial({"mode": "generate", "prompt_template": "plain"}, 0.1, 10),
    ]
    assert spreads(trials) == [Spread("mode", 2, 0.1, 0.5), Spread("prompt_template", 3, 0.5, 0.7)]
