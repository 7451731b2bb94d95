"""Run the variants of a comparison, round after round, and measure what the machine itself could do."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bench.measure import machine as meter
from bench.measure.limits import usable_cores
from bench.speed.job import Job
from bench.speed.neighbours import busy_neighbours
from bench.speed.results import BUSY, EncoderRow, LlmRow, SpeedResult, slowdowns, summarise_encoder, summarise_llm
from classifiers.errors import BenchError
from classifiers.models.cache import kind_of

GENERATE, OURS = "generate", "ours"
LLM_VARIANTS = ("chat", GENERATE, "score", "server")
ENCODER_VARIANTS = ("blog", "trainer", OURS)
LLM_MESSAGES = 200
MATRIX = 2048

Summarise = Callable[[Sequence[dict[str, Any]], float], Sequence[LlmRow | EncoderRow]]
"""Makes rows of measurements and the machine's rate in operations per second."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """What to compare: a model on a data set, that many rounds; `messages` limits what is answered or trained on.

    With `beside_busy` the backend is measured once more in every round, beside programs that keep all cores busy.
    """

    model: str
    data: str
    messages: int | None
    rounds: int
    with_server: bool
    beside_busy: bool = False

    @property
    def is_llm(self) -> bool:
        """Tell a GGUF, by its catalogue entry or its file's name, from an encoder."""
        return kind_of(self.model) == "gguf"

    @property
    def n_messages(self) -> int:
        """Return how many messages an LLM answers or an encoder trains on; 0 is the whole training part."""
        if self.messages is not None:
            return self.messages
        return LLM_MESSAGES if self.is_llm else 0

    @property
    def variants(self) -> tuple[str, ...]:
        """Return what is compared, the baseline first."""
        variants: tuple[str, ...] = LLM_VARIANTS if self.is_llm else ENCODER_VARIANTS
        if self.is_llm and not self.with_server:
            variants = variants[:-1]
        return (*variants, (GENERATE if self.is_llm else OURS) + BUSY) if self.beside_busy else variants

    def run(self) -> Iterator[dict[str, Any]]:
        """Run every variant once per round, and yield each measurement.

        Raises:
            BenchError: if a variant fails.
        """
        threads = usable_cores()
        module = "bench.speed.llm" if self.is_llm else "bench.speed.encoder"
        for round_ in range(self.rounds):
            for variant in self.variants:
                seed = 0 if self.is_llm else round_
                job = Job(variant.removesuffix(BUSY), self.model, self.n_messages, self.data, threads, seed)
                with busy_neighbours(threads) if variant.endswith(BUSY) else nullcontext():
                    yield {"round": round_, "variant": variant, **_run_job(module, job)}

    def summarise(self, measurements: Sequence[dict[str, Any]], flops: float) -> SpeedResult:
        """Return medians and ratios of all measurements."""
        summarise: Summarise = summarise_llm if self.is_llm else summarise_encoder
        rows = summarise([m for m in measurements if not m["variant"].endswith(BUSY)], flops)
        slower = slowdowns(summarise(measurements, flops))
        name, machine = Path(self.model).name, meter.machine(usable_cores())
        return SpeedResult(name, machine, flops, self.n_messages, self.rounds, tuple(rows), tuple(slower))


def _run_job(module: str, job: Job) -> dict[str, Any]:
    command = [sys.executable, "-m", module, json.dumps(asdict(job))]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    if run.returncode != 0:
        reason = (run.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise BenchError(f"speed variant '{job.variant}' failed: {reason}")
    measurement: dict[str, Any] = json.loads(run.stdout.splitlines()[-1])
    return measurement


def matrix_rate(threads: int) -> float:
    """Measure operations per second of this machine's best float matrix product, median of 5."""
    import torch

    torch.set_num_threads(threads)
    best: float = 0.0
    for dtype in (torch.float32, torch.bfloat16):
        a = torch.randn(MATRIX, MATRIX).to(dtype)
        taken = []
        for _ in range(6):
            started = time.perf_counter()
            torch.matmul(a, a)
            taken.append(time.perf_counter() - started)
        best = max(best, float(2 * MATRIX**3) / statistics.median(taken[1:]))
    return best
