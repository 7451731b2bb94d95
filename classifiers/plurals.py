"""How texts for people say a number of things."""

from __future__ import annotations


def number_of(n: float, noun: str) -> str:
    """Return a number with its noun, an s behind it unless the number reads 1: `1 message`, `1,234 messages`."""
    number = f"{n:,.0f}"
    return f"{number} {noun}" if number == "1" else f"{number} {noun}s"
