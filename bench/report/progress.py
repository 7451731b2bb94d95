"""Show how a run gets on: bars with time left on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from types import TracebackType
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.text import Text

from bench.records import CellRecord
from bench.report.format import share

PLAIN_LINE_SECONDS = 15.0


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
        self.task: TaskID | None = None
        self.phase = ""
        self.last_line = 0.0
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
            self.fetching = what
            self._say(f"fetching {what}")
            self._new_bar(f"fetching {what}")
        self._move(done, total)

    def started(self, classifier: str) -> None:
        """Begin a classifier's bar."""
        self._new_bar(classifier)

    def event(self, classifier: str, event: dict[str, Any]) -> None:
        """Show a worker's phase, progress and epochs."""
        kind = event["event"]
        if kind == "phase":
            self.phase = str(event["phase"])
            self._new_bar(f"{classifier}: {self.phase}")
        elif kind == "progress":
            self._move(event["done"], event["total"])
            self._say_now_and_then(f"{classifier}: {self.phase} {event['done']:.0f}/{event['total']:.0f}")
        elif kind == "epoch":
            self._say(f"{classifier}: {_epoch_text(event)}")

    def ended(self, record: CellRecord, *, kept: bool) -> None:
        """Say how a classifier ended."""
        self._new_bar("")
        if kept:
            self._say(f"{record.classifier}: finished before, kept")
        elif record.status == "ok":
            self._say(f"{record.classifier}: done")
        else:
            self.console.print(Text(f"{record.classifier}: FAILED: {record.cause}", style="bold red"))

    def _new_bar(self, text: str) -> None:
        if self.task is not None:
            self.progress.remove_task(self.task)
        self.task = self.progress.add_task(text, total=None) if text else None

    def _move(self, done: float, total: float) -> None:
        if self.task is not None:
            self.progress.update(self.task, completed=done, total=total or None)

    def _say(self, text: str) -> None:
        self.console.print(Text(text, style="dim"))

    def _say_now_and_then(self, text: str) -> None:
        if not self.console.is_terminal and time.monotonic() - self.last_line > PLAIN_LINE_SECONDS:
            self.last_line = time.monotonic()
            self._say(text)


def _epoch_text(event: dict[str, Any]) -> str:
    train_loss, train_accuracy, validation_loss, validation_accuracy = event["figures"]
    text = f"epoch {event['epoch']}: train loss {train_loss:.3f}, accuracy {share(train_accuracy)} %"
    if validation_loss is not None:
        text += f"; validation loss {validation_loss:.3f}, accuracy {share(validation_accuracy)} %"
    return text
