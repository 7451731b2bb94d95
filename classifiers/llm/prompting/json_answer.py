"""Find the JSON in an answer: alone, in a fence, or in the middle of words."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

FENCE = re.compile(r"```(?:json)?\s*(.*?)```", re.DOTALL)
LABEL_KEYS = ("labels", "label", "answer", "answers", "categories", "category", "classes", "class", "intent")


@dataclass(frozen=True, slots=True)
class JsonValue:
    """A JSON list or object, and the text before and behind it."""

    value: Any
    before: str
    after: str


def json_in(text: str) -> JsonValue | None:
    """Return the first whole JSON list or object in a text, or None."""
    decoder = json.JSONDecoder()
    for match in re.finditer(r"[\[{]", text):
        try:
            value, end = decoder.raw_decode(text, match.start())
        except (ValueError, RecursionError):
            continue
        return JsonValue(value, text[: match.start()], text[end:])
    return None


def labelled(value: Any) -> Iterator[Any]:
    """Return what stands under a label key of an object, also inside another object."""
    if isinstance(value, dict):
        for key, held in value.items():
            if key.casefold().strip() in LABEL_KEYS:
                yield held
            else:
                yield from labelled(held)


def as_text(value: Any) -> str | None:
    """Return a string or number as the text of a label, None for anything else."""
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, str | int | float) else None
