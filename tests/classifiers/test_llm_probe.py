"""The head on an LLM's hidden states: the states are llama.cpp's own, and the row keeps its promises."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from classifiers.errors import BenchError
from classifiers.interface import Label, Message, Task
from classifiers.llm_probe import STATE, LlmProbe, LlmProbeSettings
from classifiers.registry import check_settings
from classifiers.testing import TEXTS, check_classifier


def make(smollm: Path, **settings: object) -> LlmProbe:
    return LlmProbe(LlmProbeSettings.model_validate({"model": str(smollm), "context": 512, **settings}), threads=2)


def test_conformance(smollm: Path) -> None:
    check_classifier(lambda: make(smollm, strengths=(1.0,)))


@pytest.fixture(scope="module")
def fitted(smollm: Path, task: Task, messages: list[Message]) -> LlmProbe:
    probe = make(smollm, strengths=(1.0, 10.0))
    probe.load()
    held_out = messages[::4]
    probe.fit(task, [m for m in messages if m not in held_out], held_out)
    return probe


def test_states_are_those_of_a_plain_call_whatever_else_is_in_the_batch(fitted: LlmProbe, smollm: Path) -> None:
    """llama-cpp-python's own embedding of the same tokens, one prompt at a time and without a shared beginning."""
    from llama_cpp import LLAMA_POOLING_TYPE_LAST, Llama

    texts = [texts[0] for texts in TEXTS.values()]
    read = fitted._read(texts)
    plain = Llama(
        str(smollm), embedding=True, pooling_type=LLAMA_POOLING_TYPE_LAST, n_ctx=1024, n_batch=1024, verbose=False
    )
    for text, state, n in zip(texts, read.states, read.n_tokens, strict=True):
        tokens, _ = fitted._tokens(text)
        plain.tokenize = lambda *_, tokens=tokens, **__: tokens  # type: ignore[method-assign]
        expected = np.array(plain.embed(text))
        assert len(tokens) == n
        assert np.corrcoef(state, expected)[0, 1] > 0.999
        assert state == pytest.approx(expected, abs=0.05 * np.abs(expected).max())
    plain.close()
    alone = np.vstack([fitted._read([text]).states for text in texts])
    assert np.corrcoef(alone.ravel(), read.states.ravel())[0, 1] > 0.999


def test_it_learns_from_few_messages_and_says_what_it_tried(fitted: LlmProbe, messages: list[Message]) -> None:
    held_out = messages[::4]
    learnt = [m for m in messages if m not in held_out]
    assert [p.labels for p in fitted.predict([m.text for m in learnt])] == [m.labels for m in learnt]
    details = fitted.details()
    assert [trial.settings["C"] for trial in details.trials] == [1.0, 10.0]
    assert sum(trial.chosen for trial in details.trials) == 1
    assert details.trials[0].n == len(held_out)
    assert details.n_parameters is not None
    # 576 weights and an intercept for each of three labels
    assert details.n_parameters - fitted.reader.model.n_parameters == 3 * 577
    assert details.metadata["width"] == 576
    assert "Refund Request: The writer wants money back." in details.prompt
    assert details.metadata["shared_prompt_tokens"] > 50


def test_long_message_is_cut_and_said_to_be(fitted: LlmProbe) -> None:
    cut, whole = fitted.predict(["word " * 5000, "where is my parcel?"])
    assert (cut.truncated, whole.truncated) == (True, False)
    assert cut.attempts[0].prompt_tokens == 512


def test_head_of_another_file_or_task_is_refused(fitted: LlmProbe, smollm: Path, task: Task, tmp_path: Path) -> None:
    fitted.save(tmp_path)
    with pytest.raises(BenchError, match="was fitted on other labels"):
        make(smollm).load_from(tmp_path, task.without("Order Inquiry"))
    state = fitted.fitted
    other = state.model_copy(update={"models": (replace(state.models[0], sha256="0" * 64),)})
    (tmp_path / STATE).write_text(other.model_dump_json())
    with make(smollm) as probe, pytest.raises(BenchError, match="was fitted on another file"):
        probe.load_from(tmp_path, task)


def test_several_labels_are_decisions_of_their_own(smollm: Path, messages: list[Message]) -> None:
    task = Task("t", (Label("money"), Label("delivery")), max_labels=2)
    names = {"Refund Request": ("money",), "Order Inquiry": ("delivery",), "General Feedback": ()}
    asked = [replace(m, labels=names[m.label]) for m in messages]
    with make(smollm, prompt="message", strengths=(1.0,)) as probe:
        probe.load()
        probe.fit(task, asked, asked)
        predictions = list(probe.predict([m.text for m in asked]))
        assert probe.details().metadata["shared_prompt_tokens"] < 50
    assert {prediction.labels for prediction in predictions} >= set(names.values())
    right = sum(p.labels == m.labels for p, m in zip(predictions, asked, strict=True))
    assert right == len(asked), "it was fitted on these very messages"


def test_misspelt_prompt_is_one_line() -> None:
    with pytest.raises(BenchError, match="prompt: Input should be 'labels' or 'message'"):
        check_settings(LlmProbe, {"prompt": "label"}, where="classifiers.llm_probe")
