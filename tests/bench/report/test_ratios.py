"""The speed benchmark's ratios, against figures worked out by hand."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from bench.report.tables.ratios import ratio_block, ratio_tables
from bench.speed.results import EncoderRow, LlmRow, Slowdown, SpeedResult

MACHINE: dict[str, str | int] = {"processor": "Z80", "threads": 2, "features": "avx2"}


def encoder_row(variant: str, train: float, answers: float, single_ms: float) -> EncoderRow:
    zeros: dict[str, Any] = dict.fromkeys(
        ("accuracy", "peak_memory_bytes", "limit_train_per_s", "limit_predict_per_s"), 0
    )
    ratios = {"train_speed_up": 1.0, "predict_speed_up": 1.0, "single_speed_up": 1.0}
    return EncoderRow(variant, "torch", train, predict_per_s=answers, single_ms=single_ms, **ratios, **zeros)


def llm_row(variant: str, ms: float, engine_ms: float | None, single_ms: float | None) -> LlmRow:
    about = {"speed_up": 1.0, "equal_answers": 1.0, "memory_ratio": 1.0, "tokens_per_message": 30.0, "limit_ms": None}
    return LlmRow(
        variant,
        ms,
        peak_memory_bytes=1,
        engine_limit_ms=engine_ms,
        single_ms=single_ms,
        **about,  # type: ignore[arg-type]
    )


ENCODER = SpeedResult(
    "mini", MACHINE, 1e9, 0, 3,
    (encoder_row("blog", 20, 100, 12), encoder_row("trainer", 50, 200, 6), encoder_row("ours", 200, 1500, 2)),
    (Slowdown("ours", training=2.5, answering=2.75, single=3.0),),
)  # fmt: skip
LLM = SpeedResult(
    "qwen", MACHINE, 1e9, 40, 3,
    (
        llm_row("chat", 400, None, 390), llm_row("generate", 200, 160, 300), llm_row("score", 250, 150, None),
        llm_row("server", 500, None, None),
    ),
    (Slowdown("generate", None, 2.2, 2.9),),
)  # fmt: skip


def test_an_encoder_has_a_line_per_operation() -> None:
    (table,) = ratio_tables([ENCODER])
    assert table.body == (
        ("mini", "training", "200 /s", "10.00 ×", "4.00 ×", "2.50 ×"),
        ("mini", "batches", "1500 /s", "15.00 ×", "7.50 ×", "2.75 ×"),
        ("mini", "one message", "2.00 ms", "6.00 ×", "3.00 ×", "3.00 ×"),
    )


def test_an_llm_has_a_line_per_mode_and_way_of_asking() -> None:
    (table,) = ratio_tables([LLM])
    assert table.body == (
        ("qwen", "generate, batches", "200 ms", "2.00 ×", "2.50 ×", "80.0", "2.20 ×"),
        ("qwen", "generate, one message", "300 ms", "1.30 ×", "–", "–", "2.90 ×"),
        ("qwen", "score, batches", "250 ms", "1.60 ×", "2.00 ×", "60.0", "–"),
    )


def test_what_was_not_measured_is_a_dash() -> None:
    alone = replace(LLM, rows=LLM.rows[:3], slowdowns=())
    (table,) = ratio_tables([alone])
    assert table.body[0][4:] == ("–", "80.0", "–")


def test_every_machine_is_named_with_its_instruction_sets() -> None:
    block = ratio_block([ENCODER, LLM, replace(ENCODER, machine={**MACHINE, "features": ""})])
    assert block.startswith("Z80, 2 threads, avx2:\n\n**Encoders: ratios**\n")
    assert block.count("threads") == 2
    first, second = block.split("Z80, 2 threads, no special instructions:")
    assert "| qwen |" in first
    assert "| qwen |" not in second
