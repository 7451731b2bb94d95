"""The strength is what cross-validation prefers, and where nothing can be tried it is the documented one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from classifiers.heads.logistic import fit_logistic
from classifiers.heads.multilabel import label_matrix
from classifiers.heads.strength import STRENGTHS, UNTRIED, Outcome, choose, cross_validate
from classifiers.interface import Label, Message, Task, silent
from classifiers.linear import Linear

TASK = Task("t", (Label("a"), Label("b")))
SEVERAL = Task("t", TASK.labels, max_labels=2)


def numbered(labels: str) -> list[Message]:
    return [Message(str(i), "x", (label,)) for i, label in enumerate(labels)]


def test_ties_go_to_the_lower_loss() -> None:
    outcomes = [Outcome(1.0, 0.8, 0.9, 0), Outcome(10.0, 0.9, 0.5, 0), Outcome(30.0, 0.9, 0.4, 0)]
    choice = choose(outcomes, 20, "validation")
    assert choice.strength == 30.0
    assert [t.chosen for t in choice.trials] == [False, False, True]
    assert choice.trials[1].settings == {"C": 10.0, "tried_on": "validation"}


def test_every_message_is_held_out_once_and_the_best_strength_wins() -> None:
    messages = numbered("ab" * 20)
    gold = label_matrix(messages, TASK.label_names)
    seen: list[int] = []

    def fit(strength, train, held_out):
        assert not set(train) & set(held_out)
        seen.extend(held_out)
        return gold[held_out] if strength == 3.0 else 1 - gold[held_out]

    choice = cross_validate(fit, messages, gold, (1.0, 3.0), seed=0, listen=silent)
    assert choice.strength == 3.0
    assert [t.accuracy for t in choice.trials] == [0.0, 1.0]
    assert choice.trials[0].settings["tried_on"] == "10-fold cross-validation"
    assert sorted(seen) == sorted([*range(40), *range(40)])


def test_one_message_per_label_takes_the_documented_strength() -> None:
    messages = numbered("ab")
    fitted = fit_logistic(
        TASK, ((np.eye(2), messages), (None, ())), STRENGTHS, max_iterations=100, seed=0, listen=silent
    )
    assert fitted.trials == ()
    assert fitted.model.C == UNTRIED


@pytest.mark.parametrize("task", [TASK, SEVERAL])
def test_without_validation_a_strong_model_is_taken_where_the_weak_one_fails(task: Task) -> None:
    """Embeddings that hardly differ: at C = 0.1 the frequent label drowns the rare one, at C = 100 it does not."""
    rng = np.random.default_rng(0)
    messages = numbered("a" * 40 + "b" * 20)
    features = np.array([[0.9, 0.1 if m.label == "a" else -0.1] for m in messages]) + rng.normal(0, 0.02, (60, 2))
    fitted = fit_logistic(
        task, ((features, messages), (None, ())), STRENGTHS, max_iterations=500, seed=0, listen=silent
    )
    by_strength = {t.settings["C"]: t.accuracy for t in fitted.trials}
    assert by_strength[0.1] < 0.8
    assert by_strength[100.0] == 1.0
    assert sum(t.chosen for t in fitted.trials) == 1
    assert next(t for t in fitted.trials if t.chosen).accuracy == 1.0


@pytest.mark.parametrize("texts", [("👍", "👎", "👍👍", "👎👎"), ("!!!!", "????", "!!", "??"), ("1", "2", "1", "2")])
def test_linear_reads_texts_without_a_word(texts: tuple[str, ...], tmp_path: Path) -> None:
    linear = Linear()
    linear.fit(TASK, [Message(str(i), text, ("ab"[i % 2],)) for i, text in enumerate(texts)], ())
    assert [p.labels[0] for p in linear.predict(texts[:2])] == ["a", "b"]
    linear.save(tmp_path)
    again = Linear()
    again.load_from(tmp_path, TASK)
    assert again.details().trials == linear.details().trials != ()


def test_linear_learns_from_two_short_messages() -> None:
    linear = Linear()
    linear.fit(TASK, [Message("1", "yes please", ("a",)), Message("2", "no", ("b",))], ())
    assert [p.labels[0] for p in linear.predict(["yes", "no"])] == ["a", "b"]
