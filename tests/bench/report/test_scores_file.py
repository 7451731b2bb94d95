"""scores.json for machines: what is written keeps the schema that is published, and the schema is that of the code."""

from __future__ import annotations

import json
from dataclasses import fields
from pathlib import Path

import pytest
from conftest import REPOSITORY
from jsonschema import Draft202012Validator, ValidationError
from samples import hits, row, run_record

from bench.analysis.compare import all_pairs
from bench.report.build import make_report
from bench.report.scores_file import ClassifierScores, scores_json, scores_schema

SCHEMA = json.loads((REPOSITORY / "docs" / "scores.schema.json").read_text(encoding="utf-8"))
REFERENCES = sorted((REPOSITORY / "results" / "reference").glob("*/scores.json"))


def test_published_schema_is_that_of_the_code() -> None:
    assert scores_schema() == SCHEMA, "python -m bench.report.scores_file > docs/scores.schema.json"
    Draft202012Validator.check_schema(SCHEMA)


@pytest.mark.parametrize("file", REFERENCES, ids=lambda file: file.parent.name)
def test_committed_scores_keep_the_schema(file: Path) -> None:
    scores = json.loads(file.read_text(encoding="utf-8"))
    Draft202012Validator(SCHEMA).validate(scores)
    assert scores["verdict"]["best"] in scores["tied"]
    assert set(scores["tied"]) <= set(scores["classifiers"])
    for broken in ({**scores, "classifiers": {"x": {"n": 1}}}, {"run": "r"}, {**scores, "tied": "encoder"}):
        with pytest.raises(ValidationError):
            Draft202012Validator(SCHEMA).validate(broken)


def test_every_figure_of_a_classifier_stands_in_the_file() -> None:
    scores = hits("x", [True, False]).scores
    assert scores is not None
    optional = {"n_groups", "design_effect"}  # written where messages have groups
    assert set(scores.as_json()) | optional == {field.name for field in fields(ClassifierScores)}


def test_tied_are_those_whose_difference_may_be_chance() -> None:
    # of 200 messages `best` gets 190, `near` 186 of them other ones, `far` 120
    best = hits("best", [True] * 190 + [False] * 10)
    near = hits("near", [False] * 9 + [True] * 186 + [False] * 5)
    far = hits("far", [True] * 120 + [False] * 80)
    rows = [best, near, far, row("failed", [])]
    report = make_report(run_record(), rows, all_pairs(rows[:3]))
    scores = json.loads(json.dumps(scores_json(report)))
    assert scores["tied"] == ["best", "near"]
    assert scores["verdict"]["best"] == "best"
    assert {s["classifier"]: s["relation"] for s in scores["verdict"]["standings"]}["far"] == "worse"
    assert scores["classifiers"]["failed"] is None
    assert scores["classifiers"]["far"]["accuracy"] == 0.6
    assert len(scores["pairs"]) == 3
    Draft202012Validator(SCHEMA).validate(scores)


def test_a_row_alone_has_no_verdict() -> None:
    scores = scores_json(make_report(run_record(), [hits("x", [True, False])], ()))
    assert (scores["verdict"], scores["tied"]) == (None, [])
