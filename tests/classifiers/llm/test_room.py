"""Small contexts on the real SmolLM2-135M: what does not fit is cut, counted and said, and never ends a row."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from bench.measure.limits import usable_cores
from classifiers.interface import Label, Message, Task
from classifiers.llm.llama_cpp import LlamaCpp
from classifiers.llm.prompting.settings import LlamaCppSettings


def fitted(smollm: Path, task: Task, messages: list[Message], **settings: object) -> LlamaCpp:
    values = {"model": str(smollm), "context": 256, "parallel": 4, "batch": 64, **settings}
    classifier = LlamaCpp(LlamaCppSettings.model_validate(values), threads=usable_cores())
    classifier.load()
    classifier.fit(task, messages, ())
    return classifier


def test_a_retry_that_does_not_fit_leaves_an_invalid_answer(smollm: Path, messages: list[Message]) -> None:
    """One token is no label here, so every answer is invalid; labels take up the room of the retry."""
    labels = tuple(Label(f"customer concern number {i}") for i in range(18))
    task = Task("concerns", labels)
    texts = [message.text for message in messages[:6]]
    with fitted(smollm, task, messages, max_tokens=1) as classifier:
        predictions = list(classifier.predict(texts))
        notes = classifier.details().notes
    assert [(p.valid, p.labels, len(p.attempts)) for p in predictions] == [(False, (), 1)] * 6
    assert notes == (
        "no retry for 6 invalid answers, for which the context of 256 tokens has no room; they count as "
        "parse failures: set a larger context",
    )


def test_a_retry_that_fits_is_asked(smollm: Path, task: Task, messages: list[Message]) -> None:
    with fitted(smollm, task, messages, max_tokens=1, context=512) as classifier:
        (prediction,) = classifier.predict(["where is it?"])
        assert len(prediction.attempts) == 4
        assert classifier.details().notes == ()


def test_a_long_message_beside_held_examples_is_cut(smollm: Path, task: Task, messages: list[Message]) -> None:
    """Without its examples the prompt shares little of what is held, which it cannot have of the context."""
    several = replace(task, max_labels=3)
    for shown, mode in ((task, "generate"), (task, "grammar"), (task, "score"), (task, "letters"), (several, "score")):
        options = {"mode": mode, "examples": "fixed", "n_examples": 2, "context": 640, "max_tokens": 4}
        with fitted(smollm, shown, messages, **options) as classifier:
            long, short = classifier.predict(["word " * 900, "where is my parcel?"])
            assert (long.truncated, short.truncated) == (True, False), mode
            assert classifier.details().metadata["examples_cut"] > 0
