"""Make the record of a cell from what its worker measured and what its classifier says of itself."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field

from bench.execution.cell import Cell
from bench.measure.machine import machine
from bench.measure.process import gpu_peak_bytes
from bench.records.conditions import OtherLoad
from bench.records.types import CellRecord, Latency, PredictionRecord, Tokens
from classifiers.interface import Details, Settings, Stage


@dataclass(frozen=True, slots=True)
class Memory:
    """Peaks in bytes: of the worker, and of a fresh process that serves; None where they cannot be measured."""

    peak_bytes: int | None
    serving_bytes: int | None


@dataclass(frozen=True, slots=True)
class Measured:
    """What was measured of a cell beside its answers; `stages` says where the time of the test part went."""

    latency: Latency | None
    memory: Memory
    stages: Mapping[str, Stage] = field(default_factory=dict)


def describe(cell: Cell, settings: Settings, details: Details, measured: Measured) -> CellRecord:
    """Return the record of a cell that has come to its end."""
    records = cell.folder.predictions.read()
    predict_seconds = sum(record.seconds for record in records)
    n_train, n_validation = len(cell.training_messages("train")), len(cell.training_messages("validation"))
    return CellRecord(
        classifier=cell.plan.name,
        backend=cell.plan.backend,
        fingerprint=cell.folder.identity().fingerprint,
        status="ok",
        seed=cell.plan.seed,
        settings=settings.model_dump(mode="json"),
        model=details.model,
        models=details.models,
        device=details.device,
        precision=details.precision,
        prompt=details.prompt,
        notes=details.notes,
        metadata=dict(details.metadata),
        load_seconds=cell.seconds.get("load"),
        fit_seconds=cell.seconds.get("fit"),
        predict_seconds=predict_seconds or None,
        latency_ms=measured.latency,
        throughput_per_s=len(records) / predict_seconds if predict_seconds > 0 else None,
        peak_memory_bytes=measured.memory.peak_bytes,
        predict_memory_bytes=measured.memory.serving_bytes,
        gpu_memory_bytes=gpu_peak_bytes(),
        machine=machine(cell.config.threads_per_cell),
        n_parameters=details.n_parameters,
        bytes_on_disk=details.shipped_bytes,
        tokens=_tokens(records),
        stages=dict(measured.stages),
        max_attempts=details.max_attempts,
        trials=details.trials,
        unfinished=details.unfinished,
        fine_tuned=details.fine_tuned,
        uses_definitions=details.uses_definitions,
        row=cell.plan.row,
        train_per_label=cell.plan.train_per_label,
        n_train=n_train,
        n_labelled=n_train + n_validation if details.n_labelled is None else details.n_labelled,
        energy=cell.energy,
        stopped=cell.stopped,
        other_load=None if details.runs_elsewhere else _other_load(cell),
    )


def _other_load(cell: Cell) -> OtherLoad:
    """Return what other programs used; a server that answers would be one of them, so it is not asked for there."""
    phases = {phase: cell.load.cores_of_others(phase) for phase in ("fit", "predict", "latency")}
    return OtherLoad(cores=os.cpu_count() or 1, threads=cell.config.threads_per_cell, **phases)


def _tokens(records: list[PredictionRecord]) -> Tokens:
    attempts = [attempt for record in records for attempt in record.attempts]
    return Tokens(
        sum(attempt.prompt_tokens for attempt in attempts),
        sum(attempt.completion_tokens for attempt in attempts),
        sum(attempt.thinking_tokens for attempt in attempts),
    )
