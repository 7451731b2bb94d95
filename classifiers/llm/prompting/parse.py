"""Understand an answer as labels of the task, or say why it is none; nothing is ever guessed.

Understood: case, punctuation, quotes, markdown, `Label: x`, JSON, and a label mentioned in a sentence. A label said
not to apply ("not a refund request") is not a mention. Where a message has one label, an answer that names two is
none; where it may have several, a JSON list is asked for, and an empty one is an answer.
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

DENIED_AFTER = re.compile(r"\s+(?:is\s+|was\s+)?(?:no|not|false|does not|doesn t|do not|don t|isn t|n a)\b")


@dataclass(frozen=True, slots=True)
class Parsed:
    """The labels found, or the problem in words the model can be told."""

    labels: tuple[str, ...]
    problem: str = ""

    @property
    def valid(self) -> bool:
        """Tell whether the answer was understood."""
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


NONE = ("none", "no label", "no labels", "none of the labels", "none of these", "none of them", "empty list")


def parse_labels(raw: str, names: Sequence[str], most: int) -> Parsed:
    """Find the labels of `names`, none to `most`, that an answer gives.

    Understood are a JSON list, alone or followed by an explanation, in a fence, or under a key such as "labels"; a JSON
    object that says true or false of labels; labels divided by commas, semicolons or lines; a word for "none"; and
    labels mentioned in a sentence that does not deny them. What begins as JSON is read as nothing else.
    """
    text = LEAD.sub("", THINKING.sub(" ", raw).strip())
    if not text:
        return Parsed((), "it was empty")
    known = {_plain(name): name for name in names}
    fenced = FENCE.search(text)
    if fenced or text[0] in "[{":
        found = _named_in_json(fenced.group(1) if fenced else text, known)
    else:
        found = _named_in_words(text, known)
    if isinstance(found, str):
        return Parsed((), found)
    if len(found) > most:
        return Parsed((), f"it names {len(found)} labels, and at most {most} are allowed")
    return Parsed(tuple(name for name in names if name in found))


def _named_in_json(text: str, known: dict[str, str]) -> set[str] | str:
    """Give the labels a JSON answer names, or what is wrong with it."""
    try:
        value, end = json.JSONDecoder().raw_decode(text)
    except (ValueError, RecursionError):
        return "it is no whole JSON list"
    if "[" in text[end:] or "{" in text[end:]:
        return "it holds more than one JSON value"
    if isinstance(value, dict):
        said = {_plain(str(key)): one for key, one in value.items()}
        if said and set(said) <= set(known) and all(isinstance(one, bool) for one in said.values()):
            return {known[key] for key, one in said.items() if one}
        value = next((said[key] for key in LIST_KEYS if key in said), None)
    listed = [value] if isinstance(value, str) else value
    if not isinstance(listed, list) or not all(isinstance(one, str) for one in listed):
        return "it is no JSON list of label names"
    if strangers := [one for one in listed if _plain(one) not in known]:
        return f"'{strangers[0][:40]}' is none of the labels"
    return {known[_plain(one)] for one in listed}


LIST_KEYS = ("labels", "label", "answer", "answers", "categories", "category", "classes", "class")


def _named_in_words(text: str, known: dict[str, str]) -> set[str] | str:
    """Give the labels an answer in words names, or what is wrong with it."""
    if _plain(text) in NONE:
        return set()
    parts = [part for part in map(_plain, re.split(r"[,;\n]", text)) if part]
    if parts and all(part in known for part in parts):
        return {known[part] for part in parts}
    found = set(_mentions(_plain(text), known, denied_after=True))
    return found or "it names none of the labels and is no empty list"


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


def _mentions(text: str, known: dict[str, str], *, denied_after: bool = False) -> list[str]:
    """Give the labels mentioned as whole words and not denied; a longer name hides one inside it."""
    longest_first = sorted((key for key in known if key), key=len, reverse=True)
    if not longest_first:
        return []
    pattern = re.compile(r"\b(" + "|".join(map(re.escape, longest_first)) + r")\b")
    found = (m for m in pattern.finditer(text) if not DENIED.search(text[: m.start()]))
    kept = (m for m in found if not (denied_after and DENIED_AFTER.match(text[m.end() :])))
    return list(dict.fromkeys(known[m.group(1)] for m in kept))
