"""Understand an answer as labels of the task, or say why it is none; nothing is ever guessed.

Read in this order: the exact text of a label; JSON; a label but for case, quotes and punctuation, perhaps behind
`Label:`; and labels that sentences mention. A clause that denies anything ("neither a refund nor an order") mentions
nothing. Where a message has one label, an answer that names two is none; where it may have several, a JSON list is
asked for, and an empty one is an answer.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from classifiers.llm.prompting.json_answer import FENCE, JsonValue, as_text, json_in, labelled
from classifiers.llm.prompting.label_names import LabelNames, names_of
from classifiers.llm.prompting.reasoning import split_reasoning

NO_LABEL = re.compile(r"\W*(?:none(?: of (?:the labels|these|them))?|no labels?|empty list)\W*", re.IGNORECASE)
_TICK = re.compile(r"(?P<name>.+?)\W*[:=\-]\W*(?P<tick>yes|no|true|false)\W*", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Parsed:
    """The labels of an answer, or the problem in words the model can be told."""

    labels: tuple[str, ...]
    problem: str = ""

    @property
    def valid(self) -> bool:
        """Tell whether the answer was understood."""
        return not self.problem


class _NoAnswerError(ValueError):
    """The answer is none; its text is the problem."""


def parse_answer(raw: str, names: Sequence[str]) -> Parsed:
    """Read an answer as the one label it gives.

    Args:
        raw: the model's text, its reasoning included.
        names: label names that `untellable` has no complaint about.
    """
    known = names_of(tuple(names))
    if (name := known.exactly(raw)) is not None:
        return Parsed((name,))
    try:
        named = _one_label(_answer_in(raw), known)
    except _NoAnswerError as problem:
        return Parsed((), str(problem))
    if len(named) > 1:
        return Parsed((), f"it names {len(named)} labels ({', '.join(named)})")
    return Parsed(tuple(named), "" if named else "it names none of the labels")


def parse_labels(raw: str, names: Sequence[str], max_labels: int) -> Parsed:
    """Read an answer as the labels it gives, none to `max_labels`, in the order of `names`.

    Understood are a JSON list, alone or followed by an explanation, in a fence, or under a key such as "labels"; a JSON
    object that says true or false of labels; labels divided by commas, semicolons or lines; a word for "none", unless a
    label is called so; and labels mentioned in sentences. What begins as JSON is read as nothing else.
    """
    known = names_of(tuple(names))
    try:
        exact = known.exactly(raw)
        named = {exact} if exact is not None else _several_labels(_answer_in(raw), known)
    except _NoAnswerError as problem:
        return Parsed((), str(problem))
    if len(named) > max_labels:
        return Parsed((), f"it names {len(named)} labels, and at most {max_labels} are allowed")
    return Parsed(tuple(name for name in names if name in named))


def _answer_in(raw: str) -> str:
    reasoned = split_reasoning(raw)
    if reasoned.is_unfinished:
        raise _NoAnswerError("its reasoning is not followed by an answer")
    if not reasoned.answer:
        raise _NoAnswerError("it was empty")
    return reasoned.answer


def _one_label(text: str, known: LabelNames) -> list[str]:
    """Return the labels that an answer asked for one label names."""
    if (name := known.exactly(text)) is not None:
        return [name]
    fenced = FENCE.search(text)
    json_value = json_in(fenced.group(1) if fenced else text)
    if json_value and (named := _named_by_value(json_value.value, known)):
        return named
    if (name := known.whole(text)) is not None:
        return [name]
    if json_value and not (json_value.before + json_value.after).strip():
        return []
    return known.mentioned(json_value.before + "\n" + json_value.after if json_value else text)


def _named_by_value(value: Any, known: LabelNames) -> list[str]:
    """Return the labels a JSON value names: under a label key, said to be true, or the only texts there are."""
    ticked = _ticked(value, known)
    if ticked is not None:
        return [name for name, is_so in ticked.items() if is_so]
    if keyed := list(labelled(value)):
        return _listed(keyed, known)
    if isinstance(value, dict):
        value = [held for held in value.values() if isinstance(held, str)]
    return _listed(value, known)


def _listed(value: Any, known: LabelNames) -> list[str]:
    """Return the labels that the texts and numbers of a JSON list are, or mention."""
    if isinstance(value, list):
        return list(dict.fromkeys(name for held in value for name in _listed(held, known)))
    text = as_text(value)
    if text is None:
        return []
    name = known.whole(text)
    return known.mentioned(text) if name is None else [name]


def _ticked(value: Any, known: LabelNames) -> dict[str, bool] | None:
    """Return what an object says of each label, None where it is no object of labels and Booleans."""
    if not isinstance(value, dict) or not value or not all(isinstance(held, bool) for held in value.values()):
        return None
    names = [known.whole(key) for key in value]
    return {name: held for name, held in zip(names, value.values(), strict=True) if name} if all(names) else None


def _several_labels(text: str, known: LabelNames) -> set[str]:
    """Return the labels that an answer asked for a list names."""
    if (name := known.exactly(text)) is not None:
        return {name}
    fenced = FENCE.search(text)
    body = re.sub(r"^\W*labels?\s*[:=]\s*(?=[\[{])", "", (fenced.group(1) if fenced else text).strip(), flags=re.I)
    json_value = json_in(body)
    if fenced or body[:1] in ("[", "{"):
        if json_value is None or json_value.before:
            raise _NoAnswerError("it is no whole JSON list")
        return _named_in_list(json_value, known)
    if json_value and isinstance(json_value.value, list | dict):
        return _named_in_list(json_value, known)
    return _named_in_words(text, known)


def _named_in_list(json_value: JsonValue, known: LabelNames) -> set[str]:
    if "[" in json_value.after or "{" in json_value.after:
        raise _NoAnswerError("it holds more than one JSON value")
    ticked = _ticked(json_value.value, known)
    if ticked is not None:
        return {name for name, is_so in ticked.items() if is_so}
    value = next(labelled(json_value.value), None) if isinstance(json_value.value, dict) else json_value.value
    listed = value if isinstance(value, list) else [value]
    texts = [as_text(held) for held in listed]
    if None in texts:
        raise _NoAnswerError("it is no JSON list of label names")
    named = {str(text): known.whole(str(text)) for text in texts}
    if strangers := [text for text, name in named.items() if name is None]:
        if len(named) == 1 and NO_LABEL.fullmatch(strangers[0]):
            return set()
        raise _NoAnswerError(f"'{strangers[0][:40]}' is none of the labels")
    return {name for name in named.values() if name is not None}


def _named_in_words(text: str, known: LabelNames) -> set[str]:
    parts = [part for part in re.split(r"[,;\n]", text) if part.strip(" .-*")]
    whole = [known.whole(part) for part in parts]
    if parts and all(whole):
        return {name for name in whole if name}
    if (name := known.whole(text)) is not None:
        return {name}
    if NO_LABEL.fullmatch(text):
        return set()
    ticks = [_TICK.fullmatch(part.strip()) for part in parts]
    if parts and all(ticks) and all(known.whole(tick["name"]) for tick in ticks if tick):
        said = {known.whole(tick["name"]): tick["tick"].casefold() in ("yes", "true") for tick in ticks if tick}
        if any(said.values()) or len(said) == len(known.names):
            return {name for name, is_so in said.items() if name and is_so}
    named = set(known.mentioned(text))
    if not named:
        raise _NoAnswerError("it names none of the labels and is no empty list")
    return named
