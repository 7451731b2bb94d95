"""Retry on a scripted model: which messages are asked again, with what, and what is kept."""

from __future__ import annotations

from collections.abc import Sequence

from classifiers.interface import Label, Task
from classifiers.llm.prompting.answer_form import form_of
from classifiers.llm.prompting.prompt import Turn
from classifiers.llm.prompting.retry import Answer, Conversation, Reply, ask_with_retries, follow_up, retry

TASK = Task("yes or no", (Label("yes"), Label("no")))


class Script:
    """Answers each message from its own list, and writes down what it was asked."""

    def __init__(self, answers: dict[str, list[str]]) -> None:
        self.answers = answers
        self.rounds: list[tuple[float, list[Conversation]]] = []

    def __call__(self, conversations: Sequence[Conversation], *, temperature: float) -> list[Reply]:
        self.rounds.append((temperature, list(conversations)))
        return [Reply(self.answers[c[0].message].pop(0), 10, 2) for c in conversations]


def ask(script: Script, *texts: str, temperatures: tuple[float, ...]) -> list[tuple[str, ...]]:
    conversations = [(Turn("user", "Message: ", text),) for text in texts]
    ledger = ask_with_retries(conversations, script, form_of(TASK), temperatures=temperatures)
    assert all(attempt.seconds >= 0 for attempts in ledger for attempt in attempts)
    return [tuple(f"{a.raw}:{a.valid}" for a in attempts) for attempts in ledger]


def test_only_invalid_answers_are_asked_again_and_all_attempts_are_kept() -> None:
    script = Script({"a": ["yes"], "b": ["hm", "both yes and no", "no"], "c": ["?", "?", "?"]})
    got = ask(script, "a", "b", "c", temperatures=(0.0, 0.3, 0.6))
    assert got == [
        ("yes:True",),
        ("hm:False", "both yes and no:False", "no:True"),
        ("?:False", "?:False", "?:False"),
    ]
    assert [(t, len(asked)) for t, asked in script.rounds] == [(0.0, 3), (0.3, 2), (0.6, 2)]


def test_retry_shows_the_answer_and_says_what_was_wrong() -> None:
    script = Script({"b": ["both yes and no", "no"]})
    ask(script, "b", temperatures=(0.0, 0.3))
    (conversation,) = script.rounds[1][1]
    assert conversation[1] == Turn("assistant", "", "both yes and no")
    assert "it names none of the labels" in conversation[2].text
    assert "exactly one of: yes, no" in conversation[2].text


def test_without_retries_an_invalid_answer_stays_invalid() -> None:
    assert ask(Script({"c": ["?"]}), "c", temperatures=(0.0,)) == [("?:False",)]


def test_a_question_without_room_for_its_retry_stays_invalid_and_the_others_go_on() -> None:
    written = {"short": ["?", "yes"], "long": ["?"]}

    def answers(questions: Sequence[str], temperature: float) -> list[Answer]:
        replies = [Reply(written[question.rstrip("+")].pop(0), 1, 1) for question in questions]
        return [Answer(reply, form_of(TASK).parse(reply.text)) for reply in replies]

    asked = retry(["short", "long"], answers, lambda q, _: None if q == "long" else q + "+", (0.0, 0.3))
    assert [(a.question, [attempt.valid for attempt in a.attempts]) for a in asked] == [
        ("short+", [False, True]),
        ("long", [False]),
    ]


def test_the_model_is_shown_its_answer_without_its_reasoning() -> None:
    reply = Reply("<think>yes or no?</think>\n\nmaybe", 1, 1)
    shown, objection = follow_up(Answer(reply, form_of(TASK).parse(reply.text)), form_of(TASK))
    assert shown == Turn("assistant", "", "maybe")
    assert "it names none of the labels" in objection.text
