"""What a cell says: texts, bytes, lists in every form, and the line for what is none of these."""

from __future__ import annotations

from typing import Any

import pytest

from bench.config.tables import DataConfig
from bench.dataset.cells import describe, labels_of, plain, text_of
from classifiers.errors import BenchError

ANY = DataConfig(labels_per_message="any")


@pytest.mark.parametrize(
    ("value", "text"),
    [(" a ", "a"), (None, ""), (float("nan"), ""), (1, "1"), (1.5, "1.5"), (b"caf\xc3\xa9 ", "café"), (True, "True")],
)
def test_a_cell_as_text(value: object, text: str) -> None:
    assert plain(value) == text
    assert text_of(value, "d:2") == text


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ([{"role": "user", "content": "hi"}], "d:2 holds a list of objects with the keys 'role', 'content'; give"),
        ({"name": "order", "id": 1}, "d:2 holds an object with the keys 'name', 'id'; give a column of plain texts"),
        (["a"], "d:2 holds a list; give a column of plain texts"),
        (b"\xff", "d:2 holds bytes that are not UTF-8"),
    ],
)
def test_a_cell_that_is_no_text_is_described(value: object, words: str) -> None:
    with pytest.raises(BenchError) as caught:
        text_of(value, "d:2")
    assert str(caught.value).startswith(words)


def test_describe_plain_text() -> None:
    assert describe("a") == "plain text"


@pytest.mark.parametrize(
    ("cell", "labels"),
    [
        ("['order', 'urgent']", ("order", "urgent")),
        ('["order", "urgent"]', ("order", "urgent")),
        ('["order"]', ("order",)),
        ("[]", ()),
        (["order", "urgent", "order"], ("order", "urgent")),
        ("order", ("order",)),
        ("[urgent] order", ("[urgent] order",)),
        ("[urgent]", ("[urgent]",)),
        (None, ()),
    ],
)
def test_lists_are_read_in_every_form(cell: object, labels: tuple[str, ...]) -> None:
    assert labels_of({"label": cell}, "d:2", ANY) == labels


@pytest.mark.parametrize(
    ("cell", "config", "words"),
    [
        ("['order' 'urgent']", ANY, "d:2: column 'label' holds ['order' 'urgent'], a list that cannot be read"),
        ("['order', 'urgent']", DataConfig(), "d:2: column 'label' holds lists; give labels_per_message"),
        (["order"], DataConfig(), "d:2: column 'label' holds lists; give labels_per_message"),
        ({"name": "order", "id": 1}, DataConfig(), "d:2: column 'label' holds an object with the keys 'name', 'id'"),
        ({"name": "order", "id": 1}, ANY, "d:2: column 'label' holds an object with the keys 'name', 'id'"),
        ([{"name": "order"}], ANY, "d:2: column 'label' holds an object with the keys 'name'"),
        ("", DataConfig(), "d:2: column 'label' is empty"),
    ],
)
def test_labels_that_cannot_be_read_are_named(cell: Any, config: DataConfig, words: str) -> None:
    with pytest.raises(BenchError) as caught:
        labels_of({"label": cell}, "d:2", config)
    assert str(caught.value).startswith(words)


def test_a_separator_divides_text_and_no_list() -> None:
    config = DataConfig(separator=";")
    assert labels_of({"label": "a; b;;a"}, "d:2", config) == ("a", "b")
    assert labels_of({"label": '["a;b"]'}, "d:2", config) == ("a;b",)
