"""What a classifier takes: time, memory, disk, labelled messages and energy.

A cell's figures were measured. A cascade was never run: its own follow from those of its two rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bench.records.types import CellRecord, Energy, Latency, PredictionRecord


@dataclass(frozen=True, slots=True)
class Resources:
    """What one classifier takes; times in seconds, sizes in bytes, None for what was not measured.

    `serving_memory_bytes` is the peak of a fresh process that loaded the saved classifier and answered some messages,
    `peak_memory_bytes` that of the worker, training included.
    """

    load_seconds: float | None = None
    fit_seconds: float | None = None
    predict_seconds: float | None = None
    latency_ms: Latency | None = None
    throughput_per_s: float | None = None
    serving_memory_bytes: int | None = None
    peak_memory_bytes: int | None = None
    n_parameters: int | None = None
    bytes_on_disk: int | None = None
    n_labelled: int | None = None
    energy: Energy | None = None

    @classmethod
    def of(cls, cell: CellRecord) -> Resources:
        """Return what was measured of a cell."""
        return cls(
            load_seconds=cell.load_seconds,
            fit_seconds=cell.fit_seconds,
            predict_seconds=cell.predict_seconds,
            latency_ms=cell.latency_ms,
            throughput_per_s=cell.throughput_per_s,
            serving_memory_bytes=cell.predict_memory_bytes,
            peak_memory_bytes=cell.peak_memory_bytes,
            n_parameters=cell.n_parameters,
            bytes_on_disk=cell.bytes_on_disk,
            n_labelled=cell.n_labelled,
            energy=cell.energy,
        )

    @property
    def memory_bytes(self) -> int | None:
        """Return the memory it serves with; where that was not measured, the worker's peak, which is as much or more.

        This is the figure of the tables, of a limit on memory, and of the machine that is large enough.
        """
        return self.serving_memory_bytes or self.peak_memory_bytes

    @property
    def is_peak_at_work(self) -> bool:
        """Tell whether the memory is the peak of the worker, as serving was not measured."""
        return not self.serving_memory_bytes and self.peak_memory_bytes is not None


def cascaded(
    first: Resources, second: Resources | None, records: Sequence[PredictionRecord], passed_on: float
) -> Resources:
    """Return what a cascade takes: the first's for all messages, and the second's for the share passed on.

    Args:
        first: what the row takes that answers first.
        second: what the other one takes; None where the rest gets a label, which costs nothing.
        records: the cascade's answers, with the time of both.
        passed_on: the share of messages that goes to the second.
    """
    both = [first, second] if second else [first]
    is_timed = all(part.predict_seconds is not None for part in both)
    seconds = sum(record.seconds for record in records) if is_timed else None
    # both learn from the same labelled messages
    labelled = [part.n_labelled for part in both if part.n_labelled is not None]
    return Resources(
        load_seconds=_sum([part.load_seconds for part in both]),
        fit_seconds=_sum([part.fit_seconds for part in both]),
        predict_seconds=seconds,
        latency_ms=_latency(first.latency_ms, second.latency_ms, passed_on) if second else first.latency_ms,
        throughput_per_s=len(records) / seconds if seconds else None,
        serving_memory_bytes=_whole([part.serving_memory_bytes for part in both]),
        peak_memory_bytes=_whole([part.peak_memory_bytes for part in both]),
        n_parameters=_whole([part.n_parameters for part in both]),
        bytes_on_disk=_whole([part.bytes_on_disk for part in both]),
        n_labelled=max(labelled, default=None),
        energy=_energy(first.energy, second.energy, passed_on) if second else first.energy,
    )


def _energy(first: Energy | None, second: Energy | None, passed: float) -> Energy | None:
    """Return the energy of one answer: the first's, and the second's for the share passed on."""
    if first is None or second is None:
        return None
    always, rest = first.kwh_per_message, second.kwh_per_message
    each = None if always is None or rest is None else always + passed * rest
    return Energy(first.source, _sum([first.fit_kwh, second.fit_kwh]), each, 1 if each is not None else 0)


def _latency(first: Latency | None, second: Latency | None, passed: float) -> Latency | None:
    """Return the time of one message: the median is the first's alone unless most are passed on."""
    if first is None or second is None:
        return None
    p50 = first.p50 + (second.p50 if passed > 0.5 else 0.0)
    p95 = first.p95 + (second.p95 if passed > 0.05 else 0.0)
    return Latency(p50, p95, min(first.n, second.n))


def _sum(figures: Sequence[float | None]) -> float | None:
    known = [figure for figure in figures if figure is not None]
    return sum(known) if len(known) == len(figures) else None


def _whole(figures: Sequence[int | None]) -> int | None:
    total = _sum(figures)
    return None if total is None else int(total)
