"""The terminal viewer, driven by keys without a terminal."""

from __future__ import annotations

import asyncio

import pytest
from conftest import REPOSITORY
from textual.widgets import DataTable, Input, Select, Static

from bench.analysis.compare import Disagreement, answers_by_message
from bench.analysis.scored_run import rows_of
from bench.records.store import RunFolder
from bench.report.viewer import Viewer, detail
from classifiers.errors import BenchError

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def messages() -> list[Disagreement]:
    return list(answers_by_message(rows_of(RunFolder(REPOSITORY / "results" / "reference" / "default"))))


def test_filter_search_and_detail(messages: list[Disagreement]) -> None:
    async def drive() -> None:
        viewer = Viewer(messages)
        async with viewer.run_test(size=(120, 40)) as pilot:
            differ = sum(len({r.predicted for r in m.answers.values()}) > 1 for m in messages)
            table = viewer.query_one(DataTable)
            assert table.row_count == differ
            viewer.query_one(Select).value = "where encoder is wrong"
            await pilot.pause()
            assert table.row_count == sum(not m.is_right("encoder") for m in messages) == 16
            viewer.query_one(Select).value = "all messages"
            await pilot.pause()
            assert table.row_count == 244
            await pilot.press("slash", *"refund")
            await pilot.pause()
            assert viewer.query_one(Input).value == "refund"
            assert 0 < table.row_count < 244
            assert all("refund" in detail(m).plain.casefold() for m in viewer.shown)
            table.focus()
            await pilot.press("down")
            await pilot.pause()
            shown = str(viewer.query_one("#text", Static).render())
            assert viewer.shown[1].text in shown
            assert "attempt 1" in shown

    asyncio.run(drive())


@pytest.mark.parametrize("text", ["[red]no markup[/red]", "[/]", "\\x1b[31m"])
def test_a_message_is_never_read_as_markup(text: str, messages: list[Disagreement]) -> None:
    from dataclasses import replace

    assert text in detail(replace(messages[0], text=text)).plain


def test_keys_mark_the_gold_label_under_the_cursor(messages: list[Disagreement]) -> None:
    said: list[tuple[str, str]] = []

    def note(text: str, gold: tuple[str, ...], what: str) -> str:
        if what == gold[0]:
            raise BenchError("it is the gold label [already]")
        said.append((text, what))
        return f"{len(said)} marked"

    async def drive() -> None:
        labels = ["General Feedback", "Order Inquiry", "Refund Request"]
        viewer = Viewer(messages, labels, note)
        async with viewer.run_test(size=(120, 40)) as pilot:
            first, second = viewer.shown[:2]
            await pilot.press("f", "down", "a", *(str(i + 1) for i in range(4)))
            await pilot.pause()
            others = [(second.text, label) for label in labels if label != second.gold[0]]
            assert said == [(first.text, "fine"), (second.text, "ambiguous"), *others]
            assert viewer.sub_title == f"{second.id}: {others[-1][1]}; 4 marked"
            await pilot.press("slash", "1", "f")
            await pilot.pause()
            assert len(said) == 4, "what is typed into the search box marks nothing"

    asyncio.run(drive())
