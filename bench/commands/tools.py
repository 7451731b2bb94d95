"""Commands beside the benchmark: answer a file, check labels, fetch models, time the backends, see the machine."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path

from bench.commands.shared import make_console, print_json
from classifiers.errors import BenchError


def predict_rows(chosen: argparse.Namespace) -> int:
    """Let a classifier answer a file."""
    from bench.inference.batch import find_classifier, make_job, predict_file
    from bench.report.progress import share_bar

    if chosen.workers < 1:
        raise BenchError("--workers must be 1 or more")
    where = find_classifier(chosen.model, chosen.results)
    options = {"text": chosen.text, "accuracy": chosen.accuracy, "probabilities": chosen.probabilities}
    job = make_job(where, chosen.input, chosen.output, **options)
    console = make_console()
    with share_bar(console, f"{chosen.input.name} → {chosen.output.name}") as report:
        done = predict_file(job, workers=chosen.workers, report=report)
    kept = f", {done.kept_pieces} of {done.pieces} pieces kept from before" if done.kept_pieces else ""
    bound = "no probabilities" if done.unsure_below is None else f"unsure below {done.unsure_below:.3f}"
    console.print(f"wrote {done.rows:,} rows to {chosen.output} ({bound}{kept})", soft_wrap=True)
    return 0


def check_run_labels(chosen: argparse.Namespace) -> int:
    """Print or write the messages whose label is likely wrong."""
    from bench.inference.label_errors import check_labels
    from bench.records.store import find_cell
    from bench.report.files import write_rows
    from bench.report.progress import share_bar
    from bench.report.tables.runs import ISSUE_HEAD, issue_line, issues_table
    from bench.report.terminal import print_table

    if chosen.folds < 2:
        raise BenchError("--folds must be 2 or more")
    run, name = find_cell(chosen.model, chosen.results)
    console = make_console()
    with share_bar(console, f"cross-validating {name}") as report:
        found, n = check_labels(run, name, folds=chosen.folds, report=report)
    if chosen.json:
        print_json([asdict(one) for one in found[: chosen.limit or None]])
    elif chosen.csv:
        write_rows(chosen.csv, ISSUE_HEAD, map(issue_line, found))
        print(f"wrote {len(found)} of {n} messages to {chosen.csv}")
    else:
        print_table(console, issues_table(found, chosen.limit, n))
    return 0


def list_or_pull_models(chosen: argparse.Namespace) -> int:
    """List the catalogue, or fetch models."""
    from bench.report.progress import ProgressWatcher
    from bench.report.terminal import print_models
    from classifiers.errors import nearest
    from classifiers.models.cache import cached, local_model
    from classifiers.models.catalogue import catalogue

    console = make_console()
    if chosen.action == "list":
        here = {name for name in catalogue() if cached(name)}
        if chosen.json:
            print_json([{**entry.model_dump(), "name": n, "cached": n in here} for n, entry in catalogue().items()])
        else:
            print_models(console, catalogue(), here)
        return 0
    if not chosen.name:
        raise BenchError(f"name the models to pull (available: {', '.join(catalogue())})")
    with ProgressWatcher(console) as watcher:
        for name in chosen.name:
            if name not in catalogue():
                raise BenchError(nearest(name, list(catalogue()), what="model"))
            model = local_model(name, catalogue()[name].kind, report=watcher.fetched)
            console.print(f"{name}: {model.path}", markup=False, soft_wrap=True)
    return 0


def measure_speed(chosen: argparse.Namespace) -> int:
    """Measure the LLM backend's speed, or put what was measured into a document."""
    from bench.measure.process import usable_cores
    from bench.report.tables.speed import speed_table
    from bench.report.terminal import print_table
    from bench.speed.results import write_speed
    from bench.speed.rounds import Comparison, matrix_rate

    if chosen.into:
        return _speed_into(chosen)
    console = make_console()
    flops = matrix_rate(usable_cores())
    for model in chosen.model:
        comparison = Comparison(model, chosen.data, chosen.messages, chosen.rounds, not chosen.no_server)
        found = []
        for one in comparison.run():
            found.append(one)
            console.print(f"{model} round {one['round'] + 1}: {one['variant']} done", style="dim")
        result = comparison.summarise(found, flops)
        print_table(console, speed_table(result))
        write_speed(chosen.results / "speed" / f"{result.model}.json", result, found)
    return 0


def _speed_into(chosen: argparse.Namespace) -> int:
    from bench.report.files import write_document
    from bench.report.tables.speed import speed_block
    from bench.speed.results import read_speed

    write_document(Path(chosen.into), "speed", speed_block(read_speed(chosen.results / "speed")))
    return 0


def examine_machine(chosen: argparse.Namespace) -> int:
    """Print what the doctor finds; 1 where something will not run."""
    from bench.doctor import examine, smoke_test
    from bench.report.terminal import print_finding

    console = make_console()
    found = []
    for finding in [smoke_test()] if chosen.llm_only else examine():
        found.append(finding)
        if not chosen.json:
            print_finding(console, finding)
    if chosen.json:
        print_json([asdict(finding) for finding in found])
    return 1 if any(finding.good is False for finding in found) else 0
