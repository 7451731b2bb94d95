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

from bench.analysis.compare import answers_by_message
from bench.analysis.scored_run import rows_of
from bench.cli import main
from bench.records.store import RunFolder
from bench.report.charts.drawing import DARK, LIGHT

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
    """Put hostile texts in place of the first messages, of the LLM's raw answers and of the task's and run's names.

    And sizes that "B", bytes here and billions there, would put into the wrong order.
    """
    for file in run.glob("*/predictions.jsonl"):
        lines = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
        for line, text in zip(lines, HOSTILE, strict=False):
            line["text"] = text
            line["columns"] = {"kind": "hostile"}
            for attempt in line["attempts"]:
                attempt["raw"] = text
        file.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    record = json.loads((run / "run.json").read_text(encoding="utf-8"))
    record["name"] = record["task"]["name"] = HOSTILE[1]
    (run / "run.json").write_text(json.dumps(record), encoding="utf-8")
    cell = json.loads((run / "majority" / "cell.json").read_text(encoding="utf-8"))
    cell |= {"bytes_on_disk": 512, "n_parameters": 3}
    (run / "majority" / "cell.json").write_text(json.dumps(cell), encoding="utf-8")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    root = tmp_path_factory.mktemp("page")
    shutil.copytree(REFERENCE, root / "run")
    spoil(root / "run")
    assert main(["--results", str(root), "report", "run"]) == 0
    return RunFolder(root / "run")


@pytest.fixture
def page(browser: Any, run: RunFolder) -> Iterator[Any]:
    """The page, opened from disk; whatever it logs as an error or asks of a network fails the test."""
    opened = browser.new_page(viewport={"width": 1440, "height": 900})
    faults: list[str] = []
    address = (run.path / "report.html").as_uri()
    opened.on("console", lambda message: faults.append(message.text) if message.type == "error" else None)
    opened.on("pageerror", lambda error: faults.append(str(error)))
    opened.on("request", lambda request: faults.append(request.url) if request.url.split("#")[0] != address else None)
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


def drawn(page: Any) -> None:
    """Wait until every chart of the run is drawn."""
    page.wait_for_function("document.querySelectorAll('[data-drawn=yes]').length === 8")
    assert page.locator(".chart svg").count() == 8


def place(page: Any, selector: str) -> Any:
    return page.locator(selector).first.bounding_box()


def test_the_first_screen_answers_the_question(page: Any) -> None:
    drawn(page)
    verdict, table, chart = (place(page, name) for name in ("#verdict", "#summary table", "#chart-cost svg"))
    assert all(box["y"] + box["height"] < 900 for box in (verdict, table, chart))
    assert page.locator("#verdict strong").text_content().startswith("Use encoder")
    assert page.locator("#verdict dt").all_text_contents() == ["How sure", "What it costs", "What would change it"]
    costs = page.locator("#verdict dd").nth(1).text_content()
    assert costs == (
        "6.24 ms per message, 55.5 messages per second in batches, 2.92 GB of memory to serve, 973 labelled messages."
    )
    assert page.locator("#summary .picked td").first.text_content() == "encoder-then-llm ³"
    assert chart["x"] > verdict["x"] + verdict["width"], "two columns where there is room"
    assert place(page, "#caveats")["height"] < 30, "notes are folded into one line"
    assert (
        page.locator("#caveats summary")
        .text_content()
        .startswith("4 notes on these figures: ¹ encoder-frozen, encoder")
    )
    page.click("#caveats summary")
    assert page.locator("#caveats li").count() == 4


def test_the_parts_stand_in_the_order_of_the_contents(page: Any) -> None:
    names = page.locator("#contents a").all_text_contents()
    topics = ["Quality", "Speed and cost", "Differences", "Per label", "Prompts and retries", "Robustness"]
    assert names == ["Results", "Disagreements", *topics, "What ran"]
    targets = [a.get_attribute("href")[1:] for a in page.locator("#contents a").all()]
    tops = [place(page, f"[id='{target}']")["y"] for target in targets]
    assert tops == sorted(tops)
    page.click("#contents a >> text=Robustness")
    assert place(page, "#contents")["y"] == 0, "the contents stay in sight"
    assert 0 <= place(page, "#section-robustness h2")["y"] < 200


def test_names_in_the_chart_do_not_lie_on_each_other(page: Any) -> None:
    drawn(page)
    boxes = page.evaluate(
        """[...document.querySelectorAll('#chart-cost .mark-text.role-mark text')].map((text) => {
          const box = text.getBoundingClientRect();
          return [text.textContent, box.left, box.top, box.right, box.bottom];
        })"""
    )
    assert {"majority", "linear", "encoder", "encoder-then-llm"} <= {name for name, *_ in boxes}
    for i, (name, left, top, right, bottom) in enumerate(boxes):
        for other, left2, top2, right2, bottom2 in boxes[i + 1 :]:
            apart = right <= left2 or right2 <= left or bottom <= top2 + 3 or bottom2 <= top + 3
            assert apart, f"{name} lies on {other}"


def test_filters_count_what_the_records_hold(page: Any, run: RunFolder) -> None:
    rights = right(run)
    assert (page.input_value("#first"), page.input_value("#second")) == ("encoder-then-llm", "llama_cpp-tuned")
    assert count(page) == 32, "where the two differ"
    assert len(rights) == 244
    page.select_option("#first", "linear")
    page.select_option("#second", "llama_cpp")
    expected = {
        "first": sum(r["linear"] and not r["llama_cpp"] for r in rights),
        "second": sum(r["llama_cpp"] and not r["linear"] for r in rights),
        "both": sum(r["linear"] and r["llama_cpp"] for r in rights),
        "neither": sum(not r["linear"] and not r["llama_cpp"] for r in rights),
        "none": sum(not any(r.values()) for r in rights),
        "retried": 2,
        "failed": 0,
        "all": 244,
    }
    for value, n in expected.items():
        page.select_option("#show", value)
        assert count(page) == n, value
    page.select_option("#gold", "Refund Request")
    assert count(page) == 82
    page.select_option("#gold", "")
    page.select_option("#kind", "hostile")
    assert count(page) == len(HOSTILE)


def test_search_finds_words_of_messages_and_raw_answers(page: Any) -> None:
    page.select_option("#show", "all")
    page.fill("#q", "HYPERLINK")
    assert count(page) == 1
    assert page.locator(".message .text").text_content() == HOSTILE[5]
    page.fill("#q", "no such words at all")
    assert count(page) == 0
    assert page.locator(".message").count() == 0


def test_hostile_texts_stand_on_the_page_as_they_are(page: Any) -> None:
    page.select_option("#show", "all")
    texts = page.locator(".message .text").all_text_contents()
    assert texts[: len(HOSTILE)] == HOSTILE
    assert page.locator("h1").text_content() == f"{HOSTILE[1]}, 30 November 2026"
    assert page.locator("main img, main b, main script").count() == 0


def test_a_click_opens_the_attempts_and_another_closes_them(page: Any) -> None:
    page.select_option("#show", "all")
    first = page.locator(".message").first
    first.locator(".text").click()
    raw = first.locator("pre.raw").all_text_contents()
    assert HOSTILE[0] in raw
    assert "llama_cpp: attempt 1" in first.inner_text()
    first.locator(".text").click()
    assert first.locator(".more").count() == 0


def test_more_rows_come_on_demand(page: Any) -> None:
    page.select_option("#show", "all")
    for n in (50, 100, 150, 200):
        assert page.locator(".message").count() == n
        page.click("#more")
    assert page.locator(".message").count() == 244
    assert not page.locator("#more").is_visible()


def test_the_filtered_rows_are_saved_and_no_cell_is_a_formula(page: Any, tmp_path: Path) -> None:
    page.select_option("#show", "all")
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
    assert table.locator("tbody tr td:first-child").all_text_contents()[0] == "encoder-then-llm ³"
    table.locator("th").nth(1).click()
    assert table.locator("tbody tr td:first-child").all_text_contents()[0] == "majority"


@pytest.mark.parametrize(
    ("column", "ends"),
    [("disk", ("1.21 GB", "512 B")), ("parameters", ("1.8 B", "3"))],
)
def test_b_is_bytes_beside_megabytes_and_billions_beside_millions(
    page: Any, column: str, ends: tuple[str, str]
) -> None:
    table = page.locator("details.table").filter(has=page.locator("summary", has_text="Size"))
    heads = table.locator("th").all_text_contents()
    place = next(i for i, head in enumerate(heads) if head.startswith(column))
    table.locator("th").nth(place).click()
    cells = [text for text in table.locator(f"tbody td:nth-child({place + 1})").all_text_contents() if text != "–"]
    assert (cells[0], cells[-1]) == ends


def test_a_message_is_opened_by_its_link(page: Any, run: RunFolder) -> None:
    (message,) = (m for m in answers_by_message(rows_of(run)) if m.id == "inquiries.txt:39")
    page.goto(f"{page.url.split('#')[0]}#inquiries.txt%3A39")
    assert page.locator(".message .text").all_text_contents() == [message.text]
    assert page.locator(".message .more").count() == 1
    page.select_option("#show", "all")
    link = page.locator(".message .gold a").nth(20)
    id_ = link.text_content()
    link.click()
    page.wait_for_function("document.querySelectorAll('.message').length === 1")
    assert page.locator(".message .gold a").all_text_contents() == [id_]


def test_the_address_holds_the_filtered_view(page: Any, browser: Any) -> None:
    page.select_option("#first", "linear")
    page.select_option("#show", "first")
    page.fill("#q", "refund & more")
    other = browser.new_page()
    other.goto(page.url)
    for name in ("show", "first", "second", "gold", "kind", "q"):
        assert other.input_value(f"#{name}") == page.input_value(f"#{name}")
    assert other.locator("#count").text_content() == page.locator("#count").text_content()
    other.close()
    page.click("#reset")
    assert page.url.endswith("#section-messages")
    assert count(page) == 32


@pytest.mark.parametrize("hash_", ["%E0%A4%A", "?show=nonsense&first=<b>", "list", "section-quality"])
def test_an_address_that_means_nothing_shows_the_usual_view(page: Any, hash_: str) -> None:
    page.goto(f"{page.url.split('#')[0]}#{hash_}")
    assert count(page) == 32


def test_the_charts_follow_light_and_dark(page: Any) -> None:
    for scheme, paper in (("light", LIGHT.paper), ("dark", DARK.paper)):
        page.emulate_media(color_scheme=scheme)
        colour = f"rgb{tuple(int(paper[i : i + 2], 16) for i in (1, 3, 5))}"
        page.wait_for_function(
            "(colour) => [...document.querySelectorAll('.chart svg')]"
            ".filter((svg) => getComputedStyle(svg).backgroundColor === colour).length === 8",
            arg=colour,
        )


def test_paper_shows_no_controls_and_all_in_one_column(page: Any) -> None:
    page.emulate_media(media="print", color_scheme="dark")
    page.wait_for_function(
        "getComputedStyle(document.querySelector('#chart-cost svg')).backgroundColor === 'rgb(255, 255, 255)'"
    )
    assert not page.locator("#filters").is_visible()
    assert not page.locator("#contents").is_visible()
    assert page.locator("#verdict").is_visible()
    assert page.locator(".message").count() == 32


def test_a_phone_needs_no_sideways_scrolling(page: Any) -> None:
    page.set_viewport_size({"width": 390, "height": 800})
    drawn(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert place(page, "#chart-cost")["y"] > place(page, "#summary")["y"], "one column"


@pytest.mark.parametrize(
    ("name", "width", "height", "scheme"),
    [
        ("page-1440", 1440, 900, "light"),
        ("page-800", 800, 1200, "light"),
        ("page-400", 400, 1300, "light"),
        ("page-dark", 1440, 900, "dark"),
    ],
)
def test_the_reference_page_is_photographed_for_people_to_look_at(
    browser: Any, tmp_path: Path, name: str, width: int, height: int, scheme: str
) -> None:
    """The first three are kept in results/reference/default; copy them there where the page changes."""
    shutil.copytree(REFERENCE, tmp_path / "run")
    assert main(["--results", str(tmp_path), "report", "run"]) == 0
    page = browser.new_page(viewport={"width": width, "height": height}, color_scheme=scheme)
    page.goto((tmp_path / "run" / "report.html").as_uri())
    drawn(page)
    background = page.evaluate("getComputedStyle(document.body).backgroundColor")
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=SCREENSHOTS / f"{name}.png")
    page.close()
    assert (background == "rgb(255, 255, 255)") == (scheme == "light")
