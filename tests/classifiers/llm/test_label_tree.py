from __future__ import annotations

import pytest

from classifiers.llm.engine.label_tree import Branch, Node, grow

END = 0


def test_shared_tokens_stand_once_and_ends_are_not_decoded() -> None:
    nodes = grow([[5, 6, END], [5, 7, 8, END], [5, END], [9, END]])
    assert nodes == [
        Node(-1, 0, (0, 1, 2, 3), (Branch(5, (0, 1, 2)), Branch(9, (3,)))),
        Node(5, 1, (0, 1, 2), (Branch(6, (0,)), Branch(7, (1,)), Branch(END, (2,)))),
        Node(6, 2, (0,), (Branch(END, (0,)),)),
        Node(7, 2, (1,), (Branch(8, (1,)),)),
        Node(8, 3, (1,), (Branch(END, (1,)),)),
        Node(9, 1, (3,), (Branch(END, (3,)),)),
    ]


@pytest.mark.parametrize("sequences", [[[5], [5, 6]], [[]], [[1, 2], [1, 2, 3]]])
def test_sequence_that_begins_another_is_refused(sequences: list[list[int]]) -> None:
    with pytest.raises(ValueError, match="end each with an end token"):
        grow(sequences)


def test_tokens_of_a_question_have_no_score() -> None:
    """Two questions that share their first token, each with the answers 7 and 8."""
    tree = grow([[1, 2, 7], [1, 2, 8], [1, 3, 7], [1, 3, 8]], given=[2, 2, 2, 2])
    assert tree == [
        Node(-1, 0, (0, 1, 2, 3), ()),
        Node(1, 1, (0, 1, 2, 3), ()),
        Node(2, 2, (0, 1), (Branch(7, (0,)), Branch(8, (1,)))),
        Node(3, 2, (2, 3), (Branch(7, (2,)), Branch(8, (3,)))),
    ]
