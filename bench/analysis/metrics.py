"""The columns of the main tables: one row per metric, from which heads, arrows and best-in-bold come."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from bench.analysis.calibration import ProbabilityScores
from bench.analysis.clusters import right_design
from bench.analysis.label_scores import Interval
from bench.analysis.rows import Row
from bench.analysis.scores import Scores, wilson_interval
from bench.analysis.thresholds import Selective


@dataclass(frozen=True, slots=True)
class Metric:
    """One column of the main table: its unit, which way is better, and where it comes from.

    `value` gives None where there are no data, which is shown as a dash, never as 0; `interval` likewise.
    """

    name: str
    unit: str
    higher_is_better: bool | None
    value: Callable[[Row], float | None]
    interval: Callable[[Row], Interval | None] = lambda row: None


def _scored(of: Callable[[Scores], float | None]) -> Callable[[Row], float | None]:
    return lambda row: of(row.scores) if row.scores else None


def _bounded(of: Callable[[Scores], Interval]) -> Callable[[Row], Interval | None]:
    return lambda row: of(row.scores) if row.scores else None


def _likely(of: Callable[[ProbabilityScores], float | None]) -> Callable[[Row], float | None]:
    return lambda row: of(row.scores.probability) if row.scores and row.scores.probability else None


def _selective(row: Row) -> Selective | None:
    return row.scores.probability.selective if row.scores and row.scores.probability else None


def _coverage(row: Row) -> float | None:
    return choice.coverage if (choice := _selective(row)) else None


def _kept(row: Row) -> float | None:
    return choice.kept if (choice := _selective(row)) else None


def _kept_interval(row: Row) -> Interval | None:
    choice = _selective(row)
    if choice is None or not choice.answered:
        return None
    kept = [record for record in row.records if record.confidence is not None and record.confidence >= choice.threshold]
    return wilson_interval(choice.right, choice.answered, design=right_design(kept))


def _first_attempt(row: Row) -> float | None:
    """Return the accuracy of first attempts, of a classifier that may make several."""
    return row.scores.first_attempt_accuracy if row.scores and row.max_attempts > 1 else None


def _design_effect(row: Row) -> float | None:
    return row.scores.design.effect if row.scores and row.scores.design.n_groups else None


METRICS: tuple[Metric, ...] = (
    Metric("accuracy", "%", True, _scored(lambda s: s.accuracy), _bounded(lambda s: s.accuracy_interval)),
    Metric("design effect", "", None, _design_effect),
    Metric("first-attempt accuracy", "%", True, _first_attempt),
    Metric("parse failures", "%", False, _scored(lambda s: s.parse_failure_rate)),
    Metric("micro F1", "%", True, _scored(lambda s: s.micro_f1)),
    Metric("macro F1", "%", True, _scored(lambda s: s.macro_f1), _bounded(lambda s: s.macro_f1_interval)),
    Metric("Hamming loss", "%", False, _scored(lambda s: s.hamming_loss)),
    Metric("log loss", "", False, _likely(lambda p: p.log_loss)),
    Metric("Brier", "", False, _likely(lambda p: p.brier)),
    Metric("calibration error", "%", False, _likely(lambda p: p.calibration_error)),
    Metric("recalibrated error", "%", False, _likely(lambda p: p.recalibrated_error)),
    Metric("coverage at 99 % accuracy", "%", True, _coverage),
    Metric("accuracy kept", "%", None, _kept, _kept_interval),
    Metric("p50", "ms", False, lambda row: row.resources.latency_ms.p50 if row.resources.latency_ms else None),
    Metric("p95", "ms", False, lambda row: row.resources.latency_ms.p95 if row.resources.latency_ms else None),
    Metric("throughput", "/s", True, lambda row: row.resources.throughput_per_s),
    Metric("load", "s", False, lambda row: row.resources.load_seconds),
    Metric("fit", "s", False, lambda row: row.resources.fit_seconds),
    Metric("predict", "s", False, lambda row: row.resources.predict_seconds),
    Metric("serving memory", "B", False, lambda row: row.resources.memory_bytes),
    Metric("peak memory", "B", False, lambda row: row.resources.peak_memory_bytes),
    Metric("parameters", "n", False, lambda row: row.resources.n_parameters),
    Metric("disk", "B", False, lambda row: row.resources.bytes_on_disk),
)
