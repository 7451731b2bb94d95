"""What the atlas claims, against figures worked out by hand from its scores."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from samples import atlas_cell, atlas_scores, atlas_set, signs, write_run

from bench.analysis.atlas.claims import claims, limits, rank_correlation
from bench.analysis.atlas.crossings import crossing, crossings, headline, set_crossing
from bench.analysis.atlas.gather import scores_of
from bench.analysis.atlas.overview import overview, prices
from bench.analysis.atlas.points import best_llm, fine_tuned_row, learners
from bench.analysis.atlas.published import beside_published, published
from bench.analysis.atlas.ranks import ranks, trained_duels, two_sided_sign_p
from bench.analysis.learning_curve import Group
from bench.dataset.catalogue import dataset_catalogue
from bench.records.atlas import AtlasScores
from bench.records.conditions import OtherLoad, Stopped
from bench.records.types import MessageRecord

ATLAS = [
    atlas_set("two", 2, (120, 150, 180, 190), 170),
    atlas_set("three", 3, (40, 60, 80, 90), 150),
    atlas_set("four", 4, (40, 100, 160, 180), 130),
    atlas_set("ten", 10, (60, 150, 170, 190), 100),
    atlas_set("fifty", 50, (100, 160, 180, 190), 80),
]


def group(row: str, per_label: float, right: list[list[int]]) -> Group:
    return Group(row, int(per_label), per_label, np.array(right, dtype=bool))


def test_crossing_lies_on_the_straight_line_over_the_logarithm() -> None:
    """Four: 50 % at 8 and 80 % at 64 examples, LLM 65 %: half of the way, 8 · 8^0.5."""
    places = {one_set.data_set: one_set.crossing for one_set in crossings(ATLAS)}
    assert places["four"].at == pytest.approx(8 * 8**0.5)
    assert places["two"].at == pytest.approx(8 * 8 ** (2 / 3))
    assert places["ten"].at == pytest.approx(8 ** (20 / 45))
    assert places["fifty"].at == 1
    assert places["three"].at is None
    assert math.isinf(places["three"].interval.high)


def test_interval_is_paired_by_message() -> None:
    """At 8 examples the encoder is right on the very messages that the LLM is right on, in every resample."""
    (place,) = crossings([atlas_set("same", 4, (40, 100, 160, 180), 100)])
    assert (place.crossing.interval.low, place.crossing.interval.high) == pytest.approx((8, 8))
    others = signs(200, 100)[::-1]
    scores = atlas_set("same", 4, (40, 100, 160, 180), 100)
    unlike = scores.model_copy(
        update={"cells": (*scores.cells[:9], atlas_cell("llm", others, n_labelled=0, is_prompted=True))}
    )
    (place,) = crossings([unlike])
    assert place.crossing.interval.low < 6 < 11 < place.crossing.interval.high


def test_interval_grows_with_the_spread_of_the_seeds() -> None:
    """One seed is 10 points above the mean and one 10 below; a single seed at the mean says nothing of that."""
    n = 400
    rival = group("llm", 256, [[0] * 200 + [1] * 200])
    mean = [group("e", size, [[1] * hits + [0] * (n - hits)]) for size, hits in ((1, 80), (8, 200), (64, 320))]
    spread = [
        group("e", size, [[1] * (hits + d) + [0] * (n - hits - d) for d in (-40, 40)])
        for size, hits in ((1, 80), (8, 200), (64, 320))
    ]
    narrow, wide = (crossing(points, rival).interval for points in (mean, spread))
    assert wide.low < narrow.low < 8 < narrow.high < wide.high


def test_interval_holds_the_true_crossing() -> None:
    """True accuracies 30, 50, 70 % at 1, 8, 64 and 55 % for the LLM: a quarter of the way from 8 to 64."""
    truth = 8 * 8**0.25
    rng = np.random.default_rng(5)
    held = 0
    for _ in range(40):
        points = [
            Group("e", size, float(size), rng.random((1, 150)) < share)
            for size, share in ((1, 0.3), (8, 0.5), (64, 0.7))
        ]
        interval = crossing(points, Group("llm", None, 64.0, rng.random((1, 150)) < 0.55)).interval
        held += interval.low <= truth <= interval.high
    assert held >= 36


def test_only_messages_that_both_answered_count() -> None:
    scores = atlas_set("two", 2, (120, 150, 180, 190), 170)
    llm = atlas_cell("llm", "1" * 50 + "." * 150, n_labelled=0, is_prompted=True)
    stopped = scores.model_copy(update={"cells": (*scores.cells[:9], llm)})
    place = set_crossing(stopped, "encoder", llm)
    assert place.n == 50
    assert place.crossing.rival_accuracy == 1
    assert place.crossing.at == 1  # the encoder, too, is right on all of these 50


def test_rows_have_the_parts_that_their_records_say() -> None:
    scores = ATLAS[0]
    assert learners(scores) == ["encoder"]
    assert fine_tuned_row(ATLAS) == "encoder"
    best = best_llm(scores)
    assert best is not None
    assert best.row == "llm"
    assert headline(ATLAS, crossings(ATLAS)) == crossings(ATLAS)


def test_best_rows_by_number_of_labels() -> None:
    view = overview(ATLAS[0])
    standings = (view.floor, view.without, view.with_few, view.with_all)
    assert [s and (s.row, s.accuracy, s.n_seeds) for s in standings] == [
        ("majority", 0.1, 1),
        ("llm", 0.85, 1),
        ("encoder", 0.75, 2),
        ("encoder", 0.95, 2),
    ]
    assert view.with_few is not None
    assert view.with_few.interval.low < 0.75 < view.with_few.interval.high


def test_prices_follow_from_throughput_and_the_hourly_price() -> None:
    encoder, llm = prices(ATLAS[:1])[0]
    assert encoder is not None
    assert llm is not None
    assert (encoder.seconds, llm.seconds) == (2000, 200_000)
    assert (encoder.money, llm.money) == pytest.approx((2000 / 3600 * 0.1, 200_000 / 3600 * 0.1))
    untimed = ATLAS[0].model_copy(
        update={"cells": tuple(cell.model_copy(update={"is_timed": False}) for cell in ATLAS[0].cells)}
    )
    assert prices([untimed]) == [(None, None)]


def test_every_claim_follows_from_the_scores() -> None:
    few, later, open_, relation, trained, free, speed, ranked = claims(ATLAS)
    assert few == (
        "With 8 examples per label or fewer, encoder passes the best LLM that is shown no examples on 2 of 5 data sets "
        "(ten, fifty): there the whole 95 % interval of the crossing is at 8 or below."
    )
    assert later.startswith("On 2 of 5 data sets it needs more examples, or may need more: two (32 [")
    assert "four (23 [" in later
    assert open_ == "On 1 of 5 data sets the messages and sizes at hand do not show that it passes the LLM (three)."
    # ranks of the crossings: three, two, four, ten, fifty; rho = 1 - 6 (9 + 9 + 0 + 4 + 16) / (5 · 24)
    assert relation == (
        "That the crossing moves with the number of labels is not shown (Spearman's rho -0.90, p 0.083, n = 5 "
        "data sets)."
    )
    assert trained == (
        "Trained on all labelled messages, encoder is more accurate than the best LLM without labels on 4 of 5 data "
        "sets and less accurate on 1 (95 % intervals of paired differences; sign test p 0.375); the median difference "
        "is +25.0 points, from -30.0 on three to +55.0 on fifty (n = 200 test messages)."
    )
    assert free == (
        "Without any labels, the LLM is more accurate than zero_shot on 5 of 5 data sets, less accurate on 0, and "
        "neither is shown on 0."
    )
    assert speed == (
        "encoder answers 100 times as many messages per second as the best LLM (median over 5 data sets; 100 to 100 "
        "times)."
    )
    # rank sums 6, 9, 15 and 20: 12 / (5 · 4 · 5) · (36 + 81 + 225 + 400) - 3 · 5 · 5 = 14.04, three degrees of freedom
    assert ranked == (
        "Over 5 data sets, encoder has the best mean rank of 4 rows (1.2) and majority the worst (4.0); Friedman's "
        "test that all are alike: p 0.0029."
    )


def test_correlation_of_few_data_sets_is_tested_exactly() -> None:
    """Of the 120 orders of five, one is perfect and four are at 0.9; each counts twice, as the test has two sides."""
    assert rank_correlation([2, 3, 4, 10, 50], [5, 4, 3, 2, 1]) == pytest.approx((-1, 2 / 120))
    assert rank_correlation([2, 3, 4, 10, 50], [4, 5, 3, 2, 1]) == pytest.approx((-0.9, 10 / 120))
    five = [
        atlas_set(f"s{n}", n, (60, 100, 160, 180), llm) for n, llm in ((2, 170), (3, 150), (4, 130), (5, 110), (6, 90))
    ]
    said = "The more labels a task has, the fewer examples per label the encoder needs to pass the LLM"
    assert f"{said} (Spearman's rho -1.00, p 0.017, n = 5 data sets)." in claims(five)


def test_too_few_data_sets_say_nothing_of_a_relation() -> None:
    assert "Whether the number of labels moves the crossing cannot be said from 3 data sets." in claims(ATLAS[:3])
    assert claims([]) == []
    assert claims(ATLAS[1:3])[0] == (
        "With 8 examples per label, encoder is not shown to pass the best LLM that is shown no examples on any of 2 "
        "data sets."
    )


def test_what_cannot_be_said_is_said() -> None:
    missing = ATLAS[0].model_copy(update={"missing": ("a", "b")})
    said = limits([missing, *ATLAS[1:]])
    assert said[0] == "Nothing is said of LLMs with more than 1.5 billion parameters: none was run."
    assert said[1].startswith("5 of 5 data sets are public")
    assert said[2] == "Every accuracy is of at most 200 test messages per data set."
    assert said[3] == "Times are of 1 machine; others give other ratios."
    assert said[4] == (
        "10 of 55 cells did not have their machine to themselves while they answered: nothing is said of their times."
    )
    assert said[-1] == "Not finished: 2 of 57 cells; the same command goes on with them."
    plain = atlas_scores("plain", 2, [atlas_cell("linear", "10")])
    assert "Nothing is said of LLMs: none was run." in limits([plain])


def test_an_llm_that_is_no_better_than_the_floor_is_named() -> None:
    poor = atlas_cell("llm", signs(200, 20), n_labelled=0, is_prompted=True)  # as many as majority
    cells = [poor if cell.row == "llm" else cell for cell in ATLAS[0].cells]
    said = limits([ATLAS[0].model_copy(update={"cells": tuple(cells)}), ATLAS[1]])
    assert (
        f"On 1 of 2 data sets the best LLM without labels is not shown to be better than a row that ignores the text "
        f"({ATLAS[0].data_set}): to pass it there says little."
    ) in said
    assert not any("ignores the text" in line for line in limits(ATLAS))


def test_rows_that_stopped_early_are_counted() -> None:
    cells = [*ATLAS[0].cells, atlas_cell("llm-score", "1" * 120 + "." * 80, n_labelled=0, is_prompted=True)]
    assert (
        "1 of 12 cells stopped once it was decided how they stand, after 120 test messages or more; their intervals "
        "are wider and hold whenever they stopped."
    ) in limits([ATLAS[0].model_copy(update={"cells": tuple(cells)})])


def test_ranks_leave_out_what_some_data_set_lacks() -> None:
    more = ATLAS[0].model_copy(update={"cells": (*ATLAS[0].cells, atlas_cell("linear", signs(200, 100)))})
    standings = ranks([more, *ATLAS[1:]])
    assert standings is not None
    assert standings.classifiers == ("majority", "encoder", "llm", "zero_shot")
    assert standings.left_out == ("linear",)
    assert ranks(ATLAS[:1]) is None


def test_sign_test_is_exact() -> None:
    assert two_sided_sign_p(9, 0) == pytest.approx(2 / 512)
    assert two_sided_sign_p(0, 0) == 1
    assert [duel.winner for duel in trained_duels(ATLAS)] == ["encoder", "llm", "encoder", "encoder", "encoder"]


def banking(hits: int, n_train: int) -> AtlasScores:
    about = {"fine_tuned": True, "parameters": 22_000_000, "n_train": n_train}
    cells = [
        atlas_cell("encoder", signs(1000, hits), **about),
        atlas_cell("encoder", signs(1000, hits - 20), size=8, **about),
    ]
    return atlas_scores("banking77", 77, cells)


def test_a_row_below_a_published_one_says_why() -> None:
    lines = {line.published.what: line for line in beside_published([banking(880, 9003)])}
    assert lines["BERT-base, fine-tuned"].is_below is True
    assert lines["BERT-base, fine-tuned"].verdict == (
        "below: 110 M parameters against 22 M, 10,003 training messages against 9,003"
    )
    few = lines["SetFit-mpnet, 10 examples per label"]  # ours at 8: 860 of 1,000, so up to 88.0
    assert few.size == 8
    assert few.verdict == "below: 110 M parameters against 22 M, 10 examples per label against 8"


def test_a_published_row_on_other_messages_is_not_compared() -> None:
    lines = {line.published.what: line for line in beside_published([banking(950, 9003)])}
    assert lines["all-mpnet-base-v2, fine-tuned"].verdict == "not below by more than the interval"
    assert lines["Qwen3-8B, zero-shot"].verdict == "no such row here"
    tweets = atlas_scores("tweeteval_emotion", 4, [atlas_cell("encoder", signs(100, 80), fine_tuned=True)])
    (roberta, _) = beside_published([tweets])
    assert roberta.verdict == "not comparable: theirs is of another emotion data set"


def test_published_figures_are_of_the_catalogues_data_sets_and_name_their_sources() -> None:
    assert set(published()) <= set(dataset_catalogue())
    assert all(row.source for rows in published().values() for row in rows)


def test_scores_say_how_a_row_stood_that_stopped(tmp_path: Path) -> None:
    run = write_run(tmp_path / "small", "aabb", {"fast": "aabb", "slow": "ba"})
    run.messages.write([MessageRecord(str(i), "test", f"text {i}", (gold,)) for i, gold in enumerate("aabb")])
    cell = run.cell("slow").read()
    assert cell is not None
    run.cell("slow").write(replace(cell, stopped=Stopped(2, 4, "worse", "fast", low=-1, high=-0.1, level=0.95)))
    fast, slow = scores_of("small", run).cells
    assert (fast.right, fast.decision, fast.rival) == ("1111", None, "")
    assert (slow.right, slow.decision, slow.rival) == ("01..", "worse", "fast")


@pytest.mark.parametrize(("phase", "is_timed"), [("fit", True), ("predict", False)])
def test_a_rate_means_something_where_nothing_ran_beside_the_answers(
    tmp_path: Path, phase: str, is_timed: bool
) -> None:
    run = write_run(tmp_path / "small", "aabb", {"linear": "aabb"})
    run.messages.write([MessageRecord(str(i), "test", f"text {i}", (gold,)) for i, gold in enumerate("aabb")])
    cell = run.cell("linear").read()
    assert cell is not None
    run.cell("linear").write(replace(cell, other_load=OtherLoad(cores=2, threads=2, **{phase: 1.5})))
    assert scores_of("small", run).cells[0].is_timed is is_timed
