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


def question(task: Task, text: str) -> tuple[Turn, ...]:
    """Give the opening conversation about one message: instruction, labels with definitions, message.

    All of it is one user turn: some templates refuse a system turn, and of ten wordings tried on
    validation messages with Qwen2.5-Coder 1.5B this did best (67 %; the others 39 to 66 %).
    """
    opening = task.instruction or "Decide which label fits the message."
    labels = [f"- {label.name}: {label.definition}" if label.definition else f"- {label.name}" for label in task.labels]
    lines = [f"{opening} Labels:", *labels, "", "Answer with exactly one label name.", "", "Message: "]
    return (Turn("user", "\n".join(lines), text),)


def objection(problem: str, names: Sequence[str]) -> Turn:
    """Tell the model what was wrong with its answer and what is allowed."""
    return Turn("user", f"That answer cannot be used: {problem}. Answer with exactly one of: {', '.join(names)}.")
