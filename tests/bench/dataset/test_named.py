"""Data sets by name: where they come from must not matter, and other rows than the catalogue's are refused."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from pathlib import Path

import pytest

from bench.cli import main
from bench.config.tables import DataConfig
from bench.dataset import catalogue
from bench.dataset.catalogue import dataset_catalogue, dataset_entry
from bench.dataset.load import challenge_messages, load_task
from bench.dataset.named import dataset_folder, pull_dataset, read_parts, rows_hash
from classifiers.errors import BenchError

TRAIN = [("where is it", "order"), ("my  money back", "refund"), ("is it sent", "order"), ("give it back", "refund")]
TEST = [("and  my parcel", "order"), ("pay me back", "refund")]
SHOP_HASH = hashlib.sha256(
    b"""["train", "give it back", "refund"]
["train", "is it sent", "order"]
["train", "my money back", "refund"]
["train", "where is it", "order"]
["test", "and my parcel", "order"]
["test", "pay me back", "refund"]
"""
).hexdigest()
ENTRY = """
[shop]
about = "messages to a shop"
n_labels = 2
rows = {{train = 4, test = 2}}
licence = "CC0-1.0"
citation = "nobody 2026"
source = "written for this test"
split = "official"
seen_by_llms = false
sha256 = "{sha256}"
instruction = "You sort messages to a shop."

[shop.definitions]
refund = "The writer wants money back."
"""


def write(folder: Path, rows: dict[str, list[tuple[str, str]]]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for part, pairs in rows.items():
        lines = "".join(f"{' '.join(text.split())},{label}\n" for text, label in pairs)
        (folder / f"{part}.csv").write_text("text,label\n" + lines)
    return folder


def use_catalogue(monkeypatch: pytest.MonkeyPatch, folder: Path, more: str = "", sha256: str = SHOP_HASH) -> None:
    file = folder / "catalogue.toml"
    file.write_text(ENTRY.format(sha256=sha256) + more)
    entries = dataset_catalogue(file)
    monkeypatch.setattr(catalogue, "dataset_catalogue", lambda: entries)


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A catalogue of one data set, which lies below BENCH_DATA."""
    use_catalogue(monkeypatch, tmp_path)
    monkeypatch.setenv("BENCH_DATA", str(tmp_path / "sets"))
    monkeypatch.setenv("BENCH_CACHE", str(tmp_path / "cache"))
    return write(tmp_path / "sets" / "shop", {"train": TRAIN, "test": TEST})


def test_a_name_is_read_with_its_parts_definitions_and_instruction(shop: Path) -> None:
    loaded = load_task(DataConfig(path="name:shop"))
    assert loaded.task.name == "shop"
    assert loaded.task.instruction == "You sort messages to a shop."
    assert {label.name: label.definition for label in loaded.task.labels} == {
        "order": "",
        "refund": "The writer wants money back.",
    }
    assert sorted((loaded.parts or {}).values()) == ["test"] * 2 + ["train"] * 4
    assert {message.text for message in loaded.messages} >= {"my money back", "and my parcel"}


def test_the_order_of_a_source_changes_neither_ids_nor_messages(shop: Path) -> None:
    before = load_task(DataConfig(path="name:shop"))
    write(shop, {"train": TRAIN[::-1], "test": TEST[::-1]})
    after = load_task(DataConfig(path="name:shop"))
    assert after == before
    assert after.fingerprint == before.fingerprint
    assert next(m.id for m in before.messages if m.text == "pay me back") == "test/31e9acbfd0cb"


def test_copies_of_a_message_have_ids_of_their_own(tmp_path: Path) -> None:
    folder = write(tmp_path / "c", {"train": [("hi", "a"), ("hi", "b"), ("ho", "b")], "test": [("hi", "a")]})
    parts = read_parts(folder)
    ids = [message.id for messages in parts.values() for message in messages]
    assert len(set(ids)) == 4
    copies = [(m.id.rpartition("-")[2], m.labels) for m in parts["train"] if m.text == "hi"]
    assert copies[1] == ("2", ("b",))


def test_the_hash_sees_part_text_and_label_but_not_the_order(tmp_path: Path) -> None:
    base = rows_hash(read_parts(write(tmp_path / "a", {"train": TRAIN, "test": TEST})))
    assert rows_hash(read_parts(write(tmp_path / "b", {"train": TRAIN[::-1], "test": TEST}))) == base == SHOP_HASH
    for train, test in (
        (TRAIN, TEST[:1]),
        ([*TRAIN, TEST[0]], TEST[1:]),
        ([*TRAIN[:3], ("give it back", "order")], TEST),
        ([*TRAIN[:3], ("give it back!", "refund")], TEST),
    ):
        other = write(tmp_path / "other", {"train": train, "test": test})
        assert rows_hash(read_parts(other)) != base


def test_other_rows_than_the_catalogues_are_an_error(shop: Path) -> None:
    write(shop, {"test": [*TEST, ("one more", "order")]})
    with pytest.raises(BenchError, match=r"data set 'shop' in .* has rows with SHA-256 \w+… \(4 train, 3 test\)"):
        load_task(DataConfig(path="name:shop"))


def test_a_shipped_set_is_read_by_name_with_its_challenge() -> None:
    by_name, by_path = DataConfig(path="name:customer-messages"), DataConfig(path="data/customer-messages")
    assert load_task(by_name) == load_task(by_path)
    assert challenge_messages(by_name) == challenge_messages(by_path) != ()


def test_a_misspelt_name_and_a_useless_key_are_errors(shop: Path) -> None:
    with pytest.raises(BenchError, match=r"unknown data set 'shp'; did you mean 'shop'\? \(available: shop\)"):
        load_task(DataConfig(path="name:shp"))
    with pytest.raises(BenchError, match=r"`label` \(--label\) would not be used beside the data set's name \(shop\)"):
        load_task(DataConfig(path="name:shop", label="y"))


def test_large_parts_are_sampled_and_said(shop: Path) -> None:
    loaded = load_task(DataConfig(path="name:shop", max_messages=2))
    assert len(loaded.messages) == 4
    assert "shop/train: 2 of 4 rows were sampled" in loaded.warnings[0]


def test_a_set_without_a_source_says_where_to_put_its_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shop: Path
) -> None:
    monkeypatch.delenv("BENCH_DATA")
    assert dataset_folder("shop") is None
    with pytest.raises(BenchError, match=r"put its files into shop/ in a folder and name that folder in BENCH_DATA"):
        load_task(DataConfig(path="name:shop"))


HUB = """
[shop.hub]
name = "{folder}"
revision = "main"
leave_out = ["spam"]

[shop.hub.groups]
order = ["status", "delivery"]
"""


def test_a_set_of_the_hub_is_pulled_grouped_and_checked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The library that reads the Hub reads a local folder of the same form."""
    raw = tmp_path / "raw"
    rename = {"where is it": "status", "is it sent": "delivery", "and  my parcel": "status"}
    rows = {"train": [*TRAIN, ("buy pills", "spam")], "test": TEST}
    raw.mkdir()
    for part, pairs in rows.items():
        lines = [json.dumps({"text": text, "label": rename.get(text, label)}) for text, label in pairs]
        (raw / f"{part}.jsonl").write_text("\n".join(lines))
    use_catalogue(monkeypatch, tmp_path, HUB.format(folder=raw))
    monkeypatch.delenv("BENCH_DATA", raising=False)
    monkeypatch.setenv("BENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "hf")
    monkeypatch.setattr("classifiers.models.download.hub_answers", lambda: True)
    folder = pull_dataset("shop")
    assert folder == tmp_path / "cache" / "datasets" / "shop"
    assert rows_hash(read_parts(folder)) == SHOP_HASH
    assert dataset_folder("shop") == folder
    assert sorted(path.name for path in folder.parent.iterdir()) == ["shop"]


def test_a_pull_of_other_rows_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    raw = write(tmp_path / "raw", {"train": TRAIN, "test": TEST[:1]})
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "hf")
    use_catalogue(monkeypatch, tmp_path, HUB.format(folder=raw))
    monkeypatch.setenv("BENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("classifiers.models.download.hub_answers", lambda: True)
    with pytest.raises(BenchError, match="the catalogue says"):
        pull_dataset("shop")
    assert list((tmp_path / "cache" / "datasets").iterdir()) == []


def test_the_command_lists_checks_and_fails_on_other_rows(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "--json"]) == 0
    (listed,) = json.loads(capsys.readouterr().out)
    assert (listed["name"], listed["here"], listed["licence"]) == ("shop", True, "CC0-1.0")
    assert main(["data", "check"]) == 0
    assert "shop: as in the catalogue" in capsys.readouterr().out
    write(shop, {"test": TEST[:1]})
    assert main(["data", "check", "shop"]) == 1
    assert main(["data", "pull"]) == 2


def test_the_shipped_catalogue_is_whole_and_holds_the_nine_sets(capsys: pytest.CaptureFixture[str]) -> None:
    entries = dataset_catalogue()
    assert {name: entry.n_labels for name, entry in entries.items()} == {
        "customer-messages": 3,
        "sms_spam": 2,
        "tweeteval_emotion": 4,
        "goemotions_ekman_single": 7,
        "clinc_domains10": 10,
        "bitext": 27,
        "hwu64": 64,
        "banking77": 77,
        "clinc150": 150,
    }
    assert all(len(entry.sha256) == 64 and len(entry.hub.revision) == 40 for entry in entries.values() if entry.hub)
    groups = dataset_entry("clinc_domains10").hub
    assert groups is not None
    assert [len(members) for members in groups.groups.values()] == [15] * 10
    assert main(["data", "check", "customer-messages"]) == 0
    assert "customer-messages: as in the catalogue" in capsys.readouterr().out


HERE = [name for name, entry in dataset_catalogue().items() if entry.shipped or dataset_folder(name)]


@pytest.mark.parametrize("name", HERE)
def test_sets_on_this_machine_are_those_of_the_catalogue(name: str) -> None:
    """Only the shipped one where neither BENCH_DATA nor the cache holds others."""
    entry = dataset_entry(name)
    loaded = load_task(DataConfig(path=f"name:{name}"))
    assert len(loaded.task.labels) == entry.n_labels
    assert len(loaded.messages) == sum(entry.rows.values())
    if not entry.shipped:
        assert Counter((loaded.parts or {}).values()) == entry.rows
