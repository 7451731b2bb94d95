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
from classifiers.llm.prompting.answer_form import AnswerForm, form_of

Role = Literal["user", "assistant"]
PROMPT_TEMPLATES = Path(__file__).with_name("templates.toml")


@dataclass(frozen=True, slots=True)
class Turn:
    """One turn; `message` is somebody's text between `text` and `after`, never read as special tokens.

    `is_question` marks the message that is to be labelled: the one that is cut where room is short.
    """

    role: Role
    text: str
    message: str = ""
    is_question: bool = False
    after: str = ""

    @property
    def content(self) -> str:
        """Return the whole turn as one text."""
        return self.text + self.message + self.after


@cache
def prompt_templates(*, several: bool = False) -> dict[str, str]:
    """Read the shipped prompt templates by name, the default first; those for several labels have the same names."""
    templates: dict[str, dict[str, str]] = tomli.loads(PROMPT_TEMPLATES.read_text(encoding="utf-8"))
    return templates["several" if several else "one"]


def described_labels(task: Task) -> str:
    """Return one line per label, with its definition where it has one."""
    rows = zip(form_of(task).names, task.labels, strict=True)
    return "\n".join(f"- {name}: {label.definition}" if label.definition else f"- {name}" for name, label in rows)


def conversation(
    task: Task, text: str, *, prompt_template: str = "plain", examples: Sequence[Message] = ()
) -> tuple[Turn, ...]:
    """Return the conversation about one message, the worked examples as earlier questions and answers."""
    form = form_of(task)
    opening = prompt_templates(several=task.takes_several)[prompt_template].format(
        instruction=task.instruction or DECIDE[task.takes_several],
        definitions=described_labels(task),
        names=", ".join(form.names),
    )
    return turns(opening, text, [Worked(example.text, form.write(example.labels)) for example in examples])


DECIDE = {False: "Decide which label fits the message.", True: "Decide which labels fit the message."}


@dataclass(frozen=True, slots=True)
class Worked:
    """A worked example: a message, its answer, and what is asked after the message where that differs."""

    message: str
    answer: str
    after: str = ""


def turns(opening: str, text: str, examples: Sequence[Worked], after: str = "") -> tuple[Turn, ...]:
    """Return a conversation that opens so, with worked examples before the question, and `after` behind its message."""
    leads = [opening, *["Message: "] * len(examples)]
    earlier: list[Turn] = []
    for lead, example in zip(leads, examples, strict=False):
        question = Turn("user", lead, example.message, after=example.after)
        earlier += [question, Turn("assistant", example.answer)]
    return (*earlier, Turn("user", leads[-1], text, is_question=True, after=after))


def objection(problem: str, form: AnswerForm) -> Turn:
    """Tell the model what was wrong with its answer and what is allowed."""
    return Turn("user", f"That answer cannot be used: {problem}. {form.request}")
