"""The conformance kit: what every classifier promises, checked in one call, in the manner of scikit-learn's.

    from classifiers.testing import check_classifier

    def test_my_backend():
        check_classifier(lambda: MyBackend(MySettings(...), threads=1))

Every built-in backend passes it. It needs no data of its own: two dozen messages of three labels are inside.
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from classifiers.interface import Classifier, Details, Epoch, Label, Message, Prediction, Progress, Saveable, Task
from classifiers.plurals import number_of

TASK = Task(
    "shop",
    (
        Label("Refund Request", "The writer wants money back."),
        Label("Order Inquiry", "The writer asks about an order or a delivery."),
        Label("General Feedback", "The writer praises, complains or suggests and asks for nothing."),
    ),
    "Decide what a customer of an online store wants.",
)
TEXTS = {
    "Refund Request": (
        "please refund my kettle, it leaks",
        "I want my money back for the torn shirt",
        "refund order 81 at once",
        "give me back the 30 euros you charged twice",
        "the lamp was broken, I ask for a full refund",
        "kindly return my payment for the lost parcel",
        "I demand a refund for these shoes",
        "can I have my money back, the phone is dead",
    ),
    "Order Inquiry": (
        "where is my parcel?",
        "when does order 77 arrive?",
        "is the blue sofa in stock?",
        "has my order been shipped yet?",
        "do you deliver to Malta?",
        "how long does shipping to Oslo take?",
        "which courier brings order 912?",
        "can I change the address of my delivery?",
    ),
    "General Feedback": (
        "lovely shop, great staff!",
        "the new website is ugly",
        "best coffee I ever had",
        "your packaging is wonderful",
        "I was disappointed by the rude driver",
        "great quality, friendly people, five stars",
        "the app is slow and confusing",
        "what a beautiful catalogue, well done",
    ),
}
MESSAGES = tuple(
    Message(f"{label}:{i}", text, (label,)) for label, texts in TEXTS.items() for i, text in enumerate(texts, 1)
)
HOSTILE = ("", " ", "<|im_end|> 😀 \u202e", "word " * 3000, "a\nb\x00c")


def check_classifier(make: Callable[[], Classifier[Any]]) -> None:
    """Put a classifier through what the runner asks of it.

    Args:
        make: makes a new one, as configured; called several times.

    Raises:
        AssertionError: for a broken promise; the text says which.
    """
    _check_constructor(make)
    with make() as classifier:
        reason = classifier.supports(TASK)
        assert reason is None, f"supports() refuses a plain task of three labels: {reason}"
        classifier.fetch()
        classifier.load()
        events: list[Epoch | Progress] = []
        classifier.fit(TASK, MESSAGES, MESSAGES[::4], listen=events.append)
        for event in events:
            assert isinstance(event, Epoch | Progress), f"fit() told its listener of {event!r}"
        texts = [m.text for m in MESSAGES[::5]] + list(HOSTILE)
        first = _check_answers(classifier, texts)
        _check_figures(classifier)
        if isinstance(classifier, Saveable):
            _check_saving(classifier, make, texts, first)
    classifier.close()  # a second close does nothing


def _check_constructor(make: Callable[[], Classifier[Any]]) -> None:
    classifier = make()
    assert isinstance(classifier, Classifier), "a backend derives from classifiers.interface.Classifier"
    assert classifier.settings == type(classifier.settings).model_validate(classifier.settings.model_dump()), (
        "settings must be made again from what they say of themselves"
    )
    classifier.close()


def _check_answers(classifier: Classifier[Any], texts: Sequence[str]) -> list[Prediction]:
    predictions = list(classifier.predict(texts))
    gave, asked = number_of(len(predictions), "prediction"), number_of(len(texts), "text")
    assert len(predictions) == len(texts), f"predict() gave {gave} for {asked}"
    for prediction in predictions:
        _check_prediction(prediction)
    assert list(classifier.predict([])) == [], "no texts, no predictions"
    again = [p.labels for p in classifier.predict(texts)]
    assert again == [p.labels for p in predictions], "the same question must get the same answer"
    return predictions


def _check_prediction(prediction: Prediction) -> None:
    names = set(TASK.label_names)
    assert isinstance(prediction, Prediction), f"predict() gave {type(prediction).__name__}, not Prediction"
    assert prediction.valid == (len(prediction.labels) == 1), "a valid answer has one label, an invalid one none"
    assert set(prediction.labels) <= names, f"{prediction.labels} are no labels of the task"
    if prediction.probabilities is not None:
        assert set(prediction.probabilities) == names, "probabilities name every label"
        assert math.isclose(sum(prediction.probabilities.values()), 1, abs_tol=1e-5), "probabilities add up to 1"
    for attempt in prediction.attempts:
        assert attempt.valid or not attempt.labels, "an invalid attempt has no labels"
        assert min(attempt.seconds, attempt.prompt_tokens, attempt.completion_tokens) >= 0, "counts are not negative"


def _check_figures(classifier: Classifier[Any]) -> None:
    details = classifier.details()
    assert isinstance(details, Details), f"details() gave {type(details).__name__}, not Details"
    assert details.max_attempts >= 1, "max_attempts counts the first try"
    for name in ("n_parameters", "bytes_on_disk", "n_labelled"):
        value = getattr(details, name)
        assert value is None or value >= 0, f"{name} is {value}"
    for value in details.metadata.values():
        assert isinstance(value, str | int | float), f"metadata hold plain values, not {value!r}"


def _check_saving(
    classifier: Saveable, make: Callable[[], Classifier[Any]], texts: Sequence[str], first: Sequence[Prediction]
) -> None:
    with tempfile.TemporaryDirectory(prefix="bench-check-") as folder, make() as again:
        classifier.save(Path(folder))
        pickles = [
            f.name for f in Path(folder).rglob("*") if f.suffix in (".pkl", ".pickle", ".joblib", ".bin", ".pth")
        ]
        assert not pickles, f"{pickles[0]} would run code when it is read; save without pickle"
        assert isinstance(again, Saveable)
        again.load_from(Path(folder), TASK)
        labels = [p.labels for p in again.predict(texts)]
        assert labels == [p.labels for p in first], "a classifier taken up again must answer as before"
        assert isinstance(classifier, Classifier)
        assert isinstance(again, Classifier)
        assert again.details().models == classifier.details().models, "it must name the same model files"
