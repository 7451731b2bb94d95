"""The commands: parse, call, print. Nothing heavy is imported before a command needs it."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from classifiers.interface import BenchError

if TYPE_CHECKING:
    from rich.console import Console

    from bench.config import RunConfig
    from bench.records import RunFolder

RESULTS = Path("results")
SPEED_MODELS = ["smollm2-135m-instruct", "qwen2.5-coder-0.5b-instruct", "qwen2.5-coder-1.5b-instruct"]


def main(arguments: list[str] | None = None) -> int:
    """Run a command; 0 when all went well, 1 with a failed row, 2 for bad input, 130 when interrupted."""
    parser = make_parser()
    chosen = parser.parse_args(arguments)
    try:
        return int(chosen.command(chosen))
    except BenchError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted; the same command goes on where it stopped", file=sys.stderr)
        return 130
    except BrokenPipeError:
        return 0


def make_parser() -> argparse.ArgumentParser:
    """Build the parser of all commands."""
    parser = argparse.ArgumentParser(prog="bench", description=__import__("bench").__doc__)
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder of all runs (default: results)")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    _add_run(commands)
    _add_report(commands)
    _add_disagreements(commands)
    _add_try(commands)
    _add_models(commands)
    _add_speed(commands)
    doctor = commands.add_parser("doctor", help="see whether this machine can run the benchmark")
    doctor.add_argument("--llm-only", action="store_true", help="only see whether llama.cpp runs")
    doctor.set_defaults(command=_doctor)
    return parser


def _add_run(commands: Any) -> None:
    parser = commands.add_parser("run", help="train, prompt and score every classifier on one split")
    _add_run_options(parser, default="default")
    parser = commands.add_parser("curve", help="train on more and more messages: where does the encoder pass the LLM?")
    _add_run_options(parser, default="curve")
    parser.add_argument("--sizes", metavar="N,N", help="messages a label, such as 1,8,64,all, of rows with several")
    parser.add_argument("--seeds", type=int, help="trainings at each size, of rows with several sizes")


def _add_run_options(parser: argparse.ArgumentParser, *, default: str) -> None:
    parser.add_argument("config", nargs="?", help=f"a preset (default: {default}) or FILE.toml")
    parser.add_argument("--preset", metavar="NAME", help="a preset by name; the same as naming it as CONFIG")
    parser.add_argument("--data", metavar="PATH", help="your messages: folder, CSV, TSV, JSONL, Parquet or hf:NAME")
    parser.add_argument("--text", metavar="COLUMN", help="the column of texts (default: text)")
    parser.add_argument("--label", metavar="COLUMN", help="the column of labels (default: label)")
    parser.add_argument("--only", metavar="NAME,NAME", help="run these classifiers of the config")
    parser.add_argument("--split", choices=["stratified", "tail", "files"], help="how messages are divided")
    parser.add_argument("--seed", type=int, help="seed of split and training")
    parser.add_argument("--threads", type=int, help="processor threads (default: all cores)")
    parser.add_argument("--run", metavar="NAME", help="name of the run's folder (default: made from the config)")
    parser.set_defaults(command=_run, default=default, sizes=None, seeds=None)


def _add_report(commands: Any) -> None:
    parser = commands.add_parser("report", help="print a run's tables; write report.md and scores.json")
    parser.add_argument("run", nargs="?", help="a run's name or path (default: the newest)")
    parser.add_argument("--into", metavar="FILE.md", help="put the main tables between the markers of a document")
    parser.add_argument("--block", default="results", help="the markers' name: <!-- NAME --> (default: results)")
    parser.set_defaults(command=_report)


def _add_disagreements(commands: Any) -> None:
    parser = commands.add_parser("disagreements", help="list every test message on which classifiers differ")
    parser.add_argument("run", nargs="?", help="a run's name or path (default: the newest)")
    parser.add_argument("--pair", metavar="A,B", help="look at these two classifiers only")
    parser.add_argument("--label", help="only messages with this gold label")
    parser.add_argument("--right", choices=["first", "second", "both", "neither"], help="who of the pair is right")
    parser.add_argument("--limit", type=int, default=20, help="how many to print; 0 for all (default: 20)")
    parser.add_argument("--csv", metavar="FILE", help="write them to a CSV file instead")
    parser.set_defaults(command=_disagreements)


def _add_try(commands: Any) -> None:
    parser = commands.add_parser("try", help="let all trained classifiers of a run answer a message")
    parser.add_argument("run", help="a run's name or path, or 'latest'")
    parser.add_argument("message", nargs="?", help="the message; without it, type one after another")
    parser.set_defaults(command=_try)


def _add_models(commands: Any) -> None:
    parser = commands.add_parser("models", help="list the model catalogue, or fetch one into the cache")
    parser.add_argument("action", nargs="?", choices=["list", "pull"], default="list")
    parser.add_argument("name", nargs="*", help="with pull: the models to fetch")
    parser.set_defaults(command=_models)


def _add_speed(commands: Any) -> None:
    parser = commands.add_parser("speed", help="time the LLM backend against a plain chat loop, as ratios")
    parser.add_argument("model", nargs="*", default=SPEED_MODELS, help="GGUF models by name or path")
    parser.add_argument("--data", default="data/customer-messages", metavar="PATH", help="where messages come from")
    parser.add_argument("--messages", type=int, default=200, help="messages a round (default: 200)")
    parser.add_argument("--rounds", type=int, default=5, help="rounds; medians are reported (default: 5)")
    parser.add_argument("--no-server", action="store_true", help="leave llama_cpp.server with 8 clients out")
    parser.add_argument("--into", metavar="FILE.md", help="measure nothing; put the last tables into a document")
    parser.set_defaults(command=_speed)


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


def _run(chosen: argparse.Namespace) -> int:
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


def _report(chosen: argparse.Namespace) -> int:
    folder = _find(chosen)
    console = _console()
    _show(folder, console, chosen.into, chosen.block)
    console.print(f"\nwrote {folder.path / 'report.md'} and {folder.path / 'scores.json'}")
    return 0


def _disagreements(chosen: argparse.Namespace) -> int:
    from bench.compare import answers_by_message, disagreements, rows_of
    from bench.report.files import write_disagreements
    from bench.report.terminal import print_disagreements

    rows = rows_of(_find(chosen))
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


def _try(chosen: argparse.Namespace) -> int:
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


def _typed() -> str:
    try:
        return input("> ").strip()
    except EOFError:
        return ""


def _models(chosen: argparse.Namespace) -> int:
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


def _speed(chosen: argparse.Namespace) -> int:
    import os

    from bench import meter
    from bench.report.speed_table import speed_table
    from bench.report.terminal import print_table
    from bench.speed import SpeedResult, matrix_rate, run_speed, summarise, write_speed

    console = _console()
    if chosen.into:
        return _speed_into(chosen)
    threads = os.cpu_count() or 1
    flops = matrix_rate(threads)
    for model in chosen.model:
        found = []
        options = {"messages": chosen.messages, "rounds": chosen.rounds, "with_server": not chosen.no_server}
        for one in run_speed(model, chosen.data, **options):
            found.append(one)
            milliseconds = 1000 * one["seconds"] / len(one["answers"])
            console.print(
                f"{model} round {one['round'] + 1}: {one['variant']} {milliseconds:.0f} ms a message", style="dim"
            )
        name = Path(model).name
        size = (len(found[0]["answers"]), chosen.rounds)
        result = SpeedResult(name, meter.machine(threads), flops, *size, tuple(summarise(found, flops)))
        print_table(console, speed_table(result))
        write_speed(chosen.results / "speed" / f"{name}.json", result, found)
    return 0


def _speed_into(chosen: argparse.Namespace) -> int:
    from bench.report.files import write_document
    from bench.report.speed_table import speed_block
    from bench.speed import read_speed

    write_document(Path(chosen.into), "speed", speed_block(read_speed(chosen.results / "speed")))
    return 0


def _doctor(chosen: argparse.Namespace) -> int:
    from bench.doctor import examine, smoke_test
    from bench.report.terminal import print_finding

    console = _console()
    faults = 0
    for finding in [smoke_test()] if chosen.llm_only else examine():
        print_finding(console, finding)
        faults += finding.good is False
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
