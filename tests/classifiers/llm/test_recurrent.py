"""The fallback for architectures that refuse shared sequences, on a small Mamba made here.

Its weights are random, which is enough: what is tested is that batched answers and scores are those of
each prompt alone, not what they say. The vocabulary is SmolLM2's.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from gguf import GGUFReader, GGUFWriter

from bench.measure.limits import usable_cores
from classifiers.llm.engine.engine import Engine
from classifiers.llm.engine.label_tree import grow
from classifiers.llm.engine.sampler import Request
from classifiers.llm.prompting.chat import Chat

WIDTH, INNER, STATE, CONVOLUTION, RANK, LAYERS = 32, 64, 8, 4, 2, 2


def write_mamba(path: Path, vocabulary: Path) -> None:
    fields = GGUFReader(vocabulary).fields
    tokens = fields["tokenizer.ggml.tokens"].contents()
    out = GGUFWriter(path, "mamba")
    out.add_context_length(512)
    out.add_embedding_length(WIDTH)
    out.add_feed_forward_length(0)
    out.add_head_count(0)
    out.add_block_count(LAYERS)
    out.add_ssm_conv_kernel(CONVOLUTION)
    out.add_ssm_inner_size(INNER)
    out.add_ssm_state_size(STATE)
    out.add_ssm_time_step_rank(RANK)
    out.add_layer_norm_rms_eps(1e-5)
    out.add_tokenizer_model(fields["tokenizer.ggml.model"].contents())
    out.add_tokenizer_pre(fields["tokenizer.ggml.pre"].contents())
    out.add_token_list(tokens)
    out.add_token_types(fields["tokenizer.ggml.token_type"].contents())
    out.add_token_merges(fields["tokenizer.ggml.merges"].contents())
    out.add_eos_token_id(fields["tokenizer.ggml.eos_token_id"].contents())
    out.add_bos_token_id(fields["tokenizer.ggml.bos_token_id"].contents())
    out.add_chat_template(fields["tokenizer.chat_template"].contents())
    chance = np.random.default_rng(0)

    def add(name: str, *shape: int, scale: float = 0.3) -> None:
        out.add_tensor(name, (scale * chance.standard_normal(shape)).astype(np.float32))

    add("token_embd.weight", len(tokens), WIDTH, scale=1.0)
    out.add_tensor("output_norm.weight", np.ones(WIDTH, np.float32))
    for i in range(LAYERS):
        out.add_tensor(f"blk.{i}.attn_norm.weight", np.ones(WIDTH, np.float32))
        add(f"blk.{i}.ssm_in.weight", 2 * INNER, WIDTH)
        add(f"blk.{i}.ssm_conv1d.weight", INNER, CONVOLUTION)
        add(f"blk.{i}.ssm_conv1d.bias", INNER)
        add(f"blk.{i}.ssm_x.weight", RANK + 2 * STATE, INNER)
        add(f"blk.{i}.ssm_dt.weight", INNER, RANK)
        add(f"blk.{i}.ssm_dt.bias", INNER)
        out.add_tensor(f"blk.{i}.ssm_a", -np.abs(chance.standard_normal((INNER, STATE))).astype(np.float32))
        out.add_tensor(f"blk.{i}.ssm_d", np.ones(INNER, np.float32))
        add(f"blk.{i}.ssm_out.weight", WIDTH, INNER)
    out.write_header_to_file()
    out.write_kv_data_to_file()
    out.write_tensors_to_file()
    out.close()


@pytest.fixture(scope="module")
def engine(smollm: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    path = tmp_path_factory.mktemp("mamba") / "mamba.gguf"
    write_mamba(path, smollm)
    engine = Engine(path, context=512, parallel=4, batch=64, threads=usable_cores())
    yield engine
    engine.close()


def prompts_of(engine: Engine) -> list[list[int]]:
    beginning = "Sort this message of a customer into one of the labels: "
    texts = ["hello", "where is my parcel, please?", "money back at once", "a lovely shop " * 8, "thanks", "hm"]
    prompts = [engine.model.tokenize(beginning + text, special=False) for text in texts]
    engine.hold(prompts[0][:8])
    return prompts


def test_batched_answers_equal_answers_one_at_a_time(engine: Engine) -> None:
    assert engine.model.is_recurrent
    prompts = prompts_of(engine)
    assert engine.prefix_length == 0, "nothing can be held for all"
    together = engine.generate([Request(prompt, 6) for prompt in prompts])
    assert together == [engine.generate([Request(prompt, 6)])[0] for prompt in prompts]
    assert len({tuple(answer) for answer in together}) > 1


def test_scores_equal_the_product_of_next_token_probabilities(engine: Engine) -> None:
    prompts = prompts_of(engine)
    sequences = [Chat(engine).answer_tokens(name) for name in ("card", "card arrival", "order")]
    scores = engine.score(prompts, grow(sequences))
    for prompt, row in zip(prompts, scores, strict=True):
        for sequence, score in zip(sequences, row, strict=True):
            steps = [
                engine.score([[*prompt, *sequence[:i]]], grow([[token, 0]])[:1])[0, 0]
                for i, token in enumerate(sequence)
            ]
            assert score == pytest.approx(sum(steps), abs=1e-3)
