from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from bench.config.tables import DataConfig, SplitConfig
from bench.dataset.load import LoadedTask, load_task
from bench.dataset.split import first_messages, make_split
from classifiers.errors import BenchError
from classifiers.interface import Label, Message, Task


def many(n: int = 60) -> LoadedTask:
    words = ["alpha", "beta", "gamma", "delta", "eps", "zeta", "eta", "theta", "iota", "kappa"]
    texts = [f"{words[i % 10]} {words[i // 10 % 10]} {i} {i * 7}" for i in range(n)]
    labels = ("a", "b", "c")
    task = Task("t", tuple(Label(name) for name in labels))
    return LoadedTask(task, tuple(Message(f"f:{i}", t, (labels[i * 3 // n],)) for i, t in enumerate(texts)))


def split(loaded: LoadedTask, seed: int = 0, **settings: object) -> dict[str, str]:
    return dict(make_split(loaded, SplitConfig.model_validate(settings), seed).parts)


def test_stratified_shares_and_labels() -> None:
    loaded = many()
    parts = split(loaded)
    assert Counter(parts.values()) == {"train": 42, "validation": 6, "test": 12}
    assert Counter(m.label for m in loaded.messages if parts[m.id] == "test") == {"a": 4, "b": 4, "c": 4}


def test_seed_decides_and_repeats() -> None:
    assert split(many(), 1) == split(many(), 1)
    assert split(many(), 1) != split(many(), 2)


def test_tail_takes_the_end_and_warns_of_its_single_label() -> None:
    result = make_split(many(), SplitConfig(method="tail"), 0)
    assert [i for i in range(60) if result.parts[f"f:{i}"] == "test"] == [54, 55, 56, 57, 58, 59]
    assert any("the test part holds only c" in w for w in result.warnings)


def test_near_duplicates_end_in_one_part() -> None:
    loaded = many()
    twins = [Message(f"g:{i}", m.text.upper() + "!", m.labels) for i, m in enumerate(loaded.messages)]
    doubled = LoadedTask(loaded.task, loaded.messages + tuple(twins))
    result = make_split(doubled, SplitConfig(), 0)
    assert all(result.parts[f"f:{i}"] == result.parts[f"g:{i}"] for i in range(60))
    assert any("duplicates lay across parts; each is now in one part" in w for w in result.warnings)
    assert "test" in result.parts.values()


def test_duplicates_in_given_parts_are_reported_and_left(tmp_path: Path) -> None:
    (tmp_path / "train.csv").write_text("text,label\n" + "".join(f"word{i} thing,{'xy'[i % 2]}\n" for i in range(20)))
    (tmp_path / "test.csv").write_text("text,label\nWord3 thing,y\nnew one,x\n")
    result = make_split(load_task(DataConfig(path=str(tmp_path))), SplitConfig(), 0)
    assert result.parts["test.csv:2"] == "test"
    assert result.parts["train.csv:5"] != "test"
    assert any("nothing was moved" in w and "train.csv:5 = test.csv:2" in w for w in result.warnings)


def test_files_without_validation_take_it_from_training(tmp_path: Path) -> None:
    (tmp_path / "train.csv").write_text("text,label\n" + "".join(f"w{i} t{i},{'xy'[i % 2]}\n" for i in range(40)))
    (tmp_path / "test.csv").write_text("text,label\nq,x\nr,y\n")
    parts = split(load_task(DataConfig(path=str(tmp_path))))
    assert Counter(parts.values()) == {"train": 36, "validation": 4, "test": 2}
    assert {parts["test.csv:2"], parts["test.csv:3"]} == {"test"}


def test_pinned_messages_always_go_to_test(tmp_path: Path) -> None:
    loaded = many()
    pinned = tmp_path / "pinned.txt"
    pinned.write_text(f"{loaded.messages[3].text}\nf:50\n")
    for seed in range(4):
        parts = split(loaded, seed, pinned=str(pinned))
        assert (parts["f:3"], parts["f:50"]) == ("test", "test")


def test_pinned_message_that_does_not_exist_names_its_line(tmp_path: Path) -> None:
    pinned = tmp_path / "pinned.txt"
    pinned.write_text("f:1\nno such message\n")
    with pytest.raises(BenchError, match=r"pinned.txt:2: no message has this text or id"):
        split(many(), pinned=str(pinned))


def test_label_missing_from_a_part_is_a_warning(tmp_path: Path) -> None:
    (tmp_path / "train.csv").write_text("text,label\n" + "".join(f"w{i} t{i},{'xy'[i % 2]}\n" for i in range(40)))
    (tmp_path / "test.csv").write_text("text,label\nq,x\nr,x\n")
    result = make_split(load_task(DataConfig(path=str(tmp_path))), SplitConfig(), 0)
    assert "the test part holds no message of y" in result.warnings


@pytest.mark.parametrize(
    ("n", "settings", "words"),
    [
        (2, {}, "2 messages cannot fill 3 parts"),
        (6, {}, r"every label needs 3 messages or more to be split; too few: 'a' \(2\), 'b' \(2\), 'c' \(2\)"),
        (60, {"method": "files"}, "needs a data set with parts of its own"),
    ],
)
def test_impossible_split_is_one_line(n: int, settings: dict[str, object], words: str) -> None:
    with pytest.raises(BenchError, match=words):
        split(many(n), **settings)


def test_fingerprint_tells_splits_apart() -> None:
    first, same, other = (make_split(many(), SplitConfig(), seed).fingerprint for seed in (1, 1, 2))
    assert first == same != other


def test_a_split_without_validation_gives_all_the_rest_to_training() -> None:
    assert Counter(split(many(), validation=0).values()) == {"train": 48, "test": 12}


def test_few_messages_are_drawn_without_a_look_at_their_labels() -> None:
    messages = [Message(f"m:{i}", f"text {i}", ("rare" if i < 3 else "common",)) for i in range(200)]
    relabelled = [Message(m.id, m.text, ("common",)) for m in messages]
    few, more = (first_messages(messages, n, 4) for n in (20, 60))
    assert more[:20] == few
    assert [m.id for m in first_messages(relabelled, 20, 4)] == [m.id for m in few]
    assert [m.id for m in first_messages(messages, 20, 5)] != [m.id for m in few]


def of_texts(texts: list[str], labels: str = "xy") -> LoadedTask:
    """Return the texts to the labels in turn."""
    task = Task("t", tuple(map(Label, labels)))
    return LoadedTask(task, tuple(Message(f"f:{i}", t, (labels[i % len(labels)],)) for i, t in enumerate(texts)))


def test_a_test_part_of_duplicates_alone_is_an_error() -> None:
    loaded = of_texts([f"the parcel number {i // 10} of them has not come" for i in range(60)])
    words = r'the test part is left empty: 12 messages .* near duplicates of others.*duplicates = "report"'
    with pytest.raises(BenchError, match=words):
        make_split(loaded, SplitConfig(similarity=0.5), 0)
    assert Counter(split(loaded, duplicates="report").values())["test"] == 12


def test_how_far_duplicates_shrank_a_part_is_said() -> None:
    loaded = many()
    twins = tuple(Message(f"g:{i}", m.text + "!", m.labels) for i, m in enumerate(loaded.messages[:30]))
    doubled = LoadedTask(loaded.task, loaded.messages + twins)
    before = Counter(split(doubled, duplicates="report").values())
    result = make_split(doubled, SplitConfig(), 0)
    after = Counter(result.parts.values())
    (warning,) = (w for w in result.warnings if "each is now in one part" in w)
    assert before["test"] == 18
    assert after["test"] < 18
    assert f"test from 18 to {after['test']} messages" in warning


@pytest.mark.parametrize("labels", ["xy", "xyz", "abcdefghijklmnopqrstuvwxyz"])
def test_three_messages_per_label_are_enough(labels: str) -> None:
    texts = [f"word{i} thing{i * 7} other{i * 13}" for i in range(3 * len(labels))]
    loaded = of_texts(texts, labels)
    parts = split(loaded)
    for part in ("train", "validation", "test"):
        assert sorted(m.label for m in loaded.messages if parts[m.id] == part) == list(labels)


def test_two_messages_per_label_are_enough_without_validation() -> None:
    loaded = of_texts([f"word{i} thing{i * 7}" for i in range(4)])
    assert Counter(split(loaded, validation=0).values()) == {"train": 2, "test": 2}


def test_training_files_with_rare_labels_name_all_of_them(tmp_path: Path) -> None:
    rows = "".join(f"w{i} t{i},{'xy'[i % 2]}\n" for i in range(20)) + "once,rare\nonly,single\n"
    (tmp_path / "train.csv").write_text("text,label\n" + rows)
    (tmp_path / "test.csv").write_text("text,label\nq,x\nr,y\n")
    with pytest.raises(BenchError, match=r"every label needs 2 messages or more.*'rare' \(1\), 'single' \(1\)"):
        make_split(load_task(DataConfig(path=str(tmp_path))), SplitConfig(), 0)


def test_a_training_part_alone_is_split_and_cleared_of_duplicates() -> None:
    loaded = many()
    twins = tuple(Message(f"g:{i}", m.text.upper(), m.labels) for i, m in enumerate(loaded.messages))
    messages = loaded.messages + twins
    hub = LoadedTask(loaded.task, messages, dict.fromkeys([m.id for m in messages], "train"))
    parts = split(hub)
    assert all(parts[f"f:{i}"] == parts[f"g:{i}"] for i in range(60))
    assert set(parts.values()) == {"train", "validation", "test"}


def test_duplicates_of_a_given_test_part_stay_and_those_of_drawn_validation_move(tmp_path: Path) -> None:
    rows = "".join(f"w{i // 2} t{i // 2} u{i // 2},{'xy'[i // 2 % 2]}\n" for i in range(80))
    (tmp_path / "train.csv").write_text("text,label\n" + rows)
    (tmp_path / "test.csv").write_text("text,label\nw3 t3 u3,y\nnew,x\n")
    result = make_split(load_task(DataConfig(path=str(tmp_path))), SplitConfig(), 0)
    drawn = [result.parts[f"train.csv:{i}"] for i in range(2, 82)]
    assert drawn[::2] == drawn[1::2]
    assert result.parts["test.csv:2"] == "test"
    assert any("1 group of" in w and "nothing was moved" in w for w in result.warnings)
