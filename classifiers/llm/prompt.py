"""What the model is asked, as turns of a conversation; the chat template comes from the GGUF.

The message is the last thing in the first user turn, so that everything before it is the same
for all messages and is decoded once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from classifiers.interface import Task

Role = Literal["system", "user", "assistant"]


@dataclass(frozen=True, slots=True)
class Turn:
    """One turn; `message` is a customer's text behind `text`, never read as special tokens."""

    role: Role
    text: str
    message: str = ""


def instruction(task: Task) -> str:
    """Give the system text: the task's instruction, its labels with definitions, the answer's form."""
    labels = [f"- {label.name}: {label.definition}" if label.definition else f"- {label.name}" for label in task.labels]
    opening = task.instruction or "Decide which label fits the message."
    closing = "Answer with exactly one of the label names above and nothing else."
    return "\n".join([opening, "", "Labels:", *labels, "", closing])


def question(task: Task, text: str) -> tuple[Turn, ...]:
    """Give the opening conversation about one message."""
    return Turn("system", instruction(task)), Turn("user", "Message: ", text)


def objection(problem: str, names: Sequence[str]) -> Turn:
    """Tell the model what was wrong with its answer and what is allowed."""
    return Turn("user", f"That answer cannot be used: {problem}. Answer with exactly one of: {', '.join(names)}.")
