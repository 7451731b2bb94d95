"""The loaders, and one clear line for every kind of bad data."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from bench.config.tables import DataConfig
from bench.dataset.load import LoadedTask, challenge_messages, load_task
from classifiers.errors import BenchError
from classifiers.interface import Label, Message, Task

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
    assert f"{path.name}: 100 of 1,000 rows were sampled" in loaded.warnings[0]
    assert not load_task(DataConfig(path=str(path))).warnings


def test_it_makes_no_difference_in_what_pieces_a_table_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path, ".parquet")
    whole = load_task(DataConfig(path=str(path))), load_task(DataConfig(path=str(path), max_messages=2))
    monkeypatch.setattr("bench.dataset.row_reader.PIECE", 1)
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
    "missing column": (b"txt,label\na,x\n", r"data.csv:1: no column 'text' \(columns: 'txt', 'label'\); did you mean"),
    "only empty texts": (b"text,label\n,x\n,y\n", r"data.csv: column 'text' is empty in every row"),
    "empty label": (b"text,label\na,x\nb,\n", r"data.csv:3: column 'label' is empty"),
    "not UTF-8": ("text,label\na,x\nb\u00e9,y\n".encode("latin-1"), r"data.csv:3: not UTF-8"),
    "one label": (b"text,label\na,x\nb,x\n", r"all messages have one label"),
    "two labels for a text": (
        b"text,label\na,x\nb,y\na,y\n",
        r"data.csv:4: the same text has label 'y', but data.csv:2",
    ),
    "ragged": (b"text,label\na,x\nb,y,z,q\n", r"data.csv:3: the line has more cells than the header \(4, not 2\)"),
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
    with pytest.raises(BenchError, match="hf:some/data is not available"):
        load_task(DataConfig(path="hf:some/data"))


def test_contradictions_of_a_file_that_cannot_be_corrected_are_only_said(tmp_path: Path) -> None:
    path = tmp_path / "c.csv"
    path.write_text("text,label\nhi,x\nho,y\nhi,y\nhe,x\n")
    with pytest.raises(BenchError, match=r"c.csv:4: the same text has label 'y', but c.csv:2 .*contradictions"):
        load_task(DataConfig(path=str(path)))
    loaded = load_task(DataConfig(path=str(path), contradictions="report"))
    assert len(loaded.messages) == 4
    (warning,) = loaded.warnings
    assert warning.startswith("1 message with another label than the same text before: nobody is right on all")


def two_tables(folder: Path, *names: str) -> list[str]:
    """Write a table per name, each of two messages of its own."""
    for name in names:
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(f"text,label\na {name},x\nb {name},y\n")
    return [str(folder / name) for name in names]


def test_files_of_one_name_in_two_folders_keep_their_messages_apart(tmp_path: Path) -> None:
    train, test = two_tables(tmp_path, "train/data.csv", "test/data.csv")
    loaded = load_task(DataConfig(train=train, test=test))
    assert loaded.parts == {
        "train/data.csv:2": "train",
        "train/data.csv:3": "train",
        "test/data.csv:2": "test",
        "test/data.csv:3": "test",
    }


def test_messages_of_one_id_are_refused() -> None:
    task = Task("t", (Label("x"), Label("y")))
    with pytest.raises(BenchError, match=r"d.csv:2: 2 messages have this id"):
        LoadedTask(task, (Message("d.csv:2", "a", ("x",)), Message("d.csv:2", "b", ("y",))))


def test_a_task_of_named_files_is_called_after_their_folder(tmp_path: Path) -> None:
    train, test = two_tables(tmp_path, "shop/train.csv", "shop/test.csv")
    assert load_task(DataConfig(train=train, test=test)).task.name == "shop"
    train, test = two_tables(tmp_path / "shop", "train/data.csv", "test/data.csv")
    assert load_task(DataConfig(train=train, test=test)).task.name == "shop"


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (("train.csv", "train.parquet", "test.csv"), "train.csv and train.parquet both are the train part"),
        (("train.csv", "validation.csv", "dev.csv", "test.csv"), "validation.csv and dev.csv both are the validation"),
        (("test.csv",), "holds neither task.toml nor train"),
        (("train.csv",), "separate parts need a train file and a test file"),
    ],
)
def test_a_folder_without_one_file_for_each_part_is_refused(tmp_path: Path, names: tuple[str, ...], words: str) -> None:
    two_tables(tmp_path, *names)
    with pytest.raises(BenchError, match=words):
        load_task(DataConfig(path=str(tmp_path)))


def test_one_file_for_two_parts_is_refused(tmp_path: Path) -> None:
    (train,) = two_tables(tmp_path, "train.csv")
    with pytest.raises(BenchError, match="two parts are the same file"):
        load_task(DataConfig(train=train, test=train))


@pytest.mark.parametrize(
    "key",
    [
        {"text": "body"},
        {"label": "topic"},
        {"instruction": "Sort."},
        {"definitions": {"x": "Like a."}},
        {"separator": ";"},
        {"label_columns": ("x", "y")},
        {"labels_per_message": "any"},
    ],
)
def test_a_key_beside_a_task_file_is_an_error(data_folder: Path, key: dict[str, Any]) -> None:
    with pytest.raises(BenchError, match=rf"data: `{next(iter(key))}`.* would not be used beside .*task.toml"):
        load_task(DataConfig(path=str(data_folder), **key))


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"path": "other.csv", "train": "a.csv", "test": "b.csv"}, r"`path` \(--data\) would not be used beside"),
        ({"label_columns": ("x",), "label": "topic"}, r"`label` \(--label\) would not be used beside `label_columns`"),
        ({"label_columns": ("x",), "separator": ";"}, "`separator` would not be used beside `label_columns`"),
        ({"separator": ";", "labels_per_message": 1}, "`separator` would not be used where labels_per_message is 1"),
        ({"train_on_oos": False}, "`train_on_oos` would not be used without `oos_label`"),
    ],
)
def test_a_key_that_another_makes_useless_is_an_error(keys: dict[str, Any], words: str) -> None:
    with pytest.raises(BenchError, match=words):
        load_task(DataConfig(**keys))


def test_a_blank_text_is_left_out_counted_and_said(tmp_path: Path) -> None:
    path = tmp_path / "d.csv"
    path.write_text("text,label\na,x\n  ,y\nb,y\n,x\n")
    loaded = load_task(DataConfig(path=str(path)))
    assert [m.id for m in loaded.messages] == ["d.csv:2", "d.csv:4"]
    assert loaded.warnings == ("d.csv: left out, as they have no text: 2 of 4 rows (line 3, 5)",)
    with pytest.raises(BenchError, match=r"d.csv:3: column 'text' is empty; blanks = \"skip\""):
        load_task(DataConfig(path=str(path), blanks="refuse"))


def test_a_label_column_without_a_mark_is_said(tmp_path: Path) -> None:
    path = tmp_path / "d.csv"
    path.write_text("text,x,y,z\na,1,0,0\nb,0,1,0\n")
    loaded = load_task(DataConfig(path=str(path), label_columns=("x", "y", "z")))
    assert loaded.task.label_names == ("x", "y")
    assert loaded.warnings == ("no message has a 1 in the label columns z: they are no labels of the task",)


def test_rows_that_a_quote_swallowed_are_noticed(tmp_path: Path) -> None:
    path = tmp_path / "d.csv"
    path.write_text('text,label\na,order\n"send it back,refund\nwhere,order\nit is 5",order\nb,refund\n', newline="")
    with pytest.raises(BenchError, match=r"d.csv:3: a cell holds the row 'send it back,refund'; close the quote"):
        load_task(DataConfig(path=str(path)))


def test_text_files_are_sampled_too(data_folder: Path) -> None:
    loaded = load_task(DataConfig(path=str(data_folder), max_messages=10))
    assert len(loaded.messages) == 10
    assert loaded.warnings == ("shop: 10 of 24 rows were sampled; raise max_messages under [data] to take more",)


def with_challenge(folder: Path, rows: str, name: str = "hard.csv") -> DataConfig:
    file = folder / "task.toml"
    file.write_text(f'challenge = "{name}"\n' + file.read_text())
    (folder / "hard.csv").write_text("text,label,kind\n" + rows)
    return DataConfig(path=str(folder))


def test_challenge_messages_are_those_the_task_file_names(data_folder: Path) -> None:
    (data_folder / "challenge.csv").write_text("text,label,kind\nno,Order Inquiry,other\n")
    assert challenge_messages(DataConfig(path=str(data_folder))) == ()
    (message,) = challenge_messages(with_challenge(data_folder, "money or not,Refund Request,doubt\n"))
    assert (message.text, message.label, message.columns["kind"]) == ("money or not", "Refund Request", "doubt")


def test_named_files_have_no_challenge_messages_of_the_shipped_data(tmp_path: Path) -> None:
    train, test = two_tables(tmp_path, "train.csv", "test.csv")
    assert challenge_messages(DataConfig(train=train, test=test)) == ()


def test_a_challenge_message_of_a_foreign_label_is_refused(data_folder: Path) -> None:
    config = with_challenge(data_folder, "hm,Refund Requests,doubt\n")
    with pytest.raises(
        BenchError, match=r"unknown label of hard.csv:2 'Refund Requests'; did you mean 'Refund Request'"
    ):
        challenge_messages(config)


def test_a_challenge_file_that_is_not_there_is_named(data_folder: Path) -> None:
    with pytest.raises(BenchError, match=r"task.toml: challenge 'none.csv' does not exist"):
        load_task(with_challenge(data_folder, "", "none.csv"))


def test_one_file_of_two_labels_is_refused(data_folder: Path) -> None:
    edit(data_folder, '"feedback.txt"', '"refunds.txt"')
    with pytest.raises(BenchError, match=r"two labels have the same file, 'refunds.txt'"):
        load_task(DataConfig(path=str(data_folder)))
