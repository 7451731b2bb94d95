"""The command line: what can be asked, and how an error ends. Nothing heavy is imported before a command needs it."""

from __future__ import annotations

import argparse
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import shtab

from bench.report.sanitize import visible
from classifiers.errors import BenchError

RESULTS = Path("results")
SPEED_MODELS = ["minilm-l6", "smollm2-135m-instruct", "qwen2.5-coder-0.5b-instruct", "qwen2.5-coder-1.5b-instruct"]


def main(arguments: list[str] | None = None) -> int:
    """Run a command; 0: all went well, 1: a failed row, 2: bad input, 3: a regression, 130: interrupted."""
    try:
        chosen = make_parser().parse_args(arguments)
        module, _, name = chosen.command.partition(".")
        return int(getattr(import_module(f"bench.commands.{module}"), name)(chosen))
    except BenchError as error:
        print(f"error: {visible(str(error))}", file=sys.stderr)
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
    shtab.add_argument_to(parser, "--print-completion", help="print what completes bench's words in this shell")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    _add_run(commands)
    _add_report(commands)
    _add_recommend(commands)
    _add_cascade(commands)
    _add_stress(commands)
    _add_compare(commands)
    _add_across(commands)
    _add_labels(commands)
    _add_disagreements(commands)
    _add_try(commands)
    _add_predict(commands)
    _add_models(commands)
    _add_speed(commands)
    doctor = commands.add_parser("doctor", help="see whether this machine can run the benchmark")
    doctor.add_argument("--llm-only", action="store_true", help="only see whether llama.cpp runs")
    _add_json(doctor)
    doctor.set_defaults(command="tools.examine_machine")
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
    parser.add_argument("--executor", choices=["local", "ray"], default="local", help="where cells run (default: here)")
    parser.add_argument("--address", metavar="ADDRESS", help="of the Ray cluster (default: one on this machine)")
    parser.add_argument("--storage", metavar="URL", help="where a cluster keeps results, such as s3://bucket/results")
    parser.set_defaults(command="runs.run_benchmark", default=default, sizes=None, seeds=None)


def _add_json(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print JSON instead, for machines")


def _add_report(commands: Any) -> None:
    parser = commands.add_parser("report", help="print a run's tables; write report.md and scores.json")
    parser.add_argument("run", nargs="?", help="a run's name or path (default: the newest)")
    parser.add_argument("--all", action="store_true", help="print every table, not only the main ones")
    parser.add_argument("--into", metavar="FILE.md", help="put the main tables between the markers of a document")
    parser.add_argument("--block", default="results", help="the markers' name: <!-- NAME --> (default: results)")
    parser.add_argument("--tables", metavar="TITLE,TITLE", help="put these tables there: how their titles begin")
    parser.set_defaults(command="runs.report_run")


def _add_recommend(commands: Any) -> None:
    parser = commands.add_parser("recommend", help="say which classifier to use within your limits, and why")
    parser.add_argument("run", nargs="?", help="a run's name or path (default: the newest)")
    parser.add_argument("--max-latency-ms", type=float, metavar="MS", help="most milliseconds for one message (p50)")
    parser.add_argument("--max-memory-gb", type=float, metavar="GB", help="most memory at work")
    parser.add_argument("--labels", type=int, metavar="N", help="how many labelled messages you have")
    parser.add_argument("--volume", default="1e6", metavar="N", help="messages to classify, such as 1e6/month (1e6)")
    parser.add_argument("--machine-price", type=float, metavar="P", help="price of a machine's hour")
    parser.add_argument("--label-price", type=float, metavar="P", help="price of one label given by a person")
    _add_json(parser)
    parser.set_defaults(command="answers.recommend_classifier")


def _add_cascade(commands: Any) -> None:
    parser = commands.add_parser("cascade", help="one classifier for what it is sure of, another for the rest")
    parser.add_argument("run", help="a run's name or path, or 'latest'")
    parser.add_argument("first", help="the classifier that goes first; it must give probabilities")
    parser.add_argument("second", help="the one that answers the rest")
    parser.add_argument("--accuracy", type=float, help="pass on as little as gives this share right on validation")
    parser.add_argument("--budget", type=float, help="pass on at most this share of messages")
    parser.set_defaults(command="answers.show_cascade")


def _add_stress(commands: Any) -> None:
    parser = commands.add_parser("stress", help="contrived, spoiled and hostile messages: how gently does each break?")
    parser.add_argument("run", nargs="?", help="a run's name or path (default: the newest)")
    parser.add_argument("--only", metavar="NAME,NAME", help="test these saved classifiers")
    parser.add_argument("--messages", type=int, default=30, help="test messages to spoil (default: 30)")
    parser.add_argument("--attacked", type=int, default=10, help="of these, how many to attack (default: 10)")
    parser.set_defaults(command="answers.stress_run")


def _add_compare(commands: Any) -> None:
    parser = commands.add_parser("compare", help="did any classifier get better or worse between two runs?")
    parser.add_argument("old", help="a run's name or path")
    parser.add_argument("new", help="a run's name or path, or 'latest'")
    parser.add_argument("--fail-on-regression", action="store_true", help="exit code 3 where one got measurably worse")
    parser.set_defaults(command="runs.compare_runs")
    history = commands.add_parser("history", help="list all runs, newest first, a line each")
    _add_json(history)
    history.set_defaults(command="runs.list_runs")


def _add_across(commands: Any) -> None:
    parser = commands.add_parser("across", help="rank the classifiers over runs on several data sets")
    parser.add_argument("runs", nargs="+", metavar="RUN", help="runs by name or path")
    parser.add_argument("--out", type=Path, default=Path("results/across"), metavar="FOLDER", help="where to write it")
    parser.set_defaults(command="runs.compare_data_sets")


def _add_labels(commands: Any) -> None:
    parser = commands.add_parser("labels", help="find messages whose label is likely wrong, by cross-validation")
    parser.add_argument("model", metavar="RUN/CLASSIFIER", help="who judges, such as latest/encoder-frozen")
    parser.add_argument("--folds", type=int, default=5, help="trainings, each without a part of the messages (5)")
    parser.add_argument("--limit", type=int, default=20, help="how many to print; 0 for all (default: 20)")
    parser.add_argument("--csv", type=Path, metavar="FILE", help="write them to a CSV file instead")
    _add_json(parser)
    parser.set_defaults(command="tools.check_run_labels")


def _add_disagreements(commands: Any) -> None:
    parser = commands.add_parser("disagreements", help="list every test message on which classifiers differ")
    parser.add_argument("run", nargs="?", help="a run's name or path (default: the newest)")
    parser.add_argument("--pair", metavar="A,B", help="look at these two classifiers only")
    parser.add_argument("--label", help="only messages with this gold label")
    parser.add_argument("--right", choices=["first", "second", "both", "neither"], help="who of the pair is right")
    parser.add_argument("--limit", type=int, default=20, help="how many to print; 0 for all (default: 20)")
    parser.add_argument("--csv", metavar="FILE", help="write them to a CSV file instead")
    parser.add_argument("--tui", action="store_true", help="look through all messages in the terminal")
    _add_json(parser)
    parser.set_defaults(command="answers.list_disagreements")


def _add_try(commands: Any) -> None:
    parser = commands.add_parser("try", help="let all trained classifiers of a run answer a message")
    parser.add_argument("run", help="a run's name or path, or 'latest'")
    parser.add_argument("message", nargs="?", help="the message; without it, type one after another")
    parser.set_defaults(command="answers.try_messages")


def _add_predict(commands: Any) -> None:
    parser = commands.add_parser("predict", help="let a trained classifier answer a file of any size")
    parser.add_argument("model", metavar="RUN/CLASSIFIER", help="such as latest/encoder")
    parser.add_argument("input", type=Path, help="CSV, TSV, JSONL or Parquet")
    parser.add_argument("output", type=Path, help="the same rows with the answers, in any of these kinds")
    parser.add_argument("--text", default="text", metavar="COLUMN", help="the column of texts (default: text)")
    parser.add_argument("--probabilities", action="store_true", help="add a column a label")
    parser.add_argument("--workers", type=int, default=1, help="processes that answer (default: 1)")
    parser.add_argument(
        "--accuracy", type=float, default=0.95, help="answers surer than those right so often are sure (default: 0.95)"
    )
    parser.set_defaults(command="tools.predict_rows")


def _add_models(commands: Any) -> None:
    parser = commands.add_parser("models", help="list the model catalogue, or fetch one into the cache")
    parser.add_argument("action", nargs="?", choices=["list", "pull"], default="list")
    parser.add_argument("name", nargs="*", help="with pull: the models to fetch")
    _add_json(parser)
    parser.set_defaults(command="tools.list_or_pull_models")


def _add_speed(commands: Any) -> None:
    parser = commands.add_parser("speed", help="time both backends against what people write, as ratios")
    parser.add_argument("model", nargs="*", default=SPEED_MODELS, help="GGUF files and encoders by name or path")
    parser.add_argument("--data", default="data/customer-messages", metavar="PATH", help="where messages come from")
    parser.add_argument(
        "--messages", type=int, help="messages an LLM answers (default: 200) or an encoder trains on (default: all)"
    )
    parser.add_argument("--rounds", type=int, default=5, help="rounds; medians are reported (default: 5)")
    parser.add_argument("--no-server", action="store_true", help="leave llama_cpp.server with 8 clients out")
    parser.add_argument("--into", metavar="FILE.md", help="measure nothing; put the last tables into a document")
    parser.set_defaults(command="tools.measure_speed")


if __name__ == "__main__":
    sys.exit(main())
