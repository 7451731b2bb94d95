"""The commands about the atlas: run the study that it is made of, show it, and check scores that are to join it."""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from bench.commands.runs import config_of, executor_of
from bench.commands.shared import make_console
from classifiers.errors import BenchError, check_known

if TYPE_CHECKING:
    from rich.console import Console

    from bench.config.run import RunConfig
    from bench.execution.plan import Plan
    from bench.execution.study import StudyProgress
    from bench.report.atlas.build import Atlas
    from bench.report.tables.table import Table

SECONDS_PER_HOUR = 3600
RESULTS = Path("results/atlas")


def run_study(options: argparse.Namespace) -> int:
    """Run a study or go on with it, write its scores and say what is missing; 1 where a row failed."""
    from bench.execution.plan import prepare
    from bench.execution.runner import run
    from bench.execution.study import study_order
    from bench.report.progress import ProgressWatcher

    console = make_console()
    config = config_of(options)
    runs = _selected(config, options.sets)
    until = time.monotonic() + SECONDS_PER_HOUR * options.hours if options.hours else None
    executor = executor_of(options, config, until)
    with ProgressWatcher(console) as watcher:
        plans = {name: prepare(one_run, options.results, fetch=watcher.fetched) for name, one_run in runs.items()}
        for warning in dict.fromkeys(warning for plan in plans.values() for warning in plan.split.warnings):
            console.print(f"! {warning}", style="bold yellow", markup=False)
        try:
            run(list(plans.values()), executor, watcher, study_order)
        finally:  # scores of what is finished are there after an interrupt, too
            failed = _write(plans, options.out, console)
    return 1 if failed else 0


def _selected(config: RunConfig, sets: str | None) -> dict[str, RunConfig]:
    """Return the runs of the study's data sets, or of those that were named."""
    from bench.execution.study import study_runs

    if config.sweep is None or not config.sweep.data:
        raise BenchError("a study needs data sets: give the config tables [sweep.data.NAME], or take the preset atlas")
    if config.sweep.seeds:
        raise BenchError("a study has one split per data set: give `seeds` in the rows and leave out [sweep] seeds")
    names = sets.split(",") if sets else list(config.sweep.data)
    check_known(names, config.sweep.data, what="data set")
    return {name: run for name, run in study_runs(config).items() if name in names}


def _write(plans: dict[str, Plan], out: Path, console: Console) -> bool:
    """Write the scores of each data set and print how far it has come; tell whether a row failed."""
    from bench.analysis.atlas.gather import scores_of
    from bench.execution.study import progress
    from bench.records.atlas import write_scores
    from bench.report.terminal import print_table

    states = []
    for name, plan in plans.items():
        if not (plan.folder.path / "run.json").exists():
            continue
        states.append(progress(name, plan))
        write_scores(out / f"{name}.json", scores_of(name, plan.folder, states[-1].missing_names))
    print_table(console, progress_table(states))
    console.print(f"\nwrote the scores to {out}; show them with: bench atlas show {out}", soft_wrap=True)
    return any(state.failed for state in states)


def progress_table(states: Sequence[StudyProgress]) -> Table:
    """Return what is finished and what is missing, a line per data set."""
    from bench.report.tables.table import Table

    body = tuple(
        (
            state.data_set,
            f"{state.n_cells - len(state.missing)} of {state.n_cells}",
            ", ".join(f"{row} {n}" for row, n in state.missing_by_row.items()) or "nothing",
            ", ".join(state.failed) or "none",
        )
        for state in states
    )
    notes = ("missing: cells per row that are not finished; the same command goes on with them.",)
    return Table("Study", ("data set", "cells", "missing", "failed"), body, notes=notes)


def show_or_check(options: argparse.Namespace) -> int:
    """Show the atlas of a folder and write its page, or check files of scores."""
    if options.action == "check":
        return _check(options.path, options.against)
    if len(options.path) > 1:
        raise BenchError("bench atlas show takes one folder")
    return _show(Path(options.path[0]) if options.path else RESULTS)


def _atlas(folder: Path) -> Atlas:
    from bench.records.atlas import read_atlas
    from bench.report.atlas.build import make_atlas

    return make_atlas(read_atlas(folder))


def _show(folder: Path) -> int:
    from bench.report.atlas.files import write_atlas
    from bench.report.sanitize import plain
    from bench.report.terminal import print_table

    atlas, console = _atlas(folder), make_console()
    if not atlas.scores:
        raise BenchError(f"{folder} holds no scores; bench study makes them")
    console.print(plain(atlas.headline, style="bold"))
    for heading, lines in (("What it shows", atlas.claims), ("What it cannot say", atlas.limits)):
        console.print(f"\n{heading}", style="bold")
        for line in lines:
            console.print(plain(f"- {line}"))
    for table in atlas.tables:
        console.print()
        print_table(console, table)
    console.print(f"\nwrote {', '.join(map(str, write_atlas(folder, atlas)))}", soft_wrap=True)
    return 0


def _check(files: Sequence[str], against: Path) -> int:
    from bench.analysis.atlas.check import check_scores
    from bench.report.sanitize import visible

    if not files:
        raise BenchError("name the files of scores to check")
    for file in files:
        print(visible(check_scores(Path(file), against)))
    return 0
