"""What several commands need: a console, and the run that was named."""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

    from bench.records.store import RunFolder
    from bench.report.build import Report


def make_console() -> Console:
    """Give a console that colours nothing by guess."""
    from rich.console import Console

    return Console(highlight=False)


def print_json(value: object) -> None:
    """Print a value as JSON, for machines: nothing else goes to the standard output."""
    print(json.dumps(value, ensure_ascii=False, indent=1))


def find(options: argparse.Namespace) -> RunFolder:
    """Give the run that was named, or the newest."""
    from bench.records.store import find_run

    return find_run(options.run, options.results)


def report_of(folder: RunFolder) -> Report:
    """Work a run's report out from its records."""
    from bench.analysis.compare import all_pairs, rows_of
    from bench.analysis.scores import full_data_rows
    from bench.report.build import make_report
    from bench.robustness.suites import stress_records

    rows = rows_of(folder)
    return make_report(folder.read(), rows, all_pairs(full_data_rows(rows)), stress_records(folder))
