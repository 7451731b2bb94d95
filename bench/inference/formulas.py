"""Make texts safe for spreadsheets, which run a cell that begins like a formula."""

from __future__ import annotations

import re

FORMULA = re.compile(r"[=+\-@\t\r]")
NUMBER = re.compile(r"[+-]?(\d[\d ]*)?([.,]\d+)?(e[+-]?\d+)?", re.IGNORECASE)


def defused(text: str) -> str:
    """Return a cell's text, with an apostrophe before what a spreadsheet would run; numbers stay numbers.

    The characters are those that OWASP names under "CSV injection".
    """
    return f"'{text}" if FORMULA.match(text) and not NUMBER.fullmatch(text) else text
