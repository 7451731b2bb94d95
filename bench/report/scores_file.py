"""scores.json: the figures of a run for machines, with the verdict; docs/scores.schema.json describes it.

As a script it prints that schema: python -m bench.report.scores_file > docs/scores.schema.json
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from pydantic import TypeAdapter

from bench.analysis.calibration import ProbabilityScores
from bench.analysis.compare import Pair
from bench.analysis.confusions import Confusion
from bench.analysis.label_scores import Interval, LabelScore
from bench.analysis.verdict import Verdict
from bench.report.build import Report

SCHEMA = 1
DIALECT = "https://json-schema.org/draft/2020-12/schema"


@dataclass(frozen=True, slots=True)
class ClassifierScores:
    """One classifier's scores on the test messages; an unanswered message is a wrong one, in every figure.

    Shares lie between 0 and 1. `valid_at` counts the messages by the attempt that gave their first valid answer, and
    `never` those without one. `confusion` has a row per gold label and a column per answered one, unparsed answers in
    the last; it is empty where a message may have several labels, and `micro_f1` and `hamming_loss` are null where it
    has one. `n_groups` and `design_effect` are of messages that belong together, null where none do.
    """

    n: int
    accuracy: float
    accuracy_interval: Interval
    first_attempt_accuracy: float
    macro_f1: float
    macro_f1_interval: Interval
    parse_failure_rate: float
    first_parse_failure_rate: float
    valid_at: tuple[int, ...]
    never: int
    truncated: int
    per_label: tuple[LabelScore, ...]
    labels: tuple[str, ...]
    confusion: Confusion
    probability: ProbabilityScores | None
    micro_f1: float | None
    hamming_loss: float | None
    n_groups: int | None = None
    design_effect: float | None = None


@dataclass(frozen=True, slots=True)
class ScoresFile:
    """All figures of a run, derived from its records.

    `verdict` is null where fewer than two classifiers have scores. `tied` names the most accurate classifier and those
    that are not measurably less accurate. `classifiers` holds null for a row that failed. `schema` is the version of
    this format; fields are only ever added.
    """

    run: str
    verdict: Verdict | None
    tied: tuple[str, ...]
    classifiers: dict[str, ClassifierScores | None]
    pairs: tuple[Pair, ...]
    schema: int = SCHEMA


def scores_json(report: Report) -> dict[str, Any]:
    """Return what stands in a run's scores.json."""
    values = {
        "run": report.run.name,
        "verdict": report.verdict,
        "tied": report.verdict.tied if report.verdict else (),
        "classifiers": {row.name: row.scores.as_json() if row.scores else None for row in report.rows},
        "pairs": report.pairs,
    }
    adapter = TypeAdapter(ScoresFile)
    plain: dict[str, Any] = adapter.dump_python(adapter.validate_python(values), mode="json")
    return plain


def read_classifiers(text: str) -> dict[str, ClassifierScores | None]:
    """Return the scores of each classifier from the text of a scores.json."""
    adapter = TypeAdapter(dict[str, ClassifierScores | None])
    return adapter.validate_python(json.loads(text)["classifiers"])


def scores_schema() -> dict[str, Any]:
    """Return the JSON schema of scores.json."""
    adapter = TypeAdapter(ScoresFile)
    return {**adapter.json_schema(mode="serialization"), "$schema": DIALECT, "title": "scores.json"}


if __name__ == "__main__":
    print(json.dumps(scores_schema(), indent=1, ensure_ascii=False))
