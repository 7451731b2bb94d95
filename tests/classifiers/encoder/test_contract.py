"""Every backend passes the same checks on real weights; values are compared, not only shapes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench.measure.limits import usable_cores
from classifiers.encoder.backend import Encoder
from classifiers.encoder.frozen import Frozen
from classifiers.encoder.settings import EncoderSettings
from classifiers.interface import Classifier, Epoch, Message, Task
from classifiers.linear import Linear, LinearSettings
from classifiers.llm.llama_cpp import LlamaCpp, LlamaCppSettings
from classifiers.majority import Majority
from classifiers.testing import check_classifier

Make = Callable[[], Classifier[Any]]


@pytest.fixture(params=["majority", "linear", "encoder", "frozen_encoder", "setfit_encoder", "llama_cpp"])
def make(request: pytest.FixtureRequest, minilm: Path, smollm: Path) -> Make:
    makers: dict[str, Make] = {
        "majority": Majority,
        "linear": Linear,
        "encoder": lambda: Encoder(
            EncoderSettings(model=(str(minilm),), epochs=2, batch_size=8), threads=usable_cores()
        ),
        "frozen_encoder": lambda: Encoder(EncoderSettings(model=(str(minilm),), head="linear"), threads=usable_cores()),
        "setfit_encoder": lambda: Encoder(
            EncoderSettings(model=(str(minilm),), head="setfit", pairs_per_message=2), threads=usable_cores()
        ),
        "llama_cpp": lambda: LlamaCpp(
            LlamaCppSettings(model=str(smollm), retries=1, max_tokens=8, context=1024), threads=usable_cores()
        ),
    }
    return makers[request.param]


def test_backend_keeps_the_contract(make: Make) -> None:
    check_classifier(make)


def test_majority_answers_the_commonest_label(task: Task) -> None:
    classifier = Majority()
    classifier.fit(
        task,
        [Message(str(i), "x", (name,)) for i, name in enumerate(task.label_names[:2] * 2 + ("Order Inquiry",))],
        (),
    )
    (prediction,) = classifier.predict(["anything"])
    assert prediction.labels == ("Order Inquiry",)
    assert prediction.probabilities == {"Refund Request": 0.4, "Order Inquiry": 0.6, "General Feedback": 0.0}


def test_linear_equals_scikit_learn_and_saves_no_pickle(task: Task, messages: list[Message], tmp_path: Path) -> None:
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    classifier = Linear(Linear.settings_type.model_validate({"characters": False, "strengths": [1.0]}))
    classifier.fit(task, messages, messages)
    words = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, strip_accents="unicode")
    reference = make_pipeline(words, LogisticRegression(C=1.0, max_iter=1000))
    reference.fit([m.text for m in messages], [m.label for m in messages])
    (prediction,) = classifier.predict(["please refund my order"])
    expected = dict(zip(reference.classes_, reference.predict_proba(["please refund my order"])[0], strict=True))
    assert prediction.probabilities == pytest.approx(expected)
    classifier.save(tmp_path)
    assert not [f for f in tmp_path.iterdir() if f.suffix in (".pkl", ".pickle", ".joblib")]


def test_distilbert_learns_from_its_pretrained_weights(distilbert: Path, task: Task, messages: list[Message]) -> None:
    """The same training from random weights stays near chance, so what is learnt comes from pre-training."""
    epochs: list[Epoch] = []
    settings = EncoderSettings(model=(str(distilbert),), epochs=10, batch_size=4, learning_rate=3e-4)
    train = [m for i, m in enumerate(messages) if i % 4]
    held_out = [m for i, m in enumerate(messages) if i % 4 == 0]
    with Encoder(settings, threads=usable_cores()) as classifier:
        classifier.load()
        classifier.fit(task, train, held_out, listen=lambda e: epochs.append(e) if isinstance(e, Epoch) else None)
        assert classifier.network.model.config.model_type == "distilbert"
        right = sum(
            p.labels == m.labels for p, m in zip(classifier.predict([m.text for m in held_out]), held_out, strict=True)
        )
    assert right >= 5, f"{right} of 6 held-out messages are right"
    assert [e.epoch for e in epochs] == list(range(1, 11))
    first, last = epochs[0], epochs[-1]
    assert first.train_loss is not None
    assert last.train_loss is not None
    assert last.train_loss < first.train_loss / 2
    assert last.train_accuracy == 1.0
    assert last.validation_loss is not None


def test_distilbert_fixture_has_minilms_hidden_states(distilbert: Path, minilm: Path) -> None:
    import torch
    from transformers import AutoModel, AutoTokenizer

    tokens = AutoTokenizer.from_pretrained(minilm)("Where is my refund?", return_tensors="pt")
    with torch.inference_mode():
        bert = AutoModel.from_pretrained(minilm)(**tokens).last_hidden_state
        tokens.pop("token_type_ids", None)
        other = AutoModel.from_pretrained(distilbert)(**tokens).last_hidden_state
    assert float((bert - other).abs().max()) < 1e-5


def test_blog_preset_is_the_posts_recipe() -> None:
    settings = EncoderSettings.model_validate({"preset": "blog"})
    assert settings.model == ("distilbert-base-uncased",)
    assert (settings.learning_rate, settings.epochs, settings.batch_size, settings.max_length) == (2e-5, 3, 16, 128)
    assert (settings.padding, settings.schedule, settings.best_epoch) == ("max_length", "constant", False)
    assert EncoderSettings.model_validate({"preset": "blog", "epochs": 5}).epochs == 5


def test_replaced_model_is_said_loudly(
    minilm: Path, task: Task, messages: list[Message], monkeypatch: pytest.MonkeyPatch
) -> None:
    from classifiers.models import download as sources

    monkeypatch.setattr(sources, "hub_answers", lambda: False)
    with Encoder(EncoderSettings(model=("nobody/has-this", str(minilm)), head="linear")) as classifier:
        classifier.load()
        classifier.fit(task, messages, ())
        assert "was run in place of 'nobody/has-this'" in classifier.details().notes[0]


def test_padding_does_not_change_an_encoders_answer(minilm: Path, task: Task, messages: list[Message]) -> None:
    with Encoder(
        EncoderSettings(model=(str(minilm),), epochs=1, precision="float32"), threads=usable_cores()
    ) as classifier:
        classifier.load()
        classifier.fit(task, messages, ())
        texts = ["short", "a message that is a good deal longer than the other one, to be padded against"]
        together = list(classifier.predict(texts))
        for text, prediction in zip(texts, together, strict=True):
            (alone,) = classifier.predict([text])
            assert alone.probabilities == pytest.approx(prediction.probabilities, abs=1e-5)


def test_frozen_encoder_uses_the_embeddings_of_sentence_transformers(
    minilm: Path, task: Task, messages: list[Message]
) -> None:
    from sentence_transformers import SentenceTransformer

    texts = [m.text for m in messages]
    with Encoder(EncoderSettings(model=(str(minilm),), head="linear"), threads=usable_cores()) as classifier:
        classifier.load()
        classifier.fit(task, messages, messages[::4])
        assert isinstance(classifier.network, Frozen)
        ids, _ = classifier.tokens.ids(texts)
        ours = np.array(classifier.tokens.run_by_length(ids, classifier.network.encoder.embed))
    theirs = SentenceTransformer(str(minilm), local_files_only=True).encode(texts, normalize_embeddings=True)
    assert ours == pytest.approx(np.asarray(theirs), abs=1e-5)


def test_frozen_word_embeddings_stay_and_the_rest_learns(minilm: Path, task: Task, messages: list[Message]) -> None:
    import torch
    from transformers import AutoModel

    before = AutoModel.from_pretrained(minilm).get_input_embeddings().weight
    for frozen in (True, False):
        settings = EncoderSettings(model=(str(minilm),), epochs=1, freeze_embeddings=frozen)
        with Encoder(settings, threads=usable_cores()) as classifier:
            classifier.load()
            classifier.fit(task, messages, ())
            assert torch.equal(classifier.network.model.get_input_embeddings().weight, before) is frozen


def test_training_from_scratch_says_so_and_starts_elsewhere(minilm: Path, task: Task, messages: list[Message]) -> None:
    with Encoder(
        EncoderSettings(model=(str(minilm),), epochs=1, pretrained=False), threads=usable_cores()
    ) as classifier:
        classifier.load()
        classifier.fit(task, messages, ())
        assert "random weights" in classifier.details().notes[0]
        assert not classifier.settings.freezes_embeddings_for(384)


def test_unbalanced_labels_are_trained_both_ways_and_validation_decides(
    minilm: Path, task: Task, messages: list[Message]
) -> None:
    epochs: list[Epoch] = []
    label = task.label_names[0]
    rare = [next(m for m in messages if m.label == name) for name in task.label_names[1:]]
    unbalanced = [m for m in messages if m.label == label] * 2 + rare
    settings = EncoderSettings(model=(str(minilm),), epochs=1, min_steps=0)
    with Encoder(settings, threads=usable_cores()) as classifier:
        classifier.load()
        classifier.fit(task, unbalanced, messages, listen=lambda e: epochs.append(e) if isinstance(e, Epoch) else None)
        trials = [t for t in classifier.details().trials if "class_weights" in t.settings]
    assert [t.settings["class_weights"] for t in trials] == ["none", "balanced"]
    assert [t.n for t in trials] == [len(messages)] * 2
    assert sum(t.chosen for t in trials) == 1
    assert [e.validation_accuracy for e in epochs] == [max(t.accuracy for t in trials)]


def test_training_ends_when_validation_gets_worse(minilm: Path, task: Task, messages: list[Message]) -> None:
    epochs: list[Epoch] = []
    names = task.label_names
    wrong = [Message(m.id, m.text, (names[(names.index(m.label) + 1) % len(names)],)) for m in messages]
    settings = EncoderSettings(model=(str(minilm),), epochs=12, batch_size=8, patience=1, head="softmax")
    with Encoder(settings, threads=usable_cores()) as classifier:
        classifier.load()
        classifier.fit(task, messages, wrong, listen=lambda e: epochs.append(e) if isinstance(e, Epoch) else None)
    accuracies = [e.validation_accuracy for e in epochs if e.validation_accuracy is not None]
    assert len(accuracies) < 12
    assert accuracies[-1] < max(accuracies)


def test_linear_counts_the_commonest_features_only(task: Task, messages: list[Message]) -> None:
    """The solver's memory goes with features times labels, and rare words come without end."""
    sizes = []
    for most in (20_000, 40):
        with Linear(LinearSettings(max_features=most)) as linear:
            linear.fit(task, messages, ())
            sizes.append(linear.details().n_parameters)
    assert sizes[1] == len(task.labels) * (2 * 40 + 1)
    assert sizes[0] > 5 * sizes[1]
