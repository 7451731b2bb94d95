"""Letters and thinking on SmolLM2-135M with 32-bit weights, where equal prompts give equal figures in any batch."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from conftest import CUSTOMER_MESSAGES
from samples import exact_engine, strategy

from bench.config.tables import DataConfig
from bench.dataset.load import LoadedTask, load_task
from classifiers.errors import BenchError
from classifiers.interface import silent
from classifiers.llm.engine.engine import Engine
from classifiers.llm.engine.label_tree import grow
from classifiers.llm.prompting.chat import Chat
from classifiers.llm.prompting.generate import WrittenAnswers
from classifiers.llm.prompting.letters import AskLetters, option_marks, option_orders
from classifiers.llm.prompting.prompt import conversation
from classifiers.llm.prompting.score import ScoreLabels
from classifiers.llm.prompting.settings import Choice, Examples, LlamaCppSettings, Mode
from classifiers.llm.tuning import TuningMessages, tune


@pytest.fixture(scope="module")
def loaded() -> LoadedTask:
    return load_task(DataConfig(path=str(CUSTOMER_MESSAGES)))


@pytest.fixture(scope="module")
def engine(smollm: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    with exact_engine(smollm, tmp_path_factory.mktemp("f32")) as engine:
        yield engine


def test_letters_are_read_where_the_answer_begins_in_every_order(engine: Engine, loaded: LoadedTask) -> None:
    asker = strategy(engine, loaded, Choice("letters", examples="fixed", n_examples=1), n_orders=3)
    assert isinstance(asker, AskLetters)
    before = engine.stages["shared prompt"].tokens
    texts = [message.text for message in loaded.messages[::200]]
    predictions = asker.predict(texts)
    assert engine.stages["shared prompt"].tokens == before, "the option lists lie side by side and are read once"
    names, flips = loaded.task.label_names, 0
    letters = grow([engine.model.tokenize(letter, special=False) for letter in "ABC"])
    scored = asker.score(texts)
    for place, (prediction, prompts) in enumerate(zip(predictions, scored.prompts, strict=True)):
        shares = []
        for prompt in prompts:
            listed = [line.split(": ")[0] for line in prompt.turns[0].text.split("\n") if line[1:2] == "."]
            by_name = {line[3:]: i for i, line in enumerate(listed)}
            (row,) = np.exp(engine.score([prompt.tokens], letters))
            shares.append([row[by_name[name]] / row.sum() for name in names])
        mean = np.mean(shares, axis=0)
        assert list((prediction.probabilities or {}).values()) == pytest.approx(mean, abs=1e-3), place
        assert prediction.labels == (names[int(mean.argmax())],)
        flips += len(set(np.argmax(shares, axis=1).tolist())) > 1
    assert asker.flip_rate == flips / len(texts)
    assert asker.notes[0].startswith(f"options in 3 orders, which changed {asker.flip_rate:.1%} of the answers")


def test_calibration_of_letters_makes_a_list_without_a_message_say_nothing(engine: Engine, loaded: LoadedTask) -> None:
    """Each order's bias towards a letter is taken out of that order, before orders are averaged."""
    asker = strategy(engine, loaded, Choice("letters", calibration="contextual"))
    assert isinstance(asker, AskLetters)
    prior = asker.prior("contextual")
    assert prior is not None
    assert prior.shape == (2, 3)
    (decided,) = asker.answers(np.log(prior)[None], prior)
    assert decided.probabilities == pytest.approx(np.full(3, 1 / 3))


def test_marks_of_options_are_single_tokens_and_all_different(engine: Engine) -> None:
    assert option_marks(engine.model, 3) == ["A", "B", "C"]
    marks = option_marks(engine.model, 150)
    tokens = [engine.model.tokenize(mark, special=False) for mark in marks]
    assert {len(token) for token in tokens} == {1}
    assert len({token[0] for token in tokens}) == 150
    with pytest.raises(BenchError, match=r"700 labels are more than the \d+ letters of one token"):
        option_marks(engine.model, 700)


def test_orders_of_options_are_seeded_and_begin_with_the_task_and_its_reverse() -> None:
    assert option_orders(4, 1, 0) == [[0, 1, 2, 3]]
    first, reverse, drawn = option_orders(4, 3, 7)
    assert (first, reverse, sorted(drawn)) == ([0, 1, 2, 3], [3, 2, 1, 0], [0, 1, 2, 3])
    assert option_orders(40, 4, 7) == option_orders(40, 4, 7) != option_orders(40, 4, 8)


@pytest.mark.parametrize("mode", ["generate", "grammar", "score", "letters"])
def test_thinking_is_bounded_counted_and_followed_by_an_answer(engine: Engine, loaded: LoadedTask, mode: Mode) -> None:
    texts = [message.text for message in loaded.messages[::300]]
    asker = strategy(engine, loaded, Choice(mode), thinking=24, n_orders=1, retries=1)
    predictions = asker.predict(texts)
    limit = 24 + 32 if mode == "generate" else 24  # free text may reason on behind the tag that closed it
    assert 0 < max(p.attempts[0].thinking_tokens for p in predictions) <= limit
    for prediction in predictions:
        assert mode == "generate" or prediction.valid
        for attempt in prediction.attempts:
            assert attempt.thinking_tokens <= limit
            assert attempt.thinking_tokens <= attempt.completion_tokens
            assert "</think>" in attempt.raw
            assert attempt.labels == asker.asking.form.parse(attempt.raw).labels
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


@pytest.mark.parametrize("examples", ["none", "fixed"])
def test_scores_tell_what_the_same_prompt_would_have_written(
    engine: Engine, loaded: LoadedTask, examples: Examples
) -> None:
    texts = [message.text for message in loaded.messages[::60]]
    choice = Choice(examples=examples, n_examples=2 if examples == "fixed" else 0)
    scorer = strategy(engine, loaded, replace(choice, mode="score"))
    assert isinstance(scorer, ScoreLabels)
    scored = scorer.score(texts).by_text()
    for mode in ("generate", "grammar"):
        asker = strategy(engine, loaded, replace(choice, mode=mode), retries=0)
        assert isinstance(asker, WrittenAnswers)
        told = asker.told_by(scored, texts)
        attempts = [p.attempts[0] for p in asker.predict(texts)]
        known = [(labels, a) for labels, a in zip(told, attempts, strict=True) if labels is not None]
        assert len(known) > (len(texts) / 4 if examples == "fixed" else -1), "shown examples, it answers as they do"
        assert [labels for labels, _ in known] == [a.labels for _, a in known]
        assert [asker.asking.form.write(labels) for labels, _ in known] == [a.raw for _, a in known]
        assert asker.told_by(scored[:3], texts) == [*told[:3], *[None] * (len(texts) - 3)]
    others = strategy(engine, loaded, replace(choice, prompt_template="question"))
    short = strategy(engine, loaded, choice, max_tokens=1)
    for asker in (others, short):
        assert isinstance(asker, WrittenAnswers)
        assert set(asker.told_by(scored, texts)) == {None}, "another prompt, or an answer that is cut off"


def test_a_search_that_asks_nothing_twice_finds_the_same(
    engine: Engine, loaded: LoadedTask, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Against one in which scores tell nothing of written answers."""
    messages = TuningMessages(loaded.messages, loaded.messages)
    options = LlamaCppSettings(tune=True, tune_messages=10, retries=0, calibration_messages=4)
    trials, tokens = [], []
    for told_by in (WrittenAnswers.told_by, lambda self, scored, texts: [None] * len(texts)):
        monkeypatch.setattr(WrittenAnswers, "told_by", told_by)
        before = engine.stages["prompt"].tokens
        tuned = tune(Choice(), lambda choice: strategy(engine, loaded, choice), messages, options, silent)
        tokens.append(engine.stages["prompt"].tokens - before)
        trials.append([replace(trial, seconds=0) for trial in tuned.trials])
    assert trials[0] == trials[1]
    assert tokens[0] < tokens[1]
    assert len(trials[0]) == 2 + 3 * len(ScoreLabels.calibrations)


def test_answers_given_in_the_search_are_those_given_afterwards(engine: Engine, loaded: LoadedTask) -> None:
    messages = TuningMessages(loaded.messages, loaded.messages)
    options = LlamaCppSettings(calibration="auto", mode="score", tune_messages=8, calibration_messages=4)
    tuned = tune(Choice("score"), lambda choice: strategy(engine, loaded, choice), messages, options, silent)
    assert isinstance(tuned.strategy, ScoreLabels)
    tuned.strategy.make_ready()
    given, again = tuned.answers(), tuned.strategy.predict(list(tuned.texts))
    assert list(given) == list(tuned.texts)
    for before, after in zip(given.values(), again, strict=True):
        assert before.labels == after.labels
        assert before.probabilities == pytest.approx(after.probabilities, abs=1e-3)
        assert replace(before.attempts[0], seconds=0) == replace(after.attempts[0], seconds=0)
