"""What a classifier takes: one notion of memory everywhere, and a cascade's figures from those of its two rows."""

from __future__ import annotations

from dataclasses import replace

import pytest
from samples import hits, record, with_cell

from bench.analysis.cost import machine_gb
from bench.analysis.metrics import METRICS
from bench.analysis.recommend import recommend
from bench.analysis.resources import Resources, cascaded
from bench.analysis.verdict import Limits
from bench.config.tables import CostConfig
from bench.records.types import Energy, Latency
from bench.report.tables.results import size_table, summary_table
from bench.report.text import takes_text

TRAINED = {"peak_memory_bytes": 3_000_000_000, "predict_memory_bytes": 1_000_000_000}


def test_tables_limits_and_machines_go_by_the_memory_it_serves_with() -> None:
    rows = [with_cell(hits("encoder", [True, True]), **TRAINED), hits("linear", [True, True])]
    (memory,) = (metric for metric in METRICS if metric.name == "serving memory")
    assert memory.value(rows[0]) == 1e9
    assert takes_text(rows[0]) == "1.00 GB of memory to serve."
    assert machine_gb(rows[0].resources) == 2, "a quarter to spare"
    assert recommend(rows[:1], Limits(memory_gb=1), CostConfig()).is_decided
    summary = summary_table(rows, {}, is_timed=True)
    assert summary.head == ("classifier", "accuracy % ↑", "serving memory ↓")
    assert [cells[2] for cells in summary.body] == ["1.00 GB", "–"]
    assert summary.notes[-1] == (
        "serving memory: peak of a fresh process that only loaded the saved classifier and answered."
    )
    size = size_table(rows)
    assert size.head == ("classifier", "serving memory ↓", "peak memory ↓")
    assert size.body[0] == ("encoder", "1.00 GB", "3.00 GB")


def test_a_row_whose_serving_memory_was_not_measured_shows_its_peak_and_says_so() -> None:
    rows = [
        with_cell(hits("encoder", [True]), **TRAINED),
        with_cell(hits("quick", [True]), **{**TRAINED, "predict_memory_bytes": None}),
    ]
    summary = summary_table(rows, {}, is_timed=True)
    assert [cells[2] for cells in summary.body] == ["1.00 GB", "3.00 GB"]
    assert summary.notes[-1] == "quick: serving memory was not measured; the peak of the worker stands there."
    assert not summary_table(rows, {}, is_timed=False).notes[1:], "no note on what is not shown"


def test_what_a_cascade_takes_is_worked_out_by_hand() -> None:
    records = [replace(record(i, "a", "a"), seconds=seconds) for i, seconds in enumerate((0.1, 0.1, 0.1, 1.1))]
    first = Resources(
        load_seconds=1, fit_seconds=20, predict_seconds=0.4, latency_ms=Latency(5, 6, 50), n_labelled=40,
        serving_memory_bytes=100, peak_memory_bytes=300, energy=Energy("RAPL", 0.5, 0.002, 200),
    )  # fmt: skip
    second = Resources(
        load_seconds=2, fit_seconds=None, predict_seconds=4.0, latency_ms=Latency(100, 200, 10), n_labelled=6,
        serving_memory_bytes=900, peak_memory_bytes=900, energy=Energy("RAPL", 0.1, 0.02, 200),
    )  # fmt: skip
    both = cascaded(first, second, records, passed_on=0.25)
    assert (both.load_seconds, both.fit_seconds, both.n_labelled) == (3, None, 40)
    assert both.predict_seconds == pytest.approx(1.4)
    assert both.throughput_per_s == pytest.approx(4 / 1.4)
    assert both.latency_ms == Latency(5, 206, 10), "half of the messages are the first's alone, one in twenty is not"
    assert (both.serving_memory_bytes, both.peak_memory_bytes, both.memory_bytes) == (1000, 1200, 1000)
    assert both.energy is not None
    # 0.00001 kWh each, and 0.0001 for a quarter of them
    assert both.energy.kwh_per_message == pytest.approx(3.5e-5)
    alone = cascaded(first, None, records, passed_on=0.25)
    assert (alone.memory_bytes, alone.latency_ms, alone.energy) == (100, first.latency_ms, first.energy)
