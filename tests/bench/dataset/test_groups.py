"""Messages of one group stay together, and what cannot be divided so is said in one line."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench.cli import main
from bench.config.run import make_config
from bench.config.tables import DataConfig, SplitConfig
from bench.dataset.load import LoadedTask, load_task
from bench.dataset.split import Split, first_messages, first_per_label, make_split
from bench.execution.fingerprint import DRAWS_BY_GROUP, cell_identity
from bench.execution.stopping import may_stop
from bench.records.store import RunFolder
from classifiers.errors import BenchError
from classifiers.interface import Label, Message, Task


def loaded(n_groups: int, size: int, labels: str = "xyz", *, seed: int = 0) -> LoadedTask:
    """Return messages of groups that prefer one label each."""
    rng = np.random.default_rng(seed)
    messages = []
    for group in range(n_groups):
        for i in range(size):
            label = labels[group % len(labels)] if rng.random() < 0.5 else labels[rng.integers(len(labels))]
            text, name = f"word{group} thing{i} {label}", f"customer {group}"
            messages.append(Message(f"f:{group}-{i}", text, (label,), group=name))
    return LoadedTask(Task("t", tuple(map(Label, labels))), tuple(messages))


def parts_of_groups(task: LoadedTask, split: Split) -> dict[str, set[str]]:
    parts = defaultdict(set)
    for message in task.messages:
        parts[message.group].add(split.parts[message.id])
    return parts


@pytest.mark.parametrize("seed", range(5))
def test_a_group_is_in_one_part_and_parts_have_their_share_and_all_labels(seed: int) -> None:
    task = loaded(60, 10, seed=seed)
    split = make_split(task, SplitConfig(), seed)
    assert all(len(parts) == 1 for parts in parts_of_groups(task, split).values())
    counts = Counter(split.parts.values())
    assert counts["test"] / 600 == pytest.approx(0.2, abs=0.04)
    assert counts["validation"] / 600 == pytest.approx(0.1, abs=0.04)
    for part in ("train", "validation", "test"):
        shares = Counter(m.label for m in split.select(task.messages, part))
        assert min(shares.values()) > 0.2 * sum(shares.values()), "stratified by label"
    assert split.parts == make_split(task, SplitConfig(), seed).parts
    assert split.parts != make_split(task, SplitConfig(), seed + 1).parts


def test_shares_of_many_kinds_are_met_by_whole_groups() -> None:
    task = loaded(100, 4)
    for share in (0.05, 0.3, 0.5):
        counts = Counter(make_split(task, SplitConfig(test=share, validation=0), 0).parts.values())
        assert counts["test"] / 400 == pytest.approx(share, abs=0.03)
        assert set(counts) == {"train", "test"}


def test_a_rare_label_reaches_every_part_where_its_groups_allow() -> None:
    task = loaded(30, 10)
    rare = {f"customer {i}" for i in (0, 10, 20)}
    marked = [replace(m, labels=("rare",)) if m.group in rare and m.id.endswith("-0") else m for m in task.messages]
    names = tuple(map(Label, ("rare", "x", "y", "z")))
    for seed in range(5):
        split = make_split(LoadedTask(Task("t", names), tuple(marked)), SplitConfig(), seed)
        held_out = [m.id for m in marked if m.label == "rare" and split.parts[m.id] == "test"]
        kept = [m.id for m in marked if m.label == "rare" and split.parts[m.id] == "train"]
        assert held_out
        assert kept


def test_messages_of_several_labels_are_divided_by_group() -> None:
    task = loaded(40, 5)
    several = tuple(replace(m, labels=(*m.labels, "w")) if m.id.endswith("-1") else m for m in task.messages)
    several = tuple(replace(m, labels=()) if m.id.endswith("-2") else m for m in several)
    many = LoadedTask(Task("t", tuple(map(Label, "wxyz")), max_labels=4), several)
    split = make_split(many, SplitConfig(), 0)
    assert all(len(parts) == 1 for parts in parts_of_groups(many, split).values())
    assert set(split.parts.values()) == {"train", "validation", "test"}


def test_groups_of_one_message_are_divided_as_messages_without_groups() -> None:
    task = loaded(60, 1)
    alone = LoadedTask(task.task, tuple(replace(m, group="") for m in task.messages))
    assert make_split(task, SplitConfig(), 0).parts == make_split(alone, SplitConfig(), 0).parts
    assert task.fingerprint != alone.fingerprint, "their intervals would be others with larger groups"


def test_too_few_groups_are_one_clear_line() -> None:
    with pytest.raises(BenchError, match=r"\[data\] group: 2 groups cannot fill 3 parts.*or leave `group` out"):
        make_split(loaded(2, 30), SplitConfig(), 0)
    task = loaded(30, 10)
    once = [replace(m, labels=("once",)) if m.group == "customer 3" else m for m in task.messages]
    names = tuple(map(Label, ("once", "x", "y", "z")))
    with pytest.raises(BenchError, match=r"every label needs messages of 3 groups or more.*: 'once' \(1\)"):
        make_split(LoadedTask(Task("t", names), tuple(once)), SplitConfig(), 0)


def test_the_draws_of_a_curve_take_group_after_group() -> None:
    messages = loaded(30, 10).messages
    drawn = first_messages(messages, 100, 3)
    assert [len({m.group for m in drawn[i : i + 10]}) for i in range(0, 100, 10)] == [1] * 10
    assert first_messages(messages, 25, 3) == drawn[:25]
    few, more = ({m.id for m in first_per_label(messages, k, 3)} for k in (4, 16))
    assert few < more
    assert Counter(m.label for m in first_per_label(messages, 4, 3)) == dict.fromkeys("xyz", 4)
    grouped = {m.group for m in first_per_label(messages, 16, 3)}
    alone = [replace(m, group="", columns={"was": m.group}) for m in messages]
    assert len(grouped) <= 12 < len({m.columns["was"] for m in first_per_label(alone, 16, 3)})


def test_cells_from_before_draws_went_by_group_are_others() -> None:
    config = make_config({"classifiers": {"majority": {}}}, where="test")
    for task, marked in ((loaded(30, 10), True), (loaded(60, 1), False)):
        identity = cell_identity(config, config.cells()[0], task, make_split(task, SplitConfig(), 0))
        assert identity.code.endswith(DRAWS_BY_GROUP) == marked


def test_the_end_of_a_file_would_divide_a_group() -> None:
    with pytest.raises(BenchError, match="split method 'tail' would divide a group"):
        make_split(loaded(30, 10), SplitConfig(method="tail"), 0)


def test_a_pinned_message_takes_its_group_along(tmp_path: Path) -> None:
    task = loaded(30, 10)
    pinned = tmp_path / "pinned.txt"
    pinned.write_text("f:7-3\n")
    split = make_split(task, SplitConfig(pinned=str(pinned)), 0)
    assert {split.parts[m.id] for m in task.messages if m.group == "customer 7"} == {"test"}
    pinned.write_text("\n".join(f"f:{i}-0" for i in range(30)))
    with pytest.raises(BenchError, match="no message is left to learn from: all are pinned to test, or belong to a"):
        make_split(task, SplitConfig(pinned=str(pinned)), 0)


def test_duplicates_of_other_groups_stay_and_are_reported() -> None:
    task = loaded(30, 10)
    greeting = tuple(replace(m, text="hello there") if m.id.endswith("-0") else m for m in task.messages)
    split = make_split(LoadedTask(task.task, greeting), SplitConfig(), 0)
    assert all(len(parts) == 1 for parts in parts_of_groups(task, split).values())
    assert any("nothing was moved" in warning for warning in split.warnings)


def write(file: Path, rows: list[tuple[str, str, str]]) -> None:
    file.write_text("text,label,customer\n" + "".join(",".join(row) + "\n" for row in rows))


def some_rows(groups: range, size: int = 4) -> list[tuple[str, str, str]]:
    return [(f"w{g} t{i} u{g * i}", "xy"[(g + i) % 2], f"c{g}") for g in groups for i in range(size)]


def test_validation_is_drawn_by_group_and_groups_across_given_parts_are_told(tmp_path: Path) -> None:
    write(tmp_path / "train.csv", some_rows(range(20)))
    write(tmp_path / "test.csv", some_rows(range(19, 24), 5))
    task = load_task(DataConfig(path=str(tmp_path), group="customer"))
    split = make_split(task, SplitConfig(), 0)
    across = [group for group, parts in parts_of_groups(task, split).items() if len(parts) > 1]
    assert across == ["c19"], "the files themselves divide it"
    assert Counter(split.parts.values())["validation"] >= 4
    assert any("1 group with messages in several parts" in w and "(c19)" in w for w in split.warnings)


def test_the_column_is_read_and_a_message_without_a_group_is_one_by_itself(tmp_path: Path) -> None:
    write(tmp_path / "m.csv", [*some_rows(range(10)), ("lost one", "x", ""), ("lost two", "y", "")])
    task = load_task(DataConfig(path=str(tmp_path / "m.csv"), group="customer"))
    assert Counter(m.group for m in task.messages) == {"": 2, **{f"c{i}": 4 for i in range(10)}}
    assert "customer" not in task.messages[0].columns
    assert "m.csv: 2 messages without customer, each counted as a group of its own" in task.warnings
    with pytest.raises(BenchError, match=r"m.csv:1: no column 'costumer' .*did you mean 'customer'"):
        load_task(DataConfig(path=str(tmp_path / "m.csv"), group="costumer"))


@pytest.mark.parametrize("path", ["data/customer-messages", "name:banking77"])
def test_data_without_such_a_column_refuses_the_key(path: str) -> None:
    with pytest.raises(BenchError, match="`group` would not be used beside"):
        load_task(DataConfig(path=path, group="customer"))


def config(**values: Any) -> Any:
    return make_config({"data": {"group": "customer"}, "classifiers": {"linear": {}}, **values}, where="x")


def test_rows_do_not_stop_early_where_messages_come_in_groups() -> None:
    assert not may_stop(config(), 5000)
    assert may_stop(make_config({"classifiers": {"linear": {}}}, where="x"), 5000)
    with pytest.raises(BenchError, match=r"no row can stop early where messages come in groups"):
        config(stop={"when": "always"})


@pytest.mark.slow
def test_a_run_keeps_the_groups_and_its_report_tells_the_design_effect(tmp_path: Path) -> None:
    write(tmp_path / "m.csv", some_rows(range(200)))
    text = f"latency_messages = 0\n[data]\npath = '{tmp_path}/m.csv'\ngroup = 'customer'\n"
    (tmp_path / "c.toml").write_text(text + "[classifiers.majority]\n[classifiers.linear]\n")
    assert main(["--results", str(tmp_path), "run", str(tmp_path / "c.toml"), "--run", "r"]) == 0
    run = RunFolder(tmp_path / "r")
    groups = {message.id: message.group for message in run.messages.read()}
    assert set(groups.values()) == {f"c{i}" for i in range(200)}
    answers = run.cell("linear").predictions.read()
    assert [answer.group for answer in answers] == [groups[answer.id] for answer in answers]
    n_groups = len({answer.group for answer in answers})
    report = (run.path / "report.md").read_text()
    assert f"test messages in {n_groups} groups; brackets are 95 % Wilson intervals" in report
    assert "| classifier | accuracy % ↑ | design effect |" in report
    assert "by bootstrap over the groups of test messages" in report
    scores = json.loads((run.path / "scores.json").read_text())
    assert scores["classifiers"]["linear"]["n_groups"] == n_groups
    assert all(pair["design_effect"] >= 1 for pair in scores["pairs"])
