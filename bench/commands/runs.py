"""Commands about whole runs: make one, report it, compare two, list them."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from bench.commands.shared import find, make_console, print_json, report_of
from classifiers.interface import BenchError

if TYPE_CHECKING:
    from rich.console import Console

    from bench.config import RunConfig
    from bench.records import RunFolder


def _config(chosen: argparse.Namespace) -> RunConfig:
    """Read the config and lay the command line's options over it."""
    from bench.config import load_config, make_config
    from classifiers.registry import check_known

    if chosen.config and chosen.preset:
        raise BenchError("give CONFIG or --preset, not both")
    name = chosen.config or chosen.preset or chosen.default
    values = load_config(name).model_dump(exclude_unset=True)
    data = {"path": chosen.data, "text": chosen.text, "label": chosen.label}
    values["data"] = {**values.get("data", {}), **{k: v for k, v in data.items() if v is not None}}
    if chosen.split:
        values["split"] = {**values.get("split", {}), "method": chosen.split}
    values |= {k: v for k in ("seed", "threads") if (v := getattr(chosen, k)) is not None}
    if chosen.only:
        names = chosen.only.split(",")
        check_known(names, values["classifiers"], what="classifier")
        values["classifiers"] = {name: values["classifiers"][name] for name in names}
        kept = {*names, None}
        cascades = values.get("cascades", {}).items()
        both = {n: c for n, c in cascades if {c["first"], c.get("second")} <= kept}
        values["cascades"] = both
    curve = {"train_per_label": _sizes(chosen.sizes), "seeds": chosen.seeds}
    for row in values["classifiers"].values():
        if "train_per_label" in row:
            row |= {k: v for k, v in curve.items() if v is not None}
    return make_config(values, where=name)


def _sizes(text: str | None) -> list[int | str] | None:
    """Read numbers of messages a label; what is no number is left for the config's check."""
    return [int(size) if size.isdecimal() else size for size in text.split(",")] if text else None


def run_benchmark(chosen: argparse.Namespace) -> int:
    """Run a config, or go on with it, and print its tables; 1 where a row failed."""
    from bench.report.progress import ProgressWatcher
    from bench.runner import prepare, run

    console = make_console()
    config = _config(chosen)
    with ProgressWatcher(console) as watcher:
        plan = prepare(config, chosen.results, folder=chosen.run, fetch=watcher.fetched)
        for warning in plan.split.warnings:
            console.print(f"! {warning}", style="bold yellow", markup=False)
        folder = run(plan, watcher)
    failed = _show(folder, console)
    console.print(f"\nresults in {folder.path}; look at the differences with: bench disagreements {folder.path.name}")
    return 1 if failed else 0


def _show(folder: RunFolder, console: Console, document: str | None = None, block: str = "results") -> bool:
    """Print and write a run's report, and put its main tables into a document; True where a row failed."""
    from bench.report.files import write_block, write_report
    from bench.report.terminal import print_report

    report = report_of(folder)
    print_report(console, report)
    write_report(folder.path, report)
    if document:
        write_block(Path(document), block, report)
    return any(row.cell.status != "ok" for row in report.rows)


def report_run(chosen: argparse.Namespace) -> int:
    """Print a run's tables and write its report again."""
    folder = find(chosen)
    console = make_console()
    _show(folder, console, chosen.into, chosen.block)
    console.print(f"\nwrote {folder.path / 'report.md'} and {folder.path / 'scores.json'}")
    return 0


def compare_runs(chosen: argparse.Namespace) -> int:
    """Print how every classifier changed between two runs; 3 for a regression where that was asked for."""
    from bench.compare import rows_of
    from bench.records import find_run
    from bench.regression import changes
    from bench.report.run_tables import changes_table
    from bench.report.terminal import print_table
    from bench.scores import whole_rows

    old, new = (find_run(run, chosen.results) for run in (chosen.old, chosen.new))
    found = changes(*(whole_rows(rows_of(run)) for run in (old, new)))
    print_table(make_console(), changes_table(old.read(), new.read(), found))
    return 3 if chosen.fail_on_regression and any(change.is_regression for change in found) else 0


def list_runs(chosen: argparse.Namespace) -> int:
    """Print a line a run."""
    from bench.history import history
    from bench.records import all_runs
    from bench.report.run_tables import history_table
    from bench.report.terminal import print_table

    runs = all_runs(chosen.results)
    if not runs:
        raise BenchError(f"there is no run in {chosen.results}; make one with: bench run")
    if chosen.json:
        print_json([asdict(line) for line in history(runs)])
    else:
        print_table(make_console(), history_table(history(runs)))
    return 0
