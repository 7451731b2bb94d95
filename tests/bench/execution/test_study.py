"""The order of a study's cells, the sizes that data sets allow, and what is said to be missing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from conftest import CUSTOMER_MESSAGES
from rich.console import Console
from samples import WORDS, write_sweep

from bench.config.run import RunConfig, load_config, make_config
from bench.execution.plan import Job, prepare
from bench.execution.runner import run
from bench.execution.stopping import may_stop
from bench.execution.study import progress, study_order, study_runs
from bench.records.conditions import Stopped
from bench.records.types import CellRecord
from bench.report.progress import ProgressWatcher

ROWS = "[classifiers.curve]\nbackend = 'linear'\nseeds = 2\ntrain_per_label = [1, 2, 4, 8, 'all']\n"


def jobs(tmp_path: Path) -> list[Job]:
    """Return the cells of a study of three small data sets, set by set."""
    config = load_config(str(write_sweep(tmp_path, seeds=[], rows=ROWS)))
    plans = [prepare(one_set, tmp_path / "results", fetch=lambda *_: None) for one_set in study_runs(config).values()]
    return [Job(plan, cell, cell.name) for plan in plans for cell in plan.config.cells()]


def test_data_sets_alternate_and_later_seeds_come_last(tmp_path: Path) -> None:
    ordered = study_order(jobs(tmp_path))
    assert len(ordered) == 3 * (1 + 1 + 2 + 10)
    names = [job.cell.name for job in ordered]
    assert names[:12:3] == ["majority", "linear", "linear-few", "curve-1"]
    for i in range(0, len(ordered), 3):
        assert len(set(names[i : i + 3])) == 1
        assert [job.plan.loaded.task.name for job in ordered[i : i + 3]] == list(WORDS)
    seeds = [job.cell.seed for job in ordered]
    assert seeds == sorted(seeds)


def test_a_row_begins_with_its_most_telling_sizes(tmp_path: Path) -> None:
    sizes = [job.cell.train_per_label for job in study_order(jobs(tmp_path)) if job.cell.name.startswith("curve")]
    assert sizes[::3][:5] == [1, 8, None, 2, 4]


def test_first_rows_get_all_their_sizes_before_the_last_rows_begin() -> None:
    config = load_config("atlas")
    plan: Any = type("Plan", (), {"config": config, "folder": type("F", (), {"path": "x"})})
    names = [job.cell.name for job in study_order([Job(plan, cell, cell.name) for cell in config.cells()])]
    place = {name: i for i, name in enumerate(names)}
    assert names[0] == "majority"
    assert place["encoder-frozen"] < place["llm"] < place["encoder-8"] < place["encoder"] < place["llm-score"]
    assert place["encoder"] < place["mpnet-8"] < place["encoder-frozen-1-seed1"] < place["encoder-seed2"]


def sizes_of(config: RunConfig, row: str) -> list[int | str]:
    return config.classifiers[row].train_per_label


def test_sizes_for_which_a_data_set_has_too_few_messages_are_left_out() -> None:
    runs = study_runs(load_config("atlas"))
    assert list(runs) == [
        *("customer-messages", "sms_spam", "tweeteval_emotion", "goemotions_ekman_single", "clinc_domains10"),
        *("bitext", "hwu64", "banking77", "clinc150"),
    ]
    assert sizes_of(runs["banking77"], "encoder") == [1, 2, 4, 8, 16, 32, 64, "all"]  # 64 * 77 = 4,928 of 10,000
    assert sizes_of(runs["clinc150"], "encoder") == [1, 2, 4, 8, 16, 32, "all"]  # 64 * 150 = 9,600 of 10,000
    assert sizes_of(runs["clinc150"], "mpnet") == [8, 32]
    assert runs["clinc150"].data.path == "name:clinc150"


def test_a_row_that_fits_no_size_is_trained_on_all() -> None:
    values = {
        "sweep": {"data": {"b": {"path": "name:bitext", "max_messages": 27}}},
        "classifiers": {"linear": {"train_per_label": [8, 32]}},
    }
    assert sizes_of(study_runs(make_config(values, where="test"))["b"], "linear") == ["all"]


def test_progress_counts_what_is_missing_by_row(tmp_path: Path) -> None:
    plan = jobs(tmp_path)[0].plan
    state = progress("fruit", plan)
    assert state.n_cells == 14
    assert state.missing_by_row == {"majority": 1, "linear": 1, "linear-few": 2, "curve": 10}
    assert state.missing_names[:2] == ("majority", "linear")
    assert state.failed == ()


@pytest.mark.parametrize(
    ("when", "n_test", "stops"), [("auto", 1000, False), ("slow", 1000, True), ("slow", 400, False)]
)
def test_slow_rows_stop_beside_learning_curves_where_the_config_says_so(when: str, n_test: int, stops: bool) -> None:
    rows = {"linear": {"train_per_label": [1, "all"]}}
    assert may_stop(make_config({"stop": {"when": when}, "classifiers": rows}, where="test"), n_test) is stops


class OutOfTime:
    """An executor whose time is up before a cell has ended."""

    name = "local"
    n_runs = 0

    def run(self, jobs: Any, watcher: Any) -> Any:
        self.n_runs += 1
        assert [job.cell.name for job in jobs] == ["linear"]
        yield from ()


def test_a_row_that_may_answer_more_is_not_tried_again_once_the_time_is_up(tmp_path: Path) -> None:
    config = tmp_path / "c.toml"
    config.write_text(
        f"[data]\npath = '{CUSTOMER_MESSAGES}'\n[stop]\nwhen = 'always'\nbudget = 50\n[classifiers.linear]\n"
    )
    plan = prepare(load_config(str(config)), tmp_path, fetch=lambda *_: None)
    undecided = Stopped(10, 244, "undecided", "other", low=-0.5, high=0.5, level=0.95)
    record = CellRecord(
        "linear", "linear", plan.identities["linear"].fingerprint, "ok", stopped=undecided, row="linear"
    )
    plan.folder.cell("linear").path.mkdir(parents=True)
    plan.folder.cell("linear").write(record)
    executor = OutOfTime()
    assert run([plan], executor, ProgressWatcher(Console(quiet=True))) == [plan.folder]
    assert executor.n_runs == 1
