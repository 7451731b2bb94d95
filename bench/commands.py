"""What each command does: read the options, call, print. Heavy modules are imported by the command that needs them."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING

from classifiers.interface import BenchError

if TYPE_CHECKING:
    from rich.console import Console

    from bench.config import RunConfig
    from bench.records import RunFolder


def _console() -> Console:
    from rich.console import Console

    return Console(highlight=False)


def _find(chosen: argparse.Namespace) -> RunFolder:
    from bench.records import find_run

    return find_run(None if chosen.run in (None, "latest") else chosen.run, chosen.results)


def _config(chosen: argparse.Namespace) -> RunConfig:
    """Read the config and lay the command line's options over it."""
    from bench.config import load_config, make_config
    from classifiers.registry import nearest

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
        for name in names:
            if name not in values["classifiers"]:
                raise BenchError(nearest(name, list(values["classifiers"]), what="classifier"))
        values["classifiers"] = {name: values["classifiers"][name] for name in names}
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

    console = _console()
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
    from bench.compare import all_pairs, rows_of
    from bench.report.files import write_block, write_report
    from bench.report.terminal import print_report
    from bench.scores import whole_rows

    record, rows = folder.read(), rows_of(folder)
    pairs = all_pairs(whole_rows(rows))
    print_report(console, record, rows, pairs)
    write_report(folder.path, record, rows, pairs)
    if document:
        write_block(Path(document), block, record, rows, pairs)
    return any(row.cell.status != "ok" for row in rows)


def report_run(chosen: argparse.Namespace) -> int:
    """Print a run's tables and write its report again."""
    folder = _find(chosen)
    console = _console()
    _show(folder, console, chosen.into, chosen.block)
    console.print(f"\nwrote {folder.path / 'report.md'} and {folder.path / 'scores.json'}")
    return 0


def recommend_classifier(chosen: argparse.Namespace) -> int:
    """Print which classifier of a run to use; 1 where none meets the limits."""
    from bench.compare import all_pairs, rows_of
    from bench.config import CostConfig, RunConfig
    from bench.recommend import Limits, recommend
    from bench.report.terminal import print_verdict
    from bench.scores import whole_rows

    folder = _find(chosen)
    rows = whole_rows(rows_of(folder))
    limits = Limits(chosen.max_latency_ms, chosen.max_memory_gb, chosen.labels, _volume(chosen.volume))
    given = {"machine_per_hour": chosen.machine_price, "per_label": chosen.label_price}
    config = RunConfig.model_validate(folder.read().config).cost.model_dump()
    prices = CostConfig.model_validate(config | {k: v for k, v in given.items() if v is not None})
    verdict = recommend(rows, all_pairs(rows), limits, prices)
    print_verdict(_console(), verdict)
    return 0 if verdict.classifier else 1


def check_run_labels(chosen: argparse.Namespace) -> int:
    """Print or write the messages whose label is likely wrong."""
    from bench.label_check import check_labels
    from bench.records import find_run
    from bench.report.files import write_rows
    from bench.report.progress import share_bar
    from bench.report.run_tables import ISSUE_HEAD, issue_line, issues_table
    from bench.report.terminal import print_table

    if chosen.folds < 2:
        raise BenchError("--folds must be 2 or more")
    run_name, _, name = chosen.model.rpartition("/")
    if not run_name:
        raise BenchError(f"'{chosen.model}' names no classifier of a run; give RUN/CLASSIFIER, such as latest/encoder")
    run = find_run(None if run_name == "latest" else run_name, chosen.results)
    console = _console()
    with share_bar(console, f"cross-validating {name}") as report:
        found, n = check_labels(run, name, folds=chosen.folds, report=report)
    if chosen.csv:
        write_rows(chosen.csv, ISSUE_HEAD, map(issue_line, found))
        print(f"wrote {len(found)} of {n} messages to {chosen.csv}")
    else:
        print_table(console, issues_table(found, chosen.limit, n))
    return 0


def compare_runs(chosen: argparse.Namespace) -> int:
    """Print how every classifier changed between two runs; 3 for a regression where that was asked for."""
    from bench.compare import rows_of
    from bench.records import find_run
    from bench.regression import changes
    from bench.report.run_tables import changes_table
    from bench.report.terminal import print_table
    from bench.scores import whole_rows

    old, new = (find_run(None if run == "latest" else run, chosen.results) for run in (chosen.old, chosen.new))
    found = changes(*(whole_rows(rows_of(run)) for run in (old, new)))
    print_table(_console(), changes_table(old.read(), new.read(), found))
    return 3 if chosen.fail_on_regression and any(change.is_regression for change in found) else 0


def list_runs(chosen: argparse.Namespace) -> int:
    """Print a line a run."""
    from bench.records import all_runs
    from bench.report.run_tables import history_table
    from bench.report.terminal import print_table

    runs = all_runs(chosen.results)
    if not runs:
        raise BenchError(f"there is no run in {chosen.results}; make one with: bench run")
    print_table(_console(), history_table(runs))
    return 0


def _volume(text: str) -> float:
    """Read a number of messages; what follows a slash, such as `month`, only says what it is of."""
    try:
        volume = float(text.partition("/")[0].replace(",", ""))
    except ValueError as error:
        raise BenchError(f"--volume '{text}' is no number of messages; give one such as 1e6 or 1e6/month") from error
    if not 0 < volume < float("inf"):
        raise BenchError(f"--volume '{text}' must be above 0")
    return volume


def list_disagreements(chosen: argparse.Namespace) -> int:
    """Print or write the messages on which classifiers differ."""
    from bench.compare import answers_by_message, disagreements, rows_of
    from bench.report.files import write_disagreements
    from bench.report.terminal import print_disagreements

    rows = rows_of(_find(chosen))
    if chosen.tui:
        from bench.report.viewer import Viewer
        from bench.scores import whole_rows

        Viewer(list(answers_by_message(whole_rows(rows)))).run()
        return 0
    pair = _pair(chosen.pair, [row.cell.classifier for row in rows if row.scores])
    if chosen.right and not pair:
        raise BenchError("--right asks who of two is right; name them with --pair A,B")
    found = disagreements(rows, pair=pair, label=chosen.label, right=chosen.right)
    if chosen.csv:
        write_disagreements(Path(chosen.csv), found)
        print(f"wrote {len(found)} disagreements to {chosen.csv}")
        return 0
    total = sum(1 for _ in answers_by_message(rows))
    print_disagreements(_console(), found[: chosen.limit or None], len(found), total)
    return 0


def _pair(text: str | None, names: list[str]) -> tuple[str, str] | None:
    from classifiers.registry import nearest

    if text is None:
        return None
    chosen = text.split(",")
    if len(chosen) != 2:
        raise BenchError(f"--pair takes two classifiers, A,B (available: {', '.join(names)})")
    for name in chosen:
        if name not in names:
            raise BenchError(nearest(name, names, what="classifier"))
    return chosen[0], chosen[1]


def try_messages(chosen: argparse.Namespace) -> int:
    """Let a run's classifiers answer one message, or one typed after another."""
    from bench.report.terminal import print_answers
    from bench.trial import Trial

    console = _console()
    with console.status("loading classifiers"):
        trial = Trial(_find(chosen))
    with trial:
        if chosen.message is not None:
            print_answers(console, trial.answer(chosen.message))
            return 0
        console.print("type a message; an empty line ends", style="dim")
        while text := _typed():
            print_answers(console, trial.answer(text))
    return 0


def predict_rows(chosen: argparse.Namespace) -> int:
    """Let a classifier answer a file."""
    from bench.bulk import find_classifier, make_job, predict_file
    from bench.report.progress import share_bar

    if chosen.workers < 1:
        raise BenchError("--workers must be 1 or more")
    where = find_classifier(chosen.model, chosen.results)
    options = {"text": chosen.text, "accuracy": chosen.accuracy, "probabilities": chosen.probabilities}
    job = make_job(where, chosen.input, chosen.output, **options)
    console = _console()
    with share_bar(console, f"{chosen.input.name} → {chosen.output.name}") as report:
        done = predict_file(job, workers=chosen.workers, report=report)
    kept = f", {done.kept_pieces} of {done.pieces} pieces kept from before" if done.kept_pieces else ""
    bound = "no probabilities" if done.unsure_below is None else f"unsure below {done.unsure_below:.3f}"
    console.print(f"wrote {done.rows:,} rows to {chosen.output} ({bound}{kept})", soft_wrap=True)
    return 0


def _typed() -> str:
    try:
        return input("> ").strip()
    except EOFError:
        return ""


def list_or_pull_models(chosen: argparse.Namespace) -> int:
    """List the catalogue, or fetch models."""
    from bench.report.progress import ProgressWatcher
    from bench.report.terminal import print_models
    from classifiers.models import cached, catalogue, local_model
    from classifiers.registry import nearest

    console = _console()
    if chosen.action == "list":
        print_models(console, catalogue(), {name for name in catalogue() if cached(name)})
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
    from bench.report.speed_table import speed_table
    from bench.report.terminal import print_table
    from bench.speed.results import write_speed
    from bench.speed.rounds import Comparison, matrix_rate

    if chosen.into:
        return _speed_into(chosen)
    console = _console()
    flops = matrix_rate(os.cpu_count() or 1)
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
    from bench.report.speed_table import speed_block
    from bench.speed.results import read_speed

    write_document(Path(chosen.into), "speed", speed_block(read_speed(chosen.results / "speed")))
    return 0


def examine_machine(chosen: argparse.Namespace) -> int:
    """Print what the doctor finds; 1 where something will not run."""
    from bench.doctor import examine, smoke_test
    from bench.report.terminal import print_finding

    console = _console()
    faults = 0
    for finding in [smoke_test()] if chosen.llm_only else examine():
        print_finding(console, finding)
        faults += finding.good is False
    return 1 if faults else 0
