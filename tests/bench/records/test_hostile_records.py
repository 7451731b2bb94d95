"""Other people's records, and a page made of hostile texts."""

from __future__ import annotations

import json
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bench.analysis.compare import all_pairs
from bench.analysis.rows import Row
from bench.analysis.scores import score
from bench.config.run import make_config
from bench.records.store import RunFolder
from bench.records.types import CellRecord, Latency, MessageRecord, PredictionRecord, RunRecord
from bench.report.build import Report, make_report
from bench.report.charts import charts
from bench.report.markdown import markdown
from bench.report.page import embedded, page
from bench.speed.results import read_speed
from classifiers.errors import BenchError
from classifiers.interface import Attempt

pytestmark = pytest.mark.slow

FUZZ = settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
SLOW_FUZZ = settings(FUZZ, max_examples=60)
"""For what reports a run or makes a page, a tenth of a second each time."""
ROWS = ("plain", "llm")


def unharmed(run: Callable[[], object]) -> None:
    """Run what may refuse its input, and may not fail in any other way."""
    with suppress(BenchError):
        run()


def run_record(labels: tuple[str, str], name: str = "run") -> RunRecord:
    return RunRecord(
        name=name,
        config=make_config({"classifiers": {row: {"backend": "majority"} for row in ROWS}}, where="test"),
        task={"name": name, "instruction": "", "labels": [{"name": label, "definition": ""} for label in labels]},
        task_fingerprint="t",
        split_fingerprint="s",
        part_sizes={"train": 3, "test": 3},
        label_counts={},
        machine={"processor": name, "threads": 1},
        versions={name: name},
        warnings=(name,),
    )


def cell_record(row: str, note: str = "note") -> CellRecord:
    return CellRecord(
        classifier=row,
        backend="majority",
        fingerprint="f",
        status="ok",
        settings={note: [1, {note: 2}]},
        notes=(note,),
        metadata={"model": note, "prompt": note},
        fit_seconds=1.0,
        predict_seconds=2.0,
        latency_ms=Latency(1.0, 2.0, 3),
        throughput_per_s=4.0,
        peak_memory_bytes=5,
        max_attempts=2,
        row=row,
        n_labelled=3,
    )


def answers(labels: tuple[str, str], texts: list[str], right: list[bool]) -> tuple[PredictionRecord, ...]:
    """Return an answer to each text; a wrong one came at the second attempt, the first being the text."""
    records = []
    for i, (text, is_right) in enumerate(zip(texts, right, strict=True)):
        gold, other = labels[i % 2], labels[1 - i % 2]
        answer = Attempt(gold if is_right else other, (gold if is_right else other,), valid=True)
        attempts = (answer,) if is_right else (Attempt(text, (), valid=False), answer)
        shares = {gold: 0.75 if is_right else 0.25, other: 0.25 if is_right else 0.75}
        record = PredictionRecord(str(i), text, (gold,), answer.labels, True, shares, attempts, 0.5)
        records.append(record)
    return tuple(records)


def write_run(folder: Path) -> None:
    run = RunFolder(folder)
    run.write(run_record(("a", "b")))
    run.messages.write([MessageRecord(str(i), "test", f"text {i}", ("a",)) for i in range(3)])
    for row, right in zip(ROWS, ([True, False, True], [False, True, True]), strict=True):
        run.cell(row).path.mkdir()
        run.cell(row).write(cell_record(row))
        run.cell(row).predictions.write(answers(("a", "b"), ["hi", "ho", "he"], right))


def report_of(folder: Path) -> None:
    """Do all that reading and reporting a run does, but for drawing."""
    from bench.commands import shared

    report = shared.report_of(RunFolder(folder))
    markdown(report)
    page(report, {})


def places(value: object, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Name every place inside a JSON value."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, one in inner:
        yield (*path, key)
        yield from places(one, (*path, key))


ODD = [
    None,
    True,
    -1,
    0,
    10**30,
    10**400,
    1e308,
    float("nan"),
    float("inf"),
    "",
    "../..",
    "\ud800",
    [],
    {},
    [[]],
    {"": 1},
]
odd = st.sampled_from(ODD) | st.text(max_size=5) | st.integers() | st.lists(st.text(max_size=3), max_size=3)
FILES = ["run.json", "plain/cell.json", "plain/predictions.jsonl", "llm/predictions.jsonl", "llm/cell.json"]


def spoilt(record: dict[str, Any], data: st.DataObject) -> dict[str, Any]:
    """Put an odd value in a place of a record, or take the place away."""
    *way, last = data.draw(st.sampled_from(sorted(places(record), key=str)))
    inner: Any = record
    for key in way:
        inner = inner[key]
    if data.draw(st.booleans()) and isinstance(inner, dict):
        del inner[last]
    else:
        inner[last] = data.draw(odd)
    return record


@pytest.mark.parametrize("file", FILES)
@SLOW_FUZZ
@given(data=st.data())
def test_no_value_in_a_record_breaks_the_report(file: str, data: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as folder:
        write_run(Path(folder))
        path = Path(folder) / file
        lines = [path.read_text()] if file.endswith(".json") else path.read_text().splitlines()
        i = data.draw(st.integers(0, len(lines) - 1))
        lines[i] = json.dumps(spoilt(json.loads(lines[i]), data))
        path.write_text("\n".join(lines) + "\n")
        unharmed(lambda: report_of(Path(folder)))


@pytest.mark.parametrize("file", FILES)
@SLOW_FUZZ
@given(data=st.binary(max_size=50) | st.sampled_from([b"[" * 100_000, b"9" * 5000, b"{}", b"null", b"[]", b"\xff"]))
def test_no_bytes_break_the_reader_of_a_record(file: str, data: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        write_run(Path(folder))
        (Path(folder) / file).write_bytes(data)
        unharmed(lambda: report_of(Path(folder)))
        speed = Path(folder) / "speed"
        speed.mkdir()
        (speed / "m.json").write_bytes(data)
        with pytest.raises(BenchError):
            read_speed(speed)


def test_a_record_names_no_other_folder(tmp_path: Path) -> None:
    write_run(tmp_path)
    cell = json.loads((tmp_path / "plain" / "cell.json").read_text())
    (tmp_path / "plain" / "cell.json").write_text(json.dumps({**cell, "classifier": "../../elsewhere"}))
    with pytest.raises(BenchError, match="is of another classifier"):
        RunFolder(tmp_path).saved()


class Elements(HTMLParser):
    """The elements of a page with their attributes, and the text of those with an id."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[tuple[str, tuple[str, ...]]] = []
        self.texts: dict[str, str] = {}
        self._id = ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, tuple(name for name, _ in attrs)))
        self._id = dict(attrs).get("id") or ""

    def handle_endtag(self, tag: str) -> None:
        self._id = ""

    def handle_data(self, data: str) -> None:
        if self._id:
            self.texts[self._id] = self.texts.get(self._id, "") + data


def report_with(texts: list[str], labels: tuple[str, str], name: str) -> Report:
    found = []
    for row, right in zip(ROWS, ([True, False, True], [False, True, True]), strict=True):
        records = answers(labels, texts, right)
        found.append(Row.of(cell_record(row, name), records, score(records, labels)))
    return make_report(run_record(labels, name), found, all_pairs(found))


def harmless(text: str) -> str:
    """Return a text of the same words that are only letters."""
    return "".join(sign if sign.isspace() else "x" for sign in text)


BREAKERS = ["</script>", "<script>", "<!--", "-->", "]]>", "\u2028", "'", '"', "&lt;", "<img src=x onerror=1>", "{{1}}"]
BREAKERS += ["${1}", "</title>", "</style>", "{% raw %}", "\0", "\u202e", "<", "javascript:", "a", " "]
hostile = st.lists(st.sampled_from(BREAKERS) | st.text(max_size=3), min_size=1, max_size=5).map("".join)


@SLOW_FUZZ
@given(texts=st.lists(hostile, min_size=3, max_size=3), labels=st.tuples(hostile, hostile), name=hostile)
def test_no_text_becomes_an_element_of_the_page(texts: list[str], labels: tuple[str, str], name: str) -> None:
    texts, labels = [f"{i}{text}" for i, text in enumerate(texts)], (f"1{labels[0]}", f"2{labels[1]}")
    shown = Elements(page(report_with(texts, labels, name), {"chart": Drawn(name)}))
    plain_labels = f"1{harmless(labels[0][1:])}", f"2{harmless(labels[1][1:])}"
    plain = report_with([f"{i}{harmless(text[1:])}" for i, text in enumerate(texts)], plain_labels, harmless(name))
    assert Counter(shown.found) == Counter(Elements(page(plain, {"chart": Drawn("x")})).found)
    assert "<" not in shown.texts["data"] + shown.texts["specs"]
    data = json.loads(shown.texts["data"])
    assert [message["text"] for message in data["messages"]] == texts
    assert data["messages"][1]["answers"][0]["attempts"][0]["raw"] == texts[1]
    assert data["labels"] == list(labels)
    assert json.loads(shown.texts["specs"]) == {"chart": {"wide": {"title": name}, "narrow": None}}


class Drawn:
    """A chart that shows one text."""

    def __init__(self, text: str) -> None:
        self.text = text

    def to_dict(self) -> dict[str, Any]:
        return {"title": self.text}


@FUZZ
@given(text=st.text(st.characters()) | hostile)
def test_embedded_json_comes_back_as_it_was(text: str) -> None:
    shown = str(embedded({text: [text]}))
    assert not set(shown) & set("<>&\u2028\u2029")
    assert json.loads(shown.encode()) == {text: [text]}


def expressions(value: object) -> Iterator[str]:
    """Return every text of a chart's specification that Vega would read as code or as the name of a field."""
    if isinstance(value, dict):
        for key, one in value.items():
            yield from [one] if key in CODE and isinstance(one, str) else expressions(one)
    elif isinstance(value, list):
        yield from (text for one in value for text in expressions(one))


CODE = ("expr", "calculate", "filter", "test", "field", "signal")


def test_no_label_name_becomes_code_of_a_chart() -> None:
    report = report_with(["a", "b", "c"], ("'; alert(1) //", '"]}</script><b>{{alert(1)}}'), "x' + alert(1) + '")
    drawn = dict(charts(report))
    found = {text for chart in drawn.values() for text in expressions(chart.to_dict())}
    assert {"gold", "answer", "classifier"} <= found
    assert not [text for text in found if "alert" in text]
