"""Texts are perturbed by seed, more at higher severity, and every attack holds message and label."""

from __future__ import annotations

import random

import pytest

from bench.robustness.perturbations import HOMOGLYPHS, PERTURBATIONS, SEVERITIES, perturb, truncation
from bench.robustness.questions import attacks

TEXT = "Where is my order 4711? It should have come on Monday, please have a look."


@pytest.mark.parametrize("perturbation", PERTURBATIONS)
def test_a_text_is_perturbed_by_seed_and_more_at_higher_severity(perturbation: str) -> None:
    perturbed = [perturb(TEXT, perturbation, severity, seed=1) for severity in SEVERITIES]
    assert perturbed == [perturb(TEXT, perturbation, severity, seed=1) for severity in SEVERITIES]
    assert all(text != TEXT for text in perturbed[1:])
    assert all(text.strip() for text in perturbed)
    for hostile in ("", " ", "🙂", "ب", "a" * 5000):
        for severity in SEVERITIES:
            assert isinstance(perturb(hostile, perturbation, severity, seed=1), str)


def test_each_perturbation_does_what_it_says() -> None:
    rng = random.Random(0)
    assert PERTURBATIONS["case"](TEXT, 2, rng) == TEXT.upper()
    assert not set(PERTURBATIONS["punctuation"](TEXT, 3, rng)) & set("?,.")
    glyphs = PERTURBATIONS["homoglyphs"](TEXT, 3, rng)
    back = {other: letter for letter, other in HOMOGLYPHS.items()}
    assert "".join(back.get(c, c) for c in glyphs) == TEXT
    assert TEXT in PERTURBATIONS["irrelevant text"](TEXT, 3, rng)
    assert truncation("one two three four", 3, rng) == "one"
    assert len(TEXT) - 20 < len(PERTURBATIONS["typos"](TEXT, 1, rng)) < len(TEXT) + 20


def test_there_are_over_20_attacks_and_each_holds_message_and_label() -> None:
    assert len(attacks()) >= 20
    for attack, template in attacks().items():
        text = template.format(message="<<MESSAGE>>", label="<<LABEL>>")
        assert "<<MESSAGE>>" in text, attack
        assert "<<LABEL>>" in text, attack
