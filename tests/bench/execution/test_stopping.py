"""Slow rows stop once it is decided how they stand, and go on where all is asked for."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest

from bench.analysis.compare import all_pairs
from bench.analysis.scored_run import rows_of
from bench.cli import main
from bench.config.run import RunConfig, make_config
from bench.execution.plan import Ended, Job, Watcher, prepare
from bench.execution.runner import run
from bench.execution.stop_budget import allowed_messages, goes_on
from bench.execution.stopping import ON_A_CLUSTER, Rival, StoppingRule, in_random_order, may_stop
from bench.records.conditions import Decision, Stopped
from bench.records.store import RunFolder
from bench.records.types import CellRecord, PredictionRecord
from classifiers.interface import Message

BACKENDS = """
import time
import zlib
from classifiers.interface import Classifier, Prediction, Settings

class Right(Classifier[Settings]):
    "Right on nine of ten messages."
    batch_size = 32
    share = 9
    def fit(self, task, train, validation, *, listen=print):
        self.names = task.label_names
    def predict(self, texts):
        for text in texts:
            gold = text.split()[0]
            other = next(name for name in self.names if name != gold)
            yield Prediction((gold if zlib.crc32(text.encode()) % 10 < self.share else other,))

class Poor(Right):
    "Right on half of them."
    share = 5

class Slow(Right):
    "As Right, at fewer than 20 messages per second."
    batch_size = 8
    def predict(self, texts):
        time.sleep(0.051 * len(texts))
        yield from super().predict(texts)

class SlowAndWrong(Slow):
    share = 0
"""


def record(i: int, *, right: bool, seconds: float) -> PredictionRecord:
    return PredictionRecord(str(i), "t", ("a",), ("a" if right else "b",), valid=True, seconds=seconds)


def config(**tables: Any) -> RunConfig:
    return make_config({"classifiers": {"linear": {}}, **tables}, where="test")


def rule(**changes: Any) -> StoppingRule:
    rival = Rival("encoder", {str(i): True for i in range(1000)}, 1)
    settings: dict[str, Any] = {"min_messages": 100, "margin": 0.02, "level": 0.05, "may_be_fast": False}
    return StoppingRule(rival, 1000, **{**settings, **changes})


def test_a_slow_row_that_is_behind_stops_and_says_after_how_many() -> None:
    records = [record(i, right=i % 2 == 0, seconds=0.7) for i in range(128)]
    stopped = rule().stopped(records)
    assert stopped is not None
    assert stopped.text == "stopped after 128 of 1,000 test messages: decided (worse than encoder)"
    assert stopped.low < -0.5 < stopped.high < 0
    assert stopped.level == 0.95


def test_nobody_stops_too_early_or_while_undecided_or_when_fast() -> None:
    behind = [record(i, right=i % 2 == 0, seconds=0.7) for i in range(128)]
    assert rule().stopped(behind[:99]) is None
    assert rule(min_messages=129).stopped(behind) is None
    assert rule().stopped([record(i, right=True, seconds=0.7) for i in range(128)]) is None
    fast = [record(i, right=i % 2 == 0, seconds=0.01) for i in range(128)]
    assert rule().stopped(fast) is None
    assert rule(may_be_fast=True).stopped(fast) is not None
    given_before = [record(i, right=i % 2 == 0, seconds=0.0) for i in range(128)]
    assert rule(may_be_fast=True).stopped(given_before) is None
    assert rule().stopped([record(i, right=i % 2 == 0, seconds=0.7) for i in range(1000)]) is None


def test_small_test_parts_and_curves_are_answered_whole_unless_asked_for() -> None:
    assert not may_stop(config(), 500)
    assert may_stop(config(), 501)
    assert not may_stop(config(stop={"when": "never"}), 10_000)
    assert may_stop(config(stop={"when": "always"}), 50)
    curve = {"linear": {"train_per_label": [8, "all"]}}
    assert not may_stop(config(classifiers=curve), 10_000)


def test_the_order_is_seeded_and_random_only_where_a_row_may_stop() -> None:
    messages = [Message(str(i), "t", ("a",)) for i in range(600)]
    shuffled = in_random_order(messages, config())
    assert shuffled != messages
    assert sorted(m.id for m in shuffled) == sorted(m.id for m in messages)
    assert shuffled == in_random_order(messages, config())
    assert shuffled != in_random_order(messages, config(seed=1))
    assert in_random_order(messages[:500], config()) == messages[:500]


@pytest.fixture
def run_config(tmp_path: Path) -> Path:
    (tmp_path / "backends.py").write_text(BACKENDS)
    rows = [{"text": f"{name} {i}", "label": name} for name in ("yes", "no") for i in range(500)]
    (tmp_path / "data.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    file = tmp_path / "c.toml"
    file.write_text(
        f"latency_messages = 0\nthreads = 1\n[data]\npath = '{tmp_path}/data.jsonl'\n"
        "[split]\ntest = 0.6\nduplicates = 'report'\n"
        f"[classifiers.right]\nbackend = '{tmp_path}/backends.py:Right'\n"
        f"[classifiers.poor]\nbackend = '{tmp_path}/backends.py:Poor'\n"
    )
    return file


@pytest.mark.slow
def test_a_run_until_decided_and_then_all(run_config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["--results", str(tmp_path / "results"), "run", str(run_config)]
    assert main([*command, "--until-decided"]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "stopped after 128 of 600 test messages: decided (worse than right)" in shown
    (file,) = (tmp_path / "results").glob("*/run.json")
    run = RunFolder(file.parent)
    right, poor = rows_of(run)
    assert (len(right.records), len(poor.records)) == (600, 128)
    assert poor.stopped is not None
    assert (poor.stopped.decision, poor.stopped.rival) == ("worse", "right")
    (pair,) = all_pairs([right, poor])
    assert (pair.n, pair.first) == (128, "right")
    assert pair.interval.high == pytest.approx(-poor.stopped.low)
    assert right.scores is not None
    assert poor.scores is not None
    assert poor.scores.accuracy_interval.high - poor.scores.accuracy_interval.low > 0.2
    report = (run.path / "report.md").read_text()
    assert "Use right" in report
    assert "poor is out: it was stopped after 128 of 600 test messages" in report
    # the same command keeps it, and one that wants all goes on with what there is
    early = run.cell("poor").predictions.path.read_bytes()
    assert main([*command, "--until-decided"]) == 0
    assert run.cell("poor").predictions.path.read_bytes() == early
    assert main([*command, "--all"]) == 0
    assert run.cell("poor").predictions.path.read_bytes().startswith(early)
    _, poor = rows_of(run)
    assert (len(poor.records), poor.stopped) == (600, None)
    assert len(list((tmp_path / "results").glob("*/run.json"))) == 1
    assert run.read().config.stop.when == "never"


BUDGET = {"when": "auto", "min_messages": 10, "budget": 900}


def ended(run: RunFolder, name: str, *, rate: float = 5.0, n: int | None = None, decision: Decision = "worse") -> None:
    """Write the record of a cell that ended; with `n` it stopped after so many messages."""
    stopped = None if n is None else Stopped(n, 3000, decision, "fast", -0.1, 0.1, 0.95)
    record = CellRecord(name, "linear", "f", "ok", throughput_per_s=rate, row=name, stopped=stopped)
    run.cell(name).path.mkdir(exist_ok=True)
    run.cell(name).write(record)


def test_slow_rows_share_a_budget_fairly_in_whatever_order_they_run(tmp_path: Path) -> None:
    rows = {name: {"backend": "linear"} for name in ("fast", "a", "b", "c")}
    shared, run = config(classifiers=rows, stop=BUDGET), RunFolder(tmp_path)

    def allowed(name: str) -> int | None:
        return allowed_messages(run, shared, name, 3000)

    assert allowed("a") == 225, "nothing is known of the others yet"
    ended(run, "fast", rate=1000.0)
    assert allowed("a") == 300, "a fast row takes no part"
    ended(run, "a", n=300, decision="undecided")
    assert allowed("b") == 300
    ended(run, "b", n=128)
    assert allowed("c") == (900 - 128) // 2, "what b left is for both that are open"
    ended(run, "c", n=386, decision="undecided")
    assert allowed("a") == allowed("c") == 386
    a, c = (run.cell(name).read() for name in ("a", "c"))
    assert a is not None
    assert c is not None
    assert (goes_on(run, shared, a), goes_on(run, shared, c)) == (True, False), "a goes on to where c is"
    ended(run, "c", rate=2.0)
    assert allowed("a") == 0, "c answered all there is, which is more than the budget"
    assert allowed_messages(run, config(classifiers=rows), "a", 3000) is None


def test_a_row_that_is_undecided_stops_where_its_share_ends() -> None:
    even = [record(i, right=True, seconds=0.7) for i in range(48)]
    assert rule(allowed=64).stopped(even) is None
    stopped = rule(allowed=48).stopped(even)
    assert stopped is not None
    assert stopped.text == (
        "stopped after 48 of 1,000 test messages: the budget allowed no more, undecided against encoder"
    )
    assert stopped.low < 0 < stopped.high
    assert rule(allowed=48, may_be_fast=True).stopped([replace(r, seconds=0.01) for r in even]) is None
    behind = [record(i, right=i % 2 == 0, seconds=0.7) for i in range(128)]
    decided = rule(allowed=64).stopped(behind)
    assert decided is not None
    assert decided.decision == "worse", "what is decided is said, whatever is allowed"


def test_on_a_cluster_the_run_says_that_no_row_stops(data_folder: Path, tmp_path: Path) -> None:
    class Cluster:
        name = "ray"

        def run(self, jobs: Sequence[Job], watcher: Watcher) -> Ended:
            yield from ()

    for when, said in (("always", (ON_A_CLUSTER,)), ("never", ())):
        values = {"data": {"path": str(data_folder)}, "classifiers": {"majority": {}}, "stop": {"when": when}}
        plan = prepare(make_config(values, where="test"), tmp_path / when, fetch=lambda *_: None)
        (folder,) = run([plan], Cluster(), cast("Watcher", None))
        assert folder.read().warnings == (*plan.split.warnings, *said)


@pytest.mark.slow
def test_what_a_decided_row_leaves_of_the_budget_goes_to_the_others_and_a_larger_one_goes_on(
    run_config: Path, tmp_path: Path
) -> None:
    text = run_config.read_text().replace("[classifiers.poor]", "[classifiers.even]").replace(":Poor", ":Slow")
    text += f"[classifiers.wrong]\nbackend = '{tmp_path}/backends.py:SlowAndWrong'\n[stop]\nmin_messages = 10\n"
    command = ["--results", str(tmp_path / "results"), "run", str(run_config), "--run", "r"]
    folder, answered = RunFolder(tmp_path / "results" / "r"), b""
    # `even` has an equal share of 24 first; `wrong` is decided after two batches, and `even` gets the rest
    for budget, n in ((48, 32), (64, 48)):
        run_config.write_text(f"{text}budget = {budget}\n")
        assert main(command) == 0
        rows = {row.name: row for row in rows_of(folder)}
        assert {name: len(row.records) for name, row in rows.items()} == {"right": 600, "even": n, "wrong": 16}
        stops = [rows[name].stopped for name in ("right", "even", "wrong")]
        assert [stop and stop.decision for stop in stops] == [None, "undecided", "worse"]
        now = folder.cell("even").predictions.path.read_bytes()
        assert now.startswith(answered)
        answered = now
    report = (folder.path / "report.md").read_text()
    assert "even is out: it was stopped after 48 of 600 test messages: the budget allowed no more" in report
