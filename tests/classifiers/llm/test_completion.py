"""What is sent to a server is the whole turn."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from classifiers.llm.completion import completion
from classifiers.llm.prompting.prompt import Turn
from classifiers.llm.prompting.retry import Reply


def test_what_stands_behind_a_message_is_sent_too() -> None:
    asked: dict[str, Any] = {}

    def create(**options: Any) -> Any:
        asked.update(options)
        choice = SimpleNamespace(message=SimpleNamespace(content="yes"), logprobs=None)
        return SimpleNamespace(choices=[choice], usage=None)

    client: Any = SimpleNamespace(chat=SimpleNamespace(completions=SimpleNamespace(create=create)))
    turns = (Turn("user", "Message: ", "where is it?", after="\nIs it a refund?"), Turn("assistant", "no"))
    assert completion(turns, {"model": "m"})(client) == (Reply("yes", 0, 0), {})
    assert asked == {
        "model": "m",
        "messages": [
            {"role": "user", "content": "Message: where is it?\nIs it a refund?"},
            {"role": "assistant", "content": "no"},
        ],
    }
