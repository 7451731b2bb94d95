"""Thinking on SmolLM2-135M with 32-bit weights, where equal prompts give equal figures in any batch."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import CUSTOMER_MESSAGES
from samples import exact_engine, strategy

from bench.config.tables import DataConfig
from bench.dataset.load import LoadedTask, load_task
from classifiers.llm.engine.engine import Engine
from classifiers.llm.prompting.chat import Chat
from classifiers.llm.prompting.prompt import conversation
from classifiers.llm.prompting.reasoning import split_reasoning
from classifiers.llm.prompting.settings import Choice, Mode


@pytest.fixture(scope="module")
def loaded() -> LoadedTask:
    return load_task(DataConfig(path=str(CUSTOMER_MESSAGES)))


@pytest.fixture(scope="module")
def engine(smollm: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    with exact_engine(smollm, tmp_path_factory.mktemp("f32")) as engine:
        yield engine


@pytest.mark.parametrize("mode", ["generate", "grammar", "score"])
def test_thinking_is_bounded_counted_and_followed_by_an_answer(engine: Engine, loaded: LoadedTask, mode: Mode) -> None:
    texts = [message.text for message in loaded.messages[::300]]
    asker = strategy(engine, loaded, Choice(mode), thinking=24, retries=1)
    for prediction in asker.predict(texts):
        assert mode == "generate" or prediction.valid
        for attempt in prediction.attempts:
            assert 0 < attempt.thinking_tokens <= 24 <= attempt.prompt_tokens
            assert attempt.thinking_tokens <= attempt.completion_tokens
            reasoned = split_reasoning(attempt.raw)
            assert reasoned.reasoning.endswith("</think>")
            assert attempt.labels == asker.asking.form.parse(reasoned.answer).labels
    assert (
        asker.chat.tokens(asker.writers[0].converse("hello", ()), room=3000)[0]
        == asker.writers[0].write(["hello"])[0].tokens
    )


@pytest.mark.parametrize(("thinks", "end"), [(False, "<think>\n\n</think>\n\n"), (True, "<think>\n")])
def test_a_template_that_thinks_is_asked_to_answer_at_once_or_to_reason(
    engine: Engine, loaded: LoadedTask, monkeypatch: pytest.MonkeyPatch, *, thinks: bool, end: str
) -> None:
    """As Qwen3 does: its template writes an empty reasoning where thinking is off; older ones open it in any case."""
    plain, generated = str(engine.model.chat_template), "<|im_start|>assistant\n"
    for opened in (
        "<think>\n",
        "{% if enable_thinking is false %}<think>\n\n</think>\n\n{% endif %}{# <think> #}",
    ):
        template = plain.replace(f"{{{{ '{generated}' }}}}", generated + opened)
        assert template != plain
        monkeypatch.setattr(type(engine.model), "chat_template", template)
        tokens, _ = Chat(engine, thinks=thinks).tokens(conversation(loaded.task, "hello"), room=3000)
        assert engine.model.detokenize(tokens).endswith(f"assistant\n{end}")
