"""The loaders, and one clear line for every kind of bad data."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from bench.config.tables import DataConfig
from bench.dataset.load import load_task
from classifiers.errors import BenchError

ROWS = [("where is it, please?", "order"), ('she said "great"\nand left', "praise"), ("money back", "refund")]


def write(folder: Path, ending: str) -> Path:
    path = folder / f"data{ending}"
    frame = pd.DataFrame(ROWS, columns=["text", "label"]).assign(channel=["mail", "chat", "mail"])
    writers = {
        ".csv": lambda: frame.to_csv(path, index=False),
        ".tsv": lambda: frame.to_csv(path, index=False, sep="\t"),
        ".jsonl": lambda: frame.to_json(path, orient="records", lines=True),
        ".parquet": lambda: frame.to_parquet(path),
    }
    writers[ending]()
    return path


@pytest.mark.parametrize("ending", [".csv", ".tsv", ".jsonl", ".parquet"])
def test_every_kind_of_table_gives_the_same_messages(tmp_path: Path, ending: str) -> None:
    loaded = load_task(DataConfig(path=str(write(tmp_path, ending))))
    assert [(m.text, m.labels) for m in loaded.messages] == [(text, (label,)) for text, label in ROWS]
    assert [m.columns for m in loaded.messages] == [{"channel": c} for c in ("mail", "chat", "mail")]
    assert loaded.task.label_names == ("order", "praise", "refund")
    assert loaded.parts is None


def test_line_numbers_count_line_breaks_inside_cells(tmp_path: Path) -> None:
    loaded = load_task(DataConfig(path=str(write(tmp_path, ".csv"))))
    assert [m.id for m in loaded.messages] == ["data.csv:2", "data.csv:3", "data.csv:5"]


def test_folder_with_task_file(data_folder: Path) -> None:
    loaded = load_task(DataConfig(path=str(data_folder)))
    assert loaded.task.label_names == ("Refund Request", "Order Inquiry", "General Feedback")
    assert loaded.task.labels[0].definition == "Wants money back."
    assert len(loaded.messages) == 24
    assert loaded.messages[8].id == "inquiries.txt:1"


def test_own_column_names_and_definitions(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("body,topic\na,x\nb,y\nc,x\n")
    loaded = load_task(DataConfig(path=str(path), text="body", label="topic", definitions={"x": "Like a."}))
    assert [label.definition for label in loaded.task.labels] == ["Like a.", ""]


def test_separate_files_are_the_parts(tmp_path: Path) -> None:
    for name in ("train", "val", "test"):
        (tmp_path / f"{name}.csv").write_text(f"text,label\na {name},x\nb {name},y\n")
    loaded = load_task(DataConfig(path=str(tmp_path)))
    assert loaded.parts is not None
    assert [(m.text, loaded.parts[m.id]) for m in loaded.messages[::2]] == [
        ("a train", "train"),
        ("a val", "validation"),
        ("a test", "test"),
    ]


def test_fingerprint_changes_with_a_text(data_folder: Path) -> None:
    before = load_task(DataConfig(path=str(data_folder))).fingerprint
    assert load_task(DataConfig(path=str(data_folder))).fingerprint == before
    with (data_folder / "refunds.txt").open("a") as stream:
        stream.write("one more refund\n")
    assert load_task(DataConfig(path=str(data_folder))).fingerprint != before


@pytest.mark.parametrize("ending", [".csv", ".jsonl", ".parquet"])
def test_of_a_large_table_so_many_rows_are_drawn_and_that_is_said(tmp_path: Path, ending: str) -> None:
    frame = pd.DataFrame({"text": [f"message {i}" for i in range(1000)], "label": ["a", "b"] * 500})
    path = tmp_path / f"large{ending}"
    writers = {".csv": frame.to_csv, ".jsonl": frame.to_json, ".parquet": frame.to_parquet}
    options = {"orient": "records", "lines": True} if ending == ".jsonl" else {"index": False}
    writers[ending](path, **options)
    loaded = load_task(DataConfig(path=str(path), max_messages=100))
    numbers = [int(m.text.split()[1]) for m in loaded.messages]
    assert len(numbers) == 100
    assert numbers == sorted(numbers)
    assert numbers[-1] > 900  # from all of the file, not from its beginning
    assert loaded == load_task(DataConfig(path=str(path), max_messages=100))
    assert f"{path.name}: 100 of 1,000 rows were drawn by chance" in loaded.warnings[0]
    assert not load_task(DataConfig(path=str(path))).warnings


@pytest.mark.parametrize("ending", [".csv", ".tsv", ".jsonl", ".parquet"])
def test_it_makes_no_difference_in_what_pieces_a_table_is_read(
    tmp_path: Path, ending: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path, ending)
    whole = load_task(DataConfig(path=str(path))), load_task(DataConfig(path=str(path), max_messages=2))
    monkeypatch.setattr("bench.dataset.table_reader.PIECE", 1)
    assert (load_task(DataConfig(path=str(path))), load_task(DataConfig(path=str(path), max_messages=2))) == whole
    assert "2 of 3 rows" in whole[1].warnings[0]


def test_messages_of_a_task_file_are_drawn_too(tmp_path: Path) -> None:
    rows = "".join(f"message {i},{'ab'[i % 2]}\n" for i in range(60))
    (tmp_path / "all.csv").write_text("text,label\n" + rows)
    names = '[[labels]]\nname = "a"\n[[labels]]\nname = "b"\n'
    (tmp_path / "task.toml").write_text(f'name = "t"\nmessages = "all.csv"\n{names}')
    loaded = load_task(DataConfig(path=str(tmp_path), max_messages=20))
    assert len(loaded.messages) == 20
    assert "all.csv: 20 of 60 rows" in loaded.warnings[0]


BAD_TABLES = {
    "empty file": (b"", r"data.csv: is empty"),
    "header only": (b"text,label\n", r"data.csv: is empty"),
    "missing column": (b"txt,label\na,x\n", r"data.csv:1: no column 'text' \(columns: txt, label"),
    "empty text": (b"text,label\na,x\n,y\n", r"data.csv:3: column 'text' is empty"),
    "empty label": (b"text,label\na,x\nb,\n", r"data.csv:3: column 'label' is empty"),
    "not UTF-8": ("text,label\na,x\nb\u00e9,y\n".encode("latin-1"), r"data.csv:3: not UTF-8"),
    "one label": (b"text,label\na,x\nb,x\n", r"all messages have one label"),
    "two labels for a text": (
        b"text,label\na,x\nb,y\na,y\n",
        r"data.csv:4: the same text has label 'y', but data.csv:2",
    ),
    "ragged": (b"text,label\na,x,z,q\nb,y\nc,y,k,l,m\n", r"data.csv: cannot be read"),
}


@pytest.mark.parametrize("case", BAD_TABLES)
def test_bad_table_is_one_line_with_file_and_line(tmp_path: Path, case: str) -> None:
    content, words = BAD_TABLES[case]
    path = tmp_path / "data.csv"
    path.write_bytes(content)
    with pytest.raises(BenchError, match=words) as caught:
        load_task(DataConfig(path=str(path)))
    assert "\n" not in str(caught.value)


def test_unknown_label_in_a_test_file_names_its_line(tmp_path: Path) -> None:
    (tmp_path / "train.csv").write_text("text,label\na,x\nb,y\n")
    (tmp_path / "test.csv").write_text("text,label\nc,x\nd,z\n")
    with pytest.raises(BenchError, match=r"test.csv:3: label 'z' does not occur in the training file"):
        load_task(DataConfig(path=str(tmp_path)))


@pytest.mark.parametrize("line", ['{"text": "a"', "[1]", "nonsense"])
def test_broken_json_line_names_its_line(tmp_path: Path, line: str) -> None:
    path = tmp_path / "data.jsonl"
    path.write_text('{"text": "a", "label": "x"}\n' + line + "\n")
    with pytest.raises(BenchError, match=r"data.jsonl:2: not (JSON|a JSON object)"):
        load_task(DataConfig(path=str(path)))


def edit(folder: Path, old: str, new: str) -> None:
    file = folder / "task.toml"
    file.write_text(file.read_text().replace(old, new))


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('"feedback.txt"', '"../feedback.txt"', "lies outside the task's folder"),
        ('"feedback.txt"', '"nothing.txt"', "cannot be read: No such file"),
        ('name = "shop"', 'nam = "shop"', "unknown key 'nam'; did you mean 'name'"),
        ('name = "shop"', "name = shop", "task.toml: not TOML"),
        ("General Feedback", "Order Inquiry", "two labels have the same name"),
    ],
)
def test_bad_task_file_is_one_line(data_folder: Path, old: str, new: str, words: str) -> None:
    edit(data_folder, old, new)
    with pytest.raises(BenchError, match=words) as caught:
        load_task(DataConfig(path=str(data_folder)))
    assert "\n" not in str(caught.value)


def test_label_file_without_messages_is_named(data_folder: Path) -> None:
    (data_folder / "feedback.txt").write_text("\n \n")
    with pytest.raises(BenchError, match=r"feedback.txt: is empty, so label 'General Feedback' has no messages"):
        load_task(DataConfig(path=str(data_folder)))


def test_label_file_in_another_encoding_names_its_line(data_folder: Path) -> None:
    (data_folder / "feedback.txt").write_bytes(b"fine\ncaf\xe9\n")
    with pytest.raises(BenchError, match=r"feedback.txt:2: not UTF-8 \(byte 0xe9\)"):
        load_task(DataConfig(path=str(data_folder)))


def test_missing_data_says_what_is_allowed() -> None:
    with pytest.raises(BenchError, match=r"data 'nowhere' does not exist; give a folder with task.toml"):
        load_task(DataConfig(path="nowhere"))


def test_hub_data_without_a_hub_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("classifiers.models.download.hub_answers", lambda: False)
    with pytest.raises(BenchError, match="hf:some/data cannot be had"):
        load_task(DataConfig(path="hf:some/data"))


def test_contradictions_of_a_file_that_cannot_be_corrected_are_only_said(tmp_path: Path) -> None:
    path = tmp_path / "c.csv"
    path.write_text("text,label\nhi,x\nho,y\nhi,y\nhe,x\n")
    with pytest.raises(BenchError, match=r"c.csv:4: the same text has label 'y', but c.csv:2 .*contradictions"):
        load_task(DataConfig(path=str(path)))
    loaded = load_task(DataConfig(path=str(path), contradictions="report"))
    assert len(loaded.messages) == 4
    (warning,) = loaded.warnings
    assert warning.startswith("1 messages contradict others")
