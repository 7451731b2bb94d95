"""CSV and TSV lose no row: quotes, separators, headers and joined files, each with the line that is at fault."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.dataset.separated import read_separated
from classifiers.errors import BenchError


def read(folder: Path, content: str, name: str = "d.csv", wanted: tuple[str, ...] = ("text", "label")) -> list[object]:
    path = folder / name
    path.write_text(content, encoding="utf-8", newline="")
    return list(read_separated(path, wanted))


def refusal(folder: Path, content: str, name: str = "d.csv") -> str:
    with pytest.raises(BenchError) as caught:
        read(folder, content, name)
    assert "\n" not in str(caught.value)
    return str(caught.value).removeprefix(str(folder / name))


def test_rows_carry_the_line_they_begin_on(tmp_path: Path) -> None:
    rows = read(tmp_path, 'text,label\r\n"a\r\nb",x\r\n\r\n"c ""d"", e",y\r\n')
    assert rows == [(2, {"text": "a\r\nb", "label": "x"}), (5, {"text": 'c "d", e', "label": "y"})]


@pytest.mark.parametrize("separator", [",", "\t"])
def test_two_unclosed_quotes_are_refused_with_the_line_of_the_first(tmp_path: Path, separator: str) -> None:
    lines = [["text", "label"], ["hello", "order"], ['"send the money back', "refund"], ["hi", "order"]]
    lines += [['"give it back', "refund"], ["bye", "praise"]]
    error = refusal(tmp_path, "\n".join(separator.join(line) for line in lines) + "\n")
    assert error.startswith(":3: a quote opens here and is not closed")


def test_one_unclosed_quote_is_refused(tmp_path: Path) -> None:
    assert refusal(tmp_path, 'text,label\na,x\n"b,y\nc,x\n').startswith(":3: a quote opens here")


def test_a_quote_inside_a_quoted_cell_is_refused(tmp_path: Path) -> None:
    assert refusal(tmp_path, 'text,label\n"great" she said,x\n').startswith(":2: a quote stands inside a quoted cell")


def test_a_quote_escaped_by_a_backslash_is_named(tmp_path: Path) -> None:
    error = refusal(tmp_path, 'text,label\na,x\n"she said \\"great\\", thanks",y\n')
    assert error == ':3: a quote is escaped by a backslash, \\"; write it twice, ""'


@pytest.mark.parametrize("separator", [";", "\t", "|"])
def test_another_separator_is_taken_where_the_columns_then_exist(tmp_path: Path, separator: str) -> None:
    content = f"text{separator}label\nmoney back, please{separator}refund\n"
    assert read(tmp_path, content) == [(2, {"text": "money back, please", "label": "refund"})]


def test_a_csv_called_tsv_is_read(tmp_path: Path) -> None:
    assert read(tmp_path, "text,label\na,x\n", "d.tsv") == [(2, {"text": "a", "label": "x"})]


def test_a_declared_separator_is_taken(tmp_path: Path) -> None:
    assert read(tmp_path, "sep=;\ntext;label\na;x\n") == [(3, {"text": "a", "label": "x"})]


def test_spaces_around_column_names_and_quoted_cells_are_no_part_of_them(tmp_path: Path) -> None:
    rows = read(tmp_path, 'text, label\n"a, b", "order"\n')
    assert rows == [(2, {"text": "a, b", "label": "order"})]


@pytest.mark.parametrize(
    ("header", "message"),
    [
        (
            "Text,Label",
            ":1: no column 'text' (columns: 'Text', 'Label'); did you mean 'Text'; `text` (--text) names another",
        ),
        (
            "texts,label",
            ":1: no column 'text' (columns: 'texts', 'label'); did you mean 'texts'; `text` (--text) names another",
        ),
        ("body,label", ":1: no column 'text' (columns: 'body', 'label'); `text` (--text) names another"),
        (
            "text,labels",
            ":1: no column 'label' (columns: 'text', 'labels'); did you mean 'labels'; `label` (--label) names another",
        ),
        ("text,label,label", ":1: two columns have the same name, 'label'; rename one"),
        ("text,text,label", ":1: two columns have the same name, 'text'; rename one"),
        ("text,label, label", ":1: two columns have the same name, 'label'; rename one"),
    ],
)
def test_a_header_that_cannot_be_used_says_why(tmp_path: Path, header: str, message: str) -> None:
    assert refusal(tmp_path, f"{header}\na,b,c\n") == message


def test_columns_without_names_are_no_doubles(tmp_path: Path) -> None:
    (row,) = read(tmp_path, "text,label,,\na,x,,\n")
    assert row == (2, {"text": "a", "label": "x", "column 3": "", "column 4": ""})


def test_a_row_equal_to_the_header_is_refused(tmp_path: Path) -> None:
    joined = "text,label\na,x\nb,y\ntext,label\nc,x\n"
    assert refusal(tmp_path, joined) == ":4: the line repeats the header, as joined files do; delete it"


def test_a_row_with_more_cells_than_the_header_is_refused(tmp_path: Path) -> None:
    error = refusal(tmp_path, "text,label\na,x\nHello, I want it,refund\n")
    assert error == ":3: the line has more cells than the header (3, not 2)"


def test_a_short_row_has_empty_cells(tmp_path: Path) -> None:
    assert read(tmp_path, "text,label,note\na,x\n") == [(2, {"text": "a", "label": "x", "note": ""})]


def test_a_cell_may_be_of_any_length(tmp_path: Path) -> None:
    ((_, row),) = read(tmp_path, f"text,label\n{'a' * 700_000},x\n")
    assert len(row["text"]) == 700_000
