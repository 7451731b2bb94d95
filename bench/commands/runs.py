"""Commands about whole runs: make one, report it, list them."""

from __future__ import annotations

import argparse
from dataclasses import asdict, replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.commands.shared import find, make_console, print_json, report_of
from classifiers.errors import BenchError

if TYPE_CHECKING:
    from rich.console import Console

    from bench.config.run import RunConfig
    from bench.execution.plan import Executor
    from bench.records.store import RunFolder
    from bench.report.build import Report


def config_of(options: argparse.Namespace) -> RunConfig:
    """Read the config and lay the command line's options over it."""
    from bench.config.run import load_config, make_config
    from classifiers.errors import check_known

    if options.config and options.preset:
        raise BenchError("give CONFIG or --preset, not both")
    name = options.config or options.preset or options.default
    values = load_config(name).model_dump(exclude_unset=True)
    data = {"path": options.data, "text": options.text, "label": options.label}
    _check_options_fit_sweep(options, values)
    values["data"] = {**values.get("data", {}), **{k: v for k, v in data.items() if v is not None}}
    if options.split:
        values["split"] = {**values.get("split", {}), "method": options.split}
    if options.margin is not None:
        values["verdict"] = {**values.get("verdict", {}), "margin": options.margin}
    if options.until_decided or options.all:
        values["stop"] = {**values.get("stop", {}), "when": "never" if options.all else "always"}
    values |= {k: v for k in ("seed", "threads") if (v := getattr(options, k)) is not None}
    if options.only:
        names = options.only.split(",")
        check_known(names, values["classifiers"], what="classifier")
        values["classifiers"] = {name: values["classifiers"][name] for name in names}
        kept = {*names, None}
        cascades = values.get("cascades", {}).items()
        both = {n: c for n, c in cascades if {c["first"], c.get("second")} <= kept}
        values["cascades"] = both
    curve = {"train_per_label": _sizes(options.sizes), "seeds": options.seeds}
    for row in values["classifiers"].values():
        if "train_per_label" in row:
            row |= {k: v for k, v in curve.items() if v is not None}
    return make_config(values, where=name)


def _check_options_fit_sweep(options: argparse.Namespace, values: dict[str, Any]) -> None:
    """Refuse options that a sweep has no use for: its data sets and its runs have their own."""
    if "sweep" not in values:
        return
    settings = ("data", "run", "text", "label") if values["sweep"].get("data") else ("data", "run")
    if unused := [f"--{name}" for name in settings if getattr(options, name)]:
        raise BenchError(f"the config sweeps over data sets and seeds: leave out {' and '.join(unused)}")


def _sizes(text: str | None) -> list[int | str] | None:
    """Read numbers of messages per label; the config's check refuses what is no number."""
    return [int(size) if size.isdecimal() else size for size in text.split(",")] if text else None


def run_benchmark(options: argparse.Namespace) -> int:
    """Run a config, or go on with it, and print its tables; 1 where a row failed."""
    from bench.execution.plan import prepare
    from bench.execution.runner import run
    from bench.report.progress import ProgressWatcher

    console = make_console()
    config = config_of(options)
    executor = executor_of(options, config)
    with ProgressWatcher(console) as watcher:
        plans = [
            prepare(run_config, options.results, folder=options.run, fetch=watcher.fetched)
            for run_config in config.runs()
        ]
        for warning in dict.fromkeys(warning for plan in plans for warning in plan.split.warnings):
            console.print(f"! {warning}", style="bold yellow", markup=False)
        try:
            folders = run(plans, executor, watcher)
        except KeyboardInterrupt:
            for plan in plans:
                _show_so_far(plan.folder, console)
            raise
    if config.sweep:
        return _show_sweep(options.results / f"{config.name}-across", folders, console)
    report = _show(folders[0], console)
    name = folders[0].path.name
    console.print(f"\nresults in {folders[0].path}; look at the differences with: bench disagreements {name}")
    return _exit_code(report)


def executor_of(options: argparse.Namespace, config: RunConfig, until: float | None = None) -> Executor:
    """Return what carries the cells out, until `time.monotonic` reaches a time."""
    if options.executor == "local":
        from bench.execution.local import LocalExecutor

        if options.address or options.storage:
            raise BenchError("--address and --storage are of a cluster: give --executor ray with them")
        return LocalExecutor(config.jobs, until=until)
    if not find_spec("ray"):
        raise BenchError("--executor ray needs the extra 'ray': pip install 'encoder-or-llm-bench[ray]'")
    from bench.execution.ray_cluster import RayExecutor

    return RayExecutor(options.address, options.storage or str(options.results.resolve()), until=until)


def _show_sweep(into: Path, folders: list[RunFolder], console: Console) -> int:
    """Write every run's report, and print how the classifiers stand over all data sets; 1 where a row failed."""
    from bench.analysis.history import history
    from bench.report.files import write_report
    from bench.report.tables.runs import history_table
    from bench.report.terminal import print_table

    reports = {folder: report_of(folder) for folder in folders}
    for folder, report in reports.items():
        write_report(folder.path, report)
    print_table(console, history_table(history(folders)))
    if len({report.run.task_fingerprint for report in reports.values()}) > 1:
        _show_standings(into, folders, console)
    return max(map(_exit_code, reports.values()))


def _exit_code(report: Report) -> int:
    return 1 if any(row.status != "ok" for row in report.rows) else 0


def _show_standings(into: Path, folders: list[RunFolder], console: Console) -> None:
    from bench.analysis.ranking import standings
    from bench.report.tables.ranking import standings_table, write_standings
    from bench.report.terminal import print_table

    ranks = standings(folders)
    print_table(console, standings_table(ranks))
    console.print(f"\nwrote {', '.join(map(str, write_standings(into, ranks)))}", soft_wrap=True)


def compare_data_sets(options: argparse.Namespace) -> int:
    """Print mean ranks over the data sets of several runs, and write them with their diagram."""
    from bench.records.store import find_run

    _show_standings(options.out, [find_run(name, options.results) for name in options.runs], make_console())
    return 0


def _show(
    folder: RunFolder,
    console: Console,
    *,
    everything: bool = False,
    margin: float | None = None,
    corrections: str | None = None,
) -> Report:
    """Print and write a run's report, and return it."""
    from bench.report.files import write_report
    from bench.report.terminal import print_report

    report = report_of(folder, margin, corrections)
    print_report(console, report, everything=everything)
    write_report(folder.path, report)
    return report


def _show_so_far(folder: RunFolder, console: Console) -> None:
    """Print the first tables of an interrupted run: no comparisons and no files, which take longer to make."""
    from bench.analysis.scored_run import rows_of
    from bench.report.build import make_report
    from bench.report.terminal import print_report

    if (folder.path / "run.json").exists() and (rows := rows_of(folder)):
        report = make_report(folder.read(), rows, pairs=())
        print_report(console, replace(report, tables=report.tables[:2]))


def report_run(options: argparse.Namespace) -> int:
    """Print a run's tables and write its report again."""
    folder = find(options)
    console = make_console()
    report = _show(folder, console, everything=options.all, margin=options.margin, corrections=options.corrections)
    if options.into:
        from bench.report.files import write_block

        write_block(Path(options.into), options.block, report, options.tables.split(",") if options.tables else ())
    console.print(f"wrote {folder.path / 'report.html'}, report.md and scores.json", soft_wrap=True)
    return 0


def list_runs(options: argparse.Namespace) -> int:
    """Print one line per run."""
    from bench.analysis.history import history
    from bench.records.store import all_runs
    from bench.report.tables.runs import history_table
    from bench.report.terminal import print_table

    runs = all_runs(options.results)
    if not runs:
        raise BenchError(f"there is no run in {options.results}; make one with: bench run")
    if options.json:
        print_json([asdict(line) for line in history(runs)])
    else:
        print_table(make_console(), history_table(history(runs)))
    return 0
