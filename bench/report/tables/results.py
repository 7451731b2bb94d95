"""The tables of scores, times and costs: a line per classifier."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from bench.analysis.cost import Cost
from bench.analysis.disagreement_counts import DisagreementCounts
from bench.analysis.findings import Findings
from bench.analysis.rows import Row, cells_of
from bench.config.tables import CostConfig
from bench.report.tables.table import Table, Topic
from bench.report.text import (
    DASH,
    PROBABILITY,
    QUALITY,
    SIZES,
    SUMMARY,
    TIMES,
    best_rows,
    cell_text,
    heading,
    money,
    number,
    share,
    shown_metrics,
)
from classifiers.plurals import number_of

Figures = tuple[tuple[str, ...], tuple[tuple[str, ...], ...], frozenset[tuple[int, int]]]
"""Head, body, and the places to be set in bold."""
MIN_GROUPS = 30
"""With fewer groups a percentile bootstrap over them covers less than 95 %."""
UNDER_PROBABILITIES = (
    "log loss and Brier score: lower is better; calibration error: mean distance of confidence from accuracy over ten "
    "bins; recalibrated: with a temperature fitted on validation (Guo et al. 2017); coverage at 99 % accuracy: the "
    "share of test messages above the threshold that gave 99 % right answers on validation; accuracy kept: the share "
    "of these answers that is right on test. Log loss and Brier score leave out messages whose label no classifier was "
    "told of."
)


def summary_table(rows: Sequence[Row], marks: Mapping[str, str], *, is_timed: bool) -> Table:
    """Return the table that answers the question: accuracy beside time, memory and labels.

    Args:
        rows: the rows trained on the whole training part.
        marks: the footnote signs of each classifier.
        is_timed: whether times mean something.
    """
    names = SUMMARY if is_timed else SUMMARY[:1]
    head, cells, bold = figures(rows, names)
    labels = [row.resources.n_labelled for row in rows]
    used = any(n is not None for n in labels)
    body = tuple(
        (_named(row, marks.get(name, "")), *line, *([labels_text(n)] if used else []))
        for row, (name, *line), n in zip(rows, cells, labels, strict=True)
    )
    bold |= {(i, 0) for i, row in enumerate(rows) if row.cell and row.cell.unfinished}
    head = (*head, *(["labels used"] if used else []))
    notes = [*_under_summary(rows), *(_under_memory(rows) if is_timed else [])]
    return Table("Results", head, body, bold, tuple(notes), topic=Topic.SUMMARY, is_main=True)


def _named(row: Row, marks: str) -> str:
    """Return what stands first in a row's line: a search cut short is said there, where nobody overlooks it."""
    unfinished = f"({row.cell.unfinished})" if row.cell and row.cell.unfinished else ""
    return " ".join(filter(None, [row.name, unfinished, marks]))


def _under_summary(rows: Sequence[Row]) -> Iterator[str]:
    if scored := [row.scores for row in rows if row.scores]:
        intervals = [s.accuracy_interval for s in scored]
        width = share(max(i.high - i.low for i in intervals))
        n = max(s.n for s in scored)
        groups = max(s.design.n_groups or 0 for s in scored)
        among = f" in {number_of(groups, 'group')}" if groups else ""
        tested = number_of(n, "test message")
        yield f"n = {tested}{among}; brackets are 95 % Wilson intervals, up to {width} points wide."
        if groups:
            yield f"All intervals and tests take account of the groups{_few(groups)}."
    if any(row.stopped for row in rows):
        yield "Rows that stopped early stand on the messages they answered; their intervals hold whenever they stop."


def _few(groups: int) -> str:
    """Say that intervals by bootstrap are too short where there are few groups to draw."""
    return f"; of so few, intervals by bootstrap are still too short: have {MIN_GROUPS}" if groups < MIN_GROUPS else ""


def labels_text(n_labelled: int | None) -> str:
    """Return how many labelled messages were used."""
    return DASH if n_labelled is None else f"{n_labelled:,}"


def quality_table(rows: Sequence[Row], *, takes_several: bool) -> Table:
    """Return accuracy, parse failures and F1."""
    notes = tuple(_under_scores(rows, takes_several=takes_several))
    return Table("Scores", *figures(rows, QUALITY, plain=("accuracy",)), notes, topic=Topic.QUALITY, is_main=True)


def _under_scores(rows: Sequence[Row], *, takes_several: bool) -> Iterator[str]:
    grouped = any(row.scores and row.scores.design.n_groups for row in rows)
    drawn = "groups of test messages" if grouped else "test messages"
    yield f"brackets are 95 % intervals of macro F1, by bootstrap over the {drawn}."
    if grouped:
        yield "design effect: n messages in their groups say as much of the accuracy as n / design effect alone would."
    if takes_several:
        yield "accuracy is subset accuracy: a message counts where its labels are exactly the gold ones."
    if any(row.max_attempts > 1 for row in rows):
        yield "A parse failure counts as wrong; first-attempt accuracy counts first answers only, without retries."
    for row in rows:
        if row.scores and row.scores.truncated:
            yield f"{row.name}: the ends of {number_of(row.scores.truncated, 'message')} were cut, as too long."


def probability_table(rows: Sequence[Row]) -> Table:
    """Return how far probabilities can be trusted."""
    return Table("Probabilities", *figures(rows, PROBABILITY), (UNDER_PROBABILITIES,), topic=Topic.QUALITY)


def time_table(rows: Sequence[Row]) -> Table:
    """Return times and throughput."""
    return Table("Speed", *figures(rows, TIMES), tuple(_under_times(rows)), topic=Topic.COST, is_main=True)


def size_table(rows: Sequence[Row]) -> Table:
    """Return what each classifier takes of memory and disk."""
    notes = (*_under_memory(rows), "peak memory: of the process that trained and answered.")
    return Table("Size", *figures(rows, SIZES), notes, topic=Topic.COST)


def _under_memory(rows: Sequence[Row]) -> Iterator[str]:
    """Say what serving memory is, and which rows' figure is another one."""
    if any(row.resources.memory_bytes for row in rows):
        yield "serving memory: peak of a fresh process that only loaded the saved classifier and answered."
    if unmeasured := [row.name for row in rows if row.resources.is_peak_at_work]:
        yield f"{', '.join(unmeasured)}: serving memory was not measured; the peak of the worker stands there."


def _under_times(rows: Sequence[Row]) -> Iterator[str]:
    models: dict[str, list[str]] = {}
    for cell in cells_of(rows):
        if cell.model:
            models.setdefault(cell.model, []).append(cell.classifier)
    for model, names in models.items():
        yield f"{', '.join(names)} ran {model}."
    yield "p50, p95: one message at a time, after warm-up; throughput: messages per second in batches."


def figures(rows: Sequence[Row], names: tuple[str, ...], plain: tuple[str, ...] = ()) -> Figures:
    """Return head, body and the best places: a column per metric that any row has a figure for.

    Args:
        rows: the classifiers.
        names: the metrics.
        plain: those of them that are shown without their interval.
    """
    metrics = shown_metrics(list(rows), names)
    body = tuple(
        (row.name, *(cell_text(metric, row, bracketed=metric.name not in plain) for metric in metrics)) for row in rows
    )
    best = [best_rows(metric, list(rows)) for metric in metrics]
    places = ((i, j) for i, row in enumerate(rows) for j, names in enumerate(best, 1) if row.name in names)
    return ("classifier", *map(heading, metrics)), body, frozenset(places)


def cost_table(worked_out: Findings, rows: Sequence[Row]) -> Table:
    """Return what a million messages take: time, memory, labels, and energy and money where they are known."""
    prices = worked_out.prices
    costs = [worked_out.costs[row.name] for row in rows]
    shown = [(heading, name) for heading, name in _cost_columns(prices) if any(_figure(cost, name) for cost in costs)]
    body = tuple(
        (
            row.name,
            number(cost.hours_per_million if cost else None),
            f"{memory:g}" if (memory := worked_out.machine_gb[row.name]) else DASH,
            labels_text(row.resources.n_labelled),
            *(money(_figure(cost, name)) for _, name in shown),
        )
        for row, cost in zip(rows, costs, strict=True)
    )
    head = ("classifier", "hours per million", "machine GB", "labels used", *(heading for heading, _ in shown))
    return Table("What it takes", head, body, notes=tuple(_under_cost(rows, prices)), topic=Topic.COST)


def _cost_columns(prices: CostConfig) -> list[tuple[str, str]]:
    """Return heading and field of every figure of a cost that may be known."""
    energy = [("kWh per million", "kwh_per_million"), ("kg CO2 per million", "kg_co2_per_million")]
    fields = {"labelling": "labelling", "training": "training", "per million": "per_million"}
    priced = [(f"{what} {prices.currency}", name) for what, name in fields.items()] if prices.are_set else []
    return [*energy, *priced]


def _figure(cost: Cost | None, name: str) -> float | None:
    return None if cost is None else getattr(cost, name)


def _under_cost(rows: Sequence[Row], prices: CostConfig) -> Iterator[str]:
    yield "machine GB: the smallest usual memory size that holds it at work, with a quarter to spare."
    energies = [row.resources.energy for row in rows if row.resources.energy]
    measured = {energy.source for energy in energies if energy.predict_kwh is not None}
    reasons = {energy.source for energy in energies if energy.predict_kwh is None}
    if measured:
        yield f"energy was read from {', '.join(sorted(measured))}."
    elif prices.watts:
        yield f"energy is not measured but taken as {prices.watts:g} W at work (watts in the config's [cost] table)."
    elif reasons:
        yield f"energy: not measured, {', '.join(sorted(reasons))}; give watts in the config's [cost] table."
    if not prices.are_set:
        yield "money: give prices in the config's [cost] table, or to bench recommend."


def disagreement_table(counts: DisagreementCounts) -> Table:
    """Return how often each classifier stands alone."""
    body = tuple(
        (alone.classifier, f"{alone.wrong:,}", f"{alone.only_right:,}", f"{alone.only_wrong:,}")
        for alone in counts.classifiers
    )
    note = (
        f"of {number_of(counts.n, 'message')}: classifiers differ on {counts.differ:,}, all are right on "
        f"{counts.all_right:,}, none is right on {counts.none_right:,}."
    )
    head = ("classifier", "wrong", "alone right", "alone wrong")
    return Table("Disagreements (messages)", head, body, notes=(note,), topic=Topic.DIFFERENCES, is_main=True)
