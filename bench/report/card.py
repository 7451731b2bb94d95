"""The model card of an exported classifier, in the Hub's format: how to run it, its scores with intervals, its limits.

Every figure is that of the run's report; the card tells no message of the data.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from bench.analysis.label_scores import Interval
from bench.analysis.rows import Row
from bench.analysis.scores import Scores
from bench.config.tables import DataConfig
from bench.inference.export import Export
from bench.report.build import Report
from bench.report.tables.labels import label_tables
from bench.report.tables.results import probability_table, quality_table, summary_table
from bench.report.tables.robustness import FLIPPED, stress_tables
from bench.report.tables.table import Table, escaped, table_lines, titled_lines
from bench.report.text import share, with_interval
from bench.robustness.outcomes import stress_findings
from classifiers.errors import BenchError
from classifiers.models.catalogue import catalogue, hub_name
from classifiers.plurals import number_of

TEMPLATE = Path(__file__).with_name("card.md")
TASK = "text-classification"
FEW = 30
"""Test messages below which the scores of a label say little of new messages."""


def card(report: Report, export: Export) -> str:
    """Return the card of an export.

    Raises:
        BenchError: if the row has no scores.
    """
    from huggingface_hub import ModelCard

    row = next(row for row in report.rows if row.name == export.classifier)
    if row.scores is None:
        raise BenchError(f"'{export.classifier}' has no scores to tell of; bench report tells why")
    task, metadata = report.run.as_task(), _metadata(report, row.scores, export)
    made = ModelCard.from_template(
        metadata,
        template_path=str(TEMPLATE),
        metadata=metadata.to_yaml(),
        title=escaped(f"{export.classifier}: {task.name}"),
        about=escaped(task.instruction or "Says which label fits a message."),
        labels=[(escaped(label.name), escaped(label.definition) or "–") for label in task.labels],
        usages=export.deployment.usages,
        decisions=list(map(escaped, _decisions(export))),
        results=escaped(_results(row.scores)),
        tables=_blocks(_tables(report, row)),
        verdict=escaped(" ".join(report.verdict.sentences) if report.verdict else "It ran alone."),
        rivals=list(table_lines(summary_table(report.findings.rows, {}, is_timed=report.is_timed))),
        stress=_blocks(_stress(report, export.classifier)),
        limits=list(map(escaped, _limits(report, row, export))),
        provenance=list(map(escaped, _provenance(report, row, export))),
    )
    return str(made)


def _metadata(report: Report, scores: Scores, export: Export) -> Any:
    """Return what the Hub reads: library, base model and the results as a `model-index`."""
    from huggingface_hub import EvalResult, ModelCardData

    run, base = report.run, export.deployment.base_model
    hub = _hub_data(run.config.data)
    about: dict[str, Any] = {
        "task_type": TASK,
        "dataset_type": hub or _slug(str(run.task["name"])),
        "dataset_name": str(run.task["name"]),
        "dataset_split": "test",
        "dataset_revision": f"task {run.task_fingerprint}, split {run.split_fingerprint}",
    }
    figures = [("accuracy", "Accuracy", scores.accuracy, scores.accuracy_interval)]
    figures += [("f1", "Macro F1", scores.macro_f1, scores.macro_f1_interval)]
    results = [
        EvalResult(
            **about,
            metric_type=kind,
            metric_name=name,
            metric_value=float(value),
            metric_args=_args(interval, scores),
        )
        for kind, name, value, interval in figures
    ]
    return ModelCardData(
        library_name=export.deployment.library,
        pipeline_tag=TASK,
        base_model=hub_name(base) if base in catalogue() else None,
        datasets=[hub] if hub else None,
        metrics=["accuracy", "f1"],
        tags=["encoder-or-llm-bench"],
        model_name=export.classifier,
        eval_results=results,
    )


def _args(interval: Interval, scores: Scores) -> dict[str, float | int]:
    """Return what stands beside a figure: its 95 % interval and the number of test messages."""
    low, high = float(interval.low), float(interval.high)
    return {"interval_level": 0.95, "interval_low": low, "interval_high": high, "n": scores.n}


def _hub_data(data: DataConfig) -> str:
    return data.path.removeprefix("hf:") if data.path.startswith("hf:") else ""


def _slug(name: str) -> str:
    """Return a name as the Hub writes those of data sets."""
    return "-".join("".join(c if c.isalnum() else " " for c in name).lower().split()) or "messages"


def _decisions(export: Export) -> Iterator[str]:
    decision = export.decision
    if decision.thresholds:
        yield "thresholds: a label is given from its own probability on: " + ", ".join(
            f"{name} {value:.3f}" for name, value in decision.thresholds.items()
        )
    if decision.temperature is not None:
        yield (
            f"temperature {decision.temperature:.3f}: probabilities p become better calibrated as p^(1 / temperature), "
            "normalised again; no answer changes"
        )
    if decision.unsure:
        kept = share(decision.unsure.accuracy)
        yield (
            f"unsure below {decision.unsure.below:.4f}, of the probability as it comes: above it {kept} % of the "
            "answers are right, which validation messages show at 95 % confidence"
        )
    else:
        yield "no threshold for unsure answers: validation messages show the accuracy that was asked for at none"
    if decision.max_length:
        yield f"a message is cut behind {number_of(decision.max_length, 'token')}"


def _blocks(tables: Iterable[Table]) -> str:
    """Return tables as Markdown, a blank line between two."""
    return "\n\n".join("\n".join(titled_lines(table)).strip() for table in tables)


def _results(scores: Scores) -> str:
    accuracy = with_interval(scores.accuracy, scores.accuracy_interval)
    f1 = with_interval(scores.macro_f1, scores.macro_f1_interval)
    tested = number_of(scores.n, "held-out test message")
    return f"Accuracy {accuracy} %, macro F1 {f1} % on {tested}; 95 % intervals."


def _tables(report: Report, row: Row) -> Iterator[Table]:
    yield quality_table([row], takes_several=report.run.as_task().takes_several)
    if row.scores and row.scores.probability:
        yield probability_table([row])
    yield from label_tables([row])


def _stress(report: Report, name: str) -> Iterator[Table]:
    """Yield the tables of what a classifier answered under stress, but for that which shows messages."""
    if records := report.stress.get(name):
        yield from (table for table in stress_tables(stress_findings({name: records})) if table.title != FLIPPED)


def _limits(report: Report, row: Row, export: Export) -> Iterator[str]:
    scores = row.scores
    assert scores is not None
    width = scores.accuracy_interval.high - scores.accuracy_interval.low
    yield (
        f"with {number_of(scores.n, 'test message')} there are {share(width)} points between the ends of the "
        "accuracy's interval; they are drawn from the same data as the training messages, and on other messages it "
        "can be less"
    )
    if few := [f"{label.label} ({label.support})" for label in scores.per_label if label.support < FEW]:
        yield f"labels with fewer than {FEW} test messages, whose scores say little: {', '.join(few)}"
    if not report.findings.oos_label:
        yield "a message that belongs to none of the labels is given one all the same"
    if scores.truncated:
        yield f"the ends of {number_of(scores.truncated, 'test message')} were cut, as too long"
    if n := export.deployment.n_messages:
        yield f"the files hold {number_of(n, 'message')} of the data as examples: see that they may be shared"
    yield from export.deployment.notes
    names = {row.config_row, export.classifier}
    yield from (caveat.text for caveat in report.caveats if not caveat.classifiers or names & {*caveat.classifiers})


def _provenance(report: Report, row: Row, export: Export) -> Iterator[str]:
    run, base = report.run, export.deployment.base_model
    parts = ", ".join(f"{size:,} {part}" for part, size in run.part_sizes.items())
    prints = f"task {run.task_fingerprint}, split {run.split_fingerprint}"
    yield f"data: {run.task['name']}, {parts} messages; fingerprints: {prints}"
    if base in catalogue():
        yield f"made from {hub_name(base)}, whose licence is {catalogue()[base].licence}"
    assert row.cell is not None, "a cascade is no row that can be exported"
    for file in row.cell.models:
        yield f"{file.name}, {file.bytes:,} bytes, SHA-256 {file.sha256}"
    yield f"seed {row.cell.seed}; {number_of(row.cell.n_labelled or 0, 'labelled message')} used"
    yield f"encoder-or-llm-bench at commit {run.git_commit or 'unknown'}, {report.started or 'date unknown'}"
    yield ", ".join(f"{name} {version}" for name, version in run.versions.items())
