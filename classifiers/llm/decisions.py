"""Questions to a decision model, which picks among given options and writes no text, and what it answers.

Two wire forms are in use. `systemone` is TypeSafe's, which llama.cpp serves as `/v1/systemone`: questions and options
are objects by name. `decisions` is OpenAI's `/v1/decisions`: both are lists. A message of one label is one choice
among the labels; where a message may have several, every label is a yes/no question.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from classifiers.errors import BenchError
from classifiers.heads.multilabel import DEFAULT_THRESHOLD, decide
from classifiers.interface import Label, Task
from classifiers.llm.client import Send
from classifiers.llm.prompting.answer_form import readable_names
from classifiers.llm.prompting.prompt import DECIDE

DecisionForm = Literal["systemone", "decisions"]
MAX_OPTIONS = 255
"""Options of a choice, in both forms; as many yes/no questions are asked of one message."""
ROUNDING = 0.005
"""Half of the last digit of a probability that is served with two."""
TIE = 1e-9
LABEL, REFUSAL = "label", "refusal"
APPLIES = 'The label "{name}" applies to the message.'
YES_NO = {"systemone": ("noul", "noul"), "decisions": ("predicate", "probability")}
"""What a yes/no question is called in each form, and the key of its answer's probability."""
PROBE_TASK = Task("probe", (Label("greeting"), Label("complaint")))


@dataclass(frozen=True, slots=True)
class Decided:
    """What a server decided about one message; without labels and probabilities where it declined a question."""

    valid: bool
    labels: tuple[str, ...] = ()
    probabilities: dict[str, float] | None = None
    prompt_tokens: int = 0
    completion_tokens: int = 0


def decision(form: DecisionForm, task: Task, text: str, options: Mapping[str, Any]) -> Send[Decided]:
    """Return the request that has one message decided on; `options` go beside the questions, the model's name too."""
    body = {**question_body(form, task, text), **options}
    # posted as it is: the official client's own `decisions` knows one of the forms, and only in its newest versions
    return lambda client: read_decision(form, task, client.post(f"/{form}", body=body, cast_to=object))


def question_body(form: DecisionForm, task: Task, text: str) -> dict[str, Any]:
    """Return what is asked about one message, without the model's name."""
    names = readable_names(task)
    instruction = task.instruction or DECIDE[task.takes_several]
    definitions = {name: label.definition for name, label in zip(names, task.labels, strict=True)}
    if task.takes_several:
        asked = {
            name: {
                "type": YES_NO[form][0],
                "instructions": " ".join([instruction, APPLIES.format(name=name), why]).strip(),
            }
            for name, why in definitions.items()
        }
    else:
        asked = {LABEL: _choice(form, instruction, definitions)}
    if form == "systemone":
        return {"state": text, "questions": asked}
    return {"input": text, "questions": [{"name": name, **question} for name, question in asked.items()]}


def _choice(form: DecisionForm, instructions: str, options: Mapping[str, str]) -> dict[str, Any]:
    if form == "systemone":
        return {"type": "choice", "instructions": instructions, "criteria": {k: v or None for k, v in options.items()}}
    choices = [{"value": k, "description": v} if v else {"value": k} for k, v in options.items()]
    return {"type": "choice", "instructions": instructions, "choices": choices}


def read_decision(form: DecisionForm, task: Task, answer: Any) -> Decided:
    """Read a server's answer to `question_body`.

    Raises:
        ValueError: if it is no answer to these questions.
        BenchError: if its probabilities are none.
    """
    try:
        given = answer["answers"]
        answers = given if form == "systemone" else {answered["name"]: answered for answered in given}
        usage = answer.get("usage") or {}
        counts = (int(usage.get("input_tokens") or 0), int(usage.get("output_tokens") or 0))
        names = readable_names(task) if task.takes_several else (LABEL,)
        if any(answers[name]["type"] == REFUSAL for name in names):
            return Decided(False, (), None, *counts)
        row = _yes_row(form, answers, names) if task.takes_several else _choice_row(form, answers[LABEL], task)
    except (AttributeError, LookupError, TypeError, ValueError) as error:
        raise ValueError(f"it sent no decision ({error}): {answer!r}") from error
    labels = decide(row, task, (DEFAULT_THRESHOLD,) * len(row))
    return Decided(True, labels, dict(zip(task.label_names, row, strict=True)), *counts)


def _yes_row(form: DecisionForm, answers: Mapping[str, Any], names: Sequence[str]) -> list[float]:
    """Return the probability of yes to every question; raises ValueError for what is no probability."""
    row = [float(answers[name][YES_NO[form][1]]) for name in names]
    if not all(0 <= p <= 1 for p in row):
        raise ValueError("a probability outside 0 to 1")
    return row


def _choice_row(form: DecisionForm, answer: Mapping[str, Any], task: Task) -> list[float]:
    """Return the probability of every option; of those served as equally likely, the served choice comes first."""
    listed = answer["probabilities"]
    shares = listed if form == "systemone" else {option["value"]: option["probability"] for option in listed}
    names = readable_names(task)
    if set(shares) != set(names):
        raise ValueError("its options are not those it was asked about")
    row = [float(shares[name]) for name in names]
    total = sum(row)
    if min(row) < 0 or not abs(total - 1) <= ROUNDING * len(row) + 1e-3:
        raise BenchError(
            f"the server's decisions have probabilities that add up to {total:.3g} in place of 1, so they mean "
            "nothing; use another model or answers = 'text'"
        )
    # rounded probabilities tie; the choice was made before they were rounded
    row = [share + TIE * (name == answer["choice"]) for name, share in zip(names, row, strict=True)]
    return [share / sum(row) for share in row]
