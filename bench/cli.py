"""The command line: what can be asked, and how an error ends. Nothing heavy is imported before a command needs it."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import shtab

from bench import parsers
from bench.commands import answers, labels, runs, study, tools
from bench.measure.threads import waiting_threads
from bench.parsers import add_command as _add
from bench.parsers import add_json as _add_json
from bench.report.sanitize import visible
from classifiers.errors import BenchError

if TYPE_CHECKING:
    Commands = argparse._SubParsersAction[argparse.ArgumentParser]

RESULTS = Path("results")

ABOUT = """\
Find out, on your own messages, whether to fine-tune a small encoder or to prompt a local LLM.

  bench run default --data my.csv             train, prompt and score both on the same split
  bench report                                print the tables again and write report.html
  bench disagreements                         read the messages on which they differ
  bench recommend --max-latency-ms 50         say which one to use within your limits
  bench predict latest/encoder in.csv out.csv let it classify a file

my.csv needs a header line and the columns text and label.
"""
MARGIN = "Loss of accuracy that does not matter, in points (default: that of the run's config, 2)."
NEWEST = "Name or path of a run (default: the newest run)."
A_RUN = "Name or path of a run, or 'latest'."


def main(arguments: list[str] | None = None) -> int:
    """Run a command; 0: all well, 1: a failed row, 2: bad input, 3: a regression or missed limit, 130: interrupted."""
    try:
        options = make_parser().parse_args(arguments)
        os.environ.update(waiting_threads(os.environ))  # before torch or llama.cpp is loaded, here or in a child
        command: Callable[[argparse.Namespace], int] = options.command
        return command(options)
    except BenchError as error:
        print(f"error: {visible(str(error))}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted; the same command goes on where it stopped", file=sys.stderr)
        return 130
    except BrokenPipeError:
        return 0
    except OSError as error:  # a full disk, a name that is too long, a folder that may not be looked into
        where = f"{error.filename}: " if error.filename else ""
        print(f"error: {visible(where)}{error.strerror or error}", file=sys.stderr)
        return 2


def make_parser() -> argparse.ArgumentParser:
    """Build the parser of all commands, in the order in which a user needs them."""
    plain = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(prog="bench", description=ABOUT, formatter_class=plain)
    parser.add_argument("--results", type=Path, default=RESULTS, help="Folder that holds all runs (default: results).")
    shtab.add_argument_to(parser, "--print-completion", help="Print the completion script for this shell.")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    for add in (
        *(_add_run, _add_report, _add_disagreements, _add_recommend, _add_try, _add_predict),
        *(
            _add_curve,
            _add_label_errors,
            _add_annotate,
            _add_cascade,
            _add_stress,
            parsers.add_export,
            parsers.add_compare,
            parsers.add_history,
            parsers.add_across,
            _add_study,
            _add_atlas,
        ),
        *(parsers.add_models, parsers.add_data, parsers.add_doctor, parsers.add_speed),
    ):
        add(commands)
    return parser


def _add_run(commands: Commands) -> None:
    parser = _add(commands, "run", "Train, prompt and score every classifier on the same split, and print the tables.")
    _add_run_options(parser, default="default")
    parser.set_defaults(sizes=None, seeds=None)


def _add_curve(commands: Commands) -> None:
    parser = _add(commands, "curve", "Find out how many labelled messages the encoder needs to overtake the LLM.")
    _add_run_options(parser, default="curve")
    parser.add_argument("--sizes", metavar="N,N", help="Training sizes in messages per label, such as 1,8,64,all.")
    parser.add_argument("--seeds", type=int, help="How many times to train at each size.")


def _add_run_options(parser: argparse.ArgumentParser, *, default: str) -> None:
    add = parser.add_argument
    add("config", nargs="?", help=f"A preset or FILE.toml (default: the preset '{default}').")
    add("--preset", metavar="NAME", help="Name of a preset; the same as giving it as CONFIG.")
    add("--data", metavar="PATH", help="Your messages: a folder, CSV, TSV, JSONL, Parquet, hf:NAME or name:NAME.")
    add("--text", metavar="COLUMN", help="Column that holds the texts (default: text).")
    add("--label", metavar="COLUMN", help="Column that holds the labels (default: label).")
    add("--only", metavar="NAME,NAME", help="Run only these classifiers of the config.")
    add("--split", choices=["stratified", "tail", "files"], help="How to divide the messages into parts.")
    add("--margin", type=float, metavar="POINTS", help="Loss of accuracy that does not matter (default: 2 points).")
    stop = parser.add_mutually_exclusive_group()
    stop.add_argument(
        "--until-decided", action="store_true", help="Let every row stop once it is decided how it stands."
    )
    stop.add_argument("--all", action="store_true", help="Have all rows answer all test messages, slow ones too.")
    add("--seed", type=int, help="Seed of the split and of the training.")
    add("--threads", type=int, help="Processor threads to use (default: all cores).")
    add("--run", metavar="NAME", help="Name of the run's folder (default: made from the config and the data).")
    _add_executor(parser)
    parser.set_defaults(command=runs.run_benchmark, default=default)


def _add_executor(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--executor", choices=["local", "ray"], default="local", help="Where to run: here (default) or on Ray.")
    add("--address", metavar="ADDRESS", help="Address of the Ray cluster (default: start one on this machine).")
    add("--storage", metavar="URL", help="Where the cluster keeps its results, such as s3://bucket/results.")


def _add_report(commands: Commands) -> None:
    parser = _add(commands, "report", "Print a run's tables again and write report.md, report.html and scores.json.")
    parser.add_argument("run", nargs="?", help=NEWEST)
    parser.add_argument("--margin", type=float, metavar="POINTS", help=MARGIN)
    parser.add_argument("--all", action="store_true", help="Print every table, not only the most important ones.")
    parser.add_argument("--corrections", metavar="FILE", help="Score anew with corrected gold labels; no model runs.")
    # the documents of this repository are filled in with these: bench report RUN --into README.md --block NAME
    parser.add_argument("--into", metavar="FILE.md", help=argparse.SUPPRESS)
    parser.add_argument("--block", default="results", help=argparse.SUPPRESS)
    parser.add_argument("--tables", metavar="TITLE,TITLE", help=argparse.SUPPRESS)
    parser.set_defaults(command=runs.report_run)


def _add_disagreements(commands: Commands) -> None:
    parser = _add(commands, "disagreements", "List the test messages on which the classifiers give different answers.")
    parser.add_argument("run", nargs="?", help=NEWEST)
    parser.add_argument("--pair", metavar="A,B", help="Compare only these two classifiers.")
    parser.add_argument("--label", help="Show only messages with this gold label.")
    parser.add_argument(
        "--right", choices=["first", "second", "both", "neither"], help="Show only messages where this one is right."
    )
    limit = "How many messages to print; 0 prints all (default: 20)."
    parser.add_argument("--limit", type=parsers.at_least(0), default=20, help=limit)
    parser.add_argument("--csv", metavar="FILE", help="Write the messages to a CSV file instead.")
    parser.add_argument("--tui", action="store_true", help="Browse all test messages in the terminal.")
    about = "Note that the gold label of message ID is wrong and WHAT is right, or that it is 'ambiguous' or 'fine'."
    parser.add_argument("--mark", nargs=2, metavar=("ID", "WHAT"), help=about)
    where = "The file that --mark adds to (default: corrections.csv)."
    parser.add_argument("--corrections", type=Path, default=Path("corrections.csv"), metavar="FILE", help=where)
    parser.add_argument("--who", default="", metavar="NAME", help="Who marks, for the file.")
    _add_json(parser)
    parser.set_defaults(command=answers.list_disagreements)


def _add_annotate(commands: Commands) -> None:
    parser = _add(commands, "annotate", "Have a second person label the test messages, and compare with gold and rows.")
    add = parser.add_argument
    add("action", choices=["export", "score"], help="Write the messages without labels, or compare those filled in.")
    add("run", help=A_RUN)
    add("file", type=Path, metavar="FILE.csv", help="The file to write, or to read once it is filled in.")
    add("--messages", type=int, metavar="N", help="With export: how many messages (default: all).")
    add("--seed", type=int, default=0, help="With export: the seed of draw and order (default: 0).")
    parser.set_defaults(command=labels.annotate)


def _add_recommend(commands: Commands) -> None:
    parser = _add(commands, "recommend", "Say which classifier to use within your limits and prices, and why.")
    add = parser.add_argument
    add("run", nargs="?", help=NEWEST)
    add("--margin", type=float, metavar="POINTS", help=MARGIN)
    add("--max-latency-ms", type=float, metavar="MS", help="Longest time to answer one message (p50), in ms.")
    add("--max-memory-gb", type=float, metavar="GB", help="Most memory that serving may take, in GB.")
    add("--labels", type=int, metavar="N", help="How many labelled messages you have.")
    add("--volume", default="1e6", metavar="N", help="Messages to classify, such as 1e6/month (default: 1e6).")
    add("--machine-price", type=float, metavar="P", help="Price of one machine hour.")
    add("--label-price", type=float, metavar="P", help="Price of having one message labelled by a person.")
    add("--person-price", type=float, metavar="P", help="Price of giving one message to a person to answer.")
    add("--by", choices=["accuracy", "cost"], help="What decides (default: that of the run's config, accuracy).")
    _add_json(parser)
    parser.set_defaults(command=answers.recommend_classifier)


def _add_try(commands: Commands) -> None:
    parser = _add(commands, "try", "Type a message and see what every trained classifier of a run answers.")
    parser.add_argument("run", help=A_RUN)
    parser.add_argument("message", nargs="?", help="The message; leave it out to type one after another.")
    parser.set_defaults(command=answers.try_messages)


def _add_predict(commands: Commands) -> None:
    parser = _add(commands, "predict", "Classify a file of any size with a trained classifier.")
    add = parser.add_argument
    add("model", metavar="RUN/CLASSIFIER", help="The trained classifier, such as latest/encoder.")
    add("input", type=Path, help="A CSV, TSV, JSONL or Parquet file.")
    add("output", type=Path, help="The file to write: the same rows with the answers, in any of these formats.")
    add("--text", default="text", metavar="COLUMN", help="Column that holds the texts (default: text).")
    add("--probabilities", action="store_true", help="Add one column of probabilities per label.")
    add("--workers", type=int, default=1, help="Number of processes that answer (default: 1).")
    add(
        "--accuracy",
        type=float,
        default=0.95,
        help="Accuracy wanted of the answers that are not marked unsure (default: 0.95).",
    )
    parser.set_defaults(command=tools.predict_rows)


def _add_label_errors(commands: Commands) -> None:
    parser = _add(commands, "label-errors", "Find messages in your data that are probably labelled wrongly.")
    add = parser.add_argument
    add("model", metavar="RUN/CLASSIFIER", help="The classifier that judges, such as latest/encoder-frozen.")
    add("--folds", type=int, default=5, help="Number of folds of the cross-validation (default: 5).")
    add("--limit", type=parsers.at_least(0), default=20, help="How many messages to print; 0 prints all (default: 20).")
    add("--csv", type=Path, metavar="FILE", help="Write the messages to a CSV file instead.")
    _add_json(parser)
    parser.set_defaults(command=tools.find_label_errors)


def _add_cascade(commands: Commands) -> None:
    parser = _add(commands, "cascade", "Let a cheap classifier answer what it is sure of and a second one the rest.")
    parser.add_argument("run", help=A_RUN)
    parser.add_argument("first", help="The classifier that answers first; it must give probabilities.")
    parser.add_argument("second", help="The classifier that answers the rest.")
    parser.add_argument("--accuracy", type=float, help="Pass on as few messages as give this accuracy on validation.")
    parser.add_argument("--budget", type=float, help="Pass on at most this share of the messages, such as 0.2.")
    parser.set_defaults(command=answers.show_cascade)


def _add_stress(commands: Commands) -> None:
    parser = _add(commands, "stress", "Test the trained classifiers on challenging, perturbed and hostile messages.")
    parser.add_argument("run", nargs="?", help=NEWEST)
    parser.add_argument("--only", metavar="NAME,NAME", help="Test only these classifiers.")
    parser.add_argument(
        "--messages", type=parsers.at_least(1), default=30, help="How many test messages to perturb (default: 30)."
    )
    parser.add_argument("--attacked", type=int, default=10, help="How many of these to attack as well (default: 10).")
    orders = "How many other orders of the labels an LLM is asked with (default: 3)."
    parser.add_argument("--orders", type=int, default=3, help=orders)
    definitions = "A TOML file with other definitions to ask an LLM with, a table per variant."
    parser.add_argument("--definitions", type=Path, metavar="FILE", help=definitions)
    parser.set_defaults(command=answers.stress_run)


def _add_study(commands: Commands) -> None:
    parser = _add(commands, "study", "Run a config on many data sets, in an order that is useful whenever you stop.")
    add = parser.add_argument
    add("config", nargs="?", help="A preset or FILE.toml with [sweep.data.NAME] (default: the preset 'atlas').")
    add("--hours", type=parsers.hours, metavar="H", help="Stop after so many hours; the same command goes on there.")
    add("--sets", metavar="NAME,NAME", help="Run only these data sets of the config.")
    add("--only", metavar="NAME,NAME", help="Run only these classifiers of the config.")
    add("--sizes", metavar="N,N", help="Training sizes in messages per label, such as 1,8,64,all.")
    add("--seeds", type=int, help="How many times to train at each size.")
    add("--threads", type=int, help="Processor threads to use (default: all cores).")
    where = Path("results/atlas")
    add("--out", type=Path, default=where, metavar="FOLDER", help="Where to write the scores (default: results/atlas).")
    _add_executor(parser)
    unused = ("preset", "data", "text", "label", "split", "margin", "seed", "run")
    parser.set_defaults(
        command=study.run_study, default="atlas", until_decided=False, all=False, **dict.fromkeys(unused)
    )


def _add_atlas(commands: Commands) -> None:
    parser = _add(commands, "atlas", "Show what the scores of a study say, or check scores that are to join them.")
    what = "What to do: show a folder of scores and write its page, or check files of scores."
    parser.add_argument("action", choices=["show", "check"], help=what)
    parser.add_argument("path", nargs="*", help="With show: the folder (default: results/atlas); with check: files.")
    default = Path("results/reference/atlas")
    against = "With check: the scores that they are to join (default: results/reference/atlas)."
    parser.add_argument("--against", type=Path, default=default, metavar="FOLDER", help=against)
    parser.set_defaults(command=study.show_or_check)


if __name__ == "__main__":
    sys.exit(main())
