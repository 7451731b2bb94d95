"""Texts as a terminal may show them: other people's messages and names hold signs that would command it."""

from __future__ import annotations

import unicodedata

KEPT = "\n\t"


def visible(text: str) -> str:
    """Replace control signs (escape sequences begin with one) and marks that turn the direction of text."""
    return "".join("�" if _commands(sign) else sign for sign in text.replace("\r\n", "\n"))


def _commands(sign: str) -> bool:
    return sign not in KEPT and (unicodedata.category(sign) == "Cc" or unicodedata.bidirectional(sign) in TURNING)


TURNING = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}
