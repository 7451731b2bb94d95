"""What the atlas says, a sentence per claim with its n, and what it cannot say; all of it worked out of the scores.

A claim names no data set, row or figure of its own: another atlas makes other sentences.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from statistics import median

import numpy as np
from numpy.typing import NDArray

from bench.analysis.atlas.crossings import SetCrossing, crossings, headline
from bench.analysis.atlas.overview import FEW, prices
from bench.analysis.atlas.points import fine_tuned_row
from bench.analysis.atlas.ranks import Duel, floor_duels, ranks, trained_duels, two_sided_sign_p, unlabelled_duels
from bench.analysis.ranking import LEVEL
from bench.records.atlas import AtlasScores
from classifiers.plurals import number_of

PERMUTATIONS = 9_999
MIN_SETS = 5
"""With fewer data sets, no order of the crossings could show that they move with the labels."""


def claims(atlas: Sequence[AtlasScores]) -> list[str]:
    """Return what the scores show, most important first; empty where there are none."""
    crossed = headline(atlas, crossings(atlas))
    return [
        *_few_labels(crossed),
        *_more_labels(crossed),
        *_relation(crossed),
        *_all_labels(trained_duels(atlas)),
        *_no_labels(unlabelled_duels(atlas)),
        *_speed(atlas),
        *_ranks(atlas),
    ]


def _few_labels(crossed: Sequence[SetCrossing]) -> Iterator[str]:
    """Say on how many data sets the encoder passes the LLM with a few labels, whole interval."""
    if not crossed:
        return
    learner, by_few = crossed[0].crossing.learner, [point for point in crossed if point.crossing.interval.high <= FEW]
    rival = "the best LLM that is shown no examples"
    if not by_few:
        yield f"With {FEW} examples per label, {learner} is not shown to pass {rival} on any of {_sets(len(crossed))}."
        return
    yield (
        f"With {FEW} examples per label or fewer, {learner} passes {rival} on {_of(len(by_few), len(crossed))}"
        f"{_names(by_few)}: there the whole 95 % interval of the crossing is at {FEW} or below."
    )


def _more_labels(crossed: Sequence[SetCrossing]) -> Iterator[str]:
    """Name the data sets that need more labels, and those where that stays open."""
    later = [point for point in crossed if point.is_bounded and point.crossing.interval.high > FEW]
    if later:
        listed = ", ".join(f"{point.data_set} ({place_text(point)})" for point in later)
        yield f"On {_of(len(later), len(crossed))} it needs more examples, or may need more: {listed}; 95 % intervals."
    if open_ := [point for point in crossed if not point.is_bounded]:
        yield (
            f"On {_of(len(open_), len(crossed))} the messages and sizes at hand do not show that it passes the LLM"
            f"{_names(open_)}."
        )


def place_text(crossed: SetCrossing) -> str:
    """Return a crossing and its interval in examples per label."""
    where = crossed.crossing
    beyond = f"> {_two_digits(where.last)}"
    at = beyond if where.at is None else _two_digits(where.at)
    low, high = (beyond if math.isinf(end) else _two_digits(end) for end in (where.interval.low, where.interval.high))
    return f"{at} [{low}, {high}]"


def _two_digits(size: float) -> str:
    """Return examples per label with two digits, or whole where there are more: 1.4 is not 1."""
    return f"{size:,.0f}" if size >= 100 else f"{size:.2g}"


def _relation(crossed: Sequence[SetCrossing]) -> Iterator[str]:
    """Say whether tasks with more labels are passed with fewer examples per label (Spearman)."""
    if not crossed:
        return
    places = [2 * point.crossing.last if point.crossing.at is None else point.crossing.at for point in crossed]
    labels = [point.n_labels for point in crossed]
    if len(crossed) < MIN_SETS or len(set(places)) < 2 or len(set(labels)) < 2:
        yield f"Whether the number of labels moves the crossing cannot be said from {_sets(len(crossed))}."
        return
    rho, p_value = rank_correlation(labels, places)
    figures = f"Spearman's rho {rho:+.2f}, p {p_value:.3f}, n = {_sets(len(crossed))}"
    if p_value >= LEVEL:
        yield f"That the crossing moves with the number of labels is not shown ({figures})."
    else:
        way = "fewer" if rho < 0 else "more"
        yield f"The more labels a task has, the {way} examples per label the encoder needs to pass the LLM ({figures})."


def rank_correlation(first: Sequence[float], second: Sequence[float]) -> tuple[float, float]:
    """Return Spearman's rho and its two-sided p-value by permutations, all of them for up to seven pairs.

    The usual approximation by the t distribution is too sure of so few: for five pairs in all but perfect order it says
    p = 0.04 instead of 0.08.
    """
    from scipy.stats import permutation_test, rankdata, spearmanr

    ranks_of_second = rankdata(second)

    def similarity(ranks_of_first: NDArray[np.float64], axis: int) -> NDArray[np.float64]:
        product: NDArray[np.float64] = (ranks_of_first * ranks_of_second).sum(axis=axis)
        return product

    tested = permutation_test(
        (rankdata(first),), similarity, permutation_type="pairings", vectorized=True, n_resamples=PERMUTATIONS, rng=0
    )
    return float(spearmanr(first, second).statistic), float(tested.pvalue)


def _all_labels(duels: Sequence[Duel]) -> Iterator[str]:
    """Compare encoder and LLM where all labels are used."""
    if not duels:
        return
    wins, losses = _won(duels)
    by_gap = sorted(duels, key=lambda duel: duel.gap.difference)
    least, most = by_gap[0], by_gap[-1]
    middle = median(duel.gap.difference for duel in duels)
    yield (
        f"Trained on all labelled messages, {duels[0].first} is more accurate than the best LLM without labels on "
        f"{_of(wins, len(duels))} and less accurate on {losses} (95 % intervals of paired differences; sign test p "
        f"{two_sided_sign_p(wins, losses):.3f}); the median difference is {100 * middle:+.1f} points, from "
        f"{100 * least.gap.difference:+.1f} on {least.data_set} to {100 * most.gap.difference:+.1f} on {most.data_set} "
        f"(n = {_n_text(duels)} test messages)."
    )


def _no_labels(duels: Sequence[Duel]) -> Iterator[str]:
    """Compare the LLM with rows that need no labels either."""
    if not duels:
        return
    wins, losses = _won(duels)
    others = " or ".join(dict.fromkeys(duel.first for duel in duels))
    ahead = [duel.data_set for duel in duels if duel.winner == duel.first]
    where = f" ({_listed(ahead)})" if ahead else ""
    yield (
        f"Without any labels, the LLM is more accurate than {others} on {_of(losses, len(duels))}, less accurate on "
        f"{wins}{where}, and neither is shown on {len(duels) - wins - losses}."
    )


def _speed(atlas: Sequence[AtlasScores]) -> Iterator[str]:
    """Say how many times as fast the encoder answers, data set by data set on one machine."""
    pairs = [(a, b) for a, b in prices(atlas) if a and b and a.machine == b.machine]
    if not pairs:
        return
    ratios = [llm.seconds / encoder.seconds for encoder, llm in pairs]
    yield (
        f"{pairs[0][0].row} answers {median(ratios):,.0f} times as many messages per second as the best LLM (median "
        f"over {_sets(len(ratios))}; {min(ratios):,.0f} to {max(ratios):,.0f} times)."
    )


def _ranks(atlas: Sequence[AtlasScores]) -> Iterator[str]:
    """Say whether rows can be told apart over all data sets."""
    standings = ranks(atlas)
    if standings is None:
        return
    n, rows = len(standings.data_sets), len(standings.classifiers)
    if standings.p_value is None:
        yield f"Ranks over {_sets(n)} and {rows} rows cannot be tested: three of each are needed."
        return
    order = standings.mean_ranks.argsort(kind="stable")
    first, last = (standings.classifiers[int(order[i])] for i in (0, -1))
    yield (
        f"Over {_sets(n)}, {first} has the best mean rank of {rows} rows ({standings.mean_ranks.min():.1f}) and {last} "
        f"the worst ({standings.mean_ranks.max():.1f}); Friedman's test that all are alike: p {standings.p_value:.2g}."
    )


def limits(atlas: Sequence[AtlasScores]) -> list[str]:
    """Return what the scores cannot say, and why."""
    if not atlas:
        return []
    return [*_of_models(atlas), *_of_data(atlas), *_of_runs(atlas)]


def _of_models(atlas: Sequence[AtlasScores]) -> Iterator[str]:
    sizes = [cell.parameters for scores in atlas for cell in scores.cells if cell.is_prompted and cell.parameters]
    if sizes:
        yield f"Nothing is said of LLMs with more than {max(sizes) / 1e9:.1f} billion parameters: none was run."
    else:
        yield "Nothing is said of LLMs: none was run."
    against_floor = floor_duels(atlas)
    if lost := [duel.data_set for duel in against_floor if duel.winner != duel.second]:
        yield (
            f"On {_of(len(lost), len(against_floor))} the best LLM without labels is not shown to be better than a row "
            f"that ignores the text ({_listed(lost)}): to pass it there says little."
        )
    if fine_tuned_row(atlas) is None:
        yield "Nothing is said of fine-tuned encoders: none was run at three sizes or more."


def _of_data(atlas: Sequence[AtlasScores]) -> Iterator[str]:
    if read := [scores.data_set for scores in atlas if scores.seen_by_llms]:
        yield (
            f"{len(read)} of {_sets(len(atlas))} are public, and language models have probably read them in training, "
            f"labels included ({_listed(read)}): on private messages an LLM may do worse."
        )
    most = max(len(scores.ids) for scores in atlas)
    yield f"Every accuracy is of at most {most:,} test messages per data set."
    if sampled := [scores.data_set for scores in atlas if scores.is_sampled]:
        yield f"Large training parts were sampled down ({_listed(sampled)}): all of them would give a little more."


def _of_runs(atlas: Sequence[AtlasScores]) -> Iterator[str]:
    cells = [cell for scores in atlas for cell in scores.cells]
    if machines := {cell.machine for cell in cells if cell.is_timed}:
        yield f"Times are of {number_of(len(machines), 'machine')}; others give other ratios."
    if untimed := [cell for cell in cells if not cell.is_timed]:
        yield (
            f"{len(untimed):,} of {len(cells):,} cells did not have their machine to themselves while they answered: "
            "nothing is said of their times."
        )
    stopped = [cell for cell in cells if not cell.is_complete]
    if stopped:
        fewest = min(cell.n for cell in stopped)
        yield (
            f"{len(stopped)} of {number_of(len(cells), 'cell')} stopped once it was decided how they stand, after "
            f"{number_of(fewest, 'test message')} or more; their intervals are wider and hold whenever they stopped."
        )
    if missing := sum(len(scores.missing) for scores in atlas):
        total = missing + len(cells)
        yield f"Not finished: {missing:,} of {number_of(total, 'cell')}; the same command goes on with them."


def _won(duels: Sequence[Duel]) -> tuple[int, int]:
    """Return on how many data sets the first row is shown to be better, and on how many the second."""
    winners = [(duel.winner == duel.first, duel.winner == duel.second) for duel in duels]
    return sum(first for first, _ in winners), sum(second for _, second in winners)


def _n_text(duels: Sequence[Duel]) -> str:
    """Return on how many messages each of several comparisons stands: a number, or the least and the most."""
    counts = sorted({duel.n for duel in duels})
    return " to ".join(f"{n:,}" for n in dict.fromkeys((counts[0], counts[-1])))


def _of(part: int, whole: int) -> str:
    return f"{part} of {_sets(whole)}"


def _sets(n: int) -> str:
    return number_of(n, "data set")


def _names(crossed: Sequence[SetCrossing]) -> str:
    return f" ({_listed([point.data_set for point in crossed])})" if crossed else ""


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names)
