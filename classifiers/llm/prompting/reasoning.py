"""Tell a model's reasoning from its answer, in whatever tags it stands."""

from __future__ import annotations

import re
from dataclasses import dataclass

_NAMES = "think|thinking|thought|reason|reasoning|reflection"
OPENING = re.compile(rf"<(?:{_NAMES})>|\[(?:{_NAMES})\]", re.IGNORECASE)
CLOSING = re.compile(rf"</(?:{_NAMES})>|\[/(?:{_NAMES})\]", re.IGNORECASE)


DEFAULT_OPENING = "<think>"


def opening_in(template: str) -> str | None:
    """Return the tag with which the model of a chat template opens its reasoning, or None where it knows none."""
    tag = OPENING.search(template) or CLOSING.search(template)
    return tag.group(0).replace("/", "") if tag else None


def closing_of(opening: str) -> str:
    """Return the tag that closes what this one opens."""
    return opening[0] + "/" + opening[1:]


def is_open(text: str) -> bool:
    """Tell whether a text ends inside of reasoning."""
    return bool(OPENING.search(text, max((tag.end() for tag in CLOSING.finditer(text)), default=0)))


@dataclass(frozen=True, slots=True)
class Reasoned:
    """An answer's reasoning and what stands behind it; `answer` is empty where the reasoning has no end."""

    reasoning: str
    answer: str

    @property
    def is_unfinished(self) -> bool:
        """Tell whether the model reasoned and then said nothing."""
        return bool(self.reasoning) and not self.answer


def split_reasoning(raw: str) -> Reasoned:
    """Split a text at the end of its reasoning.

    All that stands before a closing tag is reasoning, with or without an opening tag: many chat templates write
    the opening tag themselves. Reasoning that is cut off leaves no answer, whatever labels it weighs.
    """
    closings = list(CLOSING.finditer(raw))
    end = closings[-1].end() if closings else 0
    if OPENING.search(raw, end):
        return Reasoned(raw, "")
    return Reasoned(raw[:end], raw[end:].strip())
