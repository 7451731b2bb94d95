"""Commands that look into a run's answers: which classifier to use, where they differ, what they say of a message."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from bench.commands.shared import find, make_console, print_json, report_of, with_margin
from classifiers.errors import BenchError
from classifiers.plurals import number_of

if TYPE_CHECKING:
    from bench.config.tables import CostConfig


def recommend_classifier(options: argparse.Namespace) -> int:
    """Print which classifier of a run to use; 1 where none can be named."""
    from bench.analysis.cost_verdict import recommend_by_cost
    from bench.analysis.recommend import recommend
    from bench.analysis.rows import full_data_rows
    from bench.analysis.scored_run import rows_of
    from bench.analysis.timing import timing
    from bench.analysis.verdict import Limits
    from bench.report.terminal import print_verdict

    for name in ("max_latency_ms", "max_memory_gb", "labels"):
        value = getattr(options, name)
        if value is not None and not 0 <= value < float("inf"):
            raise BenchError(f"--{name.replace('_', '-')} {value:g} must be a number of 0 or more")
    folder = find(options)
    rows = full_data_rows(rows_of(folder))
    limits = Limits(options.max_latency_ms, options.max_memory_gb, options.labels, _volume(options.volume))
    run = with_margin(folder.read(), options.margin)
    prices = _prices(options, run.config.cost)
    prices.check(run.as_task())
    margin = run.config.verdict.margin / 100
    select = recommend_by_cost if (options.by or run.config.verdict.by) == "cost" else recommend
    verdict = select(rows, limits, prices, margin=margin, is_timed=timing(run, rows).is_comparable)
    if options.json:
        print_json(asdict(verdict))
    else:
        print_verdict(make_console(), verdict)
    return 0 if verdict.classifier or verdict.best else 1


def _prices(options: argparse.Namespace, config: CostConfig) -> CostConfig:
    """Lay the prices given on the command line over those of the config."""
    from bench.config.run import make_costs

    given = {
        "machine_per_hour": options.machine_price,
        "per_label": options.label_price,
        "person": options.person_price,
    }
    return make_costs(config.model_dump() | {k: v for k, v in given.items() if v is not None})


def _volume(text: str) -> float:
    """Read a number of messages; what follows a slash, such as `month`, only says what it is of."""
    try:
        volume = float(text.partition("/")[0].replace(",", ""))
    except ValueError as error:
        raise BenchError(f"--volume '{text}' is no number of messages; give one such as 1e6 or 1e6/month") from error
    if not 0 < volume < float("inf"):
        raise BenchError(f"--volume '{text}' must be above 0")
    return volume


def stress_run(options: argparse.Namespace) -> int:
    """Put a run's saved classifiers under stress, print what came of it, and take it into the run's report."""
    from bench.report.files import write_report
    from bench.report.progress import share_bar
    from bench.report.tables.robustness import stress_tables
    from bench.report.terminal import print_table
    from bench.robustness.outcomes import stress_findings
    from bench.robustness.questions import Draw
    from bench.robustness.suites import stress
    from bench.robustness.wording import read_definitions
    from classifiers.errors import check_known

    run = find(options)
    saved = run.saved()
    wanted = options.only.split(",") if options.only else saved
    check_known(wanted, saved, what="saved classifier")
    if not wanted:
        raise BenchError(f"{run.path} holds no saved classifier; run the benchmark here first: bench run")
    if not 0 < options.attacked <= options.messages:
        raise BenchError("--attacked must be at least 1 and at most --messages")
    if options.orders < 0:
        raise BenchError("--orders must be at least 0")
    console = make_console()
    record = run.read()
    declared = read_definitions(options.definitions, record.as_task()) if options.definitions else {}
    draw = Draw(options.messages, options.attacked, record.config.seed, options.orders, declared)
    records = {}
    for name in wanted:
        with share_bar(console, name) as bar:
            records[name] = stress(run, name, draw, bar)
    for table in stress_tables(stress_findings(records)):
        print_table(console, table)
    write_report(run.path, report_of(run))
    console.print(f"added to {run.path / 'report.md'} and {run.path / 'report.html'}", soft_wrap=True)
    return 0


def show_cascade(options: argparse.Namespace) -> int:
    """Print a cascade beside its two classifiers, and the whole curve it was chosen from."""
    from bench.analysis.cascade import cascade_row, points
    from bench.analysis.scored_run import rows_of
    from bench.config.run import make_cascade
    from bench.report.tables.runs import cascade_curve_table, cascade_table
    from bench.report.terminal import print_table
    from classifiers.errors import check_known

    run = find(options)
    rows = {row.name: row for row in rows_of(run)}
    check_known([options.first, options.second], rows, what="classifier")
    given = {"first": options.first, "second": options.second, "accuracy": options.accuracy, "budget": options.budget}
    pair = (rows[options.first], rows[options.second])
    row = cascade_row("cascade", *pair, make_cascade(given))
    assert row.cascade
    console = make_console()
    print_table(console, cascade_table([*pair, row]))
    print_table(console, cascade_curve_table(points(pair[0].records, pair[1].records), row.cascade))
    return 0


def list_disagreements(options: argparse.Namespace) -> int:
    """Print or write the messages on which classifiers differ."""
    from bench.analysis.compare import answers_by_message, disagreements
    from bench.analysis.rows import complete_rows
    from bench.analysis.scored_run import rows_of
    from bench.report.files import write_disagreements
    from bench.report.terminal import print_disagreements

    if options.mark:
        from bench.commands.labels import mark

        return mark(options)
    folder = find(options)
    rows = rows_of(folder)
    if options.tui:
        from bench.analysis.rows import full_data_rows
        from bench.commands.labels import marker
        from bench.report.viewer import Viewer

        messages = list(answers_by_message(complete_rows(full_data_rows(rows))))
        Viewer(messages, folder.read().as_task().label_names, marker(options, folder)).run()
        return 0
    pair = _pair(options.pair, [row.name for row in rows if row.scores])
    if options.right and not pair:
        raise BenchError("--right asks who of two is right; name them with --pair A,B")
    differing = disagreements(rows, pair=pair, label=options.label, right=options.right)
    if options.json:
        print_json([asdict(disagreement) for disagreement in differing[: options.limit or None]])
        return 0
    if options.csv:
        write_disagreements(Path(options.csv), differing)
        print(f"wrote {number_of(len(differing), 'disagreement')} to {options.csv}")
        return 0
    total = sum(1 for _ in answers_by_message(complete_rows(rows)))
    print_disagreements(make_console(), differing[: options.limit or None], len(differing), total)
    return 0


def _pair(text: str | None, names: list[str]) -> tuple[str, str] | None:
    from classifiers.errors import check_known

    if text is None:
        return None
    pair = text.split(",")
    if len(pair) != 2:
        raise BenchError(f"--pair takes two classifiers, A,B (available: {', '.join(names)})")
    check_known(pair, names, what="classifier")
    return pair[0], pair[1]


def try_messages(options: argparse.Namespace) -> int:
    """Let a run's classifiers answer one message, or one typed after another."""
    from bench.inference.saved import SavedClassifiers
    from bench.report.terminal import print_answers

    console = make_console()
    with console.status("loading classifiers"):
        saved = SavedClassifiers(find(options))
    with saved:
        if options.message is not None:
            print_answers(console, saved.answer(options.message))
            return 0
        console.print("type a message; an empty line ends", style="dim")
        while text := _typed():
            print_answers(console, saved.answer(text))
    return 0


def _typed() -> str:
    try:
        return input("> ").strip()
    except EOFError:
        return ""
