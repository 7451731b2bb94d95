"""The verdict follows its rules, on figures made for each of them; costs are worked out by hand."""

from __future__ import annotations

from dataclasses import replace

import pytest
from samples import with_cell

from bench.analysis.cost import break_even, cost_of, machine_gb
from bench.analysis.recommend import recommend
from bench.analysis.rows import Cascade, Row
from bench.analysis.scores import score
from bench.analysis.verdict import Limits
from bench.cli import main
from bench.config.tables import CostConfig
from bench.records.conditions import Decision, Stopped
from bench.records.types import CellRecord, Latency, PredictionRecord
from classifiers.errors import BenchError

FREE = CostConfig()


def row(
    name: str, right: int, *, rate: float = 100.0, p50: float = 10.0, labels: int = 0, gb: float = 0.5,
    n: int = 200, backend: str = "linear",
) -> Row:  # fmt: skip
    """A classifier that gets the first `right` of n messages right."""
    answers = [("a",) if i < right else ("b",) for i in range(n)]
    records = tuple(PredictionRecord(str(i), f"t{i}", ("a",), answer, True) for i, answer in enumerate(answers))
    cell = CellRecord(
        name, backend, "f", "ok", latency_ms=Latency(p50, p50, 50), throughput_per_s=rate, n_labelled=labels,
        predict_memory_bytes=int(gb * 1e9), load_seconds=0.0, fit_seconds=3600.0 if labels else 0.0, row=name,
    )  # fmt: skip
    return Row.of(cell, records, score(records, ["a", "b"]))


def verdict(rows, limits=None, prices=FREE, **options):
    return recommend(rows, limits or Limits(), prices, **options)


def test_the_measurably_better_one_is_chosen_however_slow() -> None:
    found = verdict([row("llm", 180, rate=2), row("linear", 120, rate=9000)])
    assert found.classifier == "llm"
    assert found.sentences[0].startswith("Use llm: 90.0 % right [85.1, 93.4] on 200 messages.")
    assert "Measurably less accurate: linear." in found.sentences


def test_of_rows_shown_to_be_not_worse_the_cheapest_is_recommended() -> None:
    found = verdict([row("llm", 1802, rate=2, n=2000), row("linear", 1800, rate=9000, n=2000)])
    assert (found.classifier, found.is_decided, found.best) == ("linear", True, "llm")
    text = " ".join(found.sentences)
    # of 2,000 messages 2 differ: Tango's interval at 92 % is [-0.322, +0.053] points
    assert "llm is 0.1 points ahead, but linear is shown to be not worse by 2 points (difference [-0.3, +0.1])" in text
    assert "it answers 4,500 times as fast." in text
    assert "llm is the best of 2 on the same messages, so on new ones its accuracy is likely to be" in text
    assert [(s.classifier, s.relation) for s in found.standings] == [("linear", "equivalent")]


def test_not_significant_is_not_equal() -> None:
    """The rule of old took the floor here: nothing is significant on ten messages."""
    rows = [
        row("majority", 4, rate=9e5, n=10, backend="majority"),
        row("linear", 8, n=10),
        row("encoder", 9, rate=9, n=10),
    ]
    found = verdict(rows)
    assert (found.classifier, found.is_decided) == ("encoder", False)
    assert found.sentences[0].startswith("Too few test messages to decide: about ")
    assert found.sentences[0].endswith("would do, there are 10.")
    assert found.needed_n is not None
    assert found.needed_n > 10
    assert "encoder is the most accurate so far: 90.0 % right" in found.sentences[1]


def test_on_149_messages_a_row_3_points_behind_is_not_taken_for_equal() -> None:
    """148 against 143 right: the rule of old recommended the frozen encoder, because p was 0.12."""
    rows = [
        row("majority", 75, rate=9e5, n=149, backend="majority"),
        row("encoder-frozen", 143, n=149),
        row("encoder", 148, n=149),
    ]
    found = verdict(rows)
    assert found.classifier == "encoder"
    assert not any("encoder-frozen is shown to be not worse" in sentence for sentence in found.sentences)


def test_what_no_row_is_better_than_is_said() -> None:
    rows = [row("majority", 41, n=60, backend="majority"), row("linear", 42, n=60), row("encoder", 43, rate=9, n=60)]
    found = verdict(rows)
    assert found.classifier is None
    assert "Not even encoder is measurably better than majority, which ignores the text." in found.sentences


def test_a_wide_margin_lets_a_cheap_row_pass_and_a_narrow_one_does_not() -> None:
    rows = [row("llm", 1840, rate=2, n=2000), row("linear", 1800, rate=9000, n=2000)]
    assert verdict(rows, margin=0.05).classifier == "linear"
    assert verdict(rows, margin=0.01).classifier == "llm"


def test_a_floor_that_is_added_changes_nothing() -> None:
    rows = [row("llm", 1802, rate=2, n=2000), row("linear", 1800, rate=9000, n=2000)]
    floor = row("majority", 700, rate=9e6, n=2000, backend="majority")
    with_floor, without = verdict([*rows, floor]), verdict(rows)
    assert with_floor.classifier == without.classifier == "linear"
    assert with_floor.standings[0] == without.standings[0]
    assert (with_floor.standings[1].classifier, with_floor.standings[1].relation) == ("majority", "worse")


def test_times_of_a_shared_machine_decide_nothing() -> None:
    rows = [row("llm", 1802, rate=2, n=2000), row("linear", 1800, rate=9000, n=2000)]
    found = verdict(rows, is_timed=False)
    assert found.classifier == "llm"
    assert "Times of this run cannot be compared, so they decide nothing." in found.sentences
    with pytest.raises(BenchError, match="run with jobs = 1"):
        verdict(rows, Limits(latency_ms=5), is_timed=False)


def test_a_limit_puts_a_row_out_with_its_figure() -> None:
    rows = [row("llm", 190, p50=500, gb=2.5), row("encoder", 150, labels=900), row("linear", 100, labels=100)]
    fast = verdict(rows, Limits(latency_ms=50))
    assert fast.classifier == "encoder"
    assert "llm is out: it takes 500.0 ms per message, over the limit of 50." in fast.sentences
    few = verdict(rows, Limits(labels=200, memory_gb=1))
    assert few.classifier == "linear"
    assert "encoder is out: it used 900 labelled messages, over the 200 there are." in few.sentences
    none = verdict(rows, Limits(latency_ms=1))
    assert none.classifier is None
    assert none.sentences[0].startswith("None meets the limits: llm takes 500.0 ms per message")


def test_what_was_not_measured_breaks_a_limit_on_it_and_is_no_bargain() -> None:
    timed, unknown = row("linear", 150), row("vendor", 150)
    rows = [timed, with_cell(unknown, latency_ms=None, throughput_per_s=None, predict_memory_bytes=None)]
    assert verdict(rows).classifier == "linear"
    fast = verdict(rows, Limits(latency_ms=50))
    assert "vendor is out: it takes an unknown number of ms per message, over the limit of 50." in fast.sentences
    small = verdict(rows, Limits(memory_gb=1))
    assert "vendor is out: it needs an unknown number of GB, over the limit of 1." in small.sentences


def test_cost_and_break_even_by_hand() -> None:
    prices = CostConfig(machine_per_hour=0.5, per_label=0.1)
    encoder, llm = row("encoder", 320, rate=1000, labels=900, n=400), row("llm", 320, rate=1, n=400)
    trained, asked = cost_of(encoder.resources, prices), cost_of(llm.resources, prices)
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
    assert "encoder is cheaper than llm above 652,252 messages, and more expensive below." in text


def test_the_smallest_machine_leaves_a_quarter_to_spare() -> None:
    assert machine_gb(row("x", 1, gb=1.6).resources) == 2
    assert machine_gb(row("x", 1, gb=1.61).resources) == 4


def test_the_command_reads_a_volume_and_refuses_what_is_none(capsys) -> None:
    run = "results/reference/default"
    assert main(["recommend", run, "--volume", "1e6/month", "--machine-price", "0.1"]) == 0
    assert "USD for 1,000,000 messages" in " ".join(capsys.readouterr().out.split())
    assert main(["recommend", run, "--volume", "many"]) == 2
    assert "is no number of messages; give one such as 1e6 or 1e6/month" in capsys.readouterr().err
    assert main(["recommend", run, "--max-latency-ms", "0"]) == 1


def stopped(name: str, right: int, decision: Decision) -> Row:
    return with_cell(row(name, right, rate=2, n=128), stopped=Stopped(128, 3000, decision, "encoder", -0.4, -0.1, 0.95))


def test_a_row_that_stopped_behind_takes_no_messages_from_the_others() -> None:
    rows = [row("encoder", 2800, n=3000), row("linear", 2400, n=3000), stopped("llm", 70, "worse")]
    judged = verdict(rows)
    assert (judged.classifier, judged.is_decided) == ("encoder", True)
    assert judged.sentences[0].startswith("Use encoder: 93.3 % right [92.4, 94.2] on 3,000 messages.")
    out = "llm is out: it was stopped after 128 of 3,000 test messages: decided (worse than encoder)."
    assert out in judged.sentences


def test_a_cascade_whose_first_row_stopped_behind_is_out() -> None:
    rows = [row("encoder", 2800, n=3000), row("linear", 2400, n=3000), stopped("llm", 70, "worse")]
    behind, ahead = (stopped("llm", 70, decision).stopped for decision in ("worse", "better"))
    assert behind is not None
    assert ahead is not None
    for parts in ({"llm": behind}, {"llm": ahead, "encoder": behind}):
        cascade = Cascade("llm", "encoder", 0.5, 0.5, parts)
        both = replace(row("both", 120, n=128), cell=None, cascade=cascade, stopped=next(iter(parts.values())))
        judged = verdict([*rows, both])
        (out,) = [line for line in judged.sentences if line.startswith("both is out: it rests on a row that stopped")]
        assert ("encoder was stopped after 128 of" in out) == ("encoder" in parts)


def test_a_row_that_stopped_ahead_is_recommended_by_the_messages_it_answered() -> None:
    rows = [row("encoder", 64, n=3000), stopped("llm", 120, "better")]
    assert verdict(rows).sentences[0].startswith("Use llm: 93.8 % right [88.2, 96.8] on 128 messages.")
