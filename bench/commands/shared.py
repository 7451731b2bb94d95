"""What several commands need: a console, and the run that was named."""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from classifiers.errors import BenchError

if TYPE_CHECKING:
    from rich.console import Console

    from bench.dataset.corrections import Corrections
    from bench.records.store import RunFolder
    from bench.records.types import RunRecord
    from bench.report.build import Report


def make_console() -> Console:
    """Return a console that colours nothing by guess."""
    from rich.console import Console

    return Console(highlight=False)


def print_json(value: object) -> None:
    """Print a value as JSON, for machines: nothing else goes to the standard output."""
    print(json.dumps(value, ensure_ascii=False, indent=1))


def find(options: argparse.Namespace) -> RunFolder:
    """Return the run that was named, or the newest."""
    from bench.records.store import find_run

    return find_run(options.run, options.results)


def with_margin(run: RunRecord, margin: float | None) -> RunRecord:
    """Return a run with another margin of its verdict, where one was given, in points.

    Raises:
        BenchError: if it is no margin.
    """
    if margin is None:
        return run
    if not 0 < margin < 100:
        raise BenchError(f"--margin {margin:g} must be above 0 and below 100 points")
    verdict = run.config.verdict.model_copy(update={"margin": margin})
    return replace(run, config=run.config.model_copy(update={"verdict": verdict}))


def corrections_for(run: RunRecord, path: str | None) -> Corrections | None:
    """Read the corrections that were named, for a run's task."""
    from bench.dataset.corrections import read_corrections

    return read_corrections(Path(path), run.as_task()) if path else None


def report_of(folder: RunFolder, margin: float | None = None, corrections: str | None = None) -> Report:
    """Work a run's report out from its records.

    Args:
        folder: the run.
        margin: replaces that of the run's config, in points.
        corrections: a file of corrected gold labels, by which the run is scored anew.
    """
    from bench.analysis.compare import all_pairs
    from bench.analysis.correction_effect import effect
    from bench.analysis.rows import full_data_rows
    from bench.analysis.scored_run import check_corrections, rows_of
    from bench.report.build import make_report
    from bench.robustness.suites import stress_records

    rows, run = rows_of(folder), with_margin(folder.read(), margin)
    corrected = None
    if given := corrections_for(run, corrections):
        n_left_out = check_corrections(folder, rows, given)
        before, rows = rows, rows_of(folder, given)
        corrected = effect(given, before, rows, n_left_out)
    return make_report(run, rows, all_pairs(full_data_rows(rows)), stress_records(folder), corrected)
