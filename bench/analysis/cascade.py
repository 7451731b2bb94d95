"""Two classifiers in a row: the first answers what it is sure of, the second the rest.

A cascade needs no run of its own. What it would have answered follows from both classifiers' stored
answers, and where the threshold lies follows from their answers to validation messages.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from bench.analysis.scores import ABOVE_ALL, Row, score
from bench.config.tables import CascadeConfig
from bench.records.store import RunFolder
from bench.records.types import CellRecord, Energy, Latency, PredictionRecord
from classifiers.errors import BenchError

Records = Sequence[PredictionRecord]


@dataclass(frozen=True, slots=True)
class Point:
    """A confidence threshold: below it the second classifier answers. Shares are of all messages."""

    bound: float
    passed_on: float
    accuracy: float


def _sure(record: PredictionRecord) -> float:
    """Return an answer's confidence, 0 for an answer that is no label."""
    return record.confidence or 0.0


def points(first: Records, second: Records) -> list[Point]:
    """Return every threshold that makes a difference, from passing nothing on to passing on everything.

    Only messages that both classifiers answered count.

    Raises:
        BenchError: if there are none.
    """
    theirs = {record.id: record for record in second}
    pairs = [(_sure(r), r.is_right, theirs[r.id].is_right) for r in first if r.id in theirs]
    if not pairs:
        raise BenchError("the two classifiers of the cascade answered no message in common")
    pairs.sort()
    n, right = len(pairs), sum(first_right for _, first_right, _ in pairs)
    found = [Point(0.0, 0.0, right / n)]
    for i, (sure, first_right, second_right) in enumerate(pairs, start=1):
        right += second_right - first_right
        following = pairs[i][0] if i < n else ABOVE_ALL
        if following > sure:  # messages of one confidence are passed on together
            found.append(Point(following, i / n, right / n))
    return found


def choose(found: Sequence[Point], config: CascadeConfig) -> Point:
    """Choose a threshold: least passed on for the wanted accuracy, or the most accurate within the budget."""
    allowed = [point for point in found if config.budget is None or point.passed_on <= config.budget]
    enough = [point for point in allowed if config.accuracy is not None and point.accuracy >= config.accuracy]
    if enough:
        return min(enough, key=lambda point: point.passed_on)
    return max(allowed, key=lambda point: (point.accuracy, -point.passed_on))


def cascade_row(name: str, rows: tuple[Row, Row], validation: tuple[Records, Records], config: CascadeConfig) -> Row:
    """Return the row a cascade would have had; its costs are made up of those of its two classifiers.

    Raises:
        BenchError: if the first classifier gives no probabilities, or one has no answers to choose the threshold by.
    """
    first, second = rows
    if not all(row.scores for row in rows):
        raise BenchError(f"cascade '{name}' needs answers of '{first.cell.classifier}' and '{second.cell.classifier}'")
    if all(record.probabilities is None for record in first.records):
        raise BenchError(f"cascade '{name}': '{config.first}' gives no probabilities; it cannot go first")
    if not all(validation):
        raise BenchError(f"cascade '{name}': no answers to validation messages to choose the threshold by; run again")
    chosen = choose(points(*validation), config)
    theirs = {record.id: record for record in second.records}
    records = tuple(
        _joined(record, theirs[record.id]) if _sure(record) < chosen.bound else record
        for record in first.records
        if record.id in theirs
    )
    passed = sum(_sure(record) < chosen.bound for record in first.records) / len(first.records)
    assert first.scores
    scores = score(records, first.scores.labels, several=first.scores.takes_several)
    return Row(_cell(name, first.cell, second.cell, records, (chosen.bound, passed)), records, scores)


def turned_away(records: Records, other: str) -> list[PredictionRecord]:
    """Return the answers of somebody who gives every message the label `other`, at no cost."""
    return [PredictionRecord(r.id, r.text, r.gold, (other,), valid=True, columns=r.columns) for r in records]


def turning_away(row: Row, other: str) -> Row:
    """Return the row of somebody who gives every message the label `other`, beside a row with the same messages."""
    records = tuple(turned_away(row.records, other))
    labels = row.scores.labels if row.scores else ()
    cell = CellRecord(
        classifier=other,
        backend="other",
        fingerprint=other,
        status="ok",
        load_seconds=0.0,
        fit_seconds=0.0,
        latency_ms=Latency(0.0, 0.0, row.cell.latency_ms.n) if row.cell.latency_ms else None,
        peak_memory_bytes=0,
        predict_memory_bytes=0,
        n_parameters=0,
        bytes_on_disk=0,
        n_labelled=0,
        energy=Energy(row.cell.energy.source, 0.0, 0.0, 1) if row.cell.energy else None,
    )
    return Row(cell, records, score(records, labels))


def _joined(first: PredictionRecord, second: PredictionRecord) -> PredictionRecord:
    """Return the second classifier's answer with the time of both; its attempts are what a person wants to see."""
    return replace(second, seconds=first.seconds + second.seconds)


def _cell(name: str, first: CellRecord, second: CellRecord, records: Records, found: tuple[float, float]) -> CellRecord:
    bound, passed = found
    # both learn from the same labelled messages
    known = [cell.n_labelled for cell in (first, second) if cell.n_labelled is not None]
    seconds = sum(record.seconds for record in records)
    return CellRecord(
        classifier=name,
        backend="cascade",
        fingerprint=f"{first.fingerprint}+{second.fingerprint}",
        status="ok",
        seed=first.seed,
        models=(*first.models, *second.models),
        notes=(
            f"'{first.classifier}' answers what it is at least {bound:.1%} sure of, '{second.classifier}' the other "
            f"{passed:.1%}; the threshold was chosen on validation",
        ),
        metadata={"first": first.classifier, "second": second.classifier, "bound": bound, "passed on": passed},
        load_seconds=_sum(first.load_seconds, second.load_seconds),
        fit_seconds=_sum(first.fit_seconds, second.fit_seconds),
        predict_seconds=seconds,
        latency_ms=_latency(first.latency_ms, second.latency_ms, passed),
        throughput_per_s=len(records) / seconds if seconds > 0 else None,
        peak_memory_bytes=_whole(_sum(first.peak_memory_bytes, second.peak_memory_bytes)),
        predict_memory_bytes=_whole(_sum(first.predict_memory_bytes, second.predict_memory_bytes)),
        n_parameters=_whole(_sum(first.n_parameters, second.n_parameters)),
        bytes_on_disk=_whole(_sum(first.bytes_on_disk, second.bytes_on_disk)),
        max_attempts=second.max_attempts,
        row=name,
        n_train=first.n_train,
        n_labelled=max(known, default=None),
        energy=_energy(first.energy, second.energy, passed),
    )


def _energy(first: Energy | None, second: Energy | None, passed: float) -> Energy | None:
    """Return the energy of one answer: the first's, and the second's for the share passed on."""
    if first is None or second is None:
        return None
    own, other = first.kwh_per_message, second.kwh_per_message
    each = None if own is None or other is None else own + passed * other
    return Energy(first.source, _sum(first.fit_kwh, second.fit_kwh), each, 1 if each is not None else 0)


def _latency(first: Latency | None, second: Latency | None, passed: float) -> Latency | None:
    """Return the time of one message: the median is the first's alone unless most are passed on."""
    if first is None or second is None:
        return None
    p50 = first.p50 + (second.p50 if passed > 0.5 else 0.0)
    p95 = first.p95 + (second.p95 if passed > 0.05 else 0.0)
    return Latency(p50, p95, min(first.n, second.n))


def _sum(first: float | None, second: float | None) -> float | None:
    return None if first is None or second is None else first + second


def _whole(value: float | None) -> int | None:
    return None if value is None else int(value)


def with_cascades(rows: Sequence[Row], run: RunFolder, cascades: Mapping[str, CascadeConfig]) -> list[Row]:
    """Add the rows of a config's cascades; one that cannot be made is a failed row with its cause."""
    by_name = {row.cell.classifier: row for row in rows}
    found = list(rows)
    for name, config in cascades.items():
        first = by_name.get(config.first)
        if first is None:
            continue  # the run has not come so far
        mine = run.cell(config.first).validation.read()
        second, theirs = by_name.get(config.second), run.cell(config.second).validation.read()
        if config.other:
            second, theirs = turning_away(first, config.other), turned_away(mine, config.other)
        if second is None:
            continue
        try:
            found.append(cascade_row(name, (first, second), (mine, theirs), config))
        except BenchError as error:
            failed = CellRecord(name, "cascade", "", "failed", cause=str(error), row=name)
            found.append(Row(failed, (), None))
    return found
