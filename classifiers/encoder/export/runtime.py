"""Choose what runs a fine-tuned encoder: torch, or an export that answers as torch does and is faster."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from classifiers.encoder.export.exported import EXPORTS, Batch, Exported, export, installed
from classifiers.errors import BenchError
from classifiers.finetune.device import is_processor
from classifiers.finetune.saved import Measured, Runtime
from classifiers.plurals import number_of

if TYPE_CHECKING:
    from classifiers.finetune.fine_tuned import FineTuned

SINGLES = 20
ROUNDS = 3

Probabilities = Callable[[Any], list[list[float]]]
"""Takes a padded batch of messages and gives each one's probabilities."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """Batches to compare and time runtimes on: `mixed` in the messages' order, `sorted` by length, `singles` of one.

    `answer` makes a message's labels of its probabilities.
    """

    mixed: Sequence[Batch]
    sorted: Sequence[Batch]
    singles: Sequence[Batch]
    answer: Callable[[Sequence[float]], tuple[str, ...]]

    def answers(self, run: Probabilities) -> list[tuple[str, ...]]:
        """Return every message's labels."""
        return [self.answer(row) for batch in self.mixed for row in run(batch)]

    def measure(self, runtime: Runtime, run: Probabilities, torch_answers: Sequence[tuple[str, ...]]) -> Measured:
        """Compare a runtime's answers with torch's and take the median of several timings."""
        same = [a == b for a, b in zip(self.answers(run), torch_answers, strict=True)]
        n = len(torch_answers)
        whole = [sum(_seconds(run, batch) for batch in self.sorted) for _ in range(ROUNDS)]
        alone = [_seconds(run, batch) for _ in range(ROUNDS) for batch in self.singles[:SINGLES]]
        return Measured(runtime, sum(same) / n, n / statistics.median(whole), 1000 * statistics.median(alone))


def _seconds(run: Probabilities, batch: Batch) -> float:
    started = time.perf_counter()
    run(batch)
    return time.perf_counter() - started


def fastest(measured: Sequence[Measured]) -> Measured:
    """Return the faithful way that is fastest, batches and single messages counting alike."""
    # the product of both speed-ups puts them in the order of their geometric mean
    return max((m for m in measured if m.is_faithful), key=lambda m: m.messages_per_s / m.single_ms)


@dataclass(frozen=True, slots=True)
class Chosen:
    """What runs the encoder from now on, and what every way that was tried gave."""

    fitted: FineTuned | Exported
    measured: tuple[Measured, ...]


def choose(tuned: FineTuned, wanted: Runtime, comparison: Comparison, folder: Path, *, threads: int) -> Chosen:
    """Export what is wanted, compare it with torch, and give what shall run.

    Exports answer on the processor: `auto` leaves a model on another device as it is, and where one is asked for by
    name the model is moved.

    Raises:
        BenchError: if the runtime asked for is not installed, or its answers are not torch's.
    """
    if wanted == "auto" and not is_processor(tuned.device):
        return Chosen(tuned, ())
    tuned.move_to_processor()
    exports = installed(EXPORTS) if wanted == "auto" else [wanted]
    export(tuned.model, comparison.mixed[0], folder, exports)
    opened: dict[Runtime, FineTuned | Exported] = {"torch": tuned}
    for runtime in exports:
        opened[runtime] = Exported.open(
            folder, runtime, n_parameters=tuned.n_parameters, several=tuned.takes_several, threads=threads
        )
    answers = comparison.answers(tuned.probabilities)
    measured = tuple(comparison.measure(name, runner.probabilities, answers) for name, runner in opened.items())
    best = fastest(measured) if wanted == "auto" else measured[-1]
    if not best.is_faithful:
        raise BenchError(
            f"the encoder exported for '{wanted}' gives {1 - best.equal:.1%} other answers than torch on "
            f'{number_of(len(answers), "message")}; use runtime = "torch"'
        )
    return Chosen(opened[best.runtime], measured)
