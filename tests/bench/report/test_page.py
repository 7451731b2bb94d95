"""The report's page in a real browser: charts, filters, search, details, and texts that try to break out."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import REPOSITORY

from bench.analysis.compare import answers_by_message, rows_of
from bench.analysis.scores import Row
from bench.cli import main
from bench.records.store import RunFolder
from bench.report.page import MAX_MESSAGES, embedded, viewed_messages

pytestmark = pytest.mark.slow

REFERENCE = REPOSITORY / "results" / "reference" / "default"
SCREENSHOTS = REPOSITORY / "results" / "screenshots"
HOSTILE = [
    "<script>window.broken = 1</script>",
    "</script><img src=x onerror='window.broken = 1'>",
    "{{ 7 * 7 }} {% raw %} ${window.broken = 1}",
    "\"quoted\" 'text' & <b>bold</b>",
    "أريد استرداد أموالي \u202eabc",
    "🙂 =HYPERLINK(1)",
    "line\u2028separator",
]


def spoil(run: Path) -> None:
    """Put hostile texts in place of the first messages, of the LLM's raw answers and of the run's name."""
    for file in run.glob("*/predictions.jsonl"):
        lines = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
        for line, text in zip(lines, HOSTILE, strict=False):
            line["text"] = text
            line["columns"] = {"kind": "hostile"}
            for attempt in line["attempts"]:
                attempt["raw"] = text
        file.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    record = json.loads((run / "run.json").read_text(encoding="utf-8"))
    record["name"] = HOSTILE[1]
    (run / "run.json").write_text(json.dumps(record), encoding="utf-8")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    root = tmp_path_factory.mktemp("page")
    shutil.copytree(REFERENCE, root / "run")
    spoil(root / "run")
    assert main(["--results", str(root), "report", "run"]) == 0
    return RunFolder(root / "run")


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if path is None:
        pytest.skip("no chromium: install it to test the report's page")
    from playwright.sync_api import sync_playwright

    flags = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-sync", "--no-first-run"]
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=path, args=flags)
        yield opened
        opened.close()


@pytest.fixture
def page(browser: Any, run: RunFolder) -> Iterator[Any]:
    """The page, opened from disk; whatever it logs as an error or asks of a network fails the test."""
    opened = browser.new_page(viewport={"width": 1280, "height": 1000})
    faults: list[str] = []
    address = (run.path / "report.html").as_uri()
    opened.on("console", lambda message: faults.append(message.text) if message.type == "error" else None)
    opened.on("pageerror", lambda error: faults.append(str(error)))
    opened.on("request", lambda request: faults.append(request.url) if request.url != address else None)
    opened.goto(address)
    yield opened
    assert not opened.evaluate("window.broken"), "a message ran as a script"
    opened.close()
    assert not [fault for fault in faults if not fault.startswith(("blob:", "data:"))]


def right(run: RunFolder) -> list[dict[str, bool]]:
    messages = answers_by_message(rows_of(run))
    return [{name: message.is_right(name) for name in message.answers} for message in messages]


def count(page: Any) -> int:
    return int(page.locator("#count").text_content().split()[0])


def test_charts_are_drawn_and_the_verdict_stands_first(page: Any) -> None:
    page.wait_for_function("document.querySelectorAll('[data-drawn=yes]').length === 8")
    assert page.locator(".chart svg").count() == 8
    assert page.locator("#verdict strong").text_content().startswith("Use encoder: 92.6 % right")
    first = page.evaluate("document.querySelector('header').innerText.indexOf('Use encoder')")
    assert 0 < first < page.evaluate("document.querySelector('header').innerText.indexOf('was run in place')")


def test_filters_count_what_the_records_hold(page: Any, run: RunFolder) -> None:
    rights = right(run)
    assert count(page) == len(rights) == 244
    page.select_option("#first", "linear")
    page.select_option("#second", "llama_cpp")
    expected = {
        "first": sum(r["linear"] and not r["llama_cpp"] for r in rights),
        "second": sum(r["llama_cpp"] and not r["linear"] for r in rights),
        "both": sum(r["linear"] and r["llama_cpp"] for r in rights),
        "neither": sum(not r["linear"] and not r["llama_cpp"] for r in rights),
        "none": sum(not any(r.values()) for r in rights),
        "retried": 2,
        "invalid": 0,
        "all": 244,
    }
    for value, n in expected.items():
        page.select_option("#who", value)
        assert count(page) == n, value
    page.select_option("#gold", "Refund Request")
    assert count(page) == 82
    page.select_option("#gold", "")
    page.select_option("#kind", "hostile")
    assert count(page) == len(HOSTILE)


def test_search_finds_words_of_messages_and_raw_answers(page: Any) -> None:
    page.fill("#search", "HYPERLINK")
    assert count(page) == 1
    assert page.locator(".message .text").text_content() == HOSTILE[5]
    page.fill("#search", "no such words at all")
    assert count(page) == 0
    assert page.locator(".message").count() == 0


def test_hostile_texts_stand_on_the_page_as_they_are(page: Any) -> None:
    texts = page.locator(".message .text").all_text_contents()
    assert texts[: len(HOSTILE)] == HOSTILE
    assert page.locator("h1").text_content() == HOSTILE[1]
    assert page.locator("#messages img, #messages b, #messages script").count() == 0


def test_a_click_opens_the_attempts_and_another_closes_them(page: Any) -> None:
    first = page.locator(".message").first
    first.click()
    raw = first.locator("pre.raw").all_text_contents()
    assert HOSTILE[0] in raw
    assert "llama_cpp: attempt 1" in first.inner_text()
    first.locator(".text").click()
    assert first.locator(".more").count() == 0


def test_more_rows_come_on_demand(page: Any) -> None:
    assert page.locator(".message").count() == 100
    page.click("#more")
    assert page.locator(".message").count() == 200
    page.click("#more")
    assert page.locator(".message").count() == 244
    assert not page.locator("#more").is_visible()


def test_the_filtered_rows_are_saved_and_no_cell_is_a_formula(page: Any, tmp_path: Path) -> None:
    page.select_option("#kind", "hostile")
    with page.expect_download() as download:
        page.click("#export")
    download.value.save_as(tmp_path / "rows.csv")
    with (tmp_path / "rows.csv").open(newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    assert [row["text"] for row in rows] == HOSTILE
    assert {"encoder", "encoder right"} <= set(rows[0])


def test_a_columns_head_sorts_by_figures(page: Any) -> None:
    table = page.locator("table.sortable").first
    table.locator("th").nth(1).click()
    assert table.locator("tbody tr td:first-child").all_text_contents()[0] == "encoder-then-llm"
    table.locator("th").nth(1).click()
    assert table.locator("tbody tr td:first-child").all_text_contents()[0] == "majority"


def test_a_phone_needs_no_sideways_scrolling(page: Any) -> None:
    page.set_viewport_size({"width": 390, "height": 800})
    page.wait_for_function("document.querySelectorAll('[data-drawn=yes]').length === 8")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


@pytest.mark.parametrize(
    ("name", "width", "scheme"), [("wide", 1280, "light"), ("dark", 1280, "dark"), ("phone", 390, "light")]
)
def test_the_page_is_photographed_for_people_to_look_at(page: Any, name: str, width: int, scheme: str) -> None:
    page.set_viewport_size({"width": width, "height": 900})
    page.emulate_media(color_scheme=scheme)
    page.wait_for_function("document.querySelectorAll('[data-drawn=yes]').length === 8")
    background = page.evaluate("getComputedStyle(document.body).backgroundColor")
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=SCREENSHOTS / f"{name}.png", full_page=True)
    assert (background == "rgb(255, 255, 255)") == (scheme == "light")


def test_embedded_json_cannot_end_its_script() -> None:
    text = str(embedded({"a": "</script><!--", "b": "&amp;\u2028"}))
    assert "<" not in text
    assert "\u2028" not in text
    assert json.loads(text) == {"a": "</script><!--", "b": "&amp;\u2028"}


def test_a_large_run_keeps_the_disagreements_and_says_what_is_left_out() -> None:
    from samples import record, row

    n = MAX_MESSAGES + 1000
    first = [record(i, "a", "a") for i in range(n)]
    second = [record(i, "a", "b" if i < 300 else "a") for i in range(n)]
    rows: list[Row] = [row("x", first), row("y", second)]
    kept, left_out = viewed_messages(rows)
    assert (len(kept), left_out) == (MAX_MESSAGES, 1000)
    assert {str(i) for i in range(300)} <= {message.id for message in kept}
