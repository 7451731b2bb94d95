"""The report as one HTML file that needs no network: verdict, tables, charts and every message to look at.

Messages, labels and model answers are other people's text. They reach the page only as JSON in which no
`<` is left, and are put on it as text, never as HTML.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

from bench.analysis.compare import Disagreement, answers_by_message
from bench.analysis.rows import Row, complete_rows
from bench.report.build import Report
from bench.report.charts import TOPICS
from bench.report.charts.drawing import DARK, LIGHT, config
from bench.report.tables.curve import crossing_text
from bench.report.tables.layout import fits
from bench.report.tables.table import Table, Topic
from bench.report.text import takes_text
from bench.robustness.suites import challenge_answers

HERE = Path(__file__).parent
MAX_MESSAGES = 5000
FOLDED_ROWS = 20
"""Rows above which a table is folded on the page."""
COLUMN_SIGNS = 82
"""Signs that one of the page's two columns holds; a wider table takes both."""
UNSAFE = re.compile("[<>&\u2028\u2029\ud800-\udfff]")
"""What could end a script or a line of it, and halves of surrogate pairs, which no file can hold."""


@dataclass(frozen=True, slots=True)
class Section:
    """A part of the page: its anchor, heading, charts by name, and tables."""

    anchor: str
    heading: str
    charts: tuple[str, ...]
    tables: tuple[Table, ...]


def page(report: Report, drawn: Mapping[str, Any], narrow: Mapping[str, Any] | None = None) -> str:
    """Return the whole page as text, the charts drawn by the reader's browser.

    Args:
        report: what to say.
        drawn: the charts by name.
        narrow: those of them that look otherwise on a phone.
    """
    shown = report.findings.rows
    viewed = complete_rows(shown)
    messages, left_out = viewed_messages(viewed)
    contrived = challenge_messages(report, viewed)
    charts = {name: {"wide": chart.to_dict(), "narrow": None} for name, chart in drawn.items()}
    for name, chart in (narrow or {}).items():
        charts[name]["narrow"] = chart.to_dict()
    return rendered(
        "page.html",
        report=report,
        sections=list(sections(report, drawn)),
        summary=report.of(Topic.SUMMARY),
        counts=[table for table in report.of(Topic.DIFFERENCES) if table.is_main],
        first_chart=first_chart(drawn),
        crossings=list(map(crossing_text, report.findings.crossings)),
        answer=_answer_card(report, shown),
        recommended=_recommended(report, shown),
        folded_rows=FOLDED_ROWS,
        charts=charts,
        data=_viewer_data(report, viewed, [*messages, *contrived]),
        left_out=left_out,
        held=len(messages),
    )


def rendered(template: str, **values: object) -> str:
    """Return a page of a template, with the chart library and the looks of charts in it."""
    from jinja2 import Environment, FileSystemLoader

    environment = Environment(loader=FileSystemLoader(HERE), autoescape=True, trim_blocks=True, lstrip_blocks=True)
    environment.filters["embedded"] = embedded
    environment.tests["wide"] = _is_wide
    looks = {"light": config(LIGHT), "dark": config(DARK)}
    return environment.get_template(template).render(looks=looks, vega=_vega(), **values)


def first_chart(drawn: Mapping[str, Any]) -> str | None:
    """Return the chart that stands beside the verdict: the learning curve where there is one, else accuracy by cost."""
    return next((name for name in ("curve", "cost") if name in drawn), None)


def sections(report: Report, drawn: Mapping[str, Any]) -> list[Section]:
    """Return the parts of the page below results and disagreements, those that have anything to show."""
    made = []
    for topic in Topic:
        if topic is Topic.SUMMARY:
            continue
        charts = tuple(
            name for name in drawn if TOPICS.get(name, Topic.QUALITY) is topic and name != first_chart(drawn)
        )
        tables = tuple(t for t in report.of(topic) if not (t.is_main and topic is Topic.DIFFERENCES))
        if charts or tables:
            anchor = f"section-{topic.name.lower()}"
            made.append(Section(anchor, topic.value, charts, tables))
    return made


def _is_wide(table: Table) -> bool:
    return not fits(table, COLUMN_SIGNS)


def embedded(value: object) -> Any:
    """Return a value as JSON that cannot end the script it stands in, whatever texts it holds."""
    from markupsafe import Markup

    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    text = UNSAFE.sub(lambda match: f"\\u{ord(match[0]):04x}", text)
    return Markup(text)  # noqa: S704 - no sign that HTML knows is left in it


def viewed_messages(rows: Sequence[Row]) -> tuple[list[Disagreement], int]:
    """Return the messages the page holds and how many it leaves out.

    All of them up to 5,000; above that every disagreement that fits, and a seeded draw of the rest.
    """
    messages = list(answers_by_message(rows))
    if len(messages) <= MAX_MESSAGES:
        return messages, 0
    differ = [message for message in messages if message.differs]
    agree = [message for message in messages if not message.differs]
    rng = random.Random(0)
    kept = differ if len(differ) <= MAX_MESSAGES else rng.sample(differ, MAX_MESSAGES)
    kept = kept + rng.sample(agree, min(len(agree), MAX_MESSAGES - len(kept)))
    return kept, len(messages) - len(kept)


def challenge_messages(report: Report, rows: Sequence[Row]) -> list[Disagreement]:
    """Return the challenge messages, where all the classifiers shown were put under stress."""
    scored = [row for row in rows if row.scores]
    if any(row.name not in report.stress for row in scored):
        return []  # a row made of others, such as a cascade, cannot be asked either
    return list(answers_by_message([replace(r, records=challenge_answers(report.stress[r.name])) for r in scored]))


def _viewer_data(report: Report, rows: Sequence[Row], messages: Sequence[Disagreement]) -> dict[str, Any]:
    """Return what the viewer works on; short keys, because there are thousands of them."""
    scored = [row for row in rows if row.scores]
    tested = {record.id for row in scored for record in row.records}  # what is contrived has no label to correct
    return {
        "run": report.run.name,
        "split": report.run.split_fingerprint,
        "several": report.run.as_task().takes_several,
        "suspects": [suspect.id for suspect in report.findings.suspects],
        "labels": list(report.run.as_task().label_names),
        "classifiers": [row.name for row in scored],
        "pair": _pair(report, scored),
        "prompts": {row.name: (row.cell.prompt if row.cell else "") or None for row in scored},
        "messages": [
            {
                "id": message.id,
                "text": message.text,
                "gold": list(message.gold),
                "kind": message.columns.get("kind", ""),
                "hash": message.text_hash if message.id in tested else "",
                "answers": [_answer(message, row.name) for row in scored],
            }
            for message in messages
        ],
    }


def _recommended(report: Report, shown: Sequence[Row]) -> int | None:
    """Return the recommended row's place in the summary, None where there is none."""
    names = [row.name for row in shown]
    name = report.verdict.classifier if report.verdict else None
    return names.index(name) if name in names else None


def _answer_card(report: Report, shown: Sequence[Row]) -> dict[str, list[str]]:
    """Return what the verdict's card says by heading: how sure it is, what it costs, and what would change it."""
    verdict, place = report.verdict, _recommended(report, shown)
    if verdict is None or place is None:
        return {}
    takes = [takes_text(shown[place])] if report.is_timed else []
    return {
        "How sure": [*verdict.sure],
        "What it costs": [*takes, *verdict.costs],
        "What would change it": [*verdict.changes],
    }


def _pair(report: Report, scored: Sequence[Row]) -> list[str]:
    """Return the two classifiers to look at first: the recommended one, and the config's last that is no cascade."""
    names = [row.name for row in scored if row.cell]
    names = names or [row.name for row in scored]
    viewed = {row.name for row in scored}
    first = report.verdict.classifier if report.verdict and report.verdict.classifier in viewed else None
    others = [name for name in names if name != first]
    return [first or (others[0] if others else ""), others[-1] if others else (first or "")]


def _answer(message: Disagreement, classifier: str) -> dict[str, Any]:
    record = message.answers[classifier]
    return {
        "labels": list(record.predicted),
        "valid": record.valid,
        "right": message.is_right(classifier),
        "p": None if record.confidence is None else round(record.confidence, 4),
        "attempts": [{"raw": a.raw, "labels": list(a.labels), "valid": a.valid} for a in record.attempts],
    }


@cache
def _vega() -> Any:
    """Return Vega, Vega-Lite and the embedder as one script, from the wheel that carries them."""
    from markupsafe import Markup
    from vl_convert import javascript_bundle

    bundle: Any = javascript_bundle  # its stub demands the snippet that it does not need
    return Markup(bundle().replace("</script", "<\\/script"))  # noqa: S704 - our own script
