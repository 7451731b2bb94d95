"""The options of the commands beside the benchmark: into other programs and CI, models, data, this machine."""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from bench.commands import compare, data_sets, export, runs, tools

if TYPE_CHECKING:
    Commands = argparse._SubParsersAction[argparse.ArgumentParser]

SPEED_MODELS = ["minilm-l6", "smollm2-135m-instruct", "qwen2.5-coder-0.5b-instruct", "qwen2.5-coder-1.5b-instruct"]


def add_command(commands: Commands, name: str, about: str) -> argparse.ArgumentParser:
    """Add a command; `about` stands both in the list of commands and above its own options."""
    return commands.add_parser(name, help=about, description=about)


def add_json(parser: argparse.ArgumentParser) -> None:
    """Add the option that prints for programs."""
    parser.add_argument("--json", action="store_true", help="Print JSON for programs and nothing else.")


def at_least(least: int) -> Callable[[str], int]:
    """Return what reads a whole number of at least so much; it raises ArgumentTypeError for another."""

    def read(text: str) -> int:
        if not (text.isascii() and text.isdigit() and int(text) >= least):
            raise argparse.ArgumentTypeError(f"give a number of {least} or more, not {text!r}")
        return int(text)

    return read


def hours(text: str) -> float:
    """Read a number of hours above 0; raises ArgumentTypeError for another."""
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number < math.inf:
        raise argparse.ArgumentTypeError(f"give a number of hours above 0, not {text!r}")
    return number


def add_export(commands: Commands) -> None:
    """Add `bench export`."""
    parser = add_command(commands, "export", "Write a trained classifier with its model card, for other programs.")
    add = parser.add_argument
    add("model", metavar="RUN/CLASSIFIER", help="The trained classifier, such as latest/encoder.")
    add("folder", type=Path, metavar="FOLDER", help="The folder to write, a new or an empty one.")
    add("--onnx", action="store_true", help="Add model.onnx, which runs without PyTorch (fine-tuned encoders).")
    add("--int8", action="store_true", help="Add model-int8.onnx, with weights of 8 bits (fine-tuned encoders).")
    about = "Accuracy wanted of the answers that decision.json does not call unsure (default: 0.95)."
    add("--accuracy", type=float, default=0.95, help=about)
    parser.set_defaults(command=export.export_classifier)


def add_compare(commands: Commands) -> None:
    """Add `bench compare`."""
    parser = add_command(commands, "compare", "Say what got better or worse from one run to another, for CI.")
    add = parser.add_argument
    add("old", help="Name or path of the earlier run; if it stands alone, the run whose limits are checked.")
    add("new", nargs="?", help="Name or path of the later run, or 'latest'.")
    add("--of", metavar="NAME,NAME", help="Look only at these classifiers.")
    add("--fail-on-regression", action="store_true", help="Exit with code 3 if one got worse, for CI.")
    limit = "Exit with code 3 unless the lower end of the interval of {} is at least this, such as 0.9; needs --of."
    add("--min-accuracy", type=float, metavar="SHARE", help=limit.format("accuracy"))
    add("--min-macro-f1", type=float, metavar="SHARE", help=limit.format("macro F1"))
    add("--limit", type=at_least(0), default=20, help="How many flipped messages to print; 0 prints all (default: 20).")
    add("--csv", type=Path, metavar="FILE", help="Write all messages that flipped to a CSV file.")
    add_json(parser)
    parser.set_defaults(command=compare.compare_runs)


def add_history(commands: Commands) -> None:
    """Add `bench history`."""
    parser = add_command(commands, "history", "List all runs, newest first.")
    add_json(parser)
    parser.set_defaults(command=runs.list_runs)


def add_across(commands: Commands) -> None:
    """Add `bench across`."""
    parser = add_command(commands, "across", "Rank the classifiers over runs on several data sets.")
    parser.add_argument("runs", nargs="+", metavar="RUN", help="Names or paths of the runs.")
    default = Path("results/across")
    parser.add_argument("--out", type=Path, default=default, metavar="FOLDER", help="Where to write the ranking.")
    parser.set_defaults(command=runs.compare_data_sets)


def add_models(commands: Commands) -> None:
    """Add `bench models`."""
    parser = add_command(commands, "models", "List the models that have a short name, or download some of them.")
    parser.add_argument("action", nargs="?", choices=["list", "pull"], default="list", help="What to do: list or pull.")
    parser.add_argument("name", nargs="*", help="With pull: the models to download.")
    add_json(parser)
    parser.set_defaults(command=tools.list_or_pull_models)


def add_data(commands: Commands) -> None:
    """Add `bench data`."""
    parser = add_command(
        commands, "data", "List the public data sets that have a short name, or download some of them."
    )
    what = "What to do: list, pull, or check that rows on this machine are those of the catalogue."
    parser.add_argument("action", nargs="?", choices=["list", "pull", "check"], default="list", help=what)
    parser.add_argument("name", nargs="*", help="The data sets (default: all; pull needs names).")
    add_json(parser)
    parser.set_defaults(command=data_sets.list_pull_or_check)


def add_doctor(commands: Commands) -> None:
    """Add `bench doctor`."""
    parser = add_command(commands, "doctor", "Check that this machine can run the benchmark, and say what to repair.")
    parser.add_argument("--llm-only", action="store_true", help="Check only that llama.cpp runs.")
    add_json(parser)
    parser.set_defaults(command=tools.examine_machine)


def add_speed(commands: Commands) -> None:
    """Add the maintainers' benchmark of the backends themselves, which the list of commands leaves out."""
    about = "Time the encoder and llama.cpp backends against common ways of writing them, as ratios."
    parser = commands.add_parser("speed", description=about)
    add = parser.add_argument
    add("model", nargs="*", default=SPEED_MODELS, help="GGUF files and encoders, by name or path.")
    add("--data", default="data/customer-messages", metavar="PATH", help="Where the messages come from.")
    add("--messages", type=at_least(1), help="Messages to use (default: 200 for an LLM, all for an encoder).")
    add("--rounds", type=at_least(1), default=5, help="How many rounds to take the median of (default: 5).")
    add("--no-server", action="store_true", help="Leave out llama_cpp.server with 8 clients.")
    add("--no-busy", action="store_true", help="Leave out the measurement beside programs that keep all cores busy.")
    add("--into", metavar="FILE.md", help=argparse.SUPPRESS)
    parser.set_defaults(command=tools.measure_speed)
