"""What data are refused for, and the warnings about the rest."""

from __future__ import annotations

import pytest

from bench.config.tables import DataConfig
from bench.dataset.checks import check_messages
from classifiers.errors import BenchError
from classifiers.interface import Label, Message, Task


def check(*labels: str) -> tuple[str, ...]:
    task = Task("t", tuple(map(Label, labels)))
    messages = [Message(f"d:{i}", f"text {i}", (label,)) for i, label in enumerate(labels)]
    return check_messages(task, messages, DataConfig())


@pytest.mark.parametrize("control", ["\0", "\a", "\x1b", "\n", "\t"])
def test_a_control_character_in_a_label_is_refused(control: str) -> None:
    with pytest.raises(BenchError, match="holds the control character"):
        check("order", f"re{control}fund")


@pytest.mark.parametrize(
    "labels",
    [("TRUE", "True", "true"), ("caf\u00e9", "cafe\u0301"), ("1", "01", "1.0"), ("a b", "a\u00a0b"), ("a", "a\u200b")],
)
def test_look_alike_labels_are_named(labels: tuple[str, ...]) -> None:
    (warning,) = check("order", *labels)
    assert all(ascii(label) in warning for label in labels)
    assert "look alike" in warning


@pytest.mark.parametrize(
    "labels", [("C", "C++", "C#"), ("-1", "0", "1", "+2"), ("A", "A+", "B"), ("👍", "👎"), ("nan", "inf")]
)
def test_labels_that_differ_by_signs_are_no_look_alikes(labels: tuple[str, ...]) -> None:
    assert check(*labels) == ()
