"""The report's charts, as Vega-Lite specifications made with Altair; saved as PNG and SVG without a browser."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from bench.analysis.learning_curve import curves
from bench.report.build import Report
from bench.report.charts.costs import bars, cost_tradeoff, tradeoff
from bench.report.charts.drawing import LIGHT, Chart, config
from bench.report.charts.quality import cascade, confusion, coverage, learning_curve, reliability, retry
from bench.report.tables.table import Topic

PIXELS = 2


NARROW = 300
"""How wide, in pixels, a phone shows what is drawn between the axes."""


def narrow_charts(report: Report) -> Iterator[tuple[str, Chart]]:
    """Yield those charts for a phone in which names stand at places worked out for a width."""
    scored = [row for row in report.findings.rows if row.scores]
    if report.is_timed and any(row.resources.latency_ms for row in scored):
        yield "tradeoff", tradeoff(report.findings, NARROW)
    if report.is_timed and any(row.resources.throughput_per_s for row in scored):
        yield "cost", cost_tradeoff(report.findings, NARROW)


def charts(report: Report) -> Iterator[tuple[str, Chart]]:
    """Yield the charts a run has data for, each with its name, the most important first."""
    scored = [row for row in report.findings.rows if row.scores]
    trained = report.findings.trained
    if report.is_timed and any(row.resources.latency_ms for row in scored):
        yield "tradeoff", tradeoff(report.findings)
    if report.is_timed and any(row.resources.throughput_per_s for row in scored):
        yield "cost", cost_tradeoff(report.findings)
        yield "bars", bars(scored)
    if curves(trained):
        yield "curve", learning_curve(trained)
    if any(row.scores.confusion for row in scored if row.scores):
        yield "confusion", confusion(scored)
    if any(row.scores.probability for row in scored if row.scores):
        yield "reliability", reliability(scored)
        yield "coverage", coverage(scored)
    if report.findings.cascades:
        yield "cascade", cascade(report.findings.cascades)
    if any(row.max_attempts > 1 for row in scored):
        yield "retry", retry(scored)


TOPICS = {
    "tradeoff": Topic.COST,
    "cost": Topic.COST,
    "bars": Topic.COST,
    "curve": Topic.CURVE,
    "confusion": Topic.LABELS,
    "reliability": Topic.QUALITY,
    "coverage": Topic.QUALITY,
    "cascade": Topic.QUALITY,
    "retry": Topic.LLM,
}
"""What each chart is about."""


def _pictures(spec: dict[str, Any]) -> dict[str, bytes]:
    """Draw a specification without a browser: as SVG, and from that as PNG, in half the time of two drawings."""
    import vl_convert

    svg = str(vl_convert.vegalite_to_svg(spec))
    return {"svg": svg.encode(), "png": bytes(vl_convert.svg_to_png(svg, scale=PIXELS))}


def save_charts(folder: Path, drawn: Mapping[str, Chart]) -> None:
    """Write every chart into a folder as PNG and SVG, each through a sibling that is renamed when it is whole."""
    folder.mkdir(exist_ok=True)
    for name, chart in drawn.items():
        for kind, picture in _pictures({**chart.to_dict(), "config": config(LIGHT)}).items():
            beside = folder / f".{name}.new.{kind}"
            beside.write_bytes(picture)
            beside.replace(folder / f"{name}.{kind}")
