"""Tell a model's reasoning from its answer, in whatever tags it stands."""

from __future__ import annotations

import re
from dataclasses import dataclass

_NAMES = "think|thinking|thought|reason|reasoning|reflection"
OPENING = re.compile(rf"<(?:{_NAMES})>|\[(?:{_NAMES})\]", re.IGNORECASE)
CLOSING = re.compile(rf"</(?:{_NAMES})>|\[/(?:{_NAMES})\]", re.IGNORECASE)


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
