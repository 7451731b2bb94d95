"""What several commands need: a console, and the run that was named."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

    from bench.records import RunFolder


def make_console() -> Console:
    """Give a console that colours nothing by guess."""
    from rich.console import Console

    return Console(highlight=False)


def find(chosen: argparse.Namespace) -> RunFolder:
    """Give the run that was named, or the newest."""
    from bench.records import find_run

    return find_run(chosen.run, chosen.results)
