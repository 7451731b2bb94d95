"""The speed benchmark as a table, and as a block of a document."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from bench.report.tables.table import Table, titled_lines
from bench.speed.results import EncoderRow, LlmRow, SpeedResult
from classifiers.plurals import number_of

LLM_HEAD = (
    "variant",
    "ms per message",
    "speed-up",
    "one at a time ms",
    "equal",
    "memory",
    "memory ratio",
    "engine limit ms",
    "arithmetic limit ms",
)
ENCODER_HEAD = (
    "variant",
    "training /s",
    "speed-up",
    "answers /s",
    "speed-up",
    "p50 ms",
    "speed-up",
    "accuracy %",
    "memory",
    "runtime",
)


def speed_table(result: SpeedResult) -> Table:
    """Return a comparison as a table."""
    llm = [row for row in result.rows if isinstance(row, LlmRow)]
    encoder = [row for row in result.rows if isinstance(row, EncoderRow)]
    return _llm_table(result, llm) if llm else _encoder_table(result, encoder)


def _llm_table(result: SpeedResult, rows: Sequence[LlmRow]) -> Table:
    body = tuple(
        (
            row.variant,
            f"{row.ms_per_message:.1f}",
            f"{row.speed_up:.2f} ×",
            f"{row.single_ms:.0f}" if row.single_ms else "–",
            f"{100 * row.equal_answers:.1f} %",
            f"{row.peak_memory_bytes / 1e6:.0f} MB",
            f"{row.memory_ratio:.2f} ×",
            f"{row.engine_limit_ms:.1f}" if row.engine_limit_ms else "–",
            f"{row.limit_ms:.1f}" if row.limit_ms else "–",
        )
        for row in rows
    )
    notes = (
        f"ms per message, {number_of(result.messages, 'message')}, medians of {number_of(result.rounds, 'round')}; "
        "equal: the label of the plain chat loop, or none where that gave none.",
        "engine limit: the same tokens at llama.cpp's own rate for whole batches of this model; arithmetic limit: "
        f"2 × parameters × tokens at the {result.flops / 1e9:.0f} GFLOP/s of a float matrix product here.",
    )
    return Table(f"{result.model}: time per message", LLM_HEAD, body, notes=notes)


def _encoder_table(result: SpeedResult, rows: Sequence[EncoderRow]) -> Table:
    body = tuple(
        (
            row.variant,
            f"{row.train_per_s:.1f}",
            f"{row.train_speed_up:.2f} ×",
            f"{row.predict_per_s:.0f}",
            f"{row.predict_speed_up:.2f} ×",
            f"{row.single_ms:.2f}",
            f"{row.single_speed_up:.2f} ×",
            f"{100 * row.accuracy:.1f}",
            f"{row.peak_memory_bytes / 1e6:.0f} MB",
            row.runtime,
        )
        for row in rows
    )
    last = rows[-1]
    notes = (
        f"messages per second, medians of {number_of(result.rounds, 'round')} of one seed each; accuracy on the test "
        "part is their mean; blog: the post's loop; trainer: transformers.Trainer and pipeline with their defaults.",
        f"arithmetic limit at the {result.flops / 1e9:.0f} GFLOP/s of a float matrix product here, without padding: "
        f"{last.limit_train_per_s:.0f} messages per second in training, {last.limit_predict_per_s:.0f} in answering.",
    )
    return Table(f"{result.model}: training and answering", ENCODER_HEAD, body, notes=notes)


def speed_block(results: Sequence[SpeedResult]) -> str:
    """Return all comparisons as Markdown, with the machines they were made on."""
    return "\n".join(_lines(results)).strip()


def _lines(results: Sequence[SpeedResult]) -> Iterator[str]:
    """Name the machine above the first comparison, and again wherever the next was made on another."""
    machine: Mapping[str, object] = {}
    for result in results:
        if result.machine != machine:
            machine = result.machine
            yield from (machine_line(result), "")
        yield from titled_lines(speed_table(result))


def machine_line(result: SpeedResult) -> str:
    """Name the machine of a comparison and its instruction sets."""
    machine = result.machine
    features = machine["features"] or "no special instructions"
    return f"{machine['processor']}, {number_of(int(str(machine['threads'])), 'thread')}, {features}:"
