"""The command for CI: what changed from one run to another, and whether a run keeps absolute limits."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from bench.commands.shared import make_console, print_json
from classifiers.errors import BenchError, check_known

if TYPE_CHECKING:
    from bench.analysis.minimums import Minimum, MinimumMetric
    from bench.analysis.rows import Row
    from bench.analysis.run_diff import RunDiff
    from bench.records.store import RunFolder


def compare_runs(options: argparse.Namespace) -> int:
    """Print how classifiers changed between two runs and stand to limits.

    Returns:
        3 where a limit is not shown to be kept, or for a regression if that was asked for; else 0.
    """
    from bench.analysis.minimums import minimums

    old, new = _runs(options)
    wanted = _wanted(options)
    if old is None and not wanted:
        raise BenchError("name two runs to compare, or limits of one, such as --min-accuracy 0.9 --of encoder")
    if old is None and (options.fail_on_regression or options.csv):
        raise BenchError("--fail-on-regression and --csv look at what changed: name the earlier run and the later one")
    names = options.of.split(",") if options.of else []
    checked = minimums(_rows(new, names), wanted, names)
    diff = _diff(old, new, names) if old else None
    if options.csv and diff:
        _write_flips(options.csv, diff)
    if options.json:
        limits = [{**asdict(minimum), "outcome": minimum.outcome} for minimum in checked]
        print_json({**(asdict(diff) if diff else {}), "minimums": limits})
    else:
        _print(options, (old, new), diff, checked)
    is_worse = diff is not None and any(change.is_regression for change in diff.changes)
    is_missed = any(minimum.outcome != "kept" for minimum in checked)
    return 3 if is_missed or (options.fail_on_regression and is_worse) else 0


def _runs(options: argparse.Namespace) -> tuple[RunFolder | None, RunFolder]:
    """Return the earlier run and the later one; a run that stands alone is the later."""
    from bench.records.store import find_run

    if options.new is None:
        return None, find_run(options.old, options.results)
    return find_run(options.old, options.results), find_run(options.new, options.results)


def _wanted(options: argparse.Namespace) -> dict[MinimumMetric, float]:
    given: dict[MinimumMetric, float | None] = {"accuracy": options.min_accuracy, "macro F1": options.min_macro_f1}
    return {metric: minimum for metric, minimum in given.items() if minimum is not None}


def _rows(run: RunFolder, names: list[str]) -> list[Row]:
    """Return a run's rows that were trained on the whole training part, or those of the names."""
    from bench.analysis.rows import full_data_rows
    from bench.analysis.scored_run import rows_of

    rows = full_data_rows(rows_of(run))
    check_known(names, [row.name for row in rows], what="classifier")
    return [row for row in rows if not names or row.name in names]


def _diff(old: RunFolder, new: RunFolder, names: list[str]) -> RunDiff:
    from bench.analysis.run_diff import changes

    is_same_split = old.read().split_fingerprint == new.read().split_fingerprint
    return changes(_rows(old, names), _rows(new, names), is_same_split=is_same_split)


def _print(
    options: argparse.Namespace, runs: tuple[RunFolder | None, RunFolder], diff: RunDiff | None, checked: list[Minimum]
) -> None:
    from bench.report.tables.changes import changes_table, flips_table, minimums_table
    from bench.report.terminal import print_table

    console = make_console()
    old, new = runs
    if old and diff:
        print_table(console, changes_table(old.read(), new.read(), diff))
        if diff.flips:
            print_table(console, flips_table(diff.flips, options.limit))
    if checked:
        print_table(console, minimums_table(checked))


def _write_flips(path: Path, diff: RunDiff) -> None:
    from bench.report.files import write_rows
    from bench.report.tables.changes import FLIP_HEAD, flip_line

    write_rows(path, FLIP_HEAD, map(flip_line, diff.flips))
