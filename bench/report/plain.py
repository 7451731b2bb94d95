"""The one way a text becomes one that rich draws: as it stands, neither markup nor a command to the terminal."""

from __future__ import annotations

from rich.text import Text

from bench.sanitize import visible


def plain(text: str, *, style: str = "") -> Text:
    """Give a text to draw, its control signs replaced."""
    return Text(visible(text), style=style)
