"""Cells that a spreadsheet would run get an apostrophe, numbers do not."""

from __future__ import annotations

import pytest

from bench.inference.formulas import defused


@pytest.mark.parametrize("text", ["=1+1", "+SUM(A1)", "-cmd|' /C calc'!A0", "@now", "\t=1", "\r=1", "-a", "+a", "-1-1"])
def test_a_formula_gets_an_apostrophe(text: str) -> None:
    assert defused(text) == "'" + text


@pytest.mark.parametrize("text", ["", "a=b", "-1", "+1", "-0.5", "-1,5", "-3e-05", "+49 171 555", " =1", "'=1"])
def test_numbers_and_plain_texts_stay_as_they_are(text: str) -> None:
    assert defused(text) == text
