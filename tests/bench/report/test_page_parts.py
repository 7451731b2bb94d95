"""What the report's page is made of, looked at without a browser."""

from __future__ import annotations

import json

import pytest
from conftest import REPOSITORY
from samples import record, row

from bench.analysis.rows import Row
from bench.analysis.scored_run import rows_of
from bench.records.store import RunFolder
from bench.report.build import make_report
from bench.report.charts import charts
from bench.report.page import MAX_MESSAGES, embedded, viewed_messages
from bench.report.page import page as page_of


@pytest.mark.slow
def test_the_page_of_a_learning_curve_begins_with_it() -> None:
    folder = RunFolder(REPOSITORY / "results" / "reference" / "curve")
    report = make_report(folder.read(), rows_of(folder), ())
    text = page_of(report, dict(charts(report)))
    first = text[text.index('id="section-results"') : text.index('id="section-messages"')]
    assert "encoder passes llama_cpp (68.0 %) at about 4 examples per label" in first
    assert 'id="chart-curve"' in first
    assert text.count('id="chart-curve"') == 1


def test_embedded_json_cannot_end_its_script() -> None:
    text = str(embedded({"a": "</script><!--", "b": "&amp;\u2028"}))
    assert "<" not in text
    assert "\u2028" not in text
    assert json.loads(text) == {"a": "</script><!--", "b": "&amp;\u2028"}


@pytest.mark.slow
def test_a_large_run_keeps_the_disagreements_and_says_what_is_left_out() -> None:
    n = MAX_MESSAGES + 1000
    first = [record(i, "a", "a") for i in range(n)]
    second = [record(i, "a", "b" if i < 300 else "a") for i in range(n)]
    rows: list[Row] = [row("x", first), row("y", second)]
    kept, left_out = viewed_messages(rows)
    assert (len(kept), left_out) == (MAX_MESSAGES, 1000)
    assert {str(i) for i in range(300)} <= {message.id for message in kept}
