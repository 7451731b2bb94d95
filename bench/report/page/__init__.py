"""The report as one HTML file that needs no network: tables, charts and every message to look at.

Messages, labels and model answers are other people's text. They reach the page only as JSON in which no
`<` is left, and are put on it as text, never as HTML.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

from bench.analysis.compare import Disagreement, answers_by_message
from bench.analysis.scores import Row, full_data_rows
from bench.records.types import RunRecord
from bench.report.build import Report
from bench.robustness.suites import challenge_answers

HERE = Path(__file__).parent
MAX_MESSAGES = 5000
UNSAFE = re.compile("[<>&\u2028\u2029\ud800-\udfff]")
"""What could end a script or a line of it, and halves of surrogate pairs, which no file can hold."""


def page(report: Report, drawn: Mapping[str, Any]) -> str:
    """Give the whole page as text, the charts drawn by the reader's browser."""
    from jinja2 import Environment, FileSystemLoader

    environment = Environment(loader=FileSystemLoader(HERE), autoescape=True, trim_blocks=True, lstrip_blocks=True)
    environment.filters["embedded"] = embedded
    shown = full_data_rows(report.rows)
    messages, left_out = viewed_messages(shown)
    contrived = challenge_messages(report, shown)
    return environment.get_template("page.html").render(
        report=report,
        charts={name: chart.to_dict() for name, chart in drawn.items()},
        vega=_vega(),
        data=_viewer_data(report.run, shown, [*messages, *contrived]),
        left_out=left_out,
        held=len(messages),
    )


def embedded(value: object) -> Any:
    """Give a value as JSON that cannot end the script it stands in, whatever texts it holds."""
    from markupsafe import Markup

    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    text = UNSAFE.sub(lambda found: f"\\u{ord(found[0]):04x}", text)
    return Markup(text)  # noqa: S704 - no sign that HTML knows is left in it


def viewed_messages(rows: Sequence[Row]) -> tuple[list[Disagreement], int]:
    """Give the messages the page holds and how many it leaves out.

    All of them up to 5,000; above that every disagreement that fits, and a seeded draw of the rest.
    """
    messages = list(answers_by_message(rows))
    if len(messages) <= MAX_MESSAGES:
        return messages, 0
    differ = [message for message in messages if message.differs]
    agree = [message for message in messages if not message.differs]
    chance = random.Random(0)
    kept = differ if len(differ) <= MAX_MESSAGES else chance.sample(differ, MAX_MESSAGES)
    kept = kept + chance.sample(agree, min(len(agree), MAX_MESSAGES - len(kept)))
    return kept, len(messages) - len(kept)


def challenge_messages(report: Report, rows: Sequence[Row]) -> list[Disagreement]:
    """Give the challenge messages, where all the classifiers shown were put under stress."""
    scored = [row for row in rows if row.scores]
    if any(row.cell.classifier not in report.stress for row in scored):
        return []  # a row made of others, such as a cascade, cannot be asked either
    return list(
        answers_by_message([replace(r, records=challenge_answers(report.stress[r.cell.classifier])) for r in scored])
    )


def _viewer_data(run: RunRecord, rows: Sequence[Row], messages: Sequence[Disagreement]) -> dict[str, Any]:
    """Give what the viewer works on; short keys, because there are thousands of them."""
    scored = [row for row in rows if row.scores]
    return {
        "run": run.name,
        "labels": list(run.as_task().label_names),
        "classifiers": [row.cell.classifier for row in scored],
        "prompts": {row.cell.classifier: row.cell.prompt or None for row in scored},
        "messages": [
            {
                "id": one.id,
                "text": one.text,
                "gold": list(one.gold),
                "kind": one.columns.get("kind", ""),
                "answers": [_answer(one, row.cell.classifier) for row in scored],
            }
            for one in messages
        ],
    }


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
    """Give Vega, Vega-Lite and the embedder as one script, from the wheel that carries them."""
    from markupsafe import Markup
    from vl_convert import javascript_bundle

    bundle: Any = javascript_bundle  # its stub demands the snippet that it does not need
    return Markup(bundle().replace("</script", "<\\/script"))  # noqa: S704 - our own script
