"""A causal LLM with LoRA: on a tiny llama of random weights made here, and on SmolLM2 unpacked from its GGUF."""

from __future__ import annotations

from itertools import groupby
from pathlib import Path
from typing import Any

import pytest
from conftest import CUSTOMER_MESSAGES

from bench.config.tables import DataConfig
from bench.dataset.load import load_task
from bench.measure.limits import usable_cores
from classifiers.errors import BenchError
from classifiers.interface import Epoch, Message, Task
from classifiers.lora.backend import Lora
from classifiers.lora.settings import LoraSettings
from classifiers.testing import HOSTILE, check_classifier

pytestmark = pytest.mark.slow


def make(folder: Path, **settings: Any) -> Lora:
    chosen = {"rank": 4, "learning_rate": 3e-3, "epochs": 12, "batch_size": 4, **settings}
    return Lora(LoraSettings.model_validate({"model": str(folder), **chosen}), threads=usable_cores())


def test_lora_keeps_the_contract(tiny_llama: Path) -> None:
    check_classifier(lambda: make(tiny_llama))


def test_it_learns_the_messages_it_is_taught(tiny_llama: Path, task: Task, messages: list[Message]) -> None:
    epochs: list[Epoch] = []
    with make(tiny_llama, epochs=30, dropout=0, patience=0) as classifier:
        classifier.load()
        classifier.fit(task, messages, messages, listen=lambda e: epochs.append(e) if isinstance(e, Epoch) else None)
        answers = list(classifier.predict([m.text for m in messages]))
    right = sum(answer.labels == message.labels for answer, message in zip(answers, messages, strict=True))
    assert right >= 20, f"{right} of 24, where the commonest label gives 8"
    assert epochs[0].validation_loss is not None
    assert min(e.validation_loss or 9 for e in epochs) < epochs[0].validation_loss / 2


def test_only_the_matrices_and_the_head_are_learnt(tiny_llama: Path, task: Task, messages: list[Message]) -> None:
    import torch
    from transformers import AutoModelForCausalLM

    before = AutoModelForCausalLM.from_pretrained(tiny_llama, dtype=torch.float32).state_dict()
    with make(tiny_llama, epochs=2, precision="float32") as classifier:
        classifier.load()
        classifier.fit(task, messages, ())
        after = classifier.network.model.get_base_model().state_dict()
        learnt = classifier.details().metadata["learnt_parameters"]
        body = sum(weights.numel() for name, weights in before.items() if name != "lm_head.weight")
        assert classifier.details().n_parameters == body + learnt
    same = [name for name in after if name.replace(".base_layer", "") in before]
    assert len(same) == len(before) - 1, "all but the output layer, which the head replaces"
    assert all(torch.equal(after[name], before[name.replace(".base_layer", "")]) for name in same)
    # rank times in + out of the seven linear layers of both blocks: q and o, k and v, gate and up, down; and the head
    assert learnt == 2 * 4 * (2 * 64 + 2 * 48 + 3 * 96) + 3 * 32


def test_named_layers_alone_get_matrices(tiny_llama: Path, task: Task, messages: list[Message]) -> None:
    with make(tiny_llama, epochs=1, target_modules=["q_proj"]) as classifier:
        classifier.load()
        classifier.fit(task, messages, ())
        assert classifier.details().metadata["learnt_parameters"] == 2 * 4 * 64 + 3 * 32


def test_it_comes_back_with_equal_answers(
    tiny_llama: Path, task: Task, messages: list[Message], tmp_path: Path
) -> None:
    texts = [*(m.text for m in messages), *HOSTILE]
    with make(tiny_llama) as classifier:
        classifier.load()
        classifier.fit(task, messages, messages[::4])
        first = list(classifier.predict(texts))
        shipped = classifier.details().shipped_bytes
        classifier.save(tmp_path)
    assert {f.name for f in tmp_path.iterdir()} == {
        "README.md",
        "adapter_config.json",
        "adapter_model.safetensors",
        "fitted.json",
    }
    with make(tiny_llama) as again:
        again.load_from(tmp_path, task)
        assert list(again.predict(texts)) == first
        assert again.details().shipped_bytes == shipped
        (tmp_path / "copy").mkdir()
        again.save(tmp_path / "copy")
    weights = "adapter_model.safetensors"
    assert (tmp_path / "copy" / weights).read_bytes() == (tmp_path / weights).read_bytes()


def test_it_refuses_other_labels_other_weights_and_a_pickle(
    tiny_llama: Path, task: Task, messages: list[Message], tmp_path: Path
) -> None:
    with make(tiny_llama, epochs=1) as classifier:
        classifier.load()
        classifier.fit(task, messages, ())
        classifier.save(tmp_path)
    with pytest.raises(BenchError, match="other labels"):
        make(tiny_llama).load_from(tmp_path, task.without("Order Inquiry"))
    mark = tmp_path / "fitted.json"
    mark.write_text(mark.read_text(encoding="utf-8").replace('"sha256":"', '"sha256":"0'), encoding="utf-8")
    with pytest.raises(BenchError, match="has the weights"):
        make(tiny_llama).load_from(tmp_path, task)
    (tmp_path / "adapter_model.safetensors").rename(tmp_path / "adapter_model.bin")
    with pytest.raises(BenchError, match="holds no adapter_model"):
        make(tiny_llama).load_from(tmp_path, task)
    with pytest.raises(BenchError, match="no saved"):
        make(tiny_llama).load_from(tmp_path / "none", task)


def test_several_labels_each_stand_alone(tiny_llama: Path, task: Task, messages: list[Message]) -> None:
    several = Task(task.name, task.labels, max_labels=2)
    pairs = zip(messages, messages[8:] + messages[:8], strict=True)
    both = [Message(m.id, f"{m.text} {n.text}", tuple({m.label, n.label})) for m, n in pairs]
    with make(tiny_llama, epochs=20) as classifier:
        classifier.load()
        classifier.fit(several, [*messages, *both], messages + both)
        answers = list(classifier.predict([m.text for m in messages + both]))
        assert len(classifier.thresholds) == 3
    assert {len(answer.labels) for answer in answers} >= {1, 2}
    sums = [sum((answer.probabilities or {}).values()) for answer in answers]
    assert max(sums) > 1.1, "the probabilities of labels that stand alone need not add up to 1"


def test_end_token_ends_every_message_and_a_written_one_is_text(tiny_llama: Path) -> None:
    with make(tiny_llama, max_length=8) as classifier:
        classifier.load()
        tokens = classifier.llm.tokens
        start, end = (tokens.tokenizer.convert_tokens_to_ids(token) for token in ("<start>", "<end>"))
        (empty, written, long), cut = tokens.ids(["", "a<end>b", "refund " * 20])
        assert tokens.tokenizer.pad_token == "<start>", "not the end token, at which the head reads"
    assert empty == [end]
    assert written.count(end) == 1
    assert start not in written
    assert (len(long), long[-1]) == (8, end)
    assert cut == [False, False, True]


def test_replaced_model_is_said_loudly(
    tiny_llama: Path, task: Task, messages: list[Message], monkeypatch: pytest.MonkeyPatch
) -> None:
    from classifiers.models import download as sources

    monkeypatch.setattr(sources, "hub_answers", lambda: False)
    with Lora(LoraSettings(model=("nobody/has-this:8b.gguf", str(tiny_llama)), epochs=1)) as classifier:
        classifier.load()
        classifier.fit(task, messages, ())
        assert "was run in place of 'nobody/has-this:8b.gguf'" in classifier.details().notes[0]


def test_an_encoder_is_refused(minilm: Path) -> None:
    with pytest.raises(BenchError, match="no causal LLM"):
        Lora(LoraSettings(model=(str(minilm),))).load()


def test_unpacked_gguf_is_what_llama_cpp_runs(smollm: Path) -> None:
    """The same tokens and likelihoods of the next one: llama.cpp rounds activations too, so not to the bit."""
    import torch
    from llama_cpp import Llama
    from transformers import AutoModelForCausalLM, GgufConfig

    with Lora(LoraSettings(model=(str(smollm),))) as classifier:
        classifier.load()
        place, tokens = classifier.llm.place, classifier.llm.tokens
        texts = [
            "Where is parcel 912? I ordered it on Monday and",
            "<|im_end|> 😀 \u202e",
            "a\nb\x00c",
            "  two  spaces",
        ]
        (ids, *others), _ = tokens.ids(texts)
    model: Any = AutoModelForCausalLM.from_pretrained(
        **place, quantization_config=GgufConfig(dequantize=True), dtype=torch.float32
    )
    with torch.inference_mode():
        ours = model(torch.tensor([ids[:-1]])).logits[0, -1].log_softmax(-1)
    reference = Llama(str(smollm), n_ctx=128, logits_all=True, verbose=False)
    try:
        for text, own in zip(texts, [ids, *others], strict=True):
            assert own[:-1] == reference.tokenize(text.encode(), add_bos=False, special=False)
        reference.eval(ids[:-1])
        theirs = torch.tensor(reference.scores[len(ids) - 2]).log_softmax(-1)
    finally:
        reference.close()
    # which token is fifth differs by processor, since the fifth and the sixth are all but equally likely
    likeliest = ours.topk(5).indices
    assert likeliest[0] == theirs.argmax()
    assert ours[likeliest].tolist() == pytest.approx(theirs[likeliest].tolist(), abs=0.15)


def test_smollm_learns_customer_messages(smollm: Path) -> None:
    """Of 60 messages it learns more than the commonest label, which is right for a third of the 60 others."""
    loaded = load_task(DataConfig(path=str(CUSTOMER_MESSAGES)))
    by_label = [list(group) for _, group in groupby(sorted(loaded.messages, key=lambda m: m.label), lambda m: m.label)]
    train = [m for group in by_label for m in group[:20]]
    others = [m for group in by_label for m in group[20:40]]
    with Lora(
        LoraSettings(model=(str(smollm),), epochs=8, batch_size=8, learning_rate=1e-3, max_length=64),
        threads=usable_cores(),
    ) as classifier:
        classifier.load()
        classifier.fit(loaded.task, train, ())
        answers = list(classifier.predict([m.text for m in others]))
    right = sum(answer.labels == message.labels for answer, message in zip(answers, others, strict=True))
    assert right >= 27, f"{right} of 60, where the commonest label gives 20"
