"""Everything that is worked out of a run's records, once: reports show it and compute nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from bench.analysis.cascade import Point, points, rejected
from bench.analysis.compare import Pair, Suspect, suspects
from bench.analysis.correction_effect import CorrectionEffect
from bench.analysis.cost import Cost, cost_of, machine_gb
from bench.analysis.cost_verdict import recommend_by_cost
from bench.analysis.disagreement_counts import DisagreementCounts, disagreement_counts
from bench.analysis.doubts import Doubt, doubts
from bench.analysis.learning_curve import Crossing, Group, crossing, curves, flat_lines, groups
from bench.analysis.mistake_cost import MistakeCost, mistake_costs
from bench.analysis.out_of_scope import Rejection, rejection
from bench.analysis.recommend import recommend
from bench.analysis.rows import Row, complete_rows, full_data_rows
from bench.analysis.slices import Slice, slices
from bench.analysis.timing import Timing, timing
from bench.analysis.tradeoff import TradeoffPoint, for_a_million, tradeoff
from bench.analysis.verdict import Limits, Verdict
from bench.config.tables import CostConfig
from bench.records.types import RunRecord


@dataclass(frozen=True, slots=True)
class CascadeCurve:
    """What every threshold of a cascade would have given on the test messages, and the one it has."""

    classifier: str
    points: tuple[Point, ...]
    passed_on: float
    accuracy: float


@dataclass(frozen=True, slots=True)
class Findings:
    """What a run says.

    `rows` are those that were trained on the whole training part; `pairs`, `costs` and all the rest but `trained` and
    `crossings` are of them. `trained` has the points of learning curves too. `timing` says which times are
    comparable; `by_latency` and `by_cost` set accuracy against the time of one message and the cost of a million.
    """

    rows: tuple[Row, ...]
    pairs: tuple[Pair, ...]
    verdict: Verdict | None
    timing: Timing
    prices: CostConfig
    costs: dict[str, Cost | None]
    machine_gb: dict[str, float | None]
    mistakes: tuple[MistakeCost, ...]
    trained: tuple[Group, ...]
    crossings: tuple[Crossing, ...]
    counts: DisagreementCounts
    slices: tuple[Slice, ...]
    suspects: tuple[Suspect, ...]
    doubts: tuple[Doubt, ...]
    oos_label: str
    rejections: dict[str, Rejection]
    cascades: tuple[CascadeCurve, ...]
    by_latency: tuple[TradeoffPoint, ...]
    by_cost: tuple[TradeoffPoint, ...]

    @property
    def is_timed(self) -> bool:
        """Tell whether the times of all rows may be compared."""
        return self.timing.is_comparable


def findings(
    run: RunRecord, rows: Sequence[Row], pairs: Sequence[Pair], corrected: CorrectionEffect | None = None
) -> Findings:
    """Work out a run.

    Args:
        run: what was run.
        rows: its rows, with corrected gold labels where there are corrections.
        pairs: comparisons of the rows that were trained on the whole training part.
        corrected: what corrections of gold labels changed.
    """
    trained, whole = groups(rows), full_data_rows(rows)
    complete = complete_rows(whole)
    prices, oos_label = run.config.cost, run.config.data.oos_label
    costs = {row.name: cost_of(row.resources, prices) for row in whole}
    return Findings(
        rows=tuple(whole),
        pairs=tuple(pairs),
        verdict=_with_effect(_verdict(run, whole), run, whole, corrected),
        timing=timing(run, whole),
        prices=prices,
        costs=costs,
        machine_gb={row.name: machine_gb(row.resources) for row in whole},
        mistakes=mistake_costs(complete, prices) if prices.prices_mistakes else (),
        trained=tuple(trained),
        crossings=tuple(_crossings(trained)),
        counts=disagreement_counts(complete),
        slices=tuple(slices(complete)),
        suspects=tuple(s for s in suspects(complete) if not corrected or s.id not in corrected.judged),
        doubts=tuple(doubts(whole, run.as_task())),
        oos_label=oos_label,
        rejections={r.name: rejection(r.records, oos_label) for r in whole if r.scores and oos_label},
        cascades=tuple(_cascades(whole)),
        by_latency=tradeoff(whole, lambda row: row.resources.latency_ms.p50 if row.resources.latency_ms else None),
        by_cost=tradeoff(whole, lambda row: for_a_million(costs[row.name], prices)),
    )


def _verdict(run: RunRecord, rows: Sequence[Row]) -> Verdict | None:
    """Return the verdict without limits, at the config's prices; None where there is nothing to select from."""
    if sum(row.scores is not None for row in rows) < 2:
        return None
    margin = run.config.verdict.margin / 100
    select = recommend_by_cost if run.config.verdict.by == "cost" else recommend
    return select(rows, Limits(), run.config.cost, margin=margin, is_timed=timing(run, rows).is_comparable)


def _with_effect(
    verdict: Verdict | None, run: RunRecord, rows: Sequence[Row], corrected: CorrectionEffect | None
) -> Verdict | None:
    """Let a verdict say how much the corrections changed."""
    if verdict is None or corrected is None:
        return verdict
    without = _verdict(run, full_data_rows(corrected.before))
    line = corrected.sentence(rows, without.sentences[0] if without else "no verdict.")
    return replace(verdict, sentences=(*verdict.sentences, line), sure=(*verdict.sure, line))


def _crossings(trained: Sequence[Group]) -> list[Crossing]:
    """Return where each learner passes each flat line that was scored on the same messages."""
    return [
        crossing(curve, rival)
        for curve in curves(trained).values()
        for rival in flat_lines(trained)
        if len(curve) > 1 and all(len(group.hits) == len(rival.hits) for group in curve)
    ]


def _cascades(rows: Sequence[Row]) -> list[CascadeCurve]:
    by_name = {row.name: row for row in rows}
    made = []
    for row in rows:
        if row.cascade is None or row.scores is None:
            continue
        first, second = by_name[row.cascade.first].records, by_name.get(row.cascade.second)
        rest = second.records if second else rejected(first, row.cascade.second)
        curve = tuple(points(first, rest))
        made.append(CascadeCurve(row.name, curve, row.cascade.passed_on, row.scores.accuracy))
    return made
