"""Texts as a terminal, a chart or a table may show them: other people's messages hold signs that would command it."""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.text import Text

KEPT = "\n\t"
TURNING = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}


def visible(text: str) -> str:
    """Replace control signs (escape sequences begin with one) and marks that turn the direction of text."""
    return "".join("�" if _commands(sign) else sign for sign in text.replace("\r\n", "\n"))


def one_line(text: str) -> str:
    """Return a text without control signs on one line, its line breaks shown as a sign."""
    return " ⏎ ".join(visible(text).splitlines()).replace("\t", " ")


def plain(text: str, *, style: str = "") -> Text:
    """Return a text for rich to draw as it stands: neither markup nor a command to the terminal."""
    from rich.text import Text

    return Text(visible(text), style=style)


def _commands(sign: str) -> bool:
    return sign not in KEPT and (unicodedata.category(sign) == "Cc" or unicodedata.bidirectional(sign) in TURNING)
