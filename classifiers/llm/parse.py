"""Understand an answer as exactly one label, or say why it is none; nothing is ever guessed.

Understood: case, punctuation, quotes, markdown, `Label: x`, JSON, and the only label mentioned in a
sentence. Two labels are not an answer, and a label said not to apply ("not a refund request") is
not a mention.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass

THINKING = re.compile(r"<think>.*?(</think>|\Z)", re.DOTALL | re.IGNORECASE)
FENCE = re.compile(r"```(?:json)?\s*(.*?)```", re.DOTALL)
LEAD = re.compile(
    r"^(?:the\s+)?(?:final\s+)?(?:label|answer|category|class|classification|output)(?:\s+is)?\s*[:=\-]\s*", re.I
)
DENIED = re.compile(r"\b(?:not|isn t|nor)(?:\s+(?:a|an|the))?\s*$")


@dataclass(frozen=True, slots=True)
class Parsed:
    """The labels found, or the problem in words the model can be told."""

    labels: tuple[str, ...]
    problem: str = ""

    @property
    def valid(self) -> bool:
        """Tell whether exactly one label was found."""
        return not self.problem


def thinking_in(raw: str) -> str:
    """Give the text of an answer's <think> blocks, closed or cut off; empty where it has none."""
    return "".join(found.group(0) for found in THINKING.finditer(raw))


def parse_answer(raw: str, names: Sequence[str]) -> Parsed:
    """Find the one label of `names` that an answer gives.

    Args:
        raw: the model's text; a <think> block, closed or cut off, is left out of account.
        names: label names, not empty; they are compared without case, punctuation and underscores.
    """
    text = THINKING.sub(" ", raw).strip()
    if not text:
        return Parsed((), "it was empty")
    known = {_plain(name): name for name in names}
    for candidate in (*_json_values(text), LEAD.sub("", text), text):
        if (name := known.get(_plain(candidate))) is not None:
            return Parsed((name,))
    mentioned = _mentions(_plain(text), known)
    if len(mentioned) == 1:
        return Parsed((mentioned[0],))
    if mentioned:
        return Parsed((), f"it names {len(mentioned)} labels ({', '.join(mentioned)})")
    return Parsed((), "it names none of the labels")


def _plain(text: str) -> str:
    """Reduce to lower-case words, digits and single spaces, so that spelling of a label is all that counts."""
    return " ".join(re.sub(r"[\W_]+", " ", text.casefold()).split())


def _json_values(text: str) -> list[str]:
    """Give the only string of a JSON answer: a string, a list of one or an object of one value or a label key."""
    fenced = FENCE.search(text)
    try:
        value = json.loads(fenced.group(1) if fenced else text)
    except (ValueError, RecursionError):
        return []
    if isinstance(value, dict):
        keys = [key for key in value if _plain(str(key)) in ("label", "labels", "answer", "category", "class")]
        value = value[keys[0]] if keys else list(value.values())
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    return [value] if isinstance(value, str) else []


def _mentions(text: str, known: dict[str, str]) -> list[str]:
    """Give the labels mentioned as whole words and not denied; a longer name hides one inside it."""
    longest_first = sorted((key for key in known if key), key=len, reverse=True)
    if not longest_first:
        return []
    pattern = re.compile(r"\b(" + "|".join(map(re.escape, longest_first)) + r")\b")
    found = (m for m in pattern.finditer(text) if not DENIED.search(text[: m.start()]))
    return list(dict.fromkeys(known[m.group(1)] for m in found))
