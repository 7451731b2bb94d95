"""Tuning on validation with the real SmolLM2-135M: what is tried, the budget, and that nothing else is seen."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bench.measure.limits import usable_cores
from classifiers.interface import Message, Task
from classifiers.llm.llama_cpp import LlamaCpp
from classifiers.llm.prompting.calibration import calibrate, label_probabilities, prior_of
from classifiers.llm.prompting.examples import SimilarMessages, draw_per_label
from classifiers.llm.prompting.prompt import prompt_templates
from classifiers.llm.prompting.score import Scorer
from classifiers.llm.prompting.settings import LlamaCppSettings
from classifiers.llm.tuning import declared_choices


def fitted(smollm: Path, task: Task, messages: list[Message], **settings: object) -> LlamaCpp:
    values = {"model": str(smollm), "retries": 0, "max_tokens": 4, **settings}
    classifier = LlamaCpp(LlamaCppSettings.model_validate(values), threads=usable_cores())
    classifier.load()
    classifier.fit(task, messages[::2], messages[1::2])
    return classifier


def test_tuning_tries_every_declared_choice_and_keeps_the_best(
    smollm: Path, minilm: Path, task: Task, messages: list[Message], tmp_path: Path
) -> None:
    options = {"tune": True, "tune_messages": 4, "calibration_messages": 4, "encoder": str(minilm)}
    with fitted(smollm, task, messages, **options) as classifier:
        trials = classifier.details().trials
        plain = classifier.settings.choice(0)
        n_scored = sum(choice.mode == "score" for choice in declared_choices(plain))
        assert len(trials) == 1 + len(declared_choices(plain)) + n_scored * (len(Scorer.calibrations) - 1)
        assert trials[0].settings == plain.describe()
        assert {trial.n for trial in trials if trial.settings["examples"] != "knn"} == {4}
        chosen = classifier.strategy.choice.describe()
        accuracy = next(trial.accuracy for trial in trials if trial.settings == chosen)
        as_dear = [trial for trial in trials if (trial.settings["examples"] == "knn") == (chosen["examples"] == "knn")]
        assert accuracy == max(trial.accuracy for trial in as_dear)
        assert "right there as tuned" in classifier.details().notes[0]
        assert classifier.details().stages["prompt"].tokens > 0
        answers = [p.labels for p in classifier.predict(["where is my parcel?", "money back, please"])]
        classifier.save(tmp_path)
    with LlamaCpp(classifier.settings, threads=usable_cores()) as again:
        again.load_from(tmp_path, task)
        assert again.strategy.choice.describe() == chosen
        assert again.details().trials == trials
        assert [p.labels for p in again.predict(["where is my parcel?", "money back, please"])] == answers


def test_a_saved_prior_is_taken_up_unless_the_task_has_other_words(
    smollm: Path, task: Task, messages: list[Message], tmp_path: Path
) -> None:
    settings = {"mode": "score", "calibration": "batch", "calibration_messages": 4}
    with fitted(smollm, task, messages, **settings) as classifier:
        prior = classifier.strategy.label_prior
        classifier.save(tmp_path)
        assert prior is not None
        assert classifier.details().stages["prompt"].tokens > 0
    reworded = replace(task, instruction="Sort what customers of a bank wrote.")
    for told, is_asked in ((task, False), (reworded, True)):
        with LlamaCpp(classifier.settings, threads=usable_cores()) as again:
            again.load_from(tmp_path, told)
            assert ("prompt" in again.details().stages) == is_asked
            assert again.strategy.label_prior is not None
            assert (again.strategy.label_prior == prior).all() != is_asked


def test_a_search_cut_short_leaves_the_plain_way_and_drops_the_sentence_encoder(
    smollm: Path, minilm: Path, task: Task, messages: list[Message]
) -> None:
    with fitted(smollm, task, messages, tune=True, tune_seconds=1e-9, encoder=str(minilm)) as classifier:
        details = classifier.details()
        assert details.trials == ()
        assert classifier.strategy.choice == classifier.settings.choice(0)
        assert details.notes == (
            "not tuned: only 0 of 5 prompts tried within tune_seconds = 1e-09; asked as configured",
        )
        assert details.unfinished == "0 of 5 prompts tried"
        assert classifier._similar is None
    held = (classifier._strategy, classifier._chat, classifier._engine)
    assert held == (None, None, None), "nothing heavy outlives close"


@contextmanager
def one_shared_core() -> Iterator[None]:
    """Confine this process to one core, beside another one that never rests."""
    cores = os.sched_getaffinity(0)
    core = {min(cores)}
    busy = f"import os; os.sched_setaffinity(0, {core})\nwhile True: pass"
    neighbour = subprocess.Popen([sys.executable, "-c", busy])
    os.sched_setaffinity(0, core)
    try:
        yield
    finally:
        os.sched_setaffinity(0, cores)
        neighbour.kill()
        neighbour.wait()


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="cores cannot be chosen here")
def test_a_busy_neighbour_on_one_core_changes_no_choice(
    smollm: Path, task: Task, messages: list[Message], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three prompts are enough; those with similar examples would load an encoder twice."""
    monkeypatch.setattr("classifiers.llm.tuning.declared_choices", lambda start: declared_choices(start)[:2])
    options = {"tune": True, "tune_messages": 4, "calibration_messages": 4}
    with fitted(smollm, task, messages, **options) as quiet:
        expected = [(t.settings, t.accuracy, t.n, t.chosen) for t in quiet.details().trials]
    with one_shared_core(), fitted(smollm, task, messages, **options) as slow:
        assert [(t.settings, t.accuracy, t.n, t.chosen) for t in slow.details().trials] == expected
    assert len(expected) > 5


def test_variants_measure_a_spread_and_change_nothing(smollm: Path, task: Task, messages: list[Message]) -> None:
    options = {"mode": "score", "examples": "fixed", "n_examples": 1, "prompt_variants": True, "example_draws": 3}
    with fitted(smollm, task, messages, **options) as classifier:
        assert len(prompt_templates()) >= 3
        assert [t.settings["prompt_template"] for t in classifier.details().trials[: len(prompt_templates())]] == list(
            prompt_templates()
        )
        assert {t.settings["example_seed"] for t in classifier.details().trials} == {0, 1, 2}
        assert classifier.strategy.choice == classifier.settings.choice(0)


def test_auto_calibration_is_chosen_on_validation(smollm: Path, task: Task, messages: list[Message]) -> None:
    with fitted(smollm, task, messages, mode="score", calibration="auto") as classifier:
        assert [t.settings["calibration"] for t in classifier.details().trials] == list(Scorer.calibrations)
        best = max(trial.accuracy for trial in classifier.details().trials)
        (chosen,) = [trial for trial in classifier.details().trials if trial.chosen]
        assert chosen.settings["calibration"] == classifier.strategy.choice.calibration
        assert chosen.accuracy == best


def test_calibration_divides_by_the_prior() -> None:
    """By hand: 0.8 and 0.2 under a prior of 0.8 and 0.2 are no evidence; 0.6 and 0.4 speak for the second."""
    scores = np.log([[0.8, 0.2], [0.6, 0.4]])
    assert label_probabilities(scores) == pytest.approx(np.array([[0.8, 0.2], [0.6, 0.4]]))
    prior = prior_of(scores[:1])
    assert prior == pytest.approx([0.8, 0.2])
    assert calibrate(scores, prior) == pytest.approx(np.array([[0.5, 0.5], [0.75 / 2.75, 2 / 2.75]]))
    assert calibrate(scores, None) == pytest.approx(label_probabilities(scores))


def test_similar_messages_stand_nearest_last(minilm: Path, messages: list[Message]) -> None:
    similar = SimilarMessages(messages, minilm, threads=usable_cores())
    (found,) = similar.nearest(["where is my parcel"], 3)
    assert found[-1].text == "where is my parcel?"
    assert len(found) == 3
    (others,) = similar.nearest(["where is my parcel?"], len(messages))
    assert sorted(m.id for m in others) == sorted(m.id for m in messages if m.text != "where is my parcel?"), (
        "a training message is not shown its own label"
    )


def test_similarity_is_that_of_sentence_transformers(minilm: Path, messages: list[Message]) -> None:
    from sentence_transformers import SentenceTransformer

    texts = [message.text for message in messages]
    similar = SimilarMessages(messages, minilm, threads=usable_cores())
    vectors = SentenceTransformer(str(minilm)).encode(texts, normalize_embeddings=True)
    order = np.argsort(vectors @ vectors.T - 9 * np.eye(len(texts)), axis=1)[:, -3:]
    expected = [[texts[i] for i in row] for row in order]
    assert [[m.text for m in nearest] for nearest in similar.nearest(texts, 3)] == expected


def test_no_label_is_missed_in_a_draw(task: Task, messages: list[Message]) -> None:
    for seed in range(5):
        drawn = draw_per_label(task, messages, 2, seed)
        assert sorted(m.label for m in drawn) == sorted(task.label_names * 2)
    assert draw_per_label(task, messages, 2, 1) == draw_per_label(task, messages, 2, 1)
    assert draw_per_label(task, messages, 2, 1) != draw_per_label(task, messages, 2, 2)


def test_the_draw_does_not_depend_on_the_order_of_the_labels(task: Task, messages: list[Message]) -> None:
    turned = replace(task, labels=task.labels[::-1])
    assert draw_per_label(turned, messages, 2, 1) == draw_per_label(task, messages, 2, 1)
