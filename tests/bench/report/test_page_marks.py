"""The page's buttons on gold labels, in a real browser: what is marked comes out as a file that scores the run anew."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest
from samples import write_run

from bench.cli import main
from bench.dataset.corrections import text_hash

pytestmark = pytest.mark.slow


def accuracies(folder: Path) -> dict[str, float]:
    scores = json.loads((folder / "scores.json").read_text(encoding="utf-8"))
    return {name: figures["accuracy"] for name, figures in scores["classifiers"].items()}


def test_marks_are_kept_saved_and_score_the_run_anew(
    browser: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    run = write_run(tmp_path / "results" / "small", "aaab", {"linear": "aabb", "other": "abaa"})
    assert main(["report", "small"]) == 0
    assert accuracies(run.path) == {"linear": 0.75, "other": 0.5}
    page = browser.new_page(viewport={"width": 1440, "height": 900})
    faults: list[str] = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.goto((run.path / "report.html").as_uri())
    page.select_option("#show", "all")
    assert page.locator("#marked").text_content() == "none marked"
    assert not page.locator("#corrections").is_visible()
    messages = {box.locator(".text").text_content(): box for box in page.locator(".message").all()}
    # linear alone says b of message 2: its gold label becomes b
    messages["text 2"].get_by_role("button", name="wrong, it is").click()
    messages["text 1"].get_by_role("button", name="ambiguous").click()
    messages["text 0"].get_by_role("button", name="fine").click()
    messages["text 3"].get_by_role("button", name="fine").click()
    messages["text 3"].get_by_role("button", name="fine").click()
    assert messages["text 2"].locator("[aria-pressed=true]").text_content() == "wrong, it is"
    assert messages["text 3"].locator("[aria-pressed=true]").count() == 0, "a second click takes a mark back"
    assert page.locator("#marked").text_content() == "3 marked"
    page.fill("#who", 'Ann "A", B')
    page.reload()
    assert page.locator("#marked").text_content() == "3 marked", "marks outlive the page"
    page.select_option("#show", "marked")
    assert page.locator(".message").count() == 3
    with page.expect_download() as download:
        page.click("#corrections")
    assert download.value.suggested_filename == "corrections.csv"
    download.value.save_as(tmp_path / "corrections.csv")
    page.close()
    assert not faults
    with (tmp_path / "corrections.csv").open(newline="", encoding="utf-8") as stream:
        lines = [(m["text_sha256"], m["old"], m["new"], m["mark"], m["who"]) for m in csv.DictReader(stream)]
    assert lines == [
        (text_hash("text 2"), "a", "b", "wrong", 'Ann "A", B'),
        (text_hash("text 1"), "a", "", "ambiguous", 'Ann "A", B'),
        (text_hash("text 0"), "a", "", "fine", 'Ann "A", B'),
    ]
    assert main(["report", "small", "--corrections", "corrections.csv"]) == 0
    assert accuracies(run.path) == {"linear": 1.0, "other": 0.25}
