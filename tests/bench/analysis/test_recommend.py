"""The verdict follows its rules, on figures made for each of them; costs are worked out by hand."""

from __future__ import annotations

import pytest

from bench.analysis.compare import all_pairs
from bench.analysis.cost import break_even, cost_of, machine_gb
from bench.analysis.recommend import Limits, recommend
from bench.analysis.scores import Row, score
from bench.cli import main
from bench.config.tables import CostConfig
from bench.records.types import CellRecord, Latency, PredictionRecord

FREE = CostConfig()


def row(name: str, right: int, *, rate: float = 100.0, p50: float = 10.0, labels: int = 0, gb: float = 0.5) -> Row:
    """A classifier that gets the first `right` of 200 messages right."""
    answers = [("a",) if i < right else ("b",) for i in range(200)]
    records = tuple(PredictionRecord(str(i), f"t{i}", ("a",), answer, True) for i, answer in enumerate(answers))
    cell = CellRecord(
        name, "majority", "f", "ok", latency_ms=Latency(p50, p50, 50), throughput_per_s=rate, n_labelled=labels,
        predict_memory_bytes=int(gb * 1e9), load_seconds=0.0, fit_seconds=3600.0 if labels else 0.0, row=name,
    )  # fmt: skip
    return Row(cell, records, score(records, ["a", "b"]))


def verdict(rows, limits=None, prices=FREE):
    return recommend(rows, all_pairs(rows), limits or Limits(), prices)


def test_the_measurably_better_one_is_chosen_however_slow() -> None:
    found = verdict([row("llm", 180, rate=2), row("linear", 120, rate=9000)])
    assert found.classifier == "llm"
    assert found.sentences[0].startswith("Use llm: 90.0 % right [85.1, 93.4] on 200 messages.")
    assert "Measurably less accurate: linear." in found.sentences


def test_of_equals_the_cheapest_is_chosen_and_what_would_change_that_is_said() -> None:
    found = verdict([row("llm", 162, rate=2), row("linear", 160, rate=9000)])
    assert found.classifier == "linear"
    text = " ".join(found.sentences)
    assert "llm is 1.0 points ahead, which may be chance (Holm p = 0.5); linear answers 4,500 times as fast." in text
    # Connor with shares 0.01 and 0: (1.95996 · 0.1 + 0.84162 · √(0.01 - 0.0001))² / 0.0001
    assert "If llm is really better by 1.0 points, about 783 test messages would show it; there are 200." in text


def test_a_limit_puts_a_row_out_with_its_figure() -> None:
    rows = [row("llm", 190, p50=500, gb=2.5), row("encoder", 150, labels=900), row("linear", 100, labels=100)]
    fast = verdict(rows, Limits(latency_ms=50))
    assert fast.classifier == "encoder"
    assert "llm is out: it takes 500.0 ms a message, over the limit of 50." in fast.sentences
    few = verdict(rows, Limits(labels=200, memory_gb=1))
    assert few.classifier == "linear"
    assert "encoder is out: it used 900 labelled messages, over the 200 there are." in few.sentences
    none = verdict(rows, Limits(latency_ms=1))
    assert none.classifier is None
    assert none.sentences[0].startswith("None meets the limits: llm takes 500.0 ms a message")


def test_cost_and_break_even_by_hand() -> None:
    prices = CostConfig(machine_per_hour=0.5, per_label=0.1)
    encoder, llm = row("encoder", 160, rate=1000, labels=900), row("llm", 160, rate=1)
    trained, asked = cost_of(encoder.cell, prices), cost_of(llm.cell, prices)
    assert trained is not None
    assert asked is not None
    assert (trained.labelling, trained.training) == (pytest.approx(90), 0.5)
    # a million at one a second is 277.8 hours
    assert asked.hours_per_million == pytest.approx(277.78, abs=0.01)
    assert asked.per_million == pytest.approx(138.89, abs=0.01)
    volume = break_even(trained, asked)
    assert volume == pytest.approx(1e6 * 90.5 / (138.8889 - 0.1388889))
    assert trained.total(volume) == pytest.approx(asked.total(volume))
    assert break_even(asked, asked) is None
    small, large = (verdict([encoder, llm], Limits(volume=v), prices).classifier for v in (1e5, 1e7))
    assert (small, large) == ("llm", "encoder")
    text = " ".join(verdict([encoder, llm], Limits(volume=1e7), prices).sentences)
    assert "Above 652,252 messages encoder is cheaper than llm, below it dearer." in text


def test_the_smallest_machine_leaves_a_quarter_to_spare() -> None:
    assert machine_gb(row("x", 1, gb=1.6).cell) == 2
    assert machine_gb(row("x", 1, gb=1.61).cell) == 4


def test_the_command_reads_a_volume_and_refuses_what_is_none(capsys) -> None:
    run = "results/reference/default"
    assert main(["recommend", run, "--volume", "1e6/month", "--machine-price", "0.1"]) == 0
    assert "USD for 1,000,000 messages" in " ".join(capsys.readouterr().out.split())
    assert main(["recommend", run, "--volume", "many"]) == 2
    assert "is no number of messages; give one such as 1e6 or 1e6/month" in capsys.readouterr().err
    assert main(["recommend", run, "--max-latency-ms", "0"]) == 1
