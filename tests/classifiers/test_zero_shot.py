"""Similarity to the labels' names and definitions: worked out by hand, and with real and tiny models."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError
from scipy.special import softmax

from classifiers.errors import BenchError
from classifiers.interface import Label, Message, Task
from classifiers.testing import MESSAGES, TASK, check_classifier
from classifiers.zero_shot import Fitted, ZeroShot, ZeroShotSettings, _best_temperature, _calibrate_each, descriptions


def test_templates_are_filled_and_those_without_a_definition_left_out() -> None:
    templates = ("about {name}", "{name}: {definition}")
    assert descriptions(Label("card_lost", "A card is lost."), templates) == [
        "about card lost",
        "card lost: A card is lost.",
    ]
    assert descriptions(Label("card_lost"), templates) == ["about card lost"]
    assert descriptions(Label("card_lost"), ("{definition}",)) == ["card lost"]


@pytest.mark.parametrize("template", ["about this", "{label}", "{name} {topic}"])
def test_a_template_that_does_not_name_the_label_is_refused(template: str) -> None:
    with pytest.raises(ValidationError, match=r"must hold \{name\} or \{definition\}"):
        ZeroShotSettings(templates=(template,))


def test_the_temperature_is_the_one_the_messages_were_drawn_with() -> None:
    rng = np.random.default_rng(0)
    scores = rng.uniform(0, 1, (20_000, 4))
    drawn = (softmax(scores / 0.2, axis=1).cumsum(1) > rng.uniform(size=(20_000, 1))).argmax(1)
    assert _best_temperature(scores, np.eye(4)[drawn], 0.07) == pytest.approx(0.2, rel=0.05)


def test_several_labels_get_the_curve_their_decisions_were_drawn_from() -> None:
    rng = np.random.default_rng(0)
    scores = rng.uniform(0, 1, (10_000, 3))
    gold = (rng.uniform(size=scores.shape) < 1 / (1 + np.exp(-(scores - 0.6) / 0.1))).astype(float)
    fitted = _calibrate_each(scores, gold, Fitted(temperature=1), fixed=None)
    assert fitted.temperature == pytest.approx(0.1, rel=0.05)
    assert fitted.cutoff == pytest.approx(0.6, abs=0.01)
    assert fitted.n_labelled == 10_000
    turned = _calibrate_each(scores, 1 - gold, Fitted(temperature=1), fixed=None)
    assert turned.temperature == 1, "a curve that falls is not taken"


def make(model: Path, **settings: object) -> ZeroShot:
    return ZeroShot(ZeroShotSettings.model_validate({"model": str(model), **settings}), threads=2)


def test_it_keeps_the_contract(minilm: Path) -> None:
    check_classifier(lambda: make(minilm))


def test_training_labels_change_nothing_and_validation_moves_probabilities_only(
    minilm: Path, task: Task, messages: list[Message]
) -> None:
    texts = [m.text for m in messages]
    turned = [Message(m.id, m.text, (task.label_names[0],)) for m in messages]
    with make(minilm) as classifier:
        classifier.load()
        classifier.fit(task, turned, ())
        plain = list(classifier.predict(texts))
        assert classifier.details().n_labelled == 0
        classifier.fit(task, (), messages)
        calibrated = list(classifier.predict(texts))
        assert classifier.details().n_labelled == len(messages)
    right = np.mean([p.labels == m.labels for p, m in zip(plain, messages, strict=True)])
    assert right >= 0.6, "a third would be right by chance"
    assert [p.labels for p in plain] == [p.labels for p in calibrated]
    assert [p.confidence for p in plain] != [p.confidence for p in calibrated]


def test_several_labels_are_given_where_they_fit(minilm: Path, task: Task, messages: list[Message]) -> None:
    several = Task(task.name, task.labels, max_labels=2)
    with make(minilm) as classifier:
        classifier.load()
        classifier.fit(several, (), messages)
        answers = list(classifier.predict([m.text for m in messages]))
    assert np.mean([m.label in p.labels for p, m in zip(answers, messages, strict=True)]) >= 0.6
    assert max(len(p.labels) for p in answers) <= 2


RERANKER = ["score"]
NLI = ["contradiction", "entailment", "neutral"]


def write_cross_encoder(folder: Path, outputs: list[str]) -> Path:
    """A BERT of one layer with random weights that reads pairs."""
    from tokenizers import BertWordPieceTokenizer
    from transformers import BertConfig, BertForSequenceClassification, BertTokenizerFast, set_seed

    words = BertWordPieceTokenizer()
    words.train_from_iterator([*(m.text for m in MESSAGES), *TASK.label_names], vocab_size=300)
    words.save(str(folder / "words.json"))
    tokenizer = BertTokenizerFast(tokenizer_file=str(folder / "words.json"))
    tokenizer.save_pretrained(folder)
    set_seed(0)
    config = BertConfig(
        vocab_size=len(tokenizer), hidden_size=16, intermediate_size=32, num_hidden_layers=1, num_attention_heads=2,
        num_labels=len(outputs), id2label=dict(enumerate(outputs)), label2id={n: i for i, n in enumerate(outputs)},
        initializer_range=0.5,
    )  # fmt: skip
    BertForSequenceClassification(config).save_pretrained(folder)
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("outputs", [RERANKER, NLI])
def test_cross_encoders_keep_the_contract_and_score_as_transformers_does(
    outputs: list[str], tmp_path: Path, task: Task, messages: list[Message]
) -> None:
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    cross_encoder = write_cross_encoder(tmp_path, outputs)
    cross_encoder = write_cross_encoder(tmp_path, outputs)
    settings = {"kind": "cross-encoder", "templates": ["it is about {name}"], "temperature": 1.0}
    check_classifier(lambda: make(cross_encoder, **settings))
    with make(cross_encoder, **settings) as classifier:
        classifier.load()
        classifier.fit(task, (), ())
        (answer,) = classifier.predict([messages[0].text])
    model = AutoModelForSequenceClassification.from_pretrained(cross_encoder).eval()
    tokenizer = AutoTokenizer.from_pretrained(cross_encoder)
    scores = []
    for name in task.label_names:
        with torch.inference_mode():
            logits = model(**tokenizer(messages[0].text, f"it is about {name}", return_tensors="pt")).logits[0].double()
        scores.append(float(logits[0] if len(logits) == 1 else logits[1] - torch.logsumexp(logits[[0, 2]], 0)))
    assert answer.probabilities is not None
    assert list(answer.probabilities.values()) == pytest.approx(softmax(scores).tolist(), abs=1e-4)
    assert max(scores) - min(scores) > 1e-3


@pytest.mark.slow
def test_a_cross_encoder_without_entailment_is_refused(tmp_path: Path) -> None:
    classifier = make(write_cross_encoder(tmp_path, ["a", "b", "c"]), kind="cross-encoder")
    with pytest.raises(BenchError, match=r"outputs a, b, c; it must .* one called entailment"):
        classifier.load()
