"""The atlas for people: the page in a real browser, Markdown tables, and the committed document."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import REPOSITORY
from samples import atlas_set

from bench.records.atlas import read_atlas
from bench.report.atlas.build import make_atlas
from bench.report.atlas.files import EMPTY, markdown, write_atlas

ATLAS = [
    atlas_set("two", 2, (120, 150, 180, 190), 170),
    atlas_set("three", 3, (40, 60, 80, 90), 150),
    atlas_set("four", 4, (40, 100, 160, 180), 130),
    atlas_set("ten", 10, (60, 150, 170, 190), 100),
    atlas_set("fifty", 50, (100, 160, 180, 190), 80),
]


def test_markdown_holds_claims_limits_picture_and_tables() -> None:
    atlas = make_atlas(ATLAS)
    text = markdown(atlas, "charts/crossing.png")
    assert text.startswith("5 data sets, with numbers of labels: two (2), three (3)")
    assert f"- {atlas.claims[0]}" in text
    assert "](charts/crossing.png)" in text
    titles = re.findall(r"^\*\*(.+)\*\*$", text, re.MULTILINE)
    assert titles == [
        *(
            "What it cannot say",
            "Best row by number of labels",
            "Where rows pass the LLM",
            "What a million messages take",
        ),
        *("Over all data sets", "Data sets"),
    ]
    (four,) = re.findall(r"^\| four \| 4 \| llm .*$", text, re.MULTILINE)
    assert re.fullmatch(r"\| four \| 4 \| llm \| 65.0 \| 200 \| 23 \\\[\d+, \d+\\\] \|", four)
    assert "| ten | 10 | llm | 50.0 | 200 | 2.5 \\[" in text
    assert "| three | 3 | llm | 75.0 | 200 | &gt; 256 \\[&gt; 256, &gt; 256\\] |" in text
    assert "| ten | encoder | 2,000 | 0.0556 | llm | 200,000 | 5.56 | 100 times |" in text


def test_times_of_two_machines_stand_in_two_tables() -> None:
    moved = [cell.model_copy(update={"machine": "6502, 1 threads"}) for cell in ATLAS[1].cells]
    text = markdown(make_atlas([ATLAS[0], ATLAS[1].model_copy(update={"cells": tuple(moved)})]))
    first, second = text.split("What a million messages take")[1:]
    assert "| two | encoder" in first
    assert "| three | encoder" not in first
    assert "on Z80, 2 threads" in first
    assert "| three | encoder" in second.partition("Over all data sets")[0]
    assert "on 6502, 1 threads" in second


def test_an_empty_atlas_says_so() -> None:
    assert markdown(make_atlas([])) == EMPTY


def test_the_document_is_made_of_the_committed_scores() -> None:
    """Every sentence and figure of docs/atlas.md is worked out of results/reference/atlas."""
    atlas = make_atlas(read_atlas(REPOSITORY / "results" / "reference" / "atlas"))
    text = (REPOSITORY / "docs" / "atlas.md").read_text(encoding="utf-8")
    block = text.partition("<!-- atlas -->\n")[2].partition("\n<!-- /atlas -->")[0]
    assert block == markdown(atlas, "../results/reference/atlas/charts/crossing.png"), "run docs/blocks.py"


@pytest.fixture
def page(browser: Any, tmp_path: Path) -> Iterator[Any]:
    """The page, opened from disk; whatever it logs as an error or asks of a network fails the test."""
    write_atlas(tmp_path, make_atlas(ATLAS))
    opened = browser.new_page(viewport={"width": 1440, "height": 900})
    faults: list[str] = []
    address = (tmp_path / "atlas.html").as_uri()
    opened.on("console", lambda message: faults.append(message.text) if message.type == "error" else None)
    opened.on("pageerror", lambda error: faults.append(str(error)))
    opened.on("request", lambda request: faults.append(request.url) if request.url.split("#")[0] != address else None)
    opened.goto(address)
    opened.wait_for_function("document.querySelectorAll('[data-drawn=yes]').length === 1")
    yield opened
    opened.close()
    assert not [fault for fault in faults if not fault.startswith(("blob:", "data:"))]


@pytest.mark.slow
def test_the_page_draws_the_picture_and_says_the_claims(page: Any, tmp_path: Path) -> None:
    assert page.locator("#verdict p").all_text_contents() == list(make_atlas(ATLAS).claims)
    assert page.locator("#chart-crossing svg").count() == 1
    names = page.locator("#chart-crossing .mark-text.role-mark text").all_text_contents()
    assert sorted(names) == sorted(scores.data_set for scores in ATLAS)
    assert page.locator("#chart-crossing").bounding_box()["y"] < 300, "beside the claims"
    assert (tmp_path / "charts" / "crossing.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.slow
def test_tables_sort_and_fit_a_phone(page: Any) -> None:
    heads = page.locator("#table-1 th")
    heads.nth(1).click()
    assert page.locator("#table-1 tbody tr td:first-child").all_text_contents() == [
        "fifty",
        "ten",
        "four",
        "three",
        "two",
    ]
    page.set_viewport_size({"width": 400, "height": 800})
    page.wait_for_function("document.querySelector('#chart-crossing svg')?.clientWidth <= 400")
    assert page.evaluate("document.documentElement.scrollWidth") <= 400
