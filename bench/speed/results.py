"""Medians and ratios of the speed benchmark, and their files in results/speed/."""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from bench.measure import machine as meter
from classifiers.errors import BenchError

BUSY = " beside busy programs"
"""The end of the name of a variant that was measured so."""


@dataclass(frozen=True, slots=True)
class LlmRow:
    """A variant's medians over the rounds; ratios are to the plain chat loop.

    `single_ms` is one message at a time; None for the server, which is asked by several clients, and in old records.
    """

    variant: str
    ms_per_message: float
    speed_up: float
    equal_answers: float
    memory_ratio: float
    peak_memory_bytes: int
    tokens_per_message: float
    limit_ms: float | None
    engine_limit_ms: float | None
    single_ms: float | None = None


def summarise_llm(measurements: Sequence[dict[str, Any]], flops: float) -> list[LlmRow]:
    """Return each variant's medians and its ratios to the first variant.

    `limit_ms` is the arithmetic limit: 2 × parameters × decoded tokens over the machine's measured
    matrix-multiply rate in operations per second; `engine_limit_ms` the same tokens at the rate of
    llama.cpp's own whole batches of this model, which is what batching alone can reach.
    """
    variants = list(dict.fromkeys(m["variant"] for m in measurements))
    by_variant = {v: [m for m in measurements if m["variant"] == v] for v in variants}
    base = by_variant[variants[0]]
    base_ms, base_memory = _median_ms(base), statistics.median(m["peak_memory_bytes"] for m in base)
    rows = []
    for variant, measured in by_variant.items():
        memory = statistics.median(m["peak_memory_bytes"] for m in measured)
        same = [a == b for m in measured for a, b in zip(m["answers"], base[0]["answers"], strict=True)]
        work = 2 * measured[0]["n_parameters"] * measured[0]["tokens_per_message"]
        ms = _median_ms(measured)
        rows.append(
            LlmRow(
                variant=variant,
                ms_per_message=ms,
                speed_up=base_ms / ms,
                equal_answers=sum(same) / len(same),
                memory_ratio=memory / base_memory,
                peak_memory_bytes=int(memory),
                tokens_per_message=measured[0]["tokens_per_message"],
                limit_ms=1000 * work / flops if work else None,
                engine_limit_ms=_engine_limit_ms(measured),
                single_ms=_single_ms(measured),
            )
        )
    return rows


@dataclass(frozen=True, slots=True)
class EncoderRow:
    """A variant's medians over the rounds, each with its ratio to the first variant; accuracy is the mean.

    Limits are messages per second at the machine's measured matrix-product rate and without padding: 2 ×
    weights × tokens operations for an answer, three times that for a training step's message.
    """

    variant: str
    runtime: str
    train_per_s: float
    train_speed_up: float
    predict_per_s: float
    predict_speed_up: float
    single_ms: float
    single_speed_up: float
    accuracy: float
    peak_memory_bytes: int
    limit_train_per_s: float
    limit_predict_per_s: float


def summarise_encoder(measurements: Sequence[dict[str, Any]], flops: float) -> list[EncoderRow]:
    """Return each variant's medians and their ratios to the first variant's."""
    variants = list(dict.fromkeys(m["variant"] for m in measurements))
    rows: list[EncoderRow] = []
    for variant in variants:
        measured = [m for m in measurements if m["variant"] == variant]
        train, predict, single, memory = (
            statistics.median(m[name] for m in measured)
            for name in ("train_per_s", "predict_per_s", "single_ms", "peak_memory_bytes")
        )
        limit = flops / measured[0]["operations"]
        base = rows[0] if rows else None
        rows.append(
            EncoderRow(
                variant=variant,
                runtime=str(statistics.mode(m["runtime"] for m in measured)),
                train_per_s=train,
                train_speed_up=train / base.train_per_s if base else 1.0,
                predict_per_s=predict,
                predict_speed_up=predict / base.predict_per_s if base else 1.0,
                single_ms=single,
                single_speed_up=base.single_ms / single if base else 1.0,
                accuracy=statistics.mean(m["accuracy"] for m in measured),
                peak_memory_bytes=int(memory),
                limit_train_per_s=limit / 3,
                limit_predict_per_s=limit,
            )
        )
    return rows


@dataclass(frozen=True, slots=True)
class Slowdown:
    """How many times longer a variant takes beside busy programs than alone; None where it was not timed."""

    variant: str
    training: float | None
    answering: float
    single: float | None


def slowdowns(rows: Sequence[LlmRow | EncoderRow]) -> Iterator[Slowdown]:
    """Compare every variant that was measured beside busy programs with itself alone."""
    by_name = {row.variant: row for row in rows}
    for row in rows:
        alone = by_name.get(row.variant.removesuffix(BUSY))
        if alone is None or alone is row:
            continue
        if isinstance(row, LlmRow) and isinstance(alone, LlmRow):
            single = row.single_ms / alone.single_ms if row.single_ms and alone.single_ms else None
            yield Slowdown(alone.variant, None, row.ms_per_message / alone.ms_per_message, single)
        elif isinstance(row, EncoderRow) and isinstance(alone, EncoderRow):
            yield Slowdown(
                alone.variant,
                training=alone.train_per_s / row.train_per_s,
                answering=alone.predict_per_s / row.predict_per_s,
                single=row.single_ms / alone.single_ms,
            )


@dataclass(frozen=True, slots=True)
class SpeedResult:
    """One model's comparison; `flops` is the measured matrix-product rate in operations per second.

    `messages` is how many an LLM answered or an encoder trained on, 0 for the whole training part.
    """

    model: str
    machine: dict[str, str | int]
    flops: float
    messages: int
    rounds: int
    rows: tuple[LlmRow | EncoderRow, ...]
    slowdowns: tuple[Slowdown, ...] = ()


def read_speed(folder: Path) -> list[SpeedResult]:
    """Read all comparisons in a folder: encoders, then LLMs, the smallest first.

    Raises:
        BenchError: if there is none, or a file is broken.
    """
    reader = TypeAdapter(SpeedResult)
    results = []
    for file in sorted(folder.glob("*.json")):
        try:
            results.append(reader.validate_json(file.read_bytes()))
        except ValidationError as error:
            raise BenchError(f"{file}: broken record ({error.errors()[0]['msg']}); measure again") from error
    if not results:
        raise BenchError(f"{folder} holds no measurements; make them with: make bench-speed")
    return sorted(results, key=_weight)


def _weight(result: SpeedResult) -> float:
    return max(row.limit_ms or 0 if isinstance(row, LlmRow) else -1.0 for row in result.rows)


def write_speed(path: Path, result: SpeedResult, measurements: Sequence[dict[str, Any]]) -> None:
    """Write a comparison, every measurement and the versions as JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    plain = [{k: v for k, v in m.items() if k != "answers"} for m in measurements]  # answers are in `equal_answers`
    body = {**asdict(result), "versions": meter.versions(), "measurements": plain}
    path.write_text(json.dumps(body, indent=1) + "\n", encoding="utf-8")


def _engine_limit_ms(measurements: Sequence[dict[str, Any]]) -> float | None:
    rates = [m["full_batch_ms_per_token"] for m in measurements if m.get("full_batch_ms_per_token")]
    return statistics.median(rates) * float(measurements[0]["tokens_per_message"]) if rates else None


def _single_ms(measurements: Sequence[dict[str, Any]]) -> float | None:
    taken = [m["single_ms"] for m in measurements if m.get("single_ms")]
    return statistics.median(taken) if taken else None


def _median_ms(measurements: Sequence[dict[str, Any]]) -> float:
    return statistics.median(1000 * float(m["seconds"]) / len(m["answers"]) for m in measurements)
