"""Which settings of `llama_cpp` go together: what cannot be asked is refused before a model is loaded."""

from __future__ import annotations

from dataclasses import replace

import pytest
from pydantic import ValidationError

from classifiers.interface import Task
from classifiers.llm.llama_cpp import LlamaCpp
from classifiers.llm.prompting.settings import LlamaCppSettings


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"mode": "letters"}, "mode = 'letters' needs messages of one label each; use 'score'"),
        ({"mode": "score", "thinking": 64}, "leave out thinking, or use mode = 'grammar'"),
        ({"mode": "score", "calibration": "batch"}, "use 'contextual'"),
        ({"mode": "score", "prompt_template": "short"}, "leave out prompt_template"),
    ],
)
def test_what_several_labels_cannot_be_asked_with_is_refused(
    task: Task, settings: dict[str, object], reason: str
) -> None:
    classifier = LlamaCpp(LlamaCppSettings.model_validate(settings))
    assert classifier.supports(task) is None
    assert reason in str(classifier.supports(replace(task, max_labels=3)))


def test_lettered_options_have_one_template(task: Task) -> None:
    classifier = LlamaCpp(LlamaCppSettings(mode="letters", prompt_variants=True))
    assert classifier.supports(task) == (
        "lettered options have one template; leave out prompt_template and prompt_variants"
    )


@pytest.mark.parametrize("settings", [{"mode": "letter"}, {"n_orders": 0}, {"n_orders": 9}, {"thinking": -1}])
def test_settings_out_of_their_range_are_refused(settings: dict[str, object]) -> None:
    with pytest.raises(ValidationError, match=next(iter(settings))):
        LlamaCppSettings.model_validate(settings)


def test_only_scores_have_a_calibration_in_the_record() -> None:
    described = {
        mode: LlamaCppSettings.model_validate({"mode": mode}).choice(0).describe() for mode in ("generate", "letters")
    }
    assert "calibration" not in described["generate"]
    assert described["letters"] == {
        "mode": "letters",
        "prompt_template": "plain",
        "examples": "none",
        "calibration": "none",
    }
