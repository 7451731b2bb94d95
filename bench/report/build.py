"""What a report says, as plain tables and lines: terminal and Markdown draw the same sections."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from bench.analysis.compare import Pair, suspects
from bench.analysis.cost import Cost, cost_of, machine_gb
from bench.analysis.learning_curve import groups
from bench.analysis.recommend import Limits, Verdict, recommend
from bench.analysis.scores import UNPARSED, Row, full_data_rows, spreads
from bench.analysis.slices import slices
from bench.config.tables import CostConfig
from bench.records.types import RunRecord
from bench.report.tables.comparison import pairs_table, rejection_table, shown_pairs, slice_table, suspects_table
from bench.report.tables.curve import curve_tables, seed_tables
from bench.report.tables.robustness import stress_tables
from bench.report.tables.table import Table
from bench.report.text import (
    COST,
    DASH,
    PROBABILITY,
    QUALITY,
    best_rows,
    cell_text,
    heading,
    money,
    number,
    share,
    shown_metrics,
)
from bench.robustness.suites import StressRecord

Stress = Mapping[str, Sequence[StressRecord]]
"""What each classifier that was put under stress answered."""


@dataclass(frozen=True, slots=True)
class Report:
    """Everything a report says of a run, worked out once for terminal, Markdown and page."""

    run: RunRecord
    rows: Sequence[Row]
    pairs: Sequence[Pair]
    headline: str
    warnings: tuple[str, ...]
    verdict: Verdict | None
    tables: tuple[Table, ...]
    stress: Stress = field(default_factory=dict)

    @property
    def prices(self) -> CostConfig:
        """Give the prices in the run's config."""
        return _prices(self.run)

    @property
    def is_timed(self) -> bool:
        """Tell whether times mean something: not where classifiers ran at the same time."""
        return _jobs(self.run) == 1


def make_report(run: RunRecord, rows: Sequence[Row], pairs: Sequence[Pair], stress: Stress | None = None) -> Report:
    """Work out a report; `pairs` compare the rows that were trained on the whole training part."""
    stress = stress or {}
    made = (*tables(run, rows, pairs), *stress_tables(stress))
    verdict = verdict_of(run, rows, pairs)
    return Report(run, rows, pairs, headline(run), tuple(banner_warnings(run, rows)), verdict, made, stress)


def tables(run: RunRecord, rows: Sequence[Row], pairs: Sequence[Pair]) -> Iterator[Table]:
    """Give a run's tables, the most important first; points of a learning curve stand in its table alone."""
    trained = groups(rows)
    rows = full_data_rows(rows)
    yield from curve_tables(trained)
    yield _metric_table("Scores", list(rows), QUALITY, notes=tuple(_under_scores(run, rows)))
    if other := str(run.config.get("data", {}).get("oos_label", "")):
        yield rejection_table(rows, other)
    yield from seed_tables(trained)
    if _jobs(run) == 1:
        yield _metric_table("Speed and size", list(rows), COST, notes=tuple(_under_cost(rows)))
        yield _cost(rows, _prices(run))
    if pairs:
        yield pairs_table(*shown_pairs(rows, pairs))
    if with_probabilities := [row for row in rows if row.scores and row.scores.probability]:
        yield _metric_table("Probabilities", with_probabilities, PROBABILITY, notes=(UNDER_PROBABILITIES,))
    for row in rows:
        if row.cell.max_attempts > 1 and row.scores:
            yield _retry(row)
    yield from map(slice_table, slices(rows))
    if found := suspects(rows):
        yield suspects_table(found)
    if any(row.cell.stages for row in rows):
        yield _stages(rows)
    yield from (_trials(row) for row in rows if row.cell.trials)
    yield from _per_label(rows)
    yield from (_confusion(row) for row in rows if row.scores and row.scores.confusion)


def verdict_of(run: RunRecord, rows: Sequence[Row], pairs: Sequence[Pair]) -> Verdict | None:
    """Give the verdict without limits, at the config's prices; None where nothing was compared."""
    if not pairs or _jobs(run) > 1:
        return None
    return recommend(full_data_rows(rows), pairs, Limits(), _prices(run))


def _jobs(run: RunRecord) -> int:
    """Give how many cells ran at a time; records of before that was possible do not say."""
    return int(run.config.get("jobs", 1))


def _prices(run: RunRecord) -> CostConfig:
    return CostConfig.model_validate(run.config.get("cost", {}))


def headline(run: RunRecord) -> str:
    """Say in one line what was run on what."""
    sizes = ", ".join(f"{part} {size}" for part, size in run.part_sizes.items())
    machine = f"{run.machine['processor']}, {run.machine['threads']} threads"
    return f"{run.task['name']}: {len(run.task['labels'])} labels, {sizes} messages · {machine}"


def banner_warnings(run: RunRecord, rows: Sequence[Row]) -> list[str]:
    """Give what must stand above the tables: odd splits, replaced models, failed rows."""
    notes = dict.fromkeys(f"{row.cell.row or row.cell.classifier}: {note}" for row in rows for note in row.cell.notes)
    failures = [f"{row.cell.classifier} {row.cell.status}: {row.cell.cause}" for row in rows if row.cell.status != "ok"]
    jobs = _jobs(run)
    shared = [f"{jobs} classifiers ran at a time: their times are left out"] if jobs > 1 else []
    return [*run.warnings, *shared, *notes, *failures]


def _metric_table(title: str, rows: list[Row], names: tuple[str, ...], *, notes: tuple[str, ...]) -> Table:
    metrics = shown_metrics(rows, names)
    body = tuple((row.cell.classifier, *(cell_text(metric, row) for metric in metrics)) for row in rows)
    best = [best_rows(metric, rows) for metric in metrics]
    places = ((i, j) for i, row in enumerate(rows) for j, names in enumerate(best, 1) if row.cell.classifier in names)
    return Table(title, ("classifier", *map(heading, metrics)), body, frozenset(places), notes)


def _under_scores(run: RunRecord, rows: Sequence[Row]) -> Iterator[str]:
    n = run.part_sizes["test"]
    widest = max((r.scores.accuracy_interval for r in rows if r.scores), key=lambda i: i.high - i.low, default=None)
    if widest:
        width = share(widest.high - widest.low)
        yield f"n = {n} test messages; brackets are 95 % Wilson intervals, up to {width} points wide."
    if run.as_task().takes_several:
        yield "accuracy is subset accuracy: a message counts where its labels are exactly the gold ones."
    if any(row.cell.max_attempts > 1 for row in rows):
        yield "An answer that is no label counts as wrong; 'before retry' counts first answers only."
    for row in rows:
        if row.scores and row.scores.truncated:
            yield f"{row.cell.classifier}: {row.scores.truncated} messages were too long and were cut."


def _under_cost(rows: Sequence[Row]) -> Iterator[str]:
    for row in rows:
        if row.cell.model:
            yield f"{row.cell.classifier} ran {row.cell.model}."
    sizes = {row.cell.classifier: row.cell.bytes_on_disk for row in rows if row.cell.bytes_on_disk}
    if len(set(sizes.values())) > 1:
        small, large = min(sizes, key=lambda n: sizes[n] or 0), max(sizes, key=lambda n: sizes[n] or 0)
        ratio = (sizes[small] or 0) / (sizes[large] or 1)
        yield f"{small} is {100 * ratio:.2g} % of {large}'s size on disk."
    yield "p50 and p95: one message at a time, after warm-up; throughput: in batches; memory: peak of the process."


def _cost(rows: Sequence[Row], prices: CostConfig) -> Table:
    """Give what a million messages take: time, memory, labels, and energy and money where they are known."""
    costs = [cost_of(row.cell, prices) for row in rows]
    shown = [(heading, name) for heading, name in _cost_columns(prices) if any(_figure(cost, name) for cost in costs)]
    body = tuple(
        (
            row.cell.classifier,
            number(cost.hours_per_million if cost else None),
            f"{memory:g}" if (memory := machine_gb(row.cell)) else DASH,
            DASH if row.cell.n_labelled is None else f"{row.cell.n_labelled:,}",
            *(money(_figure(cost, name)) for _, name in shown),
        )
        for row, cost in zip(rows, costs, strict=True)
    )
    head = ("classifier", "hours a million", "machine GB", "labels used", *(heading for heading, _ in shown))
    return Table("What it takes", head, body, notes=tuple(_under_what_it_takes(rows, prices)))


def _cost_columns(prices: CostConfig) -> list[tuple[str, str]]:
    """Give heading and field of every figure of a cost that may be known."""
    energy = [("kWh a million", "kwh_per_million"), ("kg CO2 a million", "kg_co2_per_million")]
    fields = {"labelling": "labelling", "training": "training", "a million": "per_million"}
    priced = [(f"{what} {prices.currency}", name) for what, name in fields.items()] if prices.are_set else []
    return [*energy, *priced]


def _figure(cost: Cost | None, name: str) -> float | None:
    return None if cost is None else getattr(cost, name)


def _under_what_it_takes(rows: Sequence[Row], prices: CostConfig) -> Iterator[str]:
    yield "machine GB: the smallest usual memory size that holds it at work, with a quarter to spare."
    measured = {row.cell.energy.source for row in rows if row.cell.energy and row.cell.energy.predict_kwh is not None}
    reasons = {row.cell.energy.source for row in rows if row.cell.energy and row.cell.energy.predict_kwh is None}
    if measured:
        yield f"energy was read from {', '.join(sorted(measured))}."
    elif prices.watts:
        yield f"energy is not measured but taken as {prices.watts:g} W at work (watts in the config's [cost] table)."
    elif reasons:
        yield f"energy: not measured, {', '.join(sorted(reasons))}; give watts in the config's [cost] table."
    if not prices.are_set:
        yield "money: give prices in the config's [cost] table, or to bench recommend."


UNDER_PROBABILITIES = (
    "calibration error: mean distance of confidence from accuracy over ten bins; answered at 99 % right: the largest "
    "share of messages, surest first, of which 99 % are right."
)


def _retry(row: Row) -> Table:
    assert row.scores is not None
    scores = row.scores
    counts = [*scores.valid_at, *[0] * (row.cell.max_attempts - len(scores.valid_at))]
    body = [(f"attempt {i}", str(n), share(n / scores.n)) for i, n in enumerate(counts, start=1)]
    body.append(("never", str(scores.never), share(scores.never / scores.n)))
    before, after = share(scores.first_attempt_accuracy), share(scores.accuracy)
    unusable = share(scores.first_parse_failure_rate)
    note = f"accuracy {before} % before retry, {after} % after; {unusable} % of first answers were no label."
    return Table(f"{row.cell.classifier}: first valid answer", ("at", "messages", "%"), tuple(body), notes=(note,))


def _stages(rows: Sequence[Row]) -> Table:
    head = ("classifier", "stage", "tokens", "s", "tokens /s")
    body = tuple(
        (
            row.cell.classifier,
            name,
            f"{stage.tokens:,}" if stage.tokens else DASH,
            number(stage.seconds),
            number(stage.tokens_per_s),
        )
        for row in rows
        for name, stage in row.cell.stages.items()
        if stage.seconds
    )
    notes = ["One decode call serves prompts and answers together; its time is divided by their tokens."]
    notes += [
        f"{row.cell.classifier}: {row.cell.tokens.thinking:,} of {row.cell.tokens.completion:,} tokens were thinking."
        for row in rows
        if row.cell.tokens.thinking
    ]
    return Table("Where prediction time went", head, body, notes=tuple(notes), can_turn=False)


def _trials(row: Row) -> Table:
    """Give everything that was tried on validation, each by what sets it apart from the first, plain one."""
    trials = row.cell.trials
    plain = trials[0].settings
    body = []
    for trial in trials:
        changed = [f"{name} {value}" for name, value in trial.settings.items() if plain.get(name) != value]
        how = ", ".join(changed) or "as configured"
        body.append((how + (" (chosen)" if trial.chosen else ""), share(trial.accuracy), number(trial.seconds)))
    bold = frozenset((i, j) for i, cells in enumerate(body) if cells[0].endswith("(chosen)") for j in range(3))
    notes = [f"{trials[0].n} validation messages; test messages played no part."]
    notes += [
        f"{s.setting} alone: from {share(s.low)} to {share(s.high)} % over {s.n} values."
        for s in spreads(trials)
        if s.setting in ("prompt_template", "example_seed")
    ]
    head = ("way of asking", "accuracy %", "s")
    title = f"{row.cell.classifier}: tried on validation"
    return Table(title, head, tuple(body), bold, tuple(notes), can_turn=False)


def _per_label(rows: Sequence[Row]) -> Iterator[Table]:
    scored = [row for row in rows if row.scores]
    if not scored:
        return
    head = ("label", "messages", *(row.cell.classifier for row in scored))
    columns = [row.scores.per_label for row in scored if row.scores]
    body = tuple(
        (first.label, str(first.support), *(_precision_recall_f1(column[i]) for column in columns))
        for i, first in enumerate(columns[0])
    )
    yield Table("Per label: precision / recall / F1", head, body)


def _precision_recall_f1(score: object) -> str:
    p, r, f = (100 * getattr(score, name) for name in ("precision", "recall", "f1"))
    return f"{p:.0f} / {r:.0f} / {f:.0f}"


MATRIX_WIDTH = 60


def _confusion(row: Row) -> Table:
    """Give the matrix, or where its head is too wide to read only its largest errors."""
    assert row.scores is not None
    labels, matrix = row.scores.labels, row.scores.confusion
    title = f"{row.cell.classifier}: gold label (row) against answer (column)"
    if sum(map(len, labels)) <= MATRIX_WIDTH:
        body = tuple((name, *map(str, counts)) for name, counts in zip(labels, matrix, strict=True))
        return Table(title, ("gold", *labels, UNPARSED), body, can_turn=False)
    names = (*labels, UNPARSED)
    errors = [
        (n, labels[i], names[j])
        for i, line in enumerate(matrix)
        for j, n in enumerate(line)
        if n and names[j] != labels[i]
    ]
    worst = sorted(errors, reverse=True)[:10]
    body = tuple((gold, answer, str(n)) for n, gold, answer in worst) or ((DASH, DASH, DASH),)
    return Table(f"{row.cell.classifier}: commonest errors", ("gold", "answer", "messages"), body)
