"""What mistakes cost, worked out by hand, and how well the intervals hold."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from samples import hits, record, row, with_cell

from bench.analysis.cost_verdict import recommend_by_cost
from bench.analysis.mistake_cost import (
    choose_threshold,
    cost_interval,
    difference_interval,
    mean_price,
    message_costs,
    mistake_costs,
)
from bench.analysis.rows import Row
from bench.analysis.thresholds import ABOVE_ALL
from bench.analysis.verdict import Limits
from bench.config.run import make_config
from bench.config.tables import CostConfig
from classifiers.errors import BenchError
from classifiers.interface import Label, Task

LABELS = ("a", "b")
WRONG = CostConfig(wrong={"a": {"b": 5.0}})
PERSON = CostConfig(wrong={"a": {"b": 5.0}}, person=0.5)
ANSWERS = [
    record(0, "a", "a", 0.9),
    record(1, "a", "b", 0.6),  # the dear mistake
    record(2, "b", "a", 0.8),  # a mistake without a price of its own
    record(3, "b", "b", 0.55),
    record(4, "a", None),  # no answer
    record(5, "b", None),
]


def test_each_message_costs_what_its_mistake_does() -> None:
    assert message_costs(ANSWERS, WRONG, LABELS, None).tolist() == [0, 5, 1, 0, 5, 1]
    assert mean_price(WRONG, LABELS) == 3


def test_a_parse_failure_goes_to_a_person_where_that_has_a_price() -> None:
    assert message_costs(ANSWERS, PERSON, LABELS, None).tolist() == [0, 5, 1, 0, 0.5, 0.5]


def test_unsure_answers_go_to_a_person_below_the_threshold() -> None:
    assert message_costs(ANSWERS, PERSON, LABELS, 0.7).tolist() == [0, 0.5, 1, 0.5, 0.5, 0.5]


def test_the_threshold_of_least_cost_on_validation_is_taken() -> None:
    # sums of the four valid answers: none sent 6; below 0.6 one right sent 6.5; below 0.8 both 2; below 0.9 three 1.5;
    # everything 2
    assert choose_threshold(ANSWERS[:4], PERSON, LABELS) == pytest.approx(0.9)
    dear = CostConfig(wrong={"a": {"b": 5.0}}, person=3.0)
    assert choose_threshold(ANSWERS[:4], dear, LABELS) == 0, "6, 9, 7, 9 and 12"
    cheap = CostConfig(person=0.0)
    assert choose_threshold([record(0, "a", "b", 0.9)], cheap, LABELS) == ABOVE_ALL


def test_no_threshold_without_a_price_of_a_person_or_probabilities() -> None:
    assert choose_threshold(ANSWERS, WRONG, LABELS) is None
    assert choose_threshold([record(0, "a", "b")], PERSON, LABELS) is None
    assert choose_threshold([], PERSON, LABELS) is None


def test_rows_are_compared_on_the_same_messages() -> None:
    sure = row("sure", ANSWERS[:4], ANSWERS[:4])
    plain = row("plain", [record(i, gold, "a") for i, gold in enumerate("aabb")])
    first, second = mistake_costs([sure, plain], PERSON)
    assert (first.per_message, first.unaided, first.to_person) == (1.5 / 4, 6 / 4, 3 / 4)
    assert (first.threshold, first.n_validation, first.difference) == (pytest.approx(0.9), 4, 0)
    assert (second.per_message, second.threshold, second.to_person) == (2 / 4, None, 0)
    assert second.difference == pytest.approx(0.5 / 4)
    assert second.difference_interval.low < 0 < second.difference_interval.high


def test_ten_messages_without_a_mistake_do_not_show_that_there_are_none() -> None:
    assert cost_interval(np.zeros(10), 5.0).high > 0.5
    between = difference_interval(np.zeros(10), 5.0)
    assert between.low < -0.5
    assert between.high > 0.5


def test_the_interval_holds_the_true_cost() -> None:
    rng = np.random.default_rng(1)
    held = 0
    for _ in range(200):
        interval = cost_interval(rng.choice([0.0, 1.0, 5.0], size=100, p=[0.9, 0.08, 0.02]), 5.0)
        held += interval.low <= 0.18 <= interval.high
    assert held >= 186, "of 200 intervals of 95 %, 190 are to be expected"


def big(name: str, n_wrong: int, wrong: str, n: int = 400) -> Row:
    """Return a row that is wrong on the first messages with a gold label."""
    golds = ["a" if i % 2 else "b" for i in range(n)]
    left = n_wrong
    records = []
    for i, gold in enumerate(golds):
        is_wrong = gold == wrong and left > 0
        left -= is_wrong
        records.append(record(i, gold, ("b" if gold == "a" else "a") if is_wrong else gold))
    return row(name, records)


def test_the_verdict_by_cost_takes_the_row_of_cheap_mistakes() -> None:
    dear, cheap = big("dear", 40, "a"), big("cheap", 60, "b")
    verdict = recommend_by_cost([dear, cheap], Limits(), WRONG)
    assert (verdict.classifier, verdict.is_decided) == ("cheap", True)
    assert verdict.sentences[0].startswith("Use cheap: it costs least, 0.15 USD per message [0.1")
    assert verdict.sure == ("Measurably more expensive: dear.",)


def test_few_messages_decide_nothing_by_cost() -> None:
    rows = [hits("x", [True] * 9 + [False]), hits("y", [True] * 8 + [False] * 2)]
    verdict = recommend_by_cost(rows, Limits(), WRONG)
    assert not verdict.is_decided
    assert verdict.sentences[0].startswith(
        "Too few test messages to decide by cost: there are 10. x costs least so far"
    )


def test_a_verdict_by_cost_says_when_a_person_is_cheaper() -> None:
    verdict = recommend_by_cost([big("x", 200, "a")], Limits(), replace_person(0.1))
    assert "Giving every message to a person would cost less: 0.1 USD." in verdict.sentences


def replace_person(price: float) -> CostConfig:
    return CostConfig(wrong={"a": {"b": 5.0}}, person=price)


def test_prices_of_work_are_part_of_the_cost() -> None:
    slow, fast = big("slow", 10, "b"), big("fast", 12, "b")
    rows = [with_cell(r, throughput_per_s=t) for r, t in ((slow, 0.001), (fast, 1000.0))]
    prices = CostConfig(wrong={"a": {"b": 5.0}}, machine_per_hour=10.0)
    assert recommend_by_cost(rows, Limits(), WRONG).best == "slow"
    assert recommend_by_cost(rows, Limits(), prices).best == "fast"
    assert recommend_by_cost(rows, Limits(), prices, is_timed=False).best == "slow"


def test_without_prices_there_is_no_verdict_by_cost() -> None:
    with pytest.raises(BenchError, match="give `wrong` or `person`"):
        recommend_by_cost([hits("x", [True])], Limits(), CostConfig())
    with pytest.raises(BenchError, match="by = 'cost' needs prices of mistakes"):
        make_config({"classifiers": {"linear": {}}, "verdict": {"by": "cost"}}, where="x.toml")


@pytest.mark.parametrize(
    ("cost", "problem"),
    [
        ({"wrong": {"a": {"b": -1}}}, r"x.toml: cost.wrong.a.b: .*greater than or equal to 0"),
        ({"wrong": {"a": {"a": 1}}}, "'a' answered with 'a' is right and costs nothing"),
        ({"person": -0.1}, r"cost.person: .*greater than or equal to 0"),
    ],
)
def test_prices_that_cannot_be_are_errors_of_one_line(cost: dict[str, object], problem: str) -> None:
    with pytest.raises(BenchError, match=problem) as caught:
        make_config({"classifiers": {"linear": {}}, "cost": cost}, where="x.toml")
    assert "\n" not in str(caught.value)


def test_prices_are_of_the_tasks_labels() -> None:
    task = Task("t", (Label("refund"), Label("praise")))
    CostConfig(wrong={"refund": {"praise": 2}}).check(task)
    with pytest.raises(BenchError, match=r"'refnd'; did you mean 'refund'"):
        CostConfig(wrong={"refnd": {"praise": 2}}).check(task)
    with pytest.raises(BenchError, match=r"'prais'; did you mean 'praise'"):
        CostConfig(wrong={"refund": {"prais": 2}}).check(task)
    with pytest.raises(BenchError, match="exactly one label"):
        CostConfig(person=1).check(replace(task, max_labels=2))


@pytest.mark.slow
@pytest.mark.parametrize("n", [10, 60, 244])
def test_the_verdict_by_cost_is_true_or_says_that_messages_are_too_few(n: int) -> None:
    # shares of mistakes on gold a, which cost 5, and on gold b, which cost 1: 0.175, 0.236 and 0.275 per message
    rates = {"best": (0.05, 0.10), "just too dear": (0.05, 0.222), "dear": (0.09, 0.10)}
    rng = np.random.default_rng(n)
    wrong = 0
    for _ in range(100):
        golds = rng.choice(["a", "b"], size=n)
        rows = []
        for name, (on_a, on_b) in rates.items():
            is_wrong = rng.random(n) < np.where(golds == "a", on_a, on_b)
            answers = np.where(is_wrong, np.where(golds == "a", "b", "a"), golds)
            rows.append(row(name, [record(i, str(golds[i]), str(answers[i])) for i in range(n)]))
        verdict = recommend_by_cost(rows, Limits(), WRONG)  # the margin is 2 % of the mean price of 3: 0.06
        wrong += verdict.is_decided and verdict.classifier != "best"
    assert wrong <= 5
