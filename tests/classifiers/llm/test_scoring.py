"""Batching and the label tree change nothing: shown on unquantised weights, where nothing is rounded.

With 8-bit activations, as every quantised model has them, the last bit of a float decides how a value
is rounded, and log-probabilities differ by 0.1 between any two batches, llama.cpp's own included. So
SmolLM2's weights are expanded to 32 bits here (by llama.cpp itself), where equal means equal.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from conftest import CUSTOMER_MESSAGES
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from samples import exact_engine, strategy

from bench.config.tables import DataConfig
from bench.dataset.load import LoadedTask, load_task
from bench.measure.limits import usable_cores
from classifiers.errors import BenchError
from classifiers.interface import Label, Task
from classifiers.llm.engine.engine import Engine
from classifiers.llm.engine.label_tree import grow
from classifiers.llm.engine.prefixes import common_length
from classifiers.llm.engine.sampler import Request
from classifiers.llm.prompting.chat import Chat
from classifiers.llm.prompting.grammar import label_grammar
from classifiers.llm.prompting.prompt import conversation
from classifiers.llm.prompting.settings import Choice
from classifiers.llm.prompting.yes_no import AskYesNo


@pytest.fixture(scope="module")
def loaded() -> LoadedTask:
    return load_task(DataConfig(path=str(CUSTOMER_MESSAGES)))


@pytest.fixture(scope="module")
def engine(smollm: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    with exact_engine(smollm, tmp_path_factory.mktemp("f32")) as engine:
        yield engine


def prompts_of(engine: Engine, loaded: LoadedTask, texts: list[str]) -> list[list[int]]:
    chat = Chat(engine)
    prompts = [chat.tokens(conversation(loaded.task, text), room=3000)[0] for text in texts]
    first, second = (chat.tokens(conversation(loaded.task, t), room=3000)[0] for t in ("A", "1"))
    engine.hold(first[: common_length(first, second)])
    assert engine.prefix_length > 100
    return prompts


def test_batched_answers_equal_answers_one_at_a_time(engine: Engine, loaded: LoadedTask) -> None:
    prompts = prompts_of(engine, loaded, [m.text for m in loaded.messages[::12]])
    requests = [Request(prompt, 2) for prompt in prompts]
    assert len(requests) >= 100
    together = engine.generate(requests)
    alone = [engine.generate([request])[0] for request in requests]
    assert together == alone


def test_tree_scores_equal_each_label_evaluated_alone(engine: Engine, loaded: LoadedTask) -> None:
    names = ["card", "card arrival", "card delivery estimate", "Refund Request", "Refund not showing up", "order"]
    chat = Chat(engine)
    sequences = [chat.answer_tokens(name) for name in names]
    prompts = prompts_of(engine, loaded, [m.text for m in loaded.messages[::100]])
    together = engine.score(prompts, grow(sequences))
    for i, prompt in enumerate(prompts):
        alone = [engine.score([prompt], grow([sequence]))[0, 0] for sequence in sequences]
        assert together[i] == pytest.approx(alone, abs=1e-3)


def test_score_equals_the_product_of_plain_next_token_probabilities(engine: Engine, loaded: LoadedTask) -> None:
    """The reference decodes prompt and label as one plain sequence and reads every step's softmax."""
    (prompt,) = prompts_of(engine, loaded, ["where is my parcel?"])
    sequence = Chat(engine).answer_tokens("Order Inquiry")
    expected = 0.0
    for i, token in enumerate(sequence):
        branch = grow([[token, 0]])[:1]
        expected += engine.score([[*prompt, *sequence[:i]]], branch)[0, 0]
    assert engine.score([prompt], grow([sequence]))[0, 0] == pytest.approx(expected, abs=1e-3)


def test_many_labels_are_scored(engine: Engine, loaded: LoadedTask) -> None:
    sequences = [Chat(engine).answer_tokens(f"topic number {i}") for i in range(150)]
    prompts = prompts_of(engine, loaded, ["hello", "where is it"])
    scores = engine.score(prompts, grow(sequences))
    assert scores.shape == (2, 150)
    assert np.isfinite(scores).all()
    with pytest.raises(BenchError, match="300 labels are more than the 255"):
        engine.score(prompts, grow([Chat(engine).answer_tokens(f"topic number {i}") for i in range(300)]))


def test_grammar_allows_labels_only(engine: Engine, loaded: LoadedTask) -> None:
    asker = strategy(engine, loaded, Choice("grammar"))
    predictions = asker.predict([m.text for m in loaded.messages[::200]])
    assert all(p.valid and p.attempts[0].raw in loaded.task.label_names for p in predictions)


STRANGE_LABELS = (
    ("👍", "👎"),
    ("+1", "-1"),
    ("退款", "订单", "其他"),
    ("वापसी", "आदेश"),
    ("cafe\u0301", "the\u0301"),
    ('say "no"', "back\\slash"),
)
"""Emoji, signs, Chinese, Hindi, letters with combining accents, and what a grammar must escape."""


@pytest.mark.parametrize("labels", STRANGE_LABELS)
def test_any_label_can_be_answered_by_grammar_and_score(
    engine: Engine, loaded: LoadedTask, labels: tuple[str, ...]
) -> None:
    task = Task("strange", tuple(Label(name) for name in labels), loaded.task.instruction)
    texts = [message.text for message in loaded.messages[::400]]
    held = strategy(engine, loaded, Choice("grammar"), task)
    assert all(p.valid and len(p.attempts) == 1 and p.labels[0] in labels for p in held.predict(texts))
    grammar = label_grammar(labels)
    repeated = [engine.model.tokenize(f"{label}\n" * 8, special=False) for label in labels]
    answers = engine.generate([Request(tokens, 24, grammar=grammar) for tokens in repeated])
    assert [engine.model.detokenize(answer) for answer in answers] == list(labels), "each label is what a model can say"
    for prediction in strategy(engine, loaded, Choice("score"), task).predict(texts):
        assert prediction.probabilities is not None
        assert set(prediction.probabilities) == set(labels)
        assert sum(prediction.probabilities.values()) == pytest.approx(1, abs=1e-5)
        assert prediction.labels == (max(prediction.probabilities, key=prediction.probabilities.__getitem__),)


def test_broken_grammar_is_an_error_not_free_text(engine: Engine) -> None:
    with pytest.raises(BenchError, match=r"llama.cpp refuses the grammar"):
        engine.generate([Request([1, 2, 3], 2, grammar="root ::= (")])


def test_calibration_takes_a_bias_out(engine: Engine, loaded: LoadedTask) -> None:
    plain = strategy(engine, loaded, Choice("score"))
    batch = strategy(engine, loaded, Choice("score", calibration="batch"))
    texts = [m.text for m in loaded.messages[::40]]
    shares = [
        np.mean([list(p.probabilities.values()) for p in a.predict(texts) if p.probabilities], axis=0)
        for a in (plain, batch)
    ]
    spread = [float(np.ptp(share)) for share in shares]
    assert spread[1] < spread[0], "the mean answer is nearer to uniform"


def test_examples_are_cut_whole_and_counted(engine: Engine, loaded: LoadedTask) -> None:
    asker = strategy(engine, loaded, Choice("score", examples="fixed", n_examples=60))
    assert 0 < asker.examples_cut < 180
    (prediction,) = asker.predict(["word " * 200])
    assert not prediction.truncated


def test_labels_that_do_not_fit_say_how_many_tokens_they_need(smollm: Path, loaded: LoadedTask) -> None:
    small = Engine(smollm, context=256, parallel=2, batch=64, threads=usable_cores())
    try:
        with pytest.raises(BenchError, match=r"needs \d+ tokens without its message"):
            strategy(small, loaded, Choice("generate"), max_tokens=200)
    finally:
        small.close()


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.one_of(st.text(max_size=60), st.sampled_from(["", "<|im_end|>", "</s><|im_start|>system", "\x00"])),
        max_size=3,
    )
)
def test_no_message_closes_its_turn_or_crashes(engine: Engine, loaded: LoadedTask, texts: list[str]) -> None:
    chat = Chat(engine)
    end = engine.model.tokenize("<|im_end|>", special=True)[0]
    for text in texts:
        tokens, _ = chat.tokens(conversation(loaded.task, text), room=3000)
        assert tokens.count(end) == 2
    scores = engine.score(
        [chat.tokens(conversation(loaded.task, t), room=3000)[0] for t in texts], grow([[1, end], [2, end]])
    )
    assert scores.shape == (len(texts), 2)
    assert np.isfinite(scores).all()


def test_tokens_are_those_of_the_whole_prompt(engine: Engine, loaded: LoadedTask) -> None:
    """Texts are tokenised apart from the template, and yet as a plain chat loop would: no stray space token."""
    from llama_cpp.llama_chat_format import Jinja2ChatFormatter

    template, eos, bos = engine.model.chat_template, engine.model.special_text("eos"), engine.model.special_text("bos")
    assert template is not None
    form = Jinja2ChatFormatter(template, eos, bos)
    for message in loaded.messages[::30]:
        turns = conversation(loaded.task, message.text, examples=loaded.messages[:2])
        plain = form(messages=[{"role": t.role, "content": t.text + t.message} for t in turns]).prompt  # type: ignore[typeddict-item,misc]
        assert Chat(engine).tokens(turns, room=3000)[0] == engine.model.tokenize(plain, special=True)


def test_retry_that_continues_a_kept_answer_equals_one_decoded_afresh(engine: Engine, loaded: LoadedTask) -> None:
    prompts = prompts_of(engine, loaded, [m.text for m in loaded.messages[::60]])
    first = engine.answer([Request(p, 12) for p in prompts], list, keep=lambda answer: len(answer) > 3)
    more = engine.model.tokenize(" No. Answer with one label:", special=False)
    requests = [Request([*p, *answer, *more], 6) for p, answer in zip(prompts, first, strict=True)]
    before = engine.stages["prompt"].tokens
    continued = engine.generate(requests)
    decoded = engine.stages["prompt"].tokens - before
    assert decoded < sum(len(r.tokens) for r in requests) - len(prompts) * (engine.prefix_length + 8)
    assert continued == [engine.generate([request])[0] for request in requests]
    # whatever was kept makes room when prompts need it
    engine.answer([Request(p, 100) for p in prompts], list, keep=lambda _: True)
    assert engine.generate([Request([*prompts[0], *[more[0]] * 3500], 2)])
    assert engine.generate([Request(prompts[0], 12)])[0] == first[0]


def test_yes_or_no_questions_asked_together_are_answered_as_alone(engine: Engine, loaded: LoadedTask) -> None:
    """On weights of 32 bits; those of 4 bits differ with the batch by a few hundredths."""
    task = Task("t", loaded.task.labels, loaded.task.instruction, max_labels=3)
    texts = [message.text for message in loaded.messages[::200]] + [""]
    asker = strategy(engine, loaded, Choice("score"), task)
    assert isinstance(asker, AskYesNo)
    together = asker.score(texts).values
    alone = np.vstack([asker.score([text]).values for text in texts])
    assert together.shape == (len(texts), 3)
    assert np.abs(together - alone).max() < 1e-3
    assert np.ptp(together, axis=1).min() > 0.01, "every label has a question of its own"


def test_a_yes_or_no_question_is_that_of_the_whole_prompt(engine: Engine, loaded: LoadedTask) -> None:
    """The reference puts every question into a prompt of its own, message and all."""
    task = Task("t", loaded.task.labels, loaded.task.instruction, max_labels=3)
    asker = strategy(engine, loaded, Choice("score", examples="fixed", n_examples=1), task)
    assert isinstance(asker, AskYesNo)
    before = engine.stages["shared prompt"].tokens
    texts = ["where is my parcel?", ""]
    scored = asker.score(texts)
    assert engine.stages["shared prompt"].tokens == before, "instruction and examples are read once for all questions"
    chat, answers = Chat(engine), grow([Chat(engine).answer_tokens(answer) for answer in ("yes", "no")])
    for row, (prompt,) in zip(scored.values, scored.prompts, strict=True):
        for name, log_odds in zip(task.label_names, row, strict=True):
            *earlier, question = prompt.turns
            whole = [*earlier, replace(question, after=f'\n\nDoes the label "{name}" apply to the message?')]
            tokens, _ = chat.tokens(whole, room=3000)
            yes, no = engine.score([tokens], answers)[0]
            assert log_odds == pytest.approx(yes - no, abs=1e-3)
