"""What is said while a run goes on."""

from __future__ import annotations

import io
from typing import Any

import pytest
from rich.console import Console

from bench.report.progress import ProgressWatcher


@pytest.mark.parametrize(
    ("figures", "said"),
    [
        ((0.5, 0.9, 0.25, 0.85), "encoder: epoch 1: train loss 0.500, train accuracy 90.0 %, validation loss 0.250"),
        ((0.5, None, None, None), "encoder: epoch 1: train loss 0.500\n"),
        ((None, None, None, 0.85), "encoder: epoch 1: validation accuracy 85.0 %\n"),
        ((None, None, None, None), "encoder: epoch 1\n"),
    ],
)
def test_an_epoch_is_said_with_whatever_was_measured(figures: tuple[Any, ...], said: str) -> None:
    stream = io.StringIO()
    watcher = ProgressWatcher(Console(file=stream, width=160))
    watcher.event("encoder", {"event": "epoch", "epoch": 1, "figures": figures})
    assert said in stream.getvalue()
