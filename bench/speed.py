"""The speed benchmark: variants side by side in one run, rounds interleaved, medians, ratios.

Machines are shared and noisy, so no single time is quoted: every round runs every variant once, and
what is reported is the median over rounds of each variant and its ratio to the first, the baseline.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from bench import meter
from classifiers.interface import BenchError

VARIANTS = ("chat", "generate", "score")
MATRIX = 2048


@dataclass(frozen=True, slots=True)
class SpeedRow:
    """A variant's medians over the rounds; ratios are to the plain chat loop."""

    variant: str
    ms_per_message: float
    speed_up: float
    equal_answers: float
    memory_ratio: float
    peak_memory_bytes: int
    tokens_per_message: float
    limit_ms: float | None
    engine_limit_ms: float | None


def run_speed(model: str, data: str, *, messages: int, rounds: int, with_server: bool) -> Iterator[dict[str, Any]]:
    """Run every variant once a round and give each measurement as it comes.

    Raises:
        BenchError: if a variant fails.
    """
    threads = os.cpu_count() or 1
    variants = (*VARIANTS, "server") if with_server else VARIANTS
    for round_ in range(rounds):
        for variant in variants:
            job = {"variant": variant, "model": model, "messages": messages, "data": data, "threads": threads}
            command = [sys.executable, "-m", "bench.speed_llm", json.dumps(job)]
            run = subprocess.run(command, capture_output=True, text=True, check=False)
            if run.returncode != 0:
                reason = (run.stderr.strip().splitlines() or ["no reason given"])[-1]
                raise BenchError(f"speed variant '{variant}' failed: {reason}")
            yield {"round": round_, "variant": variant, **json.loads(run.stdout.splitlines()[-1])}


def summarise(measurements: Sequence[dict[str, Any]], flops: float) -> list[SpeedRow]:
    """Give each variant's medians and its ratios to the first variant.

    `limit_ms` is the arithmetic limit: 2 × parameters × decoded tokens over the machine's measured
    matrix-multiply rate in operations a second; `engine_limit_ms` the same tokens at the rate of
    llama.cpp's own whole batches of this model, which is what batching alone can reach.
    """
    variants = list(dict.fromkeys(m["variant"] for m in measurements))
    by_variant = {v: [m for m in measurements if m["variant"] == v] for v in variants}
    base = by_variant[variants[0]]
    base_ms, base_memory = _median_ms(base), statistics.median(m["peak_memory_bytes"] for m in base)
    rows = []
    for variant, own in by_variant.items():
        memory = statistics.median(m["peak_memory_bytes"] for m in own)
        same = [a == b for m in own for a, b in zip(m["answers"], base[0]["answers"], strict=True)]
        work = 2 * own[0]["n_parameters"] * own[0]["tokens_per_message"]
        ms = _median_ms(own)
        rows.append(
            SpeedRow(
                variant=variant,
                ms_per_message=ms,
                speed_up=base_ms / ms,
                equal_answers=sum(same) / len(same),
                memory_ratio=memory / base_memory,
                peak_memory_bytes=int(memory),
                tokens_per_message=own[0]["tokens_per_message"],
                limit_ms=1000 * work / flops if work else None,
                engine_limit_ms=_engine_limit_ms(own),
            )
        )
    return rows


def matrix_rate(threads: int) -> float:
    """Measure operations a second of this machine's best float matrix product, median of 5."""
    import time

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


@dataclass(frozen=True, slots=True)
class SpeedResult:
    """One model's comparison; `flops` is the measured matrix-product rate in operations a second."""

    model: str
    machine: dict[str, str | int]
    flops: float
    messages: int
    rounds: int
    rows: tuple[SpeedRow, ...]


def read_speed(folder: Path) -> list[SpeedResult]:
    """Read all comparisons in a folder, the smallest model first.

    Raises:
        BenchError: if there is none, or a file is broken.
    """
    results = []
    for file in sorted(folder.glob("*.json")):
        try:
            results.append(TypeAdapter(SpeedResult).validate_json(file.read_bytes()))
        except ValidationError as error:
            raise BenchError(f"{file}: broken record ({error.errors()[0]['msg']}); measure again") from error
    if not results:
        raise BenchError(f"{folder} holds no measurements; make them with: make bench-speed")
    return sorted(results, key=lambda result: max(row.limit_ms or 0 for row in result.rows))


def write_speed(path: Path, result: SpeedResult, measurements: Sequence[dict[str, Any]]) -> None:
    """Write a comparison, every measurement and the versions as JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    plain = [{k: v for k, v in m.items() if k != "answers"} for m in measurements]
    body = {**asdict(result), "versions": meter.versions(), "measurements": plain}
    path.write_text(json.dumps(body, indent=1) + "\n", encoding="utf-8")


def _engine_limit_ms(measurements: Sequence[dict[str, Any]]) -> float | None:
    rates = [m["full_batch_ms_per_token"] for m in measurements if m.get("full_batch_ms_per_token")]
    return statistics.median(rates) * float(measurements[0]["tokens_per_message"]) if rates else None


def _median_ms(measurements: Sequence[dict[str, Any]]) -> float:
    return statistics.median(1000 * float(m["seconds"]) / len(m["answers"]) for m in measurements)
