"""The strength is what cross-validation prefers, and where nothing can be tried it is the documented one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.sparse import csr_matrix, vstack
from sklearn.feature_extraction.text import CountVectorizer

from classifiers.heads.logistic import _regression, fit_logistic, in_span, label_probabilities
from classifiers.heads.multilabel import DEFAULT_THRESHOLD, label_matrix, tune_thresholds
from classifiers.heads.strength import UNTRIED, Outcome, Search, choose, cross_validate
from classifiers.interface import Label, Message, Task, silent
from classifiers.linear import Linear, LinearSettings

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

    def prepare(train, held_out):
        assert not set(train) & set(held_out)
        seen.extend(held_out)
        return lambda strength: gold[held_out] if strength == 3.0 else 1 - gold[held_out]

    search = Search(strengths=(1.0, 3.0))
    choice = cross_validate(prepare, messages, gold, search, several=False, listen=silent)
    assert choice.strength == 3.0
    assert [t.accuracy for t in choice.trials] == [0.0, 1.0]
    assert choice.trials[0].settings["tried_on"] == "10-fold cross-validation"
    assert sorted(seen) == list(range(40))


def test_one_message_per_label_takes_the_documented_strength() -> None:
    messages = numbered("ab")
    fitted = fit_logistic(TASK, ((np.eye(2), messages), (None, ())), Search(), listen=silent)
    assert fitted.trials == ()
    assert fitted.model.C == UNTRIED


@pytest.mark.parametrize("task", [TASK, SEVERAL])
def test_without_validation_a_strong_model_is_taken_where_the_weak_one_fails(task: Task) -> None:
    """Embeddings that hardly differ: at C = 0.1 the frequent label drowns the rare one, at C = 100 it does not."""
    rng = np.random.default_rng(0)
    messages = numbered("a" * 40 + "b" * 20)
    features = np.array([[0.9, 0.1 if m.label == "a" else -0.1] for m in messages]) + rng.normal(0, 0.02, (60, 2))
    fitted = fit_logistic(task, ((features, messages), (None, ())), Search(), listen=silent)
    by_strength = {t.settings["C"]: t.accuracy for t in fitted.trials}
    assert by_strength[0.1] < 0.8
    assert by_strength[100.0] == 1.0
    assert sum(t.chosen for t in fitted.trials) == 1
    assert next(t for t in fitted.trials if t.chosen).accuracy == 1.0


def test_several_labels_get_thresholds_from_what_was_held_out() -> None:
    """No label's threshold is the untried 0.5, with validation messages or without."""
    rng = np.random.default_rng(1)
    messages = [Message(str(i), "x", ("a",) * (i % 5 == 0) + ("b",) * (i % 2)) for i in range(60)]
    features = label_matrix(messages, SEVERAL.label_names) + rng.normal(0, 0.8, (60, 2))
    crossed = fit_logistic(SEVERAL, ((features, messages), (None, ())), Search((1.0, 10.0)), listen=silent)
    assert len(crossed.thresholds) == 2
    assert DEFAULT_THRESHOLD not in crossed.thresholds
    validated = fit_logistic(SEVERAL, ((features, messages), (features, messages)), Search((1.0, 10.0)), listen=silent)
    rows = label_probabilities(validated.model, features, SEVERAL)
    assert validated.thresholds == tune_thresholds(rows, label_matrix(messages, SEVERAL.label_names))
    assert fit_logistic(TASK, ((np.eye(2), numbered("ab")), (None, ())), Search(), listen=silent).thresholds == ()


def test_features_are_counted_in_every_fold_anew() -> None:
    """A transformer that saw the messages held out would choose its features, and so the strength, with their help."""
    texts = np.array([f"word{i}" for i in range(20)], dtype=object)
    messages = [Message(str(i), text, ("ab"[i % 2],)) for i, text in enumerate(texts)]
    seen: list[set[str]] = []

    def vectorise(given):
        seen.append(set(given))
        transformer = CountVectorizer()
        return transformer, transformer.fit_transform(given)

    fitted = fit_logistic(TASK, ((texts, messages), (texts[:0], ())), Search(), listen=silent, vectorise=vectorise)
    assert [len(part) for part in seen] == [18] * 10 + [20], "ten folds, then all"
    assert set.intersection(*seen[:10]) == set()
    assert max(t.accuracy for t in fitted.trials) <= 0.5, "words that were never seen say nothing"
    assert label_probabilities(fitted.model, texts, TASK).argmax(1).tolist() == [i % 2 for i in range(20)]


def test_only_an_empty_vocabulary_makes_linear_look_at_characters(monkeypatch: pytest.MonkeyPatch) -> None:
    """Any other error of scikit-learn's is an error, not a reason to take other features."""
    messages = [Message("1", "yes please", ("a",)), Message("2", "no thanks", ("b",))]
    linear = Linear(LinearSettings(max_features=1))
    monkeypatch.setattr(linear, "_features", lambda min_df: CountVectorizer(ngram_range=(2, 1)))
    with pytest.raises(ValueError, match="ngram_range"):
        linear.fit(TASK, messages, ())


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


def test_messages_of_one_group_are_held_out_together() -> None:
    """Each group has words of its own: who has seen some of its messages knows the label of the others."""
    texts = np.array([f"group{i // 4} text" for i in range(80)], dtype=object)
    rng = np.random.default_rng(0)
    labels = ["ab"[int(label)] for label in rng.permutation([0, 1] * 10)]
    alone = [Message(str(i), text, (labels[i // 4],)) for i, text in enumerate(texts)]

    def accuracies(messages: list[Message]) -> list[float]:
        def vectorise(given):
            transformer = CountVectorizer()
            return transformer, transformer.fit_transform(given)

        parts = (texts, messages), (texts[:0], ())
        return [t.accuracy for t in fit_logistic(TASK, parts, Search(), listen=silent, vectorise=vectorise).trials]

    grouped = [replace(message, group=message.text) for message in alone]
    assert max(accuracies(alone)) == 1.0
    assert max(accuracies(grouped)) <= 0.6
    one_each = [replace(message, group=message.id) for message in alone]
    assert accuracies(one_each) == accuracies(alone)


@pytest.mark.parametrize("task", [TASK, SEVERAL])
def test_a_regression_in_the_span_of_its_messages_is_the_same_one(task: Task) -> None:
    """Fewer messages than features, two of them equal: the probabilities of others are those without the detour."""
    rng = np.random.default_rng(0)
    vectors = csr_matrix(rng.random((40, 300)) * (rng.random((40, 300)) < 0.05))
    vectors = vstack([vectors, vectors[:1]]).tocsr()
    others = csr_matrix(rng.random((9, 300)) * (rng.random((9, 300)) < 0.05))
    gold = np.eye(2)[[i % 2 for i in range(41)]]
    spanned, seen = in_span(vectors, others)
    assert spanned.shape == (41, 40)
    for strength in (0.1, 30.0):
        plain = _regression(task, vectors, gold, Search())(strength).predict_proba(others)
        short = _regression(task, spanned, gold, Search())(strength).predict_proba(seen)
        assert short == pytest.approx(plain, abs=1e-6)
    dense = rng.random((5, 3))
    assert in_span(dense, others)[0] is dense
