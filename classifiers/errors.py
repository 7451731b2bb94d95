"""The one error for bad input, and the lines it says: what is wrong, what is allowed, the nearest match."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from typing import Any

from pydantic import ValidationError


class BenchError(Exception):
    """The project's one error for bad input: a single line that says what to do."""


def nearest(word: str, words: list[str], *, what: str) -> str:
    """Return the line that says `word` is unknown, with the nearest match and all that is allowed."""
    close = get_close_matches(word, words, n=1, cutoff=0.5)
    hint = f"; did you mean '{close[0]}'?" if close else ""
    return f"unknown {what} '{word}'{hint} (available: {', '.join(words) or 'none'})"


def check_known(names: Iterable[str], allowed: Iterable[str], *, what: str) -> None:
    """See that all names are allowed; raises BenchError with the nearest match for the first that is not."""
    words = list(allowed)
    for name in names:
        if name not in words:
            raise BenchError(nearest(name, words, what=what))


def explain(error: ValidationError, model: type[Any], *, where: str) -> str:
    """Turn one of pydantic's complaints into a line: the key, what is wrong, the nearest key."""
    # a misspelt key comes first: it also explains why another one is missing
    first = min(error.errors(), key=lambda e: e["type"] != "extra_forbidden")
    key = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        fields = getattr(model, "model_fields", {})
        return f"{where}: " + nearest(str(first["loc"][-1]), sorted(fields), what="key")
    return f"{where}: {key or 'settings'}: {first['msg'].removeprefix('Value error, ')}"
