"""Commands beside the benchmark: answer a file, check labels, fetch models, time the backends, see the machine."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path

from bench.commands.shared import make_console, print_json
from classifiers.errors import BenchError
from classifiers.plurals import number_of


def predict_rows(options: argparse.Namespace) -> int:
    """Let a classifier answer a file."""
    from bench.inference.batch import find_classifier, make_job, predict_file
    from bench.report.progress import share_bar

    if options.workers < 1:
        raise BenchError("--workers must be 1 or more")
    where = find_classifier(options.model, options.results)
    wanted = {"text": options.text, "accuracy": options.accuracy, "probabilities": options.probabilities}
    job = make_job(where, options.input, options.output, **wanted)
    console = make_console()
    with share_bar(console, f"{options.input.name} → {options.output.name}") as report:
        done = predict_file(job, workers=options.workers, report=report)
    pieces = number_of(done.pieces, "piece")
    kept = f", {done.kept_pieces} of {pieces} kept from before" if done.kept_pieces else ""
    threshold = "no probabilities" if done.unsure_below is None else f"unsure below {done.unsure_below:.3f}"
    if done.unsure_below is not None and done.unsure_below > 1:
        threshold = f"all are unsure: the validation messages show {options.accuracy:.0%} at no threshold"
    console.print(f"wrote {number_of(done.rows, 'row')} to {options.output} ({threshold}{kept})", soft_wrap=True)
    return 0


def find_label_errors(options: argparse.Namespace) -> int:
    """Print or write the messages whose label is likely wrong."""
    from bench.inference.label_errors import check_labels
    from bench.records.store import find_cell
    from bench.report.files import write_rows
    from bench.report.progress import share_bar
    from bench.report.tables.runs import ISSUE_HEAD, issue_line, issues_table
    from bench.report.terminal import print_table

    if options.folds < 2:
        raise BenchError("--folds must be 2 or more")
    run, name = find_cell(options.model, options.results)
    console = make_console()
    with share_bar(console, f"cross-validating {name}") as report:
        issues, n = check_labels(run, name, folds=options.folds, report=report)
    if options.json:
        print_json([asdict(issue) for issue in issues[: options.limit or None]])
    elif options.csv:
        write_rows(options.csv, ISSUE_HEAD, map(issue_line, issues))
        print(f"wrote {len(issues)} of {number_of(n, 'message')} to {options.csv}")
    else:
        print_table(console, issues_table(issues, options.limit, n))
    return 0


def list_or_pull_models(options: argparse.Namespace) -> int:
    """List the catalogue, or fetch models."""
    from bench.report.progress import ProgressWatcher
    from bench.report.terminal import print_models
    from classifiers.errors import nearest
    from classifiers.models.cache import cached, local_model
    from classifiers.models.catalogue import catalogue

    console = make_console()
    if options.action == "list":
        here = {name for name in catalogue() if cached(name)}
        if options.json:
            print_json([{**entry.model_dump(), "name": n, "cached": n in here} for n, entry in catalogue().items()])
        else:
            print_models(console, catalogue(), here)
        return 0
    if not options.name:
        raise BenchError(f"name the models to pull (available: {', '.join(catalogue())})")
    with ProgressWatcher(console) as watcher:
        for name in options.name:
            if name not in catalogue():
                raise BenchError(nearest(name, list(catalogue()), what="model"))
            model = local_model(name, catalogue()[name].kind, report=watcher.fetched)
            console.print(f"{name}: {model.path}", markup=False, soft_wrap=True)
    return 0


def measure_speed(options: argparse.Namespace) -> int:
    """Measure the LLM backend's speed, or put what was measured into a document."""
    from bench.measure.limits import usable_cores
    from bench.report.tables.ratios import ratio_tables
    from bench.report.tables.speed import speed_table
    from bench.report.terminal import print_table
    from bench.speed.results import write_speed
    from bench.speed.rounds import Comparison, matrix_rate

    if options.into:
        return _speed_into(options)
    console = make_console()
    flops = matrix_rate(usable_cores())
    for model in options.model:
        comparison = Comparison(
            model,
            options.data,
            options.messages,
            options.rounds,
            with_server=not options.no_server,
            beside_busy=not options.no_busy,
        )
        measurements = []
        for measurement in comparison.run():
            measurements.append(measurement)
            console.print(f"{model} round {measurement['round'] + 1}: {measurement['variant']} done", style="dim")
        result = comparison.summarise(measurements, flops)
        for table in (speed_table(result), *ratio_tables([result])):
            print_table(console, table)
        write_speed(options.results / "speed" / f"{result.model}.json", result, measurements)
    return 0


def _speed_into(options: argparse.Namespace) -> int:
    from bench.report.files import write_document
    from bench.report.tables.speed import speed_block
    from bench.speed.results import read_speed

    write_document(Path(options.into), "speed", speed_block(read_speed(options.results / "speed")))
    return 0


def examine_machine(options: argparse.Namespace) -> int:
    """Print what the doctor finds; 1 where something will not run."""
    from bench.doctor import examine, smoke_test
    from bench.report.terminal import print_finding

    console = make_console()
    findings = []
    for finding in [smoke_test()] if options.llm_only else examine():
        findings.append(finding)
        if not options.json:
            print_finding(console, finding)
    if options.json:
        print_json([asdict(finding) for finding in findings])
    return 1 if any(finding.good is False for finding in findings) else 0
