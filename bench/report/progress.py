"""Show how a run gets on: bars with time left on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from bench.records.types import CellRecord
from bench.report.sanitize import plain
from bench.report.text import share

PLAIN_LINE_SECONDS = 15.0
EPOCH_SECONDS = 1.0


class ProgressWatcher:
    """A runner's watcher that draws on a console."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.percentage:>3.0f}%"),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=console,
            disable=not console.is_terminal,
            transient=True,
        )
        self.bars: dict[str, TaskID] = {}
        self.phases: dict[str, str] = {}
        self.last_line = 0.0
        self.last_epoch: dict[str, float] = {}
        self.fetching = ""

    def __enter__(self) -> ProgressWatcher:
        self.progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.progress.stop()

    def fetched(self, what: str, done: int, total: int) -> None:
        """Show how much of a model has come."""
        if what != self.fetching:
            self._drop_bar(f"fetching {self.fetching}")
            self.fetching = what
            self._say(f"fetching {what}")
            self._new_bar(f"fetching {what}")
        self._move(f"fetching {what}", done, total)

    def started(self, cell: str) -> None:
        """Begin a cell's bar."""
        self._drop_bar(f"fetching {self.fetching}")
        self._new_bar(cell)

    def event(self, cell: str, event: dict[str, Any]) -> None:
        """Show a worker's phase, progress and epochs."""
        kind = event["event"]
        if kind == "phase":
            self.phases[cell] = str(event["phase"])
            self._new_bar(cell, f"{cell}: {event['phase']}")
        elif kind == "progress":
            self._move(cell, event["done"], event["total"])
            self._say_now_and_then(f"{cell}: {self.phases.get(cell, '')} {event['done']:.0f}/{event['total']:.0f}")
        elif kind == "epoch":
            self._say_epoch(cell, _epoch_text(event))

    def ended(self, cell: str, record: CellRecord, *, kept: bool) -> None:
        """Say how a cell ended."""
        self._drop_bar(cell)
        if kept:
            self._say(f"{cell}: finished before, kept")
        elif record.status == "ok":
            self._say(f"{cell}: done")
        else:
            self.console.print(plain(f"{cell}: FAILED: {record.cause}", style="bold red"))

    def _new_bar(self, name: str, text: str = "") -> None:
        self._drop_bar(name)
        self.bars[name] = self.progress.add_task(text or name, total=None)

    def _drop_bar(self, name: str) -> None:
        if (bar := self.bars.pop(name, None)) is not None:
            self.progress.remove_task(bar)

    def _move(self, name: str, done: float, total: float) -> None:
        if name in self.bars:
            self.progress.update(self.bars[name], completed=done, total=total or None)

    def _say(self, text: str) -> None:
        self.console.print(plain(text, style="dim"))

    def _say_epoch(self, cell: str, text: str) -> None:
        """Say an epoch's figures, unless the last ones came a moment ago: a few messages make a hundred epochs."""
        if time.monotonic() - self.last_epoch.get(cell, 0.0) > EPOCH_SECONDS:
            self._say(f"{cell}: {text}")
        self.last_epoch[cell] = time.monotonic()

    def _say_now_and_then(self, text: str) -> None:
        if not self.console.is_terminal and time.monotonic() - self.last_line > PLAIN_LINE_SECONDS:
            self.last_line = time.monotonic()
            self._say(text)


@contextmanager
def share_bar(console: Console, text: str) -> Iterator[Callable[[float], None]]:
    """Draw one bar, and give what moves it to a share from 0 to 1."""
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:>3.0f}%"))
    with Progress(
        *columns, TimeElapsedColumn(), TimeRemainingColumn(), console=console, disable=not console.is_terminal
    ) as progress:
        bar = progress.add_task(text, total=1.0)
        yield lambda share: progress.update(bar, completed=share)


def _epoch_text(event: dict[str, Any]) -> str:
    """Say an epoch's figures; a backend may have measured some of them, or none."""
    names = ("train loss", "train accuracy", "validation loss", "validation accuracy")
    said = [_figure_text(name, value) for name, value in zip(names, event["figures"], strict=True) if value is not None]
    return ": ".join([f"epoch {event['epoch']}", *([", ".join(said)] if said else [])])


def _figure_text(name: str, value: float) -> str:
    return f"{name} {value:.3f}" if name.endswith("loss") else f"{name} {share(value)} %"
