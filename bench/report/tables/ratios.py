"""The speed benchmark as ratios: this backend to what people write, and beside busy programs to alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

from bench.report.tables.speed import machine_line
from bench.report.tables.table import Table, titled_lines
from bench.report.text import DASH, share, times
from bench.speed.results import EncoderRow, LlmRow, SpeedResult

ENCODER_HEAD = ("encoder", "operation", "this backend", "to the post's loop", "to Trainer", "beside busy programs")
LLM_HEAD = (
    "LLM",
    "operation",
    "this backend",
    "to the chat loop",
    "to the server",
    "of the engine's rate %",
    "beside busy programs",
)
SERVER = "server"
BUSY_NOTE = (
    "beside busy programs: the time beside as many programs that do nothing but keep a core busy as there are cores, "
    "over the time alone, in the same rounds; half of the machine is the fair share, which makes 2."
)


def ratio_tables(results: Sequence[SpeedResult]) -> list[Table]:
    """Return a table of the encoders and one of the LLMs, as far as they were measured."""
    encoders = tuple(line for result in results for line in _encoder_lines(result))
    llms = tuple(line for result in results for line in _llm_lines(result))
    of_encoders = (
        "to the post's loop, to Trainer: how many times as fast as the blog post's loop, and as transformers.Trainer "
        "and pipeline with their defaults.",
        BUSY_NOTE,
    )
    of_llms = (
        "to the chat loop, to the server: how many times as fast as a plain create_chat_completion loop, and as "
        "llama_cpp.server with 8 clients; the engine's rate: that of llama.cpp for the same tokens in whole batches.",
        BUSY_NOTE,
    )
    made = [
        Table("Encoders: ratios", ENCODER_HEAD, encoders, notes=of_encoders),
        Table("LLMs: ratios", LLM_HEAD, llms, notes=of_llms),
    ]
    return [table for table in made if table.body]


def _encoder_lines(result: SpeedResult) -> Iterator[tuple[str, ...]]:
    """Yield a line per operation; the rows are the post's loop, Trainer, and this backend."""
    rows = [row for row in result.rows if isinstance(row, EncoderRow)]
    if not rows:
        return
    post, trainer, ours = rows
    slow = next((slow for slow in result.slowdowns if slow.variant == ours.variant), None)
    measured = (
        ("training", f"{ours.train_per_s:.0f} /s", [ours.train_per_s / row.train_per_s for row in (post, trainer)]),
        (
            "batches",
            f"{ours.predict_per_s:.0f} /s",
            [ours.predict_per_s / row.predict_per_s for row in (post, trainer)],
        ),
        ("one message", f"{ours.single_ms:.2f} ms", [row.single_ms / ours.single_ms for row in (post, trainer)]),
    )
    busy = (slow.training, slow.answering, slow.single) if slow else (None, None, None)
    for (operation, here, ratios), longer in zip(measured, busy, strict=True):
        yield result.model, operation, here, *map(times, ratios), times(longer)


def _llm_lines(result: SpeedResult) -> Iterator[tuple[str, ...]]:
    """Yield two lines per mode of the backend: messages in batches, and one at a time."""
    rows = [row for row in result.rows if isinstance(row, LlmRow)]
    loop = rows[0] if rows else None
    server = next((row for row in rows if row.variant == SERVER), None)
    busy = {slow.variant: slow for slow in result.slowdowns}
    for row in rows:
        if loop is None or row.engine_limit_ms is None:  # not this backend's
            continue
        slow = busy.get(row.variant)
        yield (
            result.model,
            f"{row.variant}, batches",
            f"{row.ms_per_message:.0f} ms",
            times(loop.ms_per_message / row.ms_per_message),
            times(server.ms_per_message / row.ms_per_message if server else None),
            share(row.engine_limit_ms / row.ms_per_message),
            times(slow.answering if slow else None),
        )
        if row.single_ms:
            alone = loop.single_ms / row.single_ms if loop.single_ms else None
            beside = slow.single if slow else None
            yield (
                result.model,
                f"{row.variant}, one message",
                f"{row.single_ms:.0f} ms",
                times(alone),
                DASH,
                DASH,
                times(beside),
            )


def ratio_block(results: Sequence[SpeedResult]) -> str:
    """Return the ratios as Markdown, machine by machine, each with its instruction sets."""
    lines: list[str] = []
    for _, of_machine in groupby(results, key=lambda result: result.machine):
        measured = list(of_machine)
        lines += [machine_line(measured[0]), ""]
        for table in ratio_tables(measured):
            lines += titled_lines(table)
    return "\n".join(lines).strip()
