"""What the model is asked, as turns of a conversation; the chat template comes from the GGUF.

Everything that is the same for all messages stands first, so that it is decoded once: the question
with instruction and labels, then worked examples as turns of their own, then the message. All of it
is in user and assistant turns, because some templates refuse a system turn.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

import tomli

from classifiers.interface import Message, Task

Role = Literal["user", "assistant"]
WORDINGS = Path(__file__).with_name("wordings.toml")


@dataclass(frozen=True, slots=True)
class Turn:
    """One turn; `message` is somebody's text behind `text`, never read as special tokens.

    `is_question` marks the message that is to be labelled: the one that is cut where room is short.
    """

    role: Role
    text: str
    message: str = ""
    is_question: bool = False


@cache
def wordings() -> dict[str, str]:
    """Read the shipped wordings, the default first."""
    found: dict[str, str] = tomli.loads(WORDINGS.read_text(encoding="utf-8"))
    return found


def readable_names(task: Task) -> tuple[str, ...]:
    """Give label names as words ("card_arrival" as "card arrival"), or as they are where two would be equal."""
    spaced = tuple(" ".join(name.replace("_", " ").split()) for name in task.label_names)
    return spaced if len(set(spaced)) == len(spaced) else task.label_names


def conversation(
    task: Task, text: str, *, wording: str = "plain", examples: Sequence[Message] = ()
) -> tuple[Turn, ...]:
    """Give the conversation about one message, the worked examples as earlier questions and answers."""
    names = readable_names(task)
    shown = dict(zip(task.label_names, names, strict=True))
    definitions = [
        f"- {name}: {label.definition}" if label.definition else f"- {name}"
        for name, label in zip(names, task.labels, strict=True)
    ]
    opening = wordings()[wording].format(
        instruction=task.instruction or "Decide which label fits the message.",
        definitions="\n".join(definitions),
        names=", ".join(names),
    )
    leads = [opening, *["Message: "] * len(examples)]
    turns: list[Turn] = []
    for lead, example in zip(leads, examples, strict=False):
        turns += [Turn("user", lead, example.text), Turn("assistant", shown[example.label])]
    return (*turns, Turn("user", leads[-1], text, is_question=True))


def objection(problem: str, names: Sequence[str]) -> Turn:
    """Tell the model what was wrong with its answer and what is allowed."""
    return Turn("user", f"That answer cannot be used: {problem}. Answer with exactly one of: {', '.join(names)}.")
