"""What a report says, as plain tables and lines: terminal, Markdown and page draw the same ones."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from bench.analysis.compare import Pair
from bench.analysis.correction_effect import CorrectionEffect
from bench.analysis.findings import Findings, findings
from bench.analysis.rows import Row, why_stopped
from bench.analysis.verdict import Verdict
from bench.config.tables import CostConfig
from bench.records.conditions import OtherLoad
from bench.records.types import RunRecord
from bench.report.tables.comparison import pairs_table, rejection_table, shown_pairs, slice_table, suspects_table
from bench.report.tables.curve import curve_tables, seed_tables
from bench.report.tables.labels import label_tables
from bench.report.tables.llm import llm_tables
from bench.report.tables.mistakes import mistake_table
from bench.report.tables.results import (
    cost_table,
    disagreement_table,
    probability_table,
    quality_table,
    size_table,
    summary_table,
    time_table,
)
from bench.report.tables.robustness import stress_tables
from bench.report.tables.table import Table, Topic
from bench.robustness.outcomes import stress_findings
from bench.robustness.suites import StressRecord
from classifiers.plurals import number_of

Stress = Mapping[str, Sequence[StressRecord]]
"""What each classifier that was put under stress answered."""
SUPERSCRIPTS = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")


@dataclass(frozen=True, slots=True)
class Caveat:
    """A warning, and the classifiers it is about: none of them is one about the run.

    `mark` is the footnote sign that stands beside those classifiers' figures.
    """

    text: str
    classifiers: tuple[str, ...] = ()
    mark: str = ""

    @property
    def line(self) -> str:
        """Return the caveat as one line: sign, classifiers, text."""
        names = f"{', '.join(self.classifiers)}: " if self.classifiers else ""
        return f"{self.mark} {names}{self.text}".strip()


@dataclass(frozen=True, slots=True)
class Report:
    """Everything a report says of a run, worked out once for terminal, Markdown and page."""

    run: RunRecord
    rows: Sequence[Row]
    findings: Findings
    caveats: tuple[Caveat, ...]
    tables: tuple[Table, ...]
    stress: Stress = field(default_factory=dict)

    @property
    def pairs(self) -> Sequence[Pair]:
        """Return the paired comparisons."""
        return self.findings.pairs

    @property
    def verdict(self) -> Verdict | None:
        """Return what to use; None where nothing was compared."""
        return self.findings.verdict

    @property
    def prices(self) -> CostConfig:
        """Return the prices in the run's config."""
        return self.findings.prices

    @property
    def is_timed(self) -> bool:
        """Tell whether the times of all rows may be compared."""
        return self.findings.is_timed

    @property
    def title(self) -> str:
        """Return what the run is about and when it was made, as people say it."""
        started = _started(self.run)
        return str(self.run.task["name"]) + (f", {started.day} {started:%B %Y}" if started else "")

    @property
    def headline(self) -> str:
        """Say in one line what was run on what."""
        return headline(self.run)

    @property
    def started(self) -> str:
        """Return when the run was started, to the minute, empty where the record does not say."""
        started = _started(self.run)
        return f"{started:%Y-%m-%d %H:%M} UTC" if started else ""

    def of(self, topic: Topic) -> list[Table]:
        """Return the tables about a topic."""
        return [table for table in self.tables if table.topic is topic]


def make_report(
    run: RunRecord,
    rows: Sequence[Row],
    pairs: Sequence[Pair],
    stress: Stress | None = None,
    corrected: CorrectionEffect | None = None,
) -> Report:
    """Make a report.

    Args:
        run: what was run.
        rows: its rows, with corrected gold labels where there are corrections.
        pairs: comparisons of the rows that were trained on the whole training part.
        stress: what classifiers answered under stress.
        corrected: what corrections of gold labels changed.
    """
    stress = stress or {}
    worked_out = findings(run, rows, pairs, corrected)
    noted = caveats(run, rows, worked_out)
    noted = [*([Caveat(corrected.note)] if corrected else []), *noted]
    made = (*tables(run, worked_out, noted), *stress_tables(stress_findings(stress)))
    return Report(run, rows, worked_out, tuple(noted), made, stress)


def tables(run: RunRecord, worked_out: Findings, noted: Sequence[Caveat]) -> Iterator[Table]:
    """Yield a run's tables, the most important first; points of a learning curve stand in its table alone."""
    rows = worked_out.rows
    yield from curve_tables(worked_out.trained, worked_out.crossings)
    yield summary_table(rows, _marks(noted), is_timed=worked_out.is_timed)
    yield quality_table(rows, takes_several=run.as_task().takes_several)
    if worked_out.rejections:
        yield rejection_table(worked_out.rejections, worked_out.oos_label)
    yield from seed_tables(worked_out.trained)
    if worked_out.mistakes:
        yield mistake_table(worked_out.mistakes, worked_out.prices)
    yield from _cost_tables(worked_out)
    if len(worked_out.counts.classifiers) > 1:
        yield disagreement_table(worked_out.counts)
    if worked_out.pairs:
        yield pairs_table(*shown_pairs(rows, worked_out.pairs))
    if with_probabilities := [row for row in rows if row.scores and row.scores.probability]:
        yield probability_table(with_probabilities)
    yield from map(slice_table, worked_out.slices)
    if worked_out.suspects:
        yield suspects_table(worked_out.suspects)
    yield from label_tables(rows)
    yield from llm_tables(rows)


def _cost_tables(worked_out: Findings) -> Iterator[Table]:
    if worked_out.is_timed:
        yield time_table(worked_out.rows)
    yield size_table(worked_out.rows)
    if worked_out.is_timed:
        yield cost_table(worked_out, worked_out.rows)
    elif not worked_out.timing.shared:
        yield from _machine_tables(worked_out)


def _machine_tables(worked_out: Findings) -> Iterator[Table]:
    """Yield times and costs machine by machine: those of two machines never stand in one table."""
    for machine, names in worked_out.timing.machines.items():
        rows = [row for row in worked_out.rows if row.name in names]
        for table in (time_table(rows), cost_table(worked_out, rows)):
            yield replace(table, title=f"{table.title}, on {machine}")


def _started(run: RunRecord) -> datetime | None:
    try:
        return datetime.fromisoformat(run.started.replace("Z", "+00:00"))
    except ValueError:
        return None


def headline(run: RunRecord) -> str:
    """Say in one line what was run on what."""
    sizes = ", ".join(f"{size:,} {part}" for part, size in run.part_sizes.items())
    machine = f"{run.machine['processor']}, {number_of(int(run.machine['threads']), 'thread')}"
    return f"{run.task['name']}: {number_of(len(run.task['labels']), 'label')}, {sizes} messages · {machine}"


def caveats(run: RunRecord, rows: Sequence[Row], worked_out: Findings) -> list[Caveat]:
    """Return what must stand beside the figures: odd splits, replaced models, failed rows, doubts; equal ones once."""
    times = worked_out.timing
    about: dict[str, list[str]] = {}
    for row in rows:
        name = row.config_row
        for note in row.notes:
            about.setdefault(note, []).append(name)
        load = row.cell.other_load if row.cell else None
        if not times.shared and load and load.disturbed:
            about.setdefault(_disturbance(load), []).append(row.name)
        if row.stopped:
            about.setdefault(why_stopped(row), []).append(row.name)
        if row.status != "ok":
            about.setdefault(f"{row.status}: {row.cause}", []).append(row.name)
    for doubt in worked_out.doubts:
        about.setdefault(doubt.text, []).extend(doubt.classifiers)
    untimed = [times.reason] if times.reason else []
    marked = [
        Caveat(text, tuple(dict.fromkeys(names)), str(i).translate(SUPERSCRIPTS))
        for i, (text, names) in enumerate(about.items(), start=1)
    ]
    return [*map(Caveat, (*run.warnings, *untimed)), *marked]


def _disturbance(load: OtherLoad) -> str:
    """Say that the machine was busy while a classifier was timed."""
    used = f"{max(load.disturbed.values()):.1f} of {load.cores} processors"
    phases = " and ".join(load.disturbed)
    return f"other programs used up to {used} during {phases}: these times are too long; run again on an idle machine"


def _marks(noted: Sequence[Caveat]) -> dict[str, str]:
    """Return each classifier's footnote signs."""
    marks: dict[str, list[str]] = {}
    for caveat in noted:
        for name in caveat.classifiers:
            marks.setdefault(name, []).append(caveat.mark)
    return {name: " ".join(signs) for name, signs in marks.items()}
